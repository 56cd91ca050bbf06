//! Runs of workflows in a form that can be compared: what is random or depends on time is taken out.
//!
//! A recorded run is `{"workflows": [run]}` where a run holds `phase message progress outputs conditions
//! labels generateName nodes`. In it the workflow's name reads `WF`, its namespace `NS`, its uid `UID`, a
//! node's id `ID(<node name>)`; nodes are keyed by their names; `children`, `outboundNodes` and `boundary`
//! are names, lists sorted. Times, resource durations, hosts and addresses are left out, and so is the hash
//! at the end of pod names, which follows from the random end of the workflow's name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Fields of a node that depend on when and where it ran.
const LEFT_OUT: &[&str] = &[
    "id",
    "name",
    "startedAt",
    "finishedAt",
    "estimatedDuration",
    "progress",
    "boundaryID",
    "hostNodeName",
    "podIP",
    "resourcesDuration",
    "taskResultSynced",
];

/// A Workflow object as a recorded run.
#[must_use]
pub fn normalise(workflow: &Value) -> Value {
    let text = |pointer: &str| workflow.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let empty = Map::new();
    let nodes = workflow.pointer("/status/nodes").and_then(Value::as_object).unwrap_or(&empty);
    let names: BTreeMap<&str, &str> = nodes
        .iter()
        .map(|(id, node)| (id.as_str(), node.get("name").and_then(Value::as_str).unwrap_or_default()))
        .collect();
    let name = text("/metadata/name");
    let words = Words::new(&names, name, text("/metadata/namespace"), text("/metadata/uid"));
    let sorted = |ids: Option<&Value>| {
        let ids = ids.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let all: BTreeSet<String> = ids.map(|it| words.in_text(names.get(it).copied().unwrap_or("?"))).collect();
        json!(all)
    };
    let mut normal = Map::new();
    for node in nodes.values() {
        let Some(map) = node.as_object() else { continue };
        let mut kept: Map<String, Value> = map
            .iter()
            .filter(|(field, _)| !LEFT_OUT.contains(&field.as_str()))
            .map(|(field, value)| (field.clone(), words.in_value(value)))
            .collect();
        if let Some(boundary) = map.get("boundaryID").and_then(Value::as_str).filter(|it| !it.is_empty()) {
            kept.insert("boundary".into(), words.in_text(names.get(boundary).copied().unwrap_or("?")).into());
        }
        kept.insert("children".into(), sorted(map.get("children")));
        kept.insert("outboundNodes".into(), sorted(map.get("outboundNodes")));
        kept.retain(|_, it| *it != Value::String(String::new()));
        normal.insert(words.in_text(map.get("name").and_then(Value::as_str).unwrap_or_default()), kept.into());
    }
    let status =
        |field: &str| words.in_value(workflow.pointer("/status").and_then(|it| it.get(field)).unwrap_or(&Value::Null));
    json!({
        "conditions": status("conditions"),
        "generateName": workflow.pointer("/metadata/generateName").cloned().unwrap_or(Value::Null),
        "labels": words.in_value(workflow.pointer("/metadata/labels").unwrap_or(&Value::Null)),
        "message": match status("message") { Value::Null => Value::String(String::new()), other => other },
        "nodes": normal,
        "outputs": status("outputs"),
        "phase": match status("phase") { Value::Null => Value::String(String::new()), other => other },
        "progress": status("progress"),
    })
}

/// Where two runs differ, one line a place; none when they are equal.
#[must_use]
pub fn differences(ours: &Value, recorded: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", &mask(ours), &mask(recorded), &mut all);
    all
}

fn compare(path: &str, ours: &Value, recorded: &Value, all: &mut Vec<String>) {
    match (ours, recorded) {
        (Value::Object(a), Value::Object(b)) => {
            let fields: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for field in fields {
                let path = format!("{path}/{field}");
                match (a.get(field), b.get(field)) {
                    (Some(a), Some(b)) => compare(&path, a, b, all),
                    (Some(a), None) => all.push(format!("+ {path}: {}", short(a))),
                    (None, Some(b)) => all.push(format!("- {path}: {}", short(b))),
                    (None, None) => {}
                }
            }
        }
        (a, b) if a == b => {}
        (a, b) => all.push(format!("! {path}: {} instead of {}", short(a), short(b))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Without the hashes of pod names, and without what happens after the end: when an artifact is deleted is
/// not a matter of the run.
fn mask(value: &Value) -> Value {
    match value {
        Value::String(text) => mask_text(text).into(),
        Value::Array(list) => list.iter().map(mask).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|it| it.0 != "deleted")
            .map(|(key, it)| (key.clone(), mask(it)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// `WF-<template>-<digits>` ends in `#` instead of the digits.
fn mask_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("WF-") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find(|it: char| !(it.is_ascii_alphanumeric() || it == '-')).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        match word.rsplit_once('-') {
            Some((name, hash)) if hash.len() >= 6 && hash.bytes().all(|it| it.is_ascii_digit()) => {
                out.push_str(name);
                out.push_str("-#");
            }
            _ => out.push_str(word),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What is random, by what it is replaced with: longer ones first.
struct Words(Vec<(String, String)>);

impl Words {
    fn new(names: &BTreeMap<&str, &str>, workflow: &str, namespace: &str, uid: &str) -> Self {
        let own = |text: &str| if workflow.is_empty() { text.to_owned() } else { text.replace(workflow, "WF") };
        let ids = names.iter().filter(|(id, _)| **id != workflow);
        let mut all: Vec<(String, String)> =
            ids.map(|(id, name)| ((*id).to_owned(), format!("ID({})", own(name)))).collect();
        all.extend([(workflow, "WF"), (namespace, "NS"), (uid, "UID")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        all.retain(|it| !it.0.is_empty() && it.0 != it.1);
        all.sort_by_key(|it| std::cmp::Reverse(it.0.len()));
        Self(all)
    }

    fn in_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (from, to)| {
            if text.contains(from.as_str()) { text.replace(from.as_str(), to) } else { text }
        })
    }

    fn in_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.in_text(text).into(),
            Value::Array(list) => list.iter().map(|it| self.in_value(it)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, it)| (self.in_text(key), self.in_value(it))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_hashes_do_not_count() {
        let workflow = |name: &str, hash: &str| {
            json!({
                "metadata": {"name": name, "namespace": "n-1", "uid": "u-1", "generateName": "a-"},
                "status": {"phase": "Failed", "message": format!("child '{name}-{hash}' failed"), "nodes": {
                    name: {"id": name, "name": name, "children": [format!("{name}-{hash}")], "startedAt": "now"},
                    format!("{name}-{hash}"): {"id": format!("{name}-{hash}"), "name": format!("{name}.x"), "boundaryID": name,
                        "outputs": {"artifacts": [{"s3": {"key": format!("{name}/{name}-tmpl-{hash}/main.log")}}]}},
                }},
            })
        };
        let one = normalise(&workflow("a-x1", "1234567"));
        assert_eq!(one["message"], "child 'ID(WF.x)' failed");
        assert_eq!(one["nodes"]["WF"]["children"], json!(["WF.x"]));
        assert_eq!(one["nodes"]["WF.x"]["boundary"], "WF");
        assert!(differences(&one, &normalise(&workflow("a-z9", "7654321"))).is_empty());
        let mut other = one.clone();
        other["phase"] = "Error".into();
        assert_eq!(differences(&one, &other), ["! /phase: \"Failed\" instead of \"Error\""]);
    }
}
