//! Nodes that an executor works on, and those that only wait.

use std::time::Duration;

use argo_core::{Time, Timestamp, time};

use super::{
    pass::{Halt, Pass},
    step::{Effect, StepRequest},
    template::{Call, Ready, template_name},
    vars::{How, Scope},
};
use crate::api::{AnyString, NodeFlag, NodePhase, NodeStatus, NodeType, Outputs, Template, TemplateType, WorkflowSpec};

/// Message of a loop over nothing.
pub(crate) const EMPTY_LOOP: &str = "Skipped, empty params";
/// Message of a node that waited too long to run.
pub(crate) const TIMED_OUT: &str = "timeout";
/// Message of a node that ran out of time.
pub(crate) const DEADLINE_EXCEEDED: &str = "Step exceeded its deadline";

impl Pass<'_> {
    pub(crate) fn run_leaf(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        flag: Option<NodeFlag>,
        locals: &Scope,
        kind: TemplateType,
    ) -> Result<Option<String>, Halt> {
        let node_type = match kind {
            TemplateType::Http => NodeType::HTTP,
            TemplateType::Plugin => NodeType::Plugin,
            _ => NodeType::Pod,
        };
        let (id, _) = self.start(call, ready, name, node_type, NodePhase::Pending, flag)?;
        if !self.may_execute(call.on_exit) {
            // Upstream has one blank where no pod was made, two where one is stopped.
            let message = format!("workflow shutdown with strategy: {}", self.shutdown().unwrap_or_default());
            self.mark(&id, NodePhase::Failed, &message);
            return Ok(Some(id));
        }
        if self.is_past_deadline(call.on_exit) {
            self.mark(&id, NodePhase::Failed, DEADLINE_EXCEEDED);
            return Ok(Some(id));
        }
        if self.world.steps.contains_key(&id) || self.started.contains(&id) {
            return Ok(Some(id));
        }
        let template = match self.process(call, ready, name, locals) {
            Ok(template) => template,
            Err(message) => {
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
        };
        let started = self.nodes.get(&id).and_then(|it| it.started_at).map_or(self.now, Time::timestamp);
        let deadline = match self.node_deadline(&template, started, call.on_exit) {
            Ok(deadline) => deadline,
            Err(message) => {
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
        };
        if let Some(deadline) = deadline {
            self.wake_at(deadline);
        }
        let spec = match self.pod_spec() {
            Ok(spec) => spec,
            Err(message) => {
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
        };
        self.started.insert(id.clone());
        if kind == TemplateType::ContainerSet {
            self.create_containers(call, &template, &id, name, flag);
        }
        let workflow = self.world.workflow;
        let pod_name = super::names::pod_name(&self.name, name, &template_name(call.step, ready), self.pod_names());
        let avoid_hosts = self.failed_hosts(call, name, flag);
        self.effects.push(Effect::Start(Box::new(StepRequest {
            workflow: argo_core::ObjectKey::new(
                Some(workflow.namespace()).filter(|it| !it.is_empty()),
                workflow.name(),
            ),
            workflow_uid: workflow.uid().to_owned(),
            node_id: id.clone(),
            node_name: name.to_owned(),
            pod_name,
            template,
            include_result: self.reads_result(call),
            on_exit: call.on_exit,
            was_running: self.nodes.get(&id).is_some_and(|it| it.phase() == NodePhase::Running),
            deadline,
            service_account: self.compiled.spec.service_account_name.clone(),
            spec,
            avoid_hosts,
            repository: super::artifact_gc::repository(&self.world).cloned(),
            boundary: call.boundary.map(|it| scheduling(&it.template.template)).unwrap_or_default(),
        })));
        Ok(Some(id))
    }

    /// Machines that an attempt, or a step inside of one, keeps away from (`affinity.nodeAntiAffinity`).
    fn failed_hosts(&mut self, call: &Call<'_>, name: &str, flag: Option<NodeFlag>) -> Vec<String> {
        let attempt = match (flag.is_some_and(|it| it.retried), call.boundary) {
            (true, _) => name,
            (false, Some(boundary)) => boundary.name.as_str(),
            (false, None) => return Vec::new(),
        };
        let retry = attempt.rsplit_once('(').and_then(|it| self.named(it.0)).filter(|it| it.kind == NodeType::Retry);
        let Some(retry) = retry.cloned() else { return Vec::new() };
        let own = self.template_of(&retry).ok().and_then(|it| it.1.template.retry_strategy.clone());
        let strategy = own.or_else(|| self.compiled.spec.retry_strategy.clone());
        let affinity = strategy.and_then(|it| it.affinity);
        if affinity.and_then(|it| it.get("nodeAntiAffinity").cloned()).is_none_or(|it| it.is_null()) {
            return Vec::new();
        }
        let (mut hosts, mut seen) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let mut open = vec![retry.id];
        while let Some(node) = open.pop().and_then(|it| self.nodes.get(&it)) {
            if !seen.insert(node.id.clone()) {
                continue;
            }
            if node.kind == NodeType::Pod && node.phase().is_failed() {
                hosts.extend(node.host_node_name.clone());
            }
            open.extend(node.children.iter().filter(|it| self.nodes.get(it).is_some()).cloned());
        }
        hosts.into_iter().collect()
    }

    /// What a pod takes from the workflow: the spec without templates, its variables replaced.
    fn pod_spec(&self) -> Result<Box<WorkflowSpec>, String> {
        let mut json = (*self.compiled.pod_spec).clone();
        if super::vars::has_tags(&json) {
            json = self.globals.render_value(&json, How::Keep).map_err(|it| it.to_string())?;
        }
        serde_json::from_value(json).map(Box::new).map_err(|it| it.to_string())
    }

    fn reads_result(&self, call: &Call<'_>) -> bool {
        let Some(boundary) = call.boundary else { return false };
        let Some((_, step)) = &call.step_variable else { return false };
        boundary.template.reads_result_of(step)
    }

    /// When a step must be over: the earliest of its template's limits and the workflow's.
    pub(crate) fn node_deadline(
        &self,
        template: &Template,
        started: Timestamp,
        on_exit: bool,
    ) -> Result<Option<Timestamp>, String> {
        let mut deadline = self.deadline.filter(|_| !on_exit);
        let mut limit = |at: Timestamp| deadline = Some(deadline.map_or(at, |it| it.min(at)));
        if let Some(seconds) = &template.active_deadline_seconds {
            let Some(seconds) = seconds.as_i64() else {
                return Err(format!("activeDeadlineSeconds is not a number: '{seconds}'"));
            };
            limit(time::after(started, Duration::from_secs(seconds.max(0).unsigned_abs())));
        }
        if let Some(timeout) = template.timeout.as_deref().filter(|it| !it.is_empty()) {
            limit(time::after(started, duration("timeout", timeout)?));
        }
        Ok(deadline)
    }

    pub(crate) fn run_suspend(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        flag: Option<NodeFlag>,
        locals: &Scope,
    ) -> Result<Option<String>, Halt> {
        let (id, new) = self.start(call, ready, name, NodeType::Suspend, NodePhase::Running, flag)?;
        if !self.may_execute(call.on_exit) {
            let message = format!("workflow shutdown with strategy: {}", self.shutdown().unwrap_or_default());
            self.mark(&id, NodePhase::Failed, &message);
            return Ok(Some(id));
        }
        if self.is_past_deadline(call.on_exit) {
            self.mark(&id, NodePhase::Failed, DEADLINE_EXCEEDED);
            return Ok(Some(id));
        }
        let template = match self.process(call, ready, name, locals) {
            Ok(template) => template,
            Err(message) => {
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
        };
        if new && let Some(outputs) = template.outputs.clone().filter(|it| !it.is_empty()) {
            // What a person may fill in stands in the node.
            if let Some(node) = self.nodes.edit(&id) {
                node.outputs = Some(outputs);
            }
        }
        let text = template.suspend.as_ref().and_then(|it| it.duration.as_ref()).map(AnyString::as_str);
        let Some(text) = text.filter(|it| !it.is_empty()) else {
            return Ok(Some(id));
        };
        let wait = match argo_lang::duration::parse_or_seconds(text).map(Duration::try_from) {
            Ok(Ok(wait)) => wait,
            _ => {
                self.mark(&id, NodePhase::Error, &format!("unable to parse suspend duration '{text}'"));
                return Ok(Some(id));
            }
        };
        let started = self.nodes.get(&id).and_then(|it| it.started_at).map_or(self.now, Time::timestamp);
        let due = time::after(started, wait);
        if self.now < due {
            self.wake_at(due);
            return Ok(Some(id));
        }
        match supplied(self.nodes.get(&id)) {
            Ok(outputs) => {
                if let Some(node) = self.nodes.edit(&id) {
                    node.outputs = outputs;
                }
                self.mark(&id, NodePhase::Succeeded, "");
            }
            Err(message) => self.mark(&id, NodePhase::Error, &message),
        }
        Ok(Some(id))
    }
}

/// The outputs of a suspend node that ends by itself: what nobody supplied takes its default.
fn supplied(node: Option<&NodeStatus>) -> Result<Option<Outputs>, String> {
    let Some(mut outputs) = node.and_then(|it| it.outputs.clone()) else { return Ok(None) };
    for it in &mut outputs.parameters {
        let Some(from) = it.value_from.as_ref().filter(|it| it.supplied.is_some()) else { continue };
        if it.value.is_none() {
            it.value.clone_from(&from.default);
        }
        if it.value.is_none() {
            return Err(format!(
                "raw output parameter '{}' has not been set and does not have a default value",
                it.name
            ));
        }
    }
    Ok(Some(outputs))
}

/// Reads a Go duration of a field.
pub(crate) fn duration(field: &str, text: &str) -> Result<Duration, String> {
    argo_lang::duration::parse(text)
        .ok()
        .and_then(|it| Duration::try_from(it).ok())
        .ok_or_else(|| format!("{text} has invalid duration format in {field}"))
}

/// Where pods of the steps of a template may run, unless their own templates say so.
fn scheduling(template: &Template) -> std::collections::BTreeMap<String, serde_json::Value> {
    let of = |field: &&str| template.extra.get(*field).map(|it| ((*field).to_owned(), it.clone()));
    ["nodeSelector", "affinity", "tolerations"].iter().filter_map(of).collect()
}
