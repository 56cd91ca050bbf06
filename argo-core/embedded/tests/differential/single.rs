//! Operations that stand for themselves: `single/<topic>.yaml` holds what they are given and the operations, all without a lasting
//! effect (dry runs); `single/<topic>.jsonl` the answers of the real one. Those of `equal` must be answered equally, those of `open` are not yet.
//!
//! An open one that has become equal fails the test: it belongs among the equal ones. `DIFFERENTIAL_MOVE` moves it there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use argo_embedded::Cluster;
use serde_json::Value;

use super::{Topic, different, send};

/// Topics that have single operations.
const TOPICS: &[&str] = &["crds", "lists", "network", "patches", "pods", "policies", "requests", "workloads"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// What a topic is given, the operations that must be equal, and the open ones.
fn read(topic: &str, namespace: &str) -> [Vec<Value>; 3] {
    let text = std::fs::read_to_string(folder().join(format!("single/{topic}.yaml"))).expect("operations");
    let file = argo_lang::yaml::decode(&text.replace("$NS", namespace)).expect("YAML");
    ["given", "equal", "open"].map(|field| file[field].as_array().cloned().unwrap_or_default())
}

/// Runs the single operations of a topic; how many others there are. Those have just been found equal.
pub(crate) async fn run(topic: &'static str, equal: usize) {
    if !TOPICS.contains(&topic) {
        println!("{topic}: {equal} of {equal} equal");
        return;
    }
    let [given, closed, open] = read(topic, "$NS");
    let all = Topic { name: topic, operations: Box::new(|namespace| read(topic, namespace).concat()) };
    let mut here = all.answers(&Cluster::new().client(), "here-ns").await;
    let file = folder().join(format!("single/{topic}.jsonl"));
    let real: Vec<Value> = match std::env::var("KUBECONFIG").ok().filter(|path| !path.is_empty()) {
        Some(_) => {
            let namespace = format!("single-{topic}-{}", std::process::id());
            let mut answers = all.answers(&send::real().await, &namespace).await;
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
    assert_eq!(real.len(), closed.len() + open.len(), "{topic}: record the answers to the single operations anew");
    let (mut differ, mut newly) = (Vec::new(), Vec::new());
    let show = std::env::var_os("DIFFERENTIAL_SHOW").is_some();
    for (index, (operation, (real, here))) in closed.iter().chain(&open).zip(real.iter().zip(&here)).enumerate() {
        let found = different(operation, real, here);
        match (found.is_empty(), index < closed.len()) {
            (true, false) => newly.push(index - closed.len()),
            (false, true) => differ.push(format!("{operation}\n    {}", found.join("\n    "))),
            (false, false) if show => println!("{operation}\n    {}", found.join("\n    ")),
            _ => {}
        }
    }
    let (equal, count) = (equal + closed.len() + newly.len(), equal + closed.len() + open.len());
    println!("{topic}: {equal} of {count} equal");
    if std::env::var_os("DIFFERENTIAL_MOVE").is_some() {
        close(topic, closed.len(), &newly);
    } else {
        let shown: Vec<String> = newly.iter().map(|index| open[*index].to_string()).collect();
        let shown = shown.join("\n");
        assert!(newly.is_empty(), "{topic}: {} open operations are equal now, move them:\n{shown}", newly.len());
    }
    let shown = differ.join("\n");
    assert!(differ.is_empty(), "{topic}: {} single operations differ:\n{shown}", differ.len());
}

/// Moves open operations, and their answers, behind the equal ones.
fn close(topic: &str, closed: usize, newly: &[usize]) {
    let files = ["yaml", "jsonl"].map(|kind| folder().join(format!("single/{topic}.{kind}")));
    let [text, answers] = [&files[0], &files[1]].map(|file| std::fs::read_to_string(file).expect("readable"));
    let (head, open) = text.split_once("\nopen:\n").expect("a list of open operations");
    let is_operation = |line: &&str| line.starts_with("- ");
    let lines: Vec<&str> = open.lines().collect();
    let operations: Vec<&str> = lines.iter().copied().filter(is_operation).collect();
    let moved: Vec<&str> = newly.iter().map(|index| operations[*index]).collect();
    let rest: Vec<&str> = lines.iter().copied().filter(|line| is_operation(line) && !moved.contains(line)).collect();
    let head = format!("{head}\n{}", moved.join("\n"));
    std::fs::write(
        &files[0],
        format!("{}\nopen:\n{}\n", head.trim_end(), rest.join("\n")).replace("open:\n\n", "open:\n"),
    )
    .expect("written");
    let answers: Vec<&str> = answers.lines().collect();
    let is_moved = |index: &usize| *index >= closed && newly.contains(&(index - closed));
    let (after, before): (Vec<usize>, Vec<usize>) = (closed..answers.len()).partition(|index| !is_moved(index));
    let order = (0..closed).chain(before).chain(after);
    let text: String = order.map(|index| format!("{}\n", answers[index])).collect();
    std::fs::write(&files[1], text).expect("written");
}

fn assert_given(topic: &str, given: &[Value], answers: &[Value]) {
    for (operation, answer) in given.iter().zip(answers) {
        assert!(answer["code"].as_u64().is_some_and(|code| code < 300), "{topic}: {operation} is not given: {answer}");
    }
}

/// An operation that changed something would make the answers to the next ones meaningless.
#[test]
fn single_operations_are_distinct_and_change_nothing() {
    for topic in TOPICS {
        let [_, equal, open] = read(topic, "$NS");
        let mut seen = BTreeSet::new();
        for operation in equal.into_iter().chain(open) {
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
        let [_, closed, open] = read(topic, "$NS");
        let equal = equal + closed.len();
        let all = equal + open.len();
        let row = format!("| {topic} | {equal} of {all} |");
        assert!(parity.contains(&row), "PARITY.md has no row {row}");
    }
}
