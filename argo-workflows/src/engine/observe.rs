//! What the executor reports becomes part of the graph; what nobody waits for is stopped.

use std::sync::Arc;

use argo_core::Time;

use super::{
    compile::CompiledTemplate,
    leaf::{DEADLINE_EXCEEDED, TIMED_OUT, duration},
    names::node_id,
    pass::{Halt, Origin, Pass},
    step::{Displaced, Effect, LiveStep, StepResult, StepState},
    template::{Call, Ready},
    vars::Scope,
};
use crate::api::{AnyString, NodePhase, NodeStatus, NodeType, Outputs, TemplateRef, TemplateType, WorkflowStep};

impl Pass<'_> {
    /// Brings the nodes up to what the executor knows, then applies deadlines and shutdown.
    pub(crate) fn observe(&mut self) {
        let steps = self.world.steps;
        for (id, state) in steps {
            let Some(node) = self.nodes.get(id) else { continue };
            if node.phase().is_fulfilled() {
                if state.is_active() {
                    self.effects.push(Effect::Stop { node_id: id.clone() });
                }
                continue;
            }
            match state {
                StepState::Pending(message) => self.say(id, message),
                StepState::Running if node.phase() == NodePhase::Pending => {
                    // Who says no more of a step than that it runs says that it is ready.
                    self.live(id, &LiveStep { ready: true, ..LiveStep::default() });
                }
                StepState::Running => {}
                StepState::Live(live) => self.live(id, live),
                StepState::Finished(result) => {
                    self.finish(id, result);
                    self.finish_containers(id, result);
                }
                StepState::Displaced(displaced) => self.displaced(id, displaced),
                StepState::Lost(message) => {
                    let node = node.clone();
                    if node.is_daemoned() {
                        self.daemon_ended(&node);
                    }
                    self.mark(id, NodePhase::Error, message);
                    self.lose_containers(id, NodePhase::Error, "container deleted");
                }
            }
        }
        self.complete_progress();
        self.limit();
    }

    /// Waits for another pod, as often as that may be; then the step has failed.
    fn displaced(&mut self, id: &str, displaced: &Displaced) {
        let Some(node) = self.nodes.get(id) else { return };
        let restarts = node.failed_pod_restarts.unwrap_or_default();
        if node.restarting_pod_uid.as_deref() != Some(&displaced.pod_uid) {
            if restarts >= displaced.limit {
                self.finish(id, &displaced.result);
                self.finish_containers(id, &displaced.result);
                return;
            }
            if let Some(node) = self.nodes.edit(id) {
                node.failed_pod_restarts = Some(restarts + 1);
                node.restarting_pod_uid = Some(displaced.pod_uid.clone());
                node.phase = Some(NodePhase::Pending);
                node.message = Some(format!("Pod auto-restarting due to {}", displaced.cause));
            }
        }
        // Asked for until it is gone.
        self.effects.push(Effect::Stop { node_id: id.to_owned() });
    }

    /// Fails nodes that are out of time or may not go on.
    fn limit(&mut self) {
        for id in self.ledger.open_steps(&self.nodes) {
            if !self.world.steps.contains_key(&id) {
                // The walk makes it again, or fails it.
                self.soil(&id);
                continue;
            }
            if !self.compiled.has_limits && self.shutdown().is_none() {
                continue;
            }
            let Some(node) = self.nodes.get(&id).cloned() else { continue };
            let on_exit = is_on_exit(&node.name);
            if node.is_daemoned() && !self.may_execute(on_exit) {
                // It ends well, with what it is there for.
                continue;
            }
            let message = if self.may_execute(on_exit) {
                match self.deadline_of(&node, on_exit) {
                    Some((at, message)) if self.now >= at => message.to_owned(),
                    Some((at, _)) => {
                        self.wake_at(at);
                        continue;
                    }
                    None => continue,
                }
            } else {
                format!("workflow shutdown with strategy:  {}", self.shutdown().unwrap_or_default())
            };
            self.mark(&node.id, NodePhase::Failed, &message);
            self.lose_containers(&node.id, NodePhase::Failed, &message);
            self.effects.push(Effect::Stop { node_id: node.id.clone() });
        }
    }

    /// When a node must be over, and what is said of it then.
    fn deadline_of(&mut self, node: &NodeStatus, on_exit: bool) -> Option<(argo_core::Timestamp, &'static str)> {
        let workflow = self.deadline.filter(|_| !on_exit).map(|it| (it, DEADLINE_EXCEEDED));
        let Ok((origin, template)) = self.template_of(node) else { return workflow };
        let of = &template.template;
        if of.timeout.is_none() && of.active_deadline_seconds.is_none() && of.pending_timeout.is_none() {
            return workflow;
        }
        let started = node.started_at.map_or(self.now, Time::timestamp);
        let processed = self.processed(node, origin, template).ok()?;
        let own = processed.active_deadline_seconds.as_ref().filter(|_| node.kind == NodeType::Pod);
        let own = own.and_then(crate::api::IntOrString::as_i64).map(|it| it.max(0).unsigned_abs());
        let own = own.map(|it| argo_core::time::after(started, std::time::Duration::from_secs(it)));
        // That of a template is its pod's: what a kubelet says of it.
        let told = |at| if own == Some(at) { POD_DEADLINE } else { DEADLINE_EXCEEDED };
        let whole = self.node_deadline(&processed, started, on_exit).ok()?.map(|it| (it, told(it)));
        if node.phase() != NodePhase::Pending {
            return whole;
        }
        let pending = [("timeout", &processed.timeout), ("pendingTimeout", &processed.pending_timeout)];
        let pending = pending.into_iter().filter_map(|(field, text)| {
            let wait = duration(field, text.as_deref().filter(|it| !it.is_empty())?).ok()?;
            Some((argo_core::time::after(started, wait), TIMED_OUT))
        });
        // Of two that are due at once, that of the node says more.
        pending.chain(whole).min_by_key(|it| it.0)
    }

    fn finish(&mut self, id: &str, result: &StepResult) {
        let Some(node) = self.nodes.get(id).cloned() else { return };
        if result.refused {
            self.refused.insert(node.name.clone());
        }
        if node.is_daemoned() {
            self.daemon_ended(&node);
        }
        let declared = self
            .template_of(&node)
            .and_then(|(origin, template)| {
                if template.template.outputs.is_none() {
                    return Ok(None);
                }
                self.processed(&node, origin, template).map(|it| it.outputs)
            })
            .unwrap_or_default();
        let mut outputs = declared.unwrap_or_default();
        for it in &mut outputs.parameters {
            let given = result.parameters.get(&it.name).map(|it| AnyString(it.clone()));
            let default = it.value_from.as_ref().and_then(|it| it.default.clone());
            let default = default.filter(|_| result.phase == NodePhase::Succeeded);
            it.value = given.or(default).or_else(|| it.value.take());
        }
        if matches!(node.kind, NodeType::HTTP | NodeType::Plugin) {
            // A plugin gives what it likes.
            let declared = |name: &String| outputs.parameters.iter().any(|it| it.name == *name);
            let given = result.parameters.iter().filter(|(name, _)| !declared(name));
            let given: Vec<_> = given.map(|(name, it)| crate::api::Parameter::new(name, it)).collect();
            outputs.parameters.extend(given);
        }
        let mut artifacts: Vec<_> = Vec::new();
        for it in std::mem::take(&mut outputs.artifacts) {
            let given = result.artifacts.iter().find(|given| given.name == it.name);
            match given {
                Some(given) => {
                    let mut artifact = given.clone();
                    artifact.path = artifact.path.or(it.path);
                    artifact.optional = it.optional;
                    artifact.global_name = it.global_name;
                    artifacts.push(artifact);
                }
                None if it.has_location() => artifacts.push(it),
                None => {}
            }
        }
        let extra = result.artifacts.iter().filter(|given| !artifacts.iter().any(|it| it.name == given.name));
        let extra: Vec<_> = extra.cloned().collect();
        artifacts.extend(extra);
        outputs.artifacts = artifacts;
        outputs.result.clone_from(&result.result);
        outputs.exit_code = result.exit_code.map(|it| it.to_string());
        self.publish(&outputs);
        if let Some(node) = self.nodes.edit(id) {
            node.outputs = Some(outputs).filter(|it: &Outputs| !it.is_empty());
            node.host_node_name = result.host.clone().or_else(|| node.host_node_name.take());
            node.progress = result.progress.clone().or_else(|| node.progress.take());
            node.resources_duration.clone_from(&result.resources);
            node.restarting_pod_uid = None;
            node.task_result_synced = result.is_reported.then_some(true);
            // What it waited for is past.
            node.message = None;
        }
        let is_daemon =
            self.compiled.has_daemons && self.template_of(&node).is_ok_and(|(_, it)| it.template.daemon == Some(true));
        let phase = match result.phase {
            // It was to run until it is ended.
            NodePhase::Succeeded if is_daemon => NodePhase::Failed,
            phase if phase.is_completed() => phase,
            _ => NodePhase::Error,
        };
        self.mark(id, phase, &result.message);
        if let (Some(at), Some(node)) = (result.finished_at, self.nodes.edit(id)) {
            let at = Time::new(at);
            node.finished_at = Some(node.started_at.map_or(at, |start| at.max(start)));
        }
    }

    /// The template that a node runs, from what the node itself says.
    pub(crate) fn template_of(&mut self, node: &NodeStatus) -> Result<(Origin, Arc<CompiledTemplate>), String> {
        let origin = node.template_scope.as_deref().map_or(Origin::Local, Origin::parse);
        let named = node.template_name.is_some() || node.template_ref.is_some();
        if named {
            let step = holder(node.template_name.clone(), node.template_ref.clone());
            return self.resolve(&origin, &step);
        }
        // An inline template: the enclosing template knows it by the name of the step.
        let boundary = node.boundary_id.as_deref().and_then(|it| self.nodes.get(it)).cloned();
        let boundary = boundary.ok_or_else(|| format!("node {} has no template", node.name))?;
        let (_, outer) = self.template_of(&boundary)?;
        let name = node.display_name.split('(').next().unwrap_or_default();
        let inline = outer.steps.iter().flatten().map(|it| &it.source).find(|it| it.name == name).cloned();
        let inline = inline.or_else(|| {
            let Some(Ok(plan)) = &outer.dag else { return None };
            plan.find(name).map(|it| plan.tasks[it].source.step.clone())
        });
        let step = inline.ok_or_else(|| format!("node {} has no template", node.name))?;
        self.resolve(&origin, &step)
    }

    /// The template of a node with its tags resolved.
    fn processed(
        &self,
        node: &NodeStatus,
        origin: Origin,
        template: Arc<CompiledTemplate>,
    ) -> Result<crate::api::Template, String> {
        let step = holder(node.template_name.clone(), node.template_ref.clone());
        let call = Call {
            name: node.name.clone(),
            step: &step,
            arguments: None,
            absent: &[],
            boundary: None,
            origin: origin.clone(),
            on_exit: is_on_exit(&node.name),
            flag: None,
            step_variable: None,
        };
        let ready = Ready { template, origin, inputs: node.inputs.clone() };
        self.process(&call, &ready, &node.name, &Scope::default())
    }

    /// Refuses to make new nodes where a limit is reached.
    pub(crate) fn check_parallelism(&mut self, call: &Call<'_>, ready: &Ready, id: &str) -> Result<(), Halt> {
        if !self.compiled.has_parallelism {
            return Ok(());
        }
        let exists = self.nodes.get(id).is_some();
        let is_group = matches!(ready.template.kind, Some(TemplateType::Steps | TemplateType::Dag));
        if exists && is_group {
            if ready.template.template.fail_fast == Some(true) && self.failed_children(id) > 0 {
                if self.active_pods_in(id) == 0 {
                    let inner: Vec<String> = self.nodes.get(id).map(|it| it.children.clone()).unwrap_or_default();
                    if ready.template.kind == Some(TemplateType::Steps) {
                        self.set_outbound(id, &inner);
                    }
                    let open: Vec<String> =
                        self.groups_of(id).filter(|it| !it.phase().is_fulfilled()).map(|it| it.id.clone()).collect();
                    for group in open {
                        self.mark(&group, NodePhase::Failed, FAIL_FAST);
                    }
                    self.mark(id, NodePhase::Failed, FAIL_FAST);
                }
                return Err(self.halted());
            }
            return Ok(());
        }
        if exists {
            return Ok(());
        }
        if self.compiled.spec.parallelism.is_some_and(|it| it > 0 && self.active_pods() >= it) {
            return Err(self.halted());
        }
        let Some(boundary) = call.boundary else { return Ok(()) };
        let template = &boundary.template.template;
        if template.parallelism.is_some_and(|it| it > 0 && self.active_children(&boundary.id) >= it) {
            return Err(self.halted());
        }
        Ok(())
    }
}

impl Pass<'_> {
    /// The groups of a steps node, in order.
    fn groups_of(&self, id: &str) -> impl Iterator<Item = &NodeStatus> {
        let name = self.nodes.get(id).map(|it| it.name.clone()).unwrap_or_default();
        let workflow = self.world.workflow.name();
        (0..).map_while(move |at| self.nodes.get(&node_id(workflow, &format!("{name}[{at}]"))))
    }

    /// There is no place: another pass tries again.
    fn halted(&mut self) -> Halt {
        self.restless = true;
        Halt::Parallelism
    }
}

/// What a kubelet says of a pod that is out of time.
const POD_DEADLINE: &str = "Pod was active on the node longer than the specified deadline";

/// What is said of a template that waits for nothing more as one of its children failed.
const FAIL_FAST: &str = "template has failed or errored children and failFast enabled";

fn holder(template: Option<String>, reference: Option<TemplateRef>) -> WorkflowStep {
    WorkflowStep { template, template_ref: reference, ..WorkflowStep::default() }
}

/// Whether a node belongs to an exit handler: its name has one in it.
pub(crate) fn is_on_exit(name: &str) -> bool {
    name.match_indices(".onExit").any(|(at, it)| {
        let after = name[at + it.len()..].chars().next();
        after.is_none_or(|it| matches!(it, '.' | '[' | '('))
    })
}
