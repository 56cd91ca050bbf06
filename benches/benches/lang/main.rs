//! `cargo bench -p argo-benches --bench lang [-- filter]`
//!
//! How fast are the languages of manifests, beside the Go libraries that upstream uses? The same inputs, the same
//! machine, one run: when `go` is there, its benchmarks (`benches/go/lang`) run in turn with these, and one table shows
//! both. Each figure is the least of several batches, so that what else the machine does falls out.

mod cases;
mod inputs;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A question: name of the Go benchmark, what is shown, bytes worked on, one round of work.
pub(crate) struct Case {
    pub(crate) go: &'static str,
    pub(crate) title: &'static str,
    pub(crate) bytes: usize,
    pub(crate) work: Box<dyn FnMut()>,
}

const BATCH: Duration = Duration::from_millis(300);
const BATCHES: usize = 3;
const ROUNDS: usize = 2;

/// Nanoseconds of one round of work, the mean of a batch.
fn batch(work: &mut dyn FnMut()) -> f64 {
    let (mut count, start) = (0_u32, Instant::now());
    let mut burst = 1;
    loop {
        for _ in 0..burst {
            work();
        }
        count += burst;
        let spent = start.elapsed();
        if spent >= BATCH {
            return spent.as_nanos() as f64 / f64::from(count);
        }
        // look at the clock about a hundred times
        burst = u32::try_from(BATCH.as_nanos() * u128::from(count) / spent.as_nanos().max(1) / 100).unwrap_or(1).max(1);
    }
}

/// The least nanoseconds of each Go benchmark.
fn go(dir: &Path, filter: &str) -> Result<BTreeMap<String, f64>, String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/lang");
    let pattern = if filter.is_empty() { "." } else { filter };
    let output = Command::new("go")
        .args(["test", "-run", "^$", "-count", &BATCHES.to_string(), "-benchtime", "300ms", "-bench", pattern])
        .env("ARGO_BENCH_INPUTS", dir)
        .current_dir(&module)
        .output()
        .map_err(|error| format!("go: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut least = BTreeMap::new();
    for line in text.lines().filter_map(|it| it.strip_prefix("Benchmark")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(name), Some(at)) = (words.first(), words.iter().position(|it| *it == "ns/op")) else { continue };
        let name = name.split('-').next().unwrap_or_default().to_owned();
        let nanos: f64 = words[at - 1].parse().map_err(|error| format!("{line}: {error}"))?;
        let slot = least.entry(name).or_insert(nanos);
        *slot = nanos.min(*slot);
    }
    Ok(least)
}

fn shown(nanos: f64, bytes: usize) -> String {
    if bytes > 0 {
        return format!("{:.1} MB/s", bytes as f64 * 1e3 / nanos);
    }
    match nanos {
        it if it < 1e3 => format!("{it:.0} ns"),
        it if it < 1e6 => format!("{:.2} µs", it / 1e3),
        it => format!("{:.2} ms", it / 1e6),
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|it| !it.starts_with('-')).unwrap_or_default();
    let dir = std::env::temp_dir().join(format!("argo-lang-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory for the inputs");
    let (mut cases, outputs) = cases::all();
    inputs::write(&dir, &outputs).expect("the inputs are written");
    cases.retain(|it| it.go.contains(&filter));
    let mut rust = vec![f64::MAX; cases.len()];
    let mut theirs = BTreeMap::new();
    for round in 0..ROUNDS {
        for (case, least) in cases.iter_mut().zip(&mut rust) {
            for _ in 0..BATCHES {
                *least = batch(&mut case.work).min(*least);
            }
        }
        match go(&dir, &filter) {
            Ok(found) => {
                for (name, nanos) in found {
                    let slot = theirs.entry(name).or_insert(nanos);
                    *slot = nanos.min(*slot);
                }
            }
            Err(error) => {
                if round == 0 {
                    println!("without the Go libraries: {}", error.trim());
                }
                break;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
    println!("{:<44} {:>14} {:>14} {:>9}", "", "argo-lang", "Go library", "ahead");
    for (case, nanos) in cases.iter().zip(rust) {
        let (other, ratio) = match theirs.get(case.go) {
            Some(it) => (shown(*it, case.bytes), format!("{:.1}x", it / nanos)),
            None => ("-".to_owned(), String::new()),
        };
        println!("{:<44} {:>14} {other:>14} {ratio:>9}", case.title, shown(nanos, case.bytes));
    }
}
