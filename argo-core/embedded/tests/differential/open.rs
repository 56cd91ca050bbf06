//! Operations whose answers still differ from the real ones: `open/<topic>.yaml` holds what they are given and the operations, all without a
//! lasting effect (dry runs), so that each stands for itself; `open/<topic>.jsonl` the answers of the real one.
//!
//! One that has become equal fails the test: it belongs among the operations that must stay equal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use argo_embedded::Cluster;
use serde_json::Value;

use super::{Topic, different, send};

/// Topics that have open operations.
const TOPICS: &[&str] = &["lists", "network", "patches", "pods", "policies", "requests", "workloads"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// What a topic is given, and its open operations.
fn read(topic: &str, namespace: &str) -> [Vec<Value>; 2] {
    let text = std::fs::read_to_string(folder().join(format!("open/{topic}.yaml"))).expect("open operations");
    let file = argo_lang::yaml::decode(&text.replace("$NS", namespace)).expect("YAML");
    ["given", "open"].map(|field| file[field].as_array().expect("a list").clone())
}

/// Runs the open operations of a topic; how many there are. The others of the topic have just been found equal.
pub(crate) async fn run(topic: &'static str, equal: usize) {
    if !TOPICS.contains(&topic) {
        println!("{topic}: {equal} of {equal} equal");
        return;
    }
    let [given, open] = read(topic, "$NS");
    let both = Topic { name: topic, operations: Box::new(|namespace| read(topic, namespace).concat()) };
    let mut here = both.answers(&Cluster::new().client(), "here-ns").await;
    let file = folder().join(format!("open/{topic}.jsonl"));
    let real: Vec<Value> = match std::env::var("KUBECONFIG").ok().filter(|path| !path.is_empty()) {
        Some(_) => {
            let namespace = format!("open-{topic}-{}", std::process::id());
            let mut answers = both.answers(&send::real().await, &namespace).await;
            assert_given(topic, &given, &answers);
            answers.drain(..given.len());
            if std::env::var_os("DIFFERENTIAL_RECORD").is_some() {
                let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
                std::fs::write(&file, lines).expect("written");
            }
            answers
        }
        None => {
            let recorded = std::fs::read_to_string(&file).expect("recorded answers");
            recorded.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }
    };
    assert_given(topic, &given, &here);
    here.drain(..given.len());
    assert_eq!(real.len(), open.len(), "{topic}: record the answers to the open operations anew");
    let mut closed = Vec::new();
    for ((operation, real), here) in open.iter().zip(&real).zip(&here) {
        let found = different(operation, real, here);
        if found.is_empty() {
            closed.push(operation.to_string());
        } else if std::env::var_os("DIFFERENTIAL_SHOW").is_some() {
            println!("{operation}\n    {}", found.join("\n    "));
        }
    }
    let (equal, all) = (equal + closed.len(), equal + open.len());
    println!("{topic}: {equal} of {all} equal");
    let shown = closed.join("\n");
    assert!(
        closed.is_empty(),
        "{topic}: {} open operations are equal now, move them to operations:\n{shown}",
        closed.len()
    );
}

fn assert_given(topic: &str, given: &[Value], answers: &[Value]) {
    for (operation, answer) in given.iter().zip(answers) {
        assert!(answer["code"].as_u64().is_some_and(|code| code < 300), "{topic}: {operation} is not given: {answer}");
    }
}

/// An operation that changed something would make the answers to the next ones meaningless.
#[test]
fn open_operations_are_distinct_and_change_nothing() {
    for topic in TOPICS {
        let [_, open] = read(topic, "$NS");
        let mut seen = BTreeSet::new();
        for operation in open {
            let text = operation.to_string();
            let reads = text.starts_with("[\"GET");
            assert!(reads || text.contains("dryRun"), "{topic}: {text} would change something");
            assert!(seen.insert(text.clone()), "{topic}: {text} twice");
        }
    }
}

/// The table of `PARITY.md` says how many operations of each topic differ.
#[test]
fn the_open_operations_are_named_with_their_numbers() {
    let parity = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("PARITY.md");
    let parity = std::fs::read_to_string(parity).expect("PARITY.md");
    for topic in TOPICS {
        let operations =
            std::fs::read_to_string(folder().join(format!("operations/{topic}.yaml"))).expect("operations");
        let equal = argo_lang::yaml::decode(&operations).expect("YAML").as_array().expect("a list").len();
        let all = equal + read(topic, "$NS")[1].len();
        let row = format!("| {topic} | {equal} of {all} |");
        assert!(parity.contains(&row), "PARITY.md has no row {row}");
    }
}
