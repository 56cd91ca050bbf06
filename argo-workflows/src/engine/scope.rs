//! Which variables there are: of the workflow, of nodes, of loops.

use std::collections::BTreeMap;

use argo_core::Timestamp;
use serde_json::{Value, json};

use super::{
    compile::{Compiled, References},
    pass::Pass,
    vars::{How, Scope},
};
use crate::api::{
    ANNOTATION_SCHEDULED_TIME, AnyString, NodePhase, NodeStatus, NodeType, Parameter, Template, Workflow,
};

/// `workflow.*`.
pub(crate) fn globals(workflow: &Workflow, compiled: &Compiled, references: &dyn References, now: Timestamp) -> Scope {
    let spec = &compiled.spec;
    let meta = &workflow.metadata;
    let mut scope = Scope::at(now);
    scope.set("workflow.name", workflow.name());
    scope.set("workflow.namespace", workflow.namespace());
    scope.set("workflow.uid", workflow.uid());
    scope.set("workflow.mainEntrypoint", spec.entrypoint.as_deref().unwrap_or_default());
    scope.set("workflow.serviceAccountName", spec.service_account_name.as_deref().unwrap_or_default());
    if let Some(priority) = spec.priority {
        scope.set("workflow.priority", priority.to_string());
    }
    if let Some(time) = meta.annotation(ANNOTATION_SCHEDULED_TIME) {
        scope.set("workflow.scheduledTime", time);
    }
    if let Some(started) = workflow.status.started_at {
        scope.set("workflow.duration", format!("{:.6}", started.seconds_until(now)));
    }
    if let Some(created) = meta.creation_timestamp {
        creation(&mut scope, created.timestamp());
    }
    for (field, map) in [("labels", &meta.labels), ("annotations", &meta.annotations)] {
        let json = json!(map).to_string();
        scope.set(format!("workflow.{field}"), json.clone());
        scope.set(format!("workflow.{field}.json"), json);
        for (key, value) in map {
            scope.set(format!("workflow.{field}.{key}"), value);
        }
    }
    parameters(&mut scope, spec.arguments.as_ref().map_or(&[], |it| &it.parameters), references);
    if let Some(outputs) = &workflow.status.outputs {
        for it in &outputs.parameters {
            scope.set(format!("workflow.outputs.parameters.{}", it.name), it.effective().unwrap_or_default());
        }
        for it in &outputs.artifacts {
            scope.set_artifact(format!("workflow.outputs.artifacts.{}", it.name), Some(it.clone()));
        }
    }
    scope
}

fn parameters(scope: &mut Scope, list: &[Parameter], references: &dyn References) {
    let mut resolved = Vec::new();
    for it in list {
        let mut it = it.clone();
        if it.value.is_none()
            && let Some(from) = &it.value_from
            && let Some(reference) = &from.config_map_key_ref
        {
            let found = references.parameters(&reference.name).and_then(|it| it.get(&reference.key).cloned());
            it.value = found.map(AnyString).or_else(|| from.default.clone());
        }
        if let Some(value) = it.effective() {
            // A value may itself speak of the workflow.
            let value = scope.render(value, How::Keep).unwrap_or_else(|_| value.to_owned());
            scope.set(format!("workflow.parameters.{}", it.name), value.clone());
            it.value = Some(value.into());
        }
        resolved.push(it);
    }
    let json = serde_json::to_string(&resolved).unwrap_or_default();
    scope.set("workflow.parameters", json.clone());
    scope.set("workflow.parameters.json", json);
}

fn creation(scope: &mut Scope, at: Timestamp) {
    let text = argo_core::time::rfc3339(at);
    scope.set("workflow.creationTimestamp", text.clone());
    scope.set("workflow.creationTimestamp.RFC3339", text);
    scope.set("workflow.creationTimestamp.s", at.as_second().to_string());
    scope.set("workflow.creationTimestamp.L", format!("{:03}", at.subsec_millisecond()));
    let zoned = at.to_zoned(jiff::tz::TimeZone::UTC);
    for letter in ["b", "B", "m", "A", "a", "d", "H", "I", "M", "S", "Y", "y", "p", "Z", "z"] {
        let text = zoned.strftime(&format!("%{letter}")).to_string();
        scope.set(format!("workflow.creationTimestamp.{letter}"), text);
    }
}

/// `workflow.failures` of the nodes that failed: a JSON list, quoted once more.
pub(crate) fn failures(pass: &Pass<'_>) -> String {
    let mut failed: Vec<&NodeStatus> =
        pass.nodes.iter().filter(|it| it.phase().is_failed() && it.kind == NodeType::Pod).collect();
    failed.sort_by(|a, b| a.id.cmp(&b.id));
    let list: Vec<Value> = failed
        .into_iter()
        .map(|it| {
            json!({
                "displayName": it.display_name, "message": it.message(), "phase": it.phase().as_str(),
                "templateName": it.template_name.as_deref().unwrap_or_default(),
                "podName": pass.pod_name(it), "finishedAt": it.finished_at,
            })
        })
        .collect();
    Value::String(Value::Array(list).to_string()).to_string()
}

impl Pass<'_> {
    /// `<prefix>.*` of a node. `declared` is its template: what a node that did not run would have given.
    pub(crate) fn describe(&self, scope: &mut Scope, prefix: &str, node: &NodeStatus, declared: Option<&Template>) {
        let attempt = (node.kind == NodeType::Retry).then(|| self.attempts(node).pop()).flatten();
        let node = attempt.unwrap_or(node);
        scope.set(format!("{prefix}.id"), node.id.as_str());
        scope.set(format!("{prefix}.status"), node.phase().as_str());
        if let Some(at) = node.started_at {
            scope.set(format!("{prefix}.startedAt"), at.to_string());
        }
        if let Some(at) = node.finished_at {
            scope.set(format!("{prefix}.finishedAt"), at.to_string());
        }
        if let Some(ip) = &node.pod_ip {
            scope.set(format!("{prefix}.ip"), ip.as_str());
        }
        if let Some(host) = &node.host_node_name {
            scope.set(format!("{prefix}.hostNodeName"), host.as_str());
        }
        let did_not_run = matches!(node.phase(), NodePhase::Skipped | NodePhase::Omitted);
        if let Some(outputs) = declared.filter(|_| did_not_run).and_then(|it| it.outputs.as_ref()) {
            for it in &outputs.parameters {
                let name = format!("{prefix}.outputs.parameters.{}", it.name);
                let default = it.value_from.as_ref().and_then(|it| it.default.as_ref()).or(it.default.as_ref());
                match default {
                    Some(default) => scope.set(name, default.as_str()),
                    None => scope.set_absent(name),
                }
            }
            for it in &outputs.artifacts {
                scope.set_artifact(format!("{prefix}.outputs.artifacts.{}", it.name), None);
            }
        }
        if did_not_run {
            scope.set_absent(format!("{prefix}.outputs.result"));
        }
        let Some(outputs) = &node.outputs else { return };
        if let Some(result) = &outputs.result {
            scope.set(format!("{prefix}.outputs.result"), result.as_str());
        }
        if let Some(code) = &outputs.exit_code {
            scope.set(format!("{prefix}.exitCode"), code.as_str());
        }
        for it in &outputs.parameters {
            let default = it.value_from.as_ref().and_then(|it| it.default.as_ref());
            let value = it.value.as_ref().or(default).map_or("", |it| it.as_str());
            scope.set(format!("{prefix}.outputs.parameters.{}", it.name), value);
        }
        for it in &outputs.artifacts {
            scope.set_artifact(format!("{prefix}.outputs.artifacts.{}", it.name), Some(it.clone()));
        }
    }

    /// `<prefix>.outputs.*` over the expansions of a loop: those that succeeded, in order.
    pub(crate) fn aggregate(&self, scope: &mut Scope, prefix: &str, children: &[&NodeStatus]) -> Result<(), String> {
        let mut nodes: Vec<&&NodeStatus> = children
            .iter()
            .filter(|it| it.phase() == NodePhase::Succeeded && !it.is_hooked() && !it.is_retried())
            .collect();
        nodes.sort_by_key(|it| expansion_index(&it.name));
        let mut results = Vec::new();
        let mut maps = Vec::new();
        let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for outputs in nodes.iter().filter_map(|it| it.outputs.as_ref()) {
            if let Some(result) = &outputs.result {
                let value: Value = serde_json::from_str(result)
                    .map_err(|it| format!("unable to aggregate {prefix}.outputs.result: {it}"))?;
                results.push(value);
            }
            if !outputs.parameters.is_empty() {
                let mut map = serde_json::Map::new();
                for it in &outputs.parameters {
                    let value = it.effective().unwrap_or_default();
                    map.insert(it.name.clone(), value.into());
                    lists.entry(&it.name).or_default().push(value);
                }
                maps.push(Value::Object(map));
            }
        }
        if !results.is_empty() {
            scope.set(format!("{prefix}.outputs.result"), argo_lang::gojson::to_string(&Value::Array(results)));
        }
        if !maps.is_empty() {
            scope.set(format!("{prefix}.outputs.parameters"), argo_lang::gojson::to_string(&Value::Array(maps)));
        }
        for (name, values) in lists {
            let parsed: Vec<Option<Value>> = values
                .iter()
                .map(|it| serde_json::from_str(it).ok().filter(|it: &Value| it.is_object() || it.is_array()))
                .collect();
            let list = match parsed.into_iter().collect::<Option<Vec<Value>>>() {
                Some(all) => all,
                None => values.iter().map(|it| Value::from(*it)).collect(),
            };
            let text = argo_lang::gojson::to_string(&Value::Array(list));
            scope.set(format!("{prefix}.outputs.parameters.{name}"), text);
        }
        Ok(())
    }
}

/// The index in `name(<index>:<text>)`.
fn expansion_index(name: &str) -> usize {
    let tail = name.rsplit_once('(').map_or("", |it| it.1);
    // The text may hold anything but parentheses.
    tail.split(':').next().and_then(|it| it.trim_end_matches(')').parse().ok()).unwrap_or(usize::MAX)
}
