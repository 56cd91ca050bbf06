//! What differs from run to run is replaced by placeholders.

use std::sync::LazyLock;

use regex::Regex;

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Identities.
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r#"(resourceVersion"?: )"?\d+"?"#, "$1<rv>"),
        (r#"(continue=|"continue": ")[A-Za-z0-9_-]{20,}"#, "$1<continue>"),
        (r"\bResource Version:  +\d+", "Resource Version: <rv>"),
        (r"\.[0-9a-f]{16}\b", ".<event>"),
        // Moments.
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<time>"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}", "<time>"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d+)? [+-]\d{4}( UTC| [+-]\d{4})?", "<time>"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} +\d{1,2} \d{2}:\d{2}:\d{2} \d{4}", "<time>"),
        // Names: of the pods of a ReplicaSet or a Job, of ReplicaSets, of nodes.
        (
            r"\b([a-z][a-z0-9-]*)-[bcdfghjklmnpqrstvwxz2456789]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b",
            "$1-<hash>-<id>",
        ),
        (r"(pod-template-hash[=:] ?)[bcdfghjklmnpqrstvwxz2456789]{5,10}\b", "$1<hash>"),
        (r"(controller-revision-hash[=:] ?)([a-z0-9-]+-)?[a-f0-9bcdfghjklmnpqrstvwxz]{5,10}\b", "$1<hash>"),
        (r"\b((?:web|api|db|agent|run|batch)[a-z0-9-]*)-[bcdfghjklmnpqrstvwxz2456789]{6,10}\b", "$1-<hash>"),
        (r"\b((?:web|api|db|agent|run|batch|gen)[a-z0-9-]*)-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "$1-<id>"),
        (r"\b(fake-\d|node-\d)\b", "<node>"),
        (r"/tmp/[A-Za-z0-9._/-]*", "<path>"),
        (r"https://127\.0\.0\.1:\d+", "<server>"),
        // Addresses and ports that the cluster chooses.
        (r"\b(10|127|172|192)\.\d+\.\d+\.\d+\b", "<ip>"),
        (r"\b3[0-2]\d{3}/", "<port>/"),
        // Ages.
        (r"\b\d+(ms|s|m|h|d)(\d+(s|m|h))?\b( ago\b)?", "<age>"),
    ]
    .into_iter()
    .map(|(rule, placeholder)| (Regex::new(rule).expect("a rule"), placeholder))
    .collect()
});

/// The text with placeholders, without trailing blanks, and with columns of any width as two blanks.
pub(super) fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for (rule, placeholder) in RULES.iter() {
        text = rule.replace_all(&text, *placeholder).into_owned();
    }
    let mut lines: Vec<String> = text.lines().map(line).collect();
    sort_limits(&mut lines);
    lines.join("\n")
}

/// kubectl walks a map, in any order, for the lines of a LimitRange.
fn sort_limits(lines: &mut [String]) {
    for heading in 0..lines.len() {
        let words: Vec<&str> = lines[heading].split_whitespace().collect();
        if !words.starts_with(&["Type", "Resource", "Min", "Max"]) {
            continue;
        }
        let first = lines.len().min(heading + 2);
        let count = lines[first..].iter().take_while(|line| !line.is_empty()).count();
        lines[first..first + count].sort();
    }
}

fn line(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    // How far the first column is indented can depend on what stands above it.
    let mut shown = line[..indent.min(12)].to_owned();
    let mut blanks = 0;
    for c in line.trim_end().chars().skip(indent) {
        if c == ' ' || c == '\t' {
            blanks += if c == '\t' { 2 } else { 1 };
            continue;
        }
        shown.push_str(&"  "[..blanks.min(2)]);
        blanks = 0;
        shown.push(c);
    }
    shown
}

#[test]
fn what_changes_is_replaced() {
    for (text, shown) in [
        ("web-6d4cf56db6-x2k8p   1/1   Running   0   2m3s", "web-<hash>-<id>  1/1  Running  0  <age>"),
        ("replicaset.apps/web-6d4cf56db6   2", "replicaset.apps/web-<hash>  2"),
        ("  resourceVersion: \"12\"", "  resourceVersion: <rv>"),
        ("IP: 10.244.0.7", "IP: <ip>"),
    ] {
        assert_eq!(normal(text), shown);
    }
}

#[test]
fn limits_come_in_one_order() {
    let table = |lines: &str| {
        normal(&format!("Limits\n Type  Resource  Min  Max\n ----  --------  ---  ---\n{lines}\n\nb\na\n"))
    };
    assert_eq!(table(" Container  cpu  1  2\n Pod  cpu  1  2"), table(" Pod  cpu  1  2\n Container  cpu  1  2"));
    assert!(table(" Pod  cpu  1  2").ends_with("\n\nb\na"));
}
