//! Comparisons against upstream's engine.

use argo_cd::engine::{
    Settings,
    diff::{How, diff_by},
    ignored::Ignored,
    settings::IgnoreStatus,
};
use argo_core::Object;
use serde_json::Value;

/// Of the 1,937 pairs that `tests/vectors/gen/diff` makes with 60 changes each, seven differ: a Service with two ports of
/// one number, a strategy that is emptied, and a Secret whose values are no base64.
const KNOWN_OF_MANY: usize = 7;

/// `ARGO_DIFF_VECTORS` names a larger file of the same form (`tests/vectors/gen/diff` makes one).
#[test]
fn verdicts_on_pairs_are_upstreams() {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffs.jsonl");
    let many = std::env::var_os("ARGO_DIFF_VECTORS");
    let known = if many.is_some() { KNOWN_OF_MANY } else { 0 };
    let path = many.map_or(own, Into::into);
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if case.get("err").is_some() {
            continue;
        }
        cases += 1;
        let mut settings = Settings::default();
        settings.compare.ignore_status = IgnoreStatus::None;
        settings.compare.ignore_aggregated_roles = case["aggregated"] == true;
        let ignored = Ignored::of(&[], &settings).unwrap();
        let (target, live) = (Object::from_value(case["target"].clone()), Object::from_value(case["live"].clone()));
        let how = if case["ssa"] == true { How::Structured } else { How::LastApplied };
        let found = diff_by(Some(&target), Some(&live), &ignored, how);
        match found {
            Ok(diff) if diff.modified == (case["modified"] == true) => {}
            Ok(diff) => wrong.push(format!(
                "{} {}: {} \n  ours   {}\n  theirs {}",
                case["name"],
                case["ssa"],
                diff.modified,
                changes(&diff.normalized_live, &diff.predicted_live),
                changes(&case["normalizedLive"], &case["predictedLive"])
            )),
            // upstream compares what no API server takes; we say what is wrong with it
            Err(error) if error.to_string().contains("does not contain declared merge key") => {}
            Err(error) => wrong.push(format!("{}: {error}", case["name"])),
        }
    }
    assert!(cases > 100, "{cases}");
    assert!(wrong.len() <= known, "{} of {cases} differ:\n{}", wrong.len(), wrong[..wrong.len().min(200)].join("\n"));
}

fn changes(from: &Value, to: &Value) -> String {
    argo_merge::merge_patch::diff(from, to).to_string()
}
