//! Runs cases and says what differs, so that a reader sees it at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use super::format::{Case, Want};
use super::ops::{self, Outcome, Trouble};

/// How long one case may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A thread that runs cases, so that one that never ends can be left behind.
pub(super) struct Worker {
    cases: Sender<Arc<Case>>,
    results: Receiver<Outcome>,
}

impl Worker {
    pub(super) fn new() -> Self {
        let (cases, inbox) = channel::<Arc<Case>>();
        let (outbox, results) = channel();
        std::thread::spawn(move || {
            for case in inbox {
                let outcome = catch_unwind(AssertUnwindSafe(|| (case.op.run)(&case.args)));
                let outcome = outcome.unwrap_or_else(|panic| {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
                    Err(Trouble::Input(format!("panicked: {}", text.unwrap_or_default())))
                });
                if outbox.send(outcome).is_err() {
                    return;
                }
            }
        });
        Self { cases, results }
    }

    fn run(&mut self, case: &Arc<Case>) -> Outcome {
        if self.cases.send(Arc::clone(case)).is_err() {
            *self = Self::new();
            return Err(Trouble::Input("the worker ended".to_owned()));
        }
        self.results.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            *self = Self::new();
            Err(Trouble::Input(format!("took longer than {} s", PATIENCE.as_secs())))
        })
    }

    /// What is wrong with a case; nothing when it is right.
    pub(super) fn check(&mut self, case: &Arc<Case>) -> Result<(), String> {
        let got = self.run(case);
        let right = match (&got, &case.want) {
            (Ok(got), Want::Value(want)) => ops::same(got, want),
            (Err(Trouble::Error(_)), Want::Error(None)) => true,
            (Err(Trouble::Error(got)), Want::Error(Some(want))) => {
                // a panic of the Go library is a refusal whose text nobody reads
                !case.exact || got == want || want.starts_with("panic")
            }
            (Err(Trouble::Error(got)), Want::ErrorContains(part)) => got.contains(part.as_str()),
            _ => false,
        };
        if right { Ok(()) } else { Err(describe(case, &got)) }
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    if text.chars().count() > 300 { text.chars().take(300).chain("…".chars()).collect() } else { text }
}

fn describe(case: &Case, got: &Outcome) -> String {
    let mut out = format!("{} {}: {}", case.language, case.op.name, case.origin);
    for (place, value) in case.args.0.iter().enumerate() {
        let name = case.op.fields.get(place).map_or("…", |it| it.name);
        let default = case.op.fields.get(place).and_then(|it| it.default);
        if serde_json::from_str(default.unwrap_or_default()).ok() != Some(value.clone()) {
            let _ = write!(out, "\n    {name}: {}", shown(value));
        }
    }
    match (got, &case.want) {
        (Ok(Value::String(got)), Want::Value(Value::String(want))) if got.contains('\n') || want.contains('\n') => {
            out.push_str(&lines(want, got));
        }
        (got, want) => {
            let want = match want {
                Want::Value(it) => shown(it),
                Want::Error(None) => "an error".to_owned(),
                Want::Error(Some(text)) => format!("the error {text:?}"),
                Want::ErrorContains(part) => format!("an error with {part:?} in it"),
            };
            let got = match got {
                Ok(it) => shown(it),
                Err(Trouble::Error(text)) => format!("the error {text:?}"),
                Err(Trouble::Input(text)) => text.clone(),
            };
            let _ = write!(out, "\n    want: {want}\n    got:  {got}");
        }
    }
    out
}

/// Two texts line by line: what only one of them has is marked, `$` shows the end of such a line.
fn lines(want: &str, got: &str) -> String {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.split('\n').collect(), got.split('\n').collect());
    let head = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let rest = want.len().min(got.len()) - head;
    let tail = want.iter().rev().zip(got.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut out = String::from("\n    - want, + got");
    if head > 0 {
        let _ = write!(out, " ({head} equal lines before)");
    }
    for (mark, side) in [('-', &want), ('+', &got)] {
        for line in side[head..side.len() - tail].iter().take(20) {
            let _ = write!(out, "\n    {mark} {line}$");
        }
    }
    out
}

/// Counts per language.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<String, [usize; 3]>);

impl Tally {
    pub(super) fn equal(&mut self, language: &str) {
        self.slot(language)[0] += 1;
    }

    pub(super) fn listed(&mut self, language: &str) {
        self.slot(language)[1] += 1;
    }

    pub(super) fn different(&mut self, language: &str) {
        self.slot(language)[2] += 1;
    }

    fn slot(&mut self, language: &str) -> &mut [usize; 3] {
        self.0.entry(language.to_owned()).or_default()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sum = [0; 3];
        let mut line = |name: &str, [equal, listed, different]: [usize; 3]| {
            write!(f, "{name}: {equal} of {} equal", equal + listed + different)?;
            writeln!(f, "{}", if listed > 0 { format!(", {listed} listed differences") } else { String::new() })
        };
        for (name, counts) in &self.0 {
            line(name, *counts)?;
            counts.iter().zip(&mut sum).for_each(|(it, sum)| *sum += it);
        }
        line("all", sum)
    }
}
