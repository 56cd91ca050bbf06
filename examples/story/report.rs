//! What the reader sees: one line per change, or a live board on a terminal; at the end a table.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    sync::Arc,
    time::Instant,
};

use argo_core::{Clock, Timestamp, time};
use parking_lot::Mutex;

/// The report. Clones share it.
#[derive(Clone)]
pub(crate) struct Report(Arc<Mutex<Inner>>);

struct Inner {
    clock: Clock,
    started: (Timestamp, Instant),
    last: (Timestamp, Instant),
    hops: Vec<Hop>,
    board: Option<Board>,
    seen: BTreeMap<String, String>,
}

/// One hop of the story.
struct Hop {
    what: String,
    evidence: String,
    story: f64,
    wall: f64,
}

/// The lines that are redrawn on a terminal.
#[derive(Default)]
struct Board {
    rows: BTreeMap<String, String>,
    drawn: usize,
}

impl Report {
    pub(crate) fn new(clock: Clock) -> Self {
        let now = (clock.now(), Instant::now());
        let board = std::io::stdout().is_terminal().then(Board::default);
        Self(Arc::new(Mutex::new(Inner {
            clock,
            started: now,
            last: now,
            hops: Vec::new(),
            board,
            seen: BTreeMap::new(),
        })))
    }

    /// A heading.
    pub(crate) fn chapter(&self, text: &str) {
        self.0.lock().say(&format!("\n== {text}"));
    }

    /// A line.
    pub(crate) fn line(&self, text: &str) {
        let mut inner = self.0.lock();
        let at = inner.elapsed();
        inner.say(&format!("{at:>7.1}s  {text}"));
    }

    /// The state of an object, shown when it differs from the last one.
    pub(crate) fn object(&self, name: &str, state: &str) {
        let mut inner = self.0.lock();
        if inner.seen.get(name).map(String::as_str) == Some(state) {
            return;
        }
        inner.seen.insert(name.to_owned(), state.to_owned());
        let at = inner.elapsed();
        match &mut inner.board {
            Some(board) => {
                board.rows.insert(name.to_owned(), state.to_owned());
                inner.redraw();
            }
            None => println!("{at:>7.1}s    {name:<44} {state}"),
        }
    }

    /// The object is gone.
    pub(crate) fn forget(&self, name: &str) {
        let mut inner = self.0.lock();
        inner.seen.remove(name);
        if let Some(board) = &mut inner.board {
            board.rows.remove(name);
        }
    }

    /// Ends a hop: since the last one, this came true.
    pub(crate) fn hop(&self, what: &str, evidence: &str) {
        let mut inner = self.0.lock();
        let now = (inner.clock.now(), Instant::now());
        let story = time::between(inner.last.0, now.0).as_secs_f64();
        let wall = now.1.duration_since(inner.last.1).as_secs_f64();
        inner.last = now;
        inner.hops.push(Hop { what: what.to_owned(), evidence: evidence.to_owned(), story, wall });
        let at = inner.elapsed();
        inner.say(&format!("{at:>7.1}s  \u{2714} {what}: {evidence}"));
    }

    /// The table at the end.
    pub(crate) fn table(&self) {
        let mut inner = self.0.lock();
        inner.clear();
        inner.board = None;
        let wide = inner.hops.iter().map(|it| it.what.chars().count()).max().unwrap_or_default();
        println!("\n{:<wide$}  {:>9}  {:>7}  evidence", "hop", "story", "wall");
        for Hop { what, evidence, story, wall } in &inner.hops {
            println!("{what:<wide$}  {story:>8.1}s  {wall:>6.2}s  {evidence}");
        }
        let story = time::between(inner.started.0, inner.clock.now()).as_secs_f64();
        let wall = inner.started.1.elapsed().as_secs_f64();
        println!("{:<wide$}  {story:>8.1}s  {wall:>6.2}s", "all");
    }
}

impl Inner {
    /// Seconds of the story so far.
    fn elapsed(&self) -> f64 {
        time::between(self.started.0, self.clock.now()).as_secs_f64()
    }

    fn say(&mut self, text: &str) {
        self.clear();
        println!("{text}");
        self.redraw();
    }

    fn clear(&mut self) {
        if let Some(board) = &mut self.board
            && board.drawn > 0
        {
            print!("\x1b[{}A\x1b[J", board.drawn);
            board.drawn = 0;
        }
    }

    fn redraw(&mut self) {
        self.clear();
        if let Some(board) = &mut self.board {
            for (name, state) in &board.rows {
                let line: String = format!("    {name:<44} {state}").chars().take(118).collect();
                println!("\x1b[2m{line}\x1b[0m");
            }
            board.drawn = board.rows.len();
            // Nobody to tell when standard output is gone.
            let _ = std::io::stdout().flush();
        }
    }
}
