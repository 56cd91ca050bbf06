//! Runs the vectors in `tests/vectors/*.json`; `ARGO_LANG_VECTORS=DIR` adds the files of a directory.
//!
//! A file is `{"language", "library", "shared"?, "cases": [{"op", "args", "want"?, "error"?}]}`: an operation, its
//! arguments (`"$shared"` stands for the shared value), and either what the library gave (an absent `want` is null) or
//! the text of its error. An error is matched by the fact, and by its text where the operation says so (see `run`).
//! `differences.json` lists the cases that deliberately or still differ: `{"language", "op", "args"?, "prefix"?, "reason"}`.
//! The generators are in `gen/<language>/main.go`; `go run . > ../../<language>.json` writes the file anew.

mod ops;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

struct Difference {
    language: String,
    op: String,
    args: Value,
    prefix: bool,
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn files() -> Vec<PathBuf> {
    let mut dirs = vec![own()];
    dirs.extend(std::env::var_os("ARGO_LANG_VECTORS").map(PathBuf::from));
    let mut out = Vec::new();
    for dir in dirs {
        let mut found: Vec<PathBuf> = std::fs::read_dir(&dir)
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
            .filter_map(|it| Some(it.ok()?.path()))
            .filter(|it| {
                it.extension().is_some_and(|it| it == "json") && it.file_stem().is_some_and(|it| it != "differences")
            })
            .collect();
        found.sort();
        out.extend(found);
    }
    out
}

fn differences() -> Vec<Difference> {
    let list = read(&own().join("differences.json"));
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    list.as_array()
        .expect("differences are a list")
        .iter()
        .map(|it| {
            assert!(!text(it, "reason").is_empty(), "a difference without reason: {it}");
            Difference {
                language: text(it, "language"),
                op: text(it, "op"),
                args: it["args"].clone(),
                prefix: it["prefix"].as_bool().unwrap_or(false),
            }
        })
        .collect()
}

impl Difference {
    fn covers(&self, language: &str, op: &str, args: &[Value]) -> bool {
        if self.language != language || self.op != op {
            return false;
        }
        match self.args.as_array() {
            None => true,
            Some(wanted) if self.prefix => args.starts_with(wanted),
            Some(wanted) => args == wanted.as_slice(),
        }
    }
}

fn check(language: &str, case: &Value, shared: &Value) -> Result<(), String> {
    let op = case["op"].as_str().unwrap_or_default();
    let args: Vec<Value> = case["args"]
        .as_array()
        .map(|it| it.iter().map(|arg| if arg == "$shared" { shared.clone() } else { arg.clone() }).collect())
        .unwrap_or_default();
    let got = ops::run(language, op, &args).ok_or_else(|| "no such operation".to_owned())?;
    let error = case["error"].as_str();
    match (got, error) {
        (Ok(got), None) => {
            if ops::same(&got, &case["want"]) {
                Ok(())
            } else {
                Err(format!("got  {got}\n    want {}", case["want"]))
            }
        }
        (Err(_), Some(error)) if !ops::exact(language, op) || error.starts_with("panic") => Ok(()),
        (Err(got), Some(error)) => {
            if got == error {
                Ok(())
            } else {
                Err(format!("got  error {got:?}\n    want error {error:?}"))
            }
        }
        (Ok(got), Some(error)) => Err(format!("got  {got}\n    want error {error:?}")),
        (Err(got), None) => Err(format!("got  error {got:?}\n    want {}", case["want"])),
    }
}

#[test]
fn every_vector_of_the_go_libraries_passes_or_is_a_listed_difference() {
    let differences = differences();
    let mut used = vec![false; differences.len()];
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for path in files() {
        let file = read(&path);
        let language = file["language"].as_str().unwrap_or_default().to_owned();
        for case in file["cases"].as_array().expect("cases are a list") {
            let count = counts.entry(language.clone()).or_default();
            count.0 += 1;
            let Err(message) = check(&language, case, &file["shared"]) else { continue };
            let op = case["op"].as_str().unwrap_or_default();
            let args = case["args"].as_array().cloned().unwrap_or_default();
            match differences.iter().position(|it| it.covers(&language, op, &args)) {
                Some(place) => {
                    used[place] = true;
                    count.1 += 1;
                }
                None => failures.push(format!("{language} {op} {}\n    {message}", Value::Array(args))),
            }
        }
    }
    for (language, (total, different)) in &counts {
        println!("{language}: {total} vectors, {different} listed differences");
    }
    let shown = std::env::var("ARGO_LANG_SHOW").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.iter().take(shown).cloned().collect::<Vec<_>>().join("\n")
    );
    let stale: Vec<usize> = used.iter().enumerate().filter(|it| !it.1).map(|it| it.0).collect();
    assert!(stale.is_empty(), "differences that no longer differ, by place: {stale:?}");
}
