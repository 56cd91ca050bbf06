//! Runs vector files, as `README.md` describes them: those beside it, the examples in it, and those of the directories
//! in `ARGO_LANG_VECTORS`.

mod format;
mod ops;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use self::format::Case;
use self::report::{Tally, Worker};

struct Difference {
    language: String,
    op: String,
    args: Value,
    prefix: bool,
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn differences(dir: &Path) -> Vec<Difference> {
    let path = dir.join("differences.json");
    if !path.exists() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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
    fn covers(&self, case: &Case, op: &str) -> bool {
        if self.language != case.language || self.op != op {
            return false;
        }
        match self.args.as_array() {
            None => true,
            Some(wanted) if self.prefix => case.written.starts_with(wanted),
            Some(wanted) => case.written == *wanted,
        }
    }
}

/// What became of some files.
#[derive(Default)]
struct Verdict {
    tally: Tally,
    failures: Vec<String>,
    malformed: Vec<String>,
    stale: Vec<usize>,
}

fn judge(cases: Vec<Result<Case, String>>, differences: &[Difference]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut used = vec![false; differences.len()];
    let mut worker = Worker::new();
    for case in cases {
        let case = match case {
            Ok(case) => Arc::new(case),
            Err(message) => {
                verdict.malformed.push(message);
                continue;
            }
        };
        match worker.check(&case) {
            Ok(()) => verdict.tally.equal(&case.language),
            Err(message) => {
                // older files name some operations otherwise
                let covers = |it: &Difference| {
                    it.covers(&case, case.op.name)
                        || ops::find(&it.language, Some(&it.op)).is_ok_and(|op| std::ptr::eq(op, case.op))
                            && it.covers(&case, &it.op)
                };
                match differences.iter().position(covers) {
                    Some(place) => {
                        used[place] = true;
                        verdict.tally.listed(&case.language);
                    }
                    None => {
                        verdict.tally.different(&case.language);
                        verdict.failures.push(message);
                    }
                }
            }
        }
    }
    verdict.stale = used.iter().enumerate().filter(|it| !it.1).map(|it| it.0).collect();
    verdict
}

impl Verdict {
    /// Prints the counts, then what is wrong, and fails when something is.
    fn conclude(self) {
        println!("{}", self.tally);
        let shown = std::env::var("ARGO_LANG_SHOW").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
        let mut text = String::new();
        for (what, list) in [("malformed", &self.malformed), ("different", &self.failures)] {
            if !list.is_empty() {
                let some = list.iter().take(shown).map(String::as_str).collect::<Vec<_>>().join("\n");
                text.push_str(&format!("\n{} {what}:\n{some}\n", list.len()));
                if list.len() > shown {
                    text.push_str(&format!("(the first {shown}; ARGO_LANG_SHOW=N shows more)\n"));
                }
            }
        }
        assert!(text.is_empty(), "{text}");
    }
}

#[test]
fn every_vector_of_the_go_libraries_passes_or_is_a_listed_difference() {
    let cases = format::files(&own(), false).expect("the directory is there");
    let cases = cases.iter().flat_map(|it| format::read(it));
    let verdict = judge(cases.collect(), &differences(&own()));
    let stale = verdict.stale.clone();
    verdict.conclude();
    assert!(stale.is_empty(), "differences that no longer differ, by place: {stale:?}");
}

#[test]
fn vectors_of_argo_lang_vectors_pass() {
    let Some(dirs) = std::env::var_os("ARGO_LANG_VECTORS") else {
        println!("skipped: set ARGO_LANG_VECTORS to directories of vector files");
        return;
    };
    let mut cases = Vec::new();
    let mut known = Vec::new();
    for dir in std::env::split_paths(&dirs) {
        match format::files(&dir, true) {
            Ok(files) if files.is_empty() => cases.push(Err(format!("{}: no *.json or *.jsonl in it", dir.display()))),
            Ok(files) => cases.extend(files.iter().flat_map(|it| format::read(it))),
            Err(error) => cases.push(Err(error)),
        }
        known.extend(differences(&dir));
    }
    judge(cases, &known).conclude();
}

// === the document ===

const README: &str = include_str!("README.md");

#[test]
fn the_examples_of_the_readme_pass_and_show_every_language() {
    let mut seen = std::collections::BTreeSet::new();
    let mut cases = Vec::new();
    for (place, block) in README.split("```json").skip(1).enumerate() {
        let block = block.split("```").next().unwrap_or_default();
        for case in format::of_text(block, &format!("README.md example {}", place + 1)) {
            if let Ok(case) = &case {
                seen.insert(case.language.clone());
            }
            cases.push(case);
        }
    }
    if cfg!(not(feature = "lua")) {
        cases.retain(|it| !matches!(it, Err(text) if text.contains("no such language: \"lua\"")));
    }
    judge(cases, &[]).conclude();
    for language in ops::languages() {
        assert!(seen.contains(language.name), "the README has no example of {}", language.name);
    }
}

/// The table of operations, as the README has it.
fn table() -> String {
    let mut rows = String::new();
    for language in ops::languages() {
        for (place, op) in language.ops.iter().enumerate() {
            let mut name = format!("`{}`", language.name);
            if place == 0 && !language.aliases.is_empty() {
                name.push_str(&format!(" (`{}`)", language.aliases.join("`, `")));
            }
            let fields: Vec<String> = op
                .fields
                .iter()
                .map(|it| {
                    it.default.map_or_else(|| format!("`{}`", it.name), |value| format!("`{}` = {value}", it.name))
                })
                .collect();
            let texts = if op.exact { "text" } else { "fact" };
            rows.push_str(&format!("| {name} | `{}` | {} | {} | {texts} |\n", op.name, fields.join(", "), op.gives));
        }
    }
    rows
}

/// `ARGO_LANG_UPDATE=1` writes the table into the README (with the feature `lua`, so that nothing is missing).
#[test]
fn the_readme_lists_every_operation() {
    const RULE: &str = "|---|---|---|---|---|\n";
    let table = table();
    let (head, rest) = README.split_once(RULE).expect("the README has the table");
    let (old, tail) = rest.split_once("\n\n").expect("text follows the table");
    if std::env::var_os("ARGO_LANG_UPDATE").is_some() {
        std::fs::write(own().join("README.md"), format!("{head}{RULE}{table}\n{}", tail.trim_start()))
            .expect("written");
        return;
    }
    let missing: Vec<&str> = table.lines().filter(|it| !old.contains(it)).collect();
    assert!(missing.is_empty(), "rows that the README does not have:\n{}", missing.join("\n"));
}

#[test]
fn malformed_files_are_named_and_do_not_stop_the_others() {
    let text = r#"{"language": "yaml", "defaults": {"html": false}, "cases": [
        {"text": "a: 1", "want": {"a": 1}},
        {"text": "a: 1", "want": {"a": 2}},
        {"name": "nameless text", "want": 1},
        {"op": "nope", "text": ""},
        {"language": "klingon", "text": ""},
        {"text": "[", "error": true},
        {"text": "[", "error": {"contains": "line 1"}, "note": "unknown fields are ignored"},
        {"text": "1", "error": "x", "want": 1},
        {"language": "json", "op": "encode", "value": "<", "want": "\"<\""},
        {"language": "cron", "args": ["* * * * *", "yesterday"], "error": true},
        7
    ]}"#;
    let verdict = judge(format::of_text(text, "x.json"), &[]);
    assert_eq!(verdict.tally.to_string().lines().last(), Some("all: 4 of 6 equal"), "{:#?}", verdict.failures);
    assert_eq!(verdict.failures.len(), 2);
    assert!(
        verdict.failures[0].starts_with("yaml decode: x.json case 2\n    text: \"a: 1\""),
        "{}",
        verdict.failures[0]
    );
    assert!(verdict.failures[1].contains("argument 1 must be an RFC 3339 time"), "{}", verdict.failures[1]);
    assert_eq!(
        verdict.malformed,
        [
            "x.json case 3 (nameless text): decode needs the field \"text\"",
            "x.json case 4: yaml has no operation \"nope\"",
            "x.json case 5: no such language: \"klingon\"",
            "x.json case 8: a case has either a value or an error",
            "x.json case 11: a case must be an object",
        ]
    );
    assert!(format::of_text("{", "y.json")[0].as_ref().is_err_and(|it| it.starts_with("y.json: EOF")));
}
