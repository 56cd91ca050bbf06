//! Compares health verdicts with recorded ones.
//!
//! `cargo run --example health-conformance -- DIR` reads every `*.json` in DIR: `{"groupKind": …, "cases": [{"input":
//! object, "expect": {"status": …, "message": …}}]}`. It prints a line for each case where the verdict differs and
//! `N of M equal` last, and exits with 1 where any does. An empty or absent status stands for no verdict.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use argo_cd::engine::health;
use argo_core::{Object, Timestamp};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    group_kind: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    input: Value,
    #[serde(default)]
    expect: Verdict,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Verdict {
    status: String,
    message: String,
}

fn main() -> Result<ExitCode> {
    let Some(folder) = std::env::args().nth(1) else {
        bail!("which directory? cargo run --example health-conformance -- DIR");
    };
    let (equal, all) = compare(Path::new(&folder))?;
    println!("{equal} of {all} equal");
    Ok(if equal == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(folder: &Path) -> Result<(usize, usize)> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|it| Ok(it?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|it| it.extension().is_some_and(|it| it == "json"));
    paths.sort();
    if paths.is_empty() {
        bail!("no *.json in {}", folder.display());
    }
    let (mut equal, mut all) = (0, 0);
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let file: File = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
        for (place, case) in file.cases.into_iter().enumerate() {
            all += 1;
            let object = Object::from_value(case.input);
            let verdict = health::assess(&object, &argo_cd::engine::Settings::default(), Timestamp::UNIX_EPOCH);
            let found = verdict.map_or_else(Verdict::default, |it| Verdict {
                status: it.status.as_str().to_owned(),
                message: it.message,
            });
            if found == case.expect {
                equal += 1;
                continue;
            }
            println!(
                "{} #{place} ({}): {} {:?}, expected {} {:?}",
                file.group_kind,
                object.name(),
                found.status,
                found.message,
                case.expect.status,
                case.expect.message
            );
        }
    }
    Ok((equal, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_and_different_verdicts_are_told_apart() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let issuer = r#"{"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "status": {"conditions": [
            {"type": "Ready", "status": "True", "message": "done"}]}}"#;
        let case =
            |status: &str| format!(r#"{{"input": {issuer}, "expect": {{"status": "{status}", "message": "done"}}}}"#);
        let nothing = r#"{"input": {"apiVersion": "v1", "kind": "ConfigMap"}}"#;
        let text = format!(
            r#"{{"groupKind": "cert-manager.io/Issuer", "cases": [{}, {}, {nothing}]}}"#,
            case("Healthy"),
            case("Degraded")
        );
        std::fs::write(folder.path().join("a.json"), text)?;
        assert_eq!(compare(folder.path())?, (2, 3));
        assert!(compare(&folder.path().join("none")).is_err());
        Ok(())
    }
}
