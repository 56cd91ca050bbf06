//! Steps templates: groups one after another, the steps of a group together.

use std::{rc::Rc, sync::Arc};

use argo_lang::govaluate;

use super::{
    compile::CompiledStep,
    expansions::Loop,
    leaf::EMPTY_LOOP,
    loops,
    outputs::{group_outputs, resolve_artifacts},
    pass::{Boundary, Halt, NewNode, Pass},
    template::{Call, Ready},
    vars::Scope,
};
use crate::api::{NodeFlag, NodePhase, NodeStatus, NodeType, Template, WorkflowStep};

/// A step to execute: resolved and, in a loop, expanded.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) name: String,
    pub(crate) step: WorkflowStep,
    pub(crate) absent: Vec<(String, String)>,
}

impl Pass<'_> {
    pub(crate) fn boundary(&self, call: &Call<'_>, ready: &Ready, name: &str, id: &str, locals: &Scope) -> Boundary {
        let own = Rc::new(self.local_scope(call, ready, name));
        Boundary {
            id: id.to_owned(),
            name: name.to_owned(),
            template: ready.template.clone(),
            origin: ready.origin.clone(),
            inputs: Rc::new(Scope::inside(vec![Rc::new(locals.clone()), own])),
            on_exit: call.on_exit,
            depth: call.boundary.map_or(0, |it| it.depth) + 1,
        }
    }

    pub(crate) fn run_steps(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        flag: Option<NodeFlag>,
        locals: &Scope,
    ) -> Result<Option<String>, Halt> {
        let (id, _) = self.start(call, ready, name, NodeType::Steps, NodePhase::Running, flag)?;
        let boundary = self.boundary(call, ready, name, &id, locals);
        let template = ready.template.clone();
        let mut steps = Scope::default();
        let mut previous: Option<String> = None;
        for (i, group) in template.steps.iter().enumerate() {
            let group_name = format!("{name}[{i}]");
            let group_id = self.id(&group_name);
            if self.nodes.get(&group_id).is_none() {
                self.create_group(&boundary, &group_name, previous.as_deref());
            }
            let shared = Rc::new(steps.clone());
            self.run_group(&boundary, group, &group_name, &group_id, &shared);
            let Some(node) = self.nodes.get(&group_id) else { return Ok(Some(id)) };
            if !node.is_fulfilled() {
                return Ok(Some(id));
            }
            if node.phase().is_failed() {
                let message = node.message().to_owned();
                self.close_steps(&id, &group_id);
                self.mark(&id, NodePhase::Failed, &message);
                return Ok(Some(id));
            }
            if let Err(message) = self.collect_group(&boundary, group, &group_name, &group_id, &mut steps) {
                self.close_steps(&id, &group_id);
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
            previous = Some(group_id);
        }
        if let Some(last) = &previous {
            self.close_steps(&id, last);
        }
        self.finish_group(&id, &template.template, &boundary, Rc::new(steps));
        Ok(Some(id))
    }

    /// Ends a steps or dag node well, with its outputs.
    pub(crate) fn finish_group(&mut self, id: &str, template: &Template, boundary: &Boundary, children: Rc<Scope>) {
        let scope = Scope::inside(vec![children, boundary.inputs.clone(), self.globals.clone()]);
        match group_outputs(template, &scope) {
            Ok(outputs) => {
                if let Some(outputs) = outputs {
                    self.publish(&outputs);
                    if let Some(node) = self.nodes.edit(id) {
                        node.outputs = Some(outputs);
                    }
                }
                self.mark(id, NodePhase::Succeeded, "");
            }
            Err(message) => self.mark(id, NodePhase::Error, &message),
        }
    }

    fn close_steps(&mut self, id: &str, last_group: &str) {
        let children = self.nodes.get(last_group).map(|it| it.children.clone()).unwrap_or_default();
        self.set_outbound(id, &children);
    }

    fn create_group(&mut self, boundary: &Boundary, name: &str, previous: Option<&str>) {
        let new = NewNode {
            kind: NodeType::StepGroup,
            phase: NodePhase::Running,
            boundary: Some(boundary.id.clone()),
            template_scope: Some(boundary.origin.scope(&self.name)),
            flag: Some(NodeFlag::default()),
            ..NewNode::default()
        };
        let id = self.create(name, new);
        let parents = match previous {
            None => vec![boundary.id.clone()],
            Some(previous) => {
                let children = self.nodes.get(previous).map(|it| it.children.clone()).unwrap_or_default();
                // A group without children (an empty loop) is itself what the next one hangs from.
                if children.is_empty() {
                    vec![previous.to_owned()]
                } else {
                    children.iter().flat_map(|it| self.outbound(it)).collect()
                }
            }
        };
        for parent in parents {
            self.link(&parent, &id);
        }
    }

    fn run_group(
        &mut self,
        boundary: &Boundary,
        group: &[CompiledStep<WorkflowStep>],
        name: &str,
        id: &str,
        steps: &Rc<Scope>,
    ) {
        if self.nodes.get(id).is_none_or(NodeStatus::is_fulfilled) {
            return;
        }
        let mut complete = true;
        let mut failed = None;
        for (place, step) in group.iter().enumerate() {
            let continues = step.source.continue_on.unwrap_or_default();
            let fails = |it: NodePhase| {
                it == NodePhase::Failed && !continues.failed || it == NodePhase::Error && !continues.error
            };
            let ran = if loops::is_loop(&step.source) {
                let place =
                    Loop { key: format!("{id}/{place}"), parent: id, prefix: &format!("{name}."), kind: "steps" };
                let ran = self
                    .run_loop(boundary, &step.source, &place, steps, |it| it.expand_step(boundary, step, name, steps));
                ran.map(|ran| {
                    let first = ran.failed.into_iter().find(|it| fails(it.1)).map(|it| it.0);
                    failed = failed.take().or(first);
                    ran.complete
                })
            } else {
                self.run_step(boundary, step, name, id, steps).map(|(done, child)| {
                    let child = child.filter(|_| failed.is_none()).and_then(|it| self.nodes.get(&it));
                    failed = failed.take().or_else(|| child.filter(|it| fails(it.phase())).map(|it| it.id.clone()));
                    done
                })
            };
            match ran {
                Ok(done) => complete &= done,
                Err(message) => {
                    self.mark(id, NodePhase::Error, &message);
                    return;
                }
            }
        }
        if !complete {
            return;
        }
        match failed {
            Some(child) => self.mark(id, NodePhase::Failed, &format!("child '{child}' failed")),
            None => self.mark(id, NodePhase::Succeeded, ""),
        }
    }

    /// Runs a step that is no loop. Says whether it and its hooks are done, and which node it has.
    fn run_step(
        &mut self,
        boundary: &Boundary,
        step: &CompiledStep<WorkflowStep>,
        group: &str,
        id: &str,
        steps: &Rc<Scope>,
    ) -> Result<(bool, Option<String>), String> {
        let mut done = true;
        let mut child = None;
        for it in self.expand_step(boundary, step, group, steps)? {
            let name = format!("{group}.{}", it.name);
            done &= self.run_child(boundary, &it, &step.source, &name, id, "steps", steps)?;
            child = Some(self.id(&name));
        }
        Ok((done, child))
    }

    /// What a step of a group runs as: itself, or its expansions.
    fn expand_step(
        &mut self,
        boundary: &Boundary,
        step: &CompiledStep<WorkflowStep>,
        group: &str,
        steps: &Rc<Scope>,
    ) -> Result<Vec<Expanded>, String> {
        let source = &step.source;
        let settled = self.named(&format!("{group}.{}", source.name)).is_some_and(|it| self.is_settled(it));
        if settled && !loops::is_loop(source) {
            return Ok(vec![Expanded { name: source.name.clone(), step: source.clone(), absent: Vec::new() }]);
        }
        let scope = Scope::inside(vec![steps.clone(), boundary.inputs.clone(), self.globals.clone()]);
        let expanded = self.resolve_and_expand(&scope, boundary, &step.document)?;
        if expanded.is_empty() {
            self.skip_empty_loop(boundary, source, group);
        }
        Ok(expanded)
    }

    /// A loop over nothing leaves a node that says so.
    fn skip_empty_loop(&mut self, boundary: &Boundary, source: &WorkflowStep, group: &str) {
        let name = format!("{group}.{}", source.name);
        let id = self.id(&name);
        if self.nodes.get(&id).is_some() {
            return;
        }
        let new = NewNode {
            kind: NodeType::Skipped,
            phase: NodePhase::Skipped,
            message: Some(EMPTY_LOOP.to_owned()),
            flag: Some(NodeFlag::default()),
            template_name: source.template.clone(),
            template_ref: source.template_ref.clone(),
            template_scope: Some(boundary.origin.scope(&self.name)),
            boundary: Some(boundary.id.clone()),
            ..NewNode::default()
        };
        self.create(&name, new);
        let group = self.id(group);
        self.link(&group, &id);
    }

    /// Resolves a step's texts and expands its loop.
    pub(crate) fn resolve_and_expand(
        &self,
        scope: &Scope,
        boundary: &Boundary,
        document: &argo_lang::tags::Document,
    ) -> Result<Vec<Expanded>, String> {
        let (mut json, absent) =
            self.resolve_step(document, scope, boundary.inputs.has_tagged_values()).map_err(|it| it.to_string())?;
        resolve_artifacts(&mut json, scope)?;
        let step: WorkflowStep = serde_json::from_value(json.clone()).map_err(|it| it.to_string())?;
        if !loops::is_loop(&step) {
            return Ok(vec![Expanded { name: step.name.clone(), step, absent }]);
        }
        let expanded = match loops::expand(&step, &json) {
            Ok(expanded) => expanded,
            // A loop that does not run anyway need not be readable.
            Err(message) => match step.when.as_deref().map(govaluate::when) {
                Some(Ok(false)) => Vec::new(),
                _ => return Err(message),
            },
        };
        expanded
            .into_iter()
            .map(|(name, json)| {
                let step = serde_json::from_value(json).map_err(|it| it.to_string())?;
                Ok(Expanded { name, step, absent: absent.clone() })
            })
            .collect()
    }

    /// Executes one child of a steps or dag node. Says whether it and its hooks are done.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn run_child(
        &mut self,
        boundary: &Boundary,
        child: &Expanded,
        source: &WorkflowStep,
        name: &str,
        parent: &str,
        kind: &'static str,
        siblings: &Rc<Scope>,
    ) -> Result<bool, String> {
        let id = self.id(name);
        let call = Call {
            name: name.to_owned(),
            step: &child.step,
            arguments: child.step.arguments.as_ref(),
            absent: &child.absent,
            boundary: Some(boundary),
            origin: boundary.origin.clone(),
            on_exit: boundary.on_exit,
            flag: None,
            step_variable: Some((kind, source.name.clone())),
        };
        if self.nodes.get(&id).is_none() {
            let when = child.step.when.as_deref().unwrap_or_default();
            let skip = match govaluate::when(when) {
                Ok(true) => None,
                Ok(false) => Some((NodePhase::Skipped, format!("when '{when}' evaluated false"))),
                Err(error) => Some((NodePhase::Error, error.to_string())),
            };
            if let Some((phase, message)) = skip {
                let new = NewNode {
                    kind: NodeType::Skipped,
                    phase,
                    message: Some(message.clone()),
                    flag: Some(NodeFlag::default()),
                    ..self.node_of(&call, &boundary.origin)
                };
                self.create(name, new);
                self.link(parent, &id);
                return if phase == NodePhase::Error && kind == "steps" { Err(message) } else { Ok(true) };
            }
        }
        let existed = self.nodes.get(&id).is_some();
        let settled = self.nodes.get(&id).is_some_and(|it| self.is_settled(it));
        let outcome = if settled { Ok(None) } else { self.execute(&call) };
        let exists = self.nodes.get(&id).is_some();
        if exists && !existed {
            self.link(parent, &id);
        }
        match outcome {
            Ok(_) | Err(Halt::Parallelism) => {}
            Err(Halt::Depth) => {
                return Err("Maximum recursion depth exceeded. See https://argo-workflows.readthedocs.io/en/latest/scaling/#maximum-recursion-depth".to_owned());
            }
            Err(Halt::Error(message)) => {
                self.mark(&id, NodePhase::Error, &message);
                if kind == "steps" {
                    return Err(format!("step group deemed errored due to child {name} error: {message}"));
                }
            }
        }
        let Some(node) = self.nodes.get(&id) else { return Ok(false) };
        let fulfilled = node.is_fulfilled();
        if source.hooks.is_none() && source.on_exit.is_none() {
            return Ok(fulfilled);
        }
        self.run_hooks(&call, source, &id, &format!("{kind}.{}", source.name), siblings)
    }

    /// Whether a node needs nothing from this walk: it has ended, or the executor works on it.
    pub(crate) fn is_settled(&self, node: &NodeStatus) -> bool {
        node.is_fulfilled()
            || matches!(node.kind, NodeType::Pod | NodeType::HTTP | NodeType::Plugin)
                && (self.world.steps.contains_key(&node.id) || self.started.contains(&node.id))
    }

    /// Adds what the steps of a group gave to the scope.
    fn collect_group(
        &mut self,
        boundary: &Boundary,
        group: &[CompiledStep<WorkflowStep>],
        name: &str,
        id: &str,
        scope: &mut Scope,
    ) -> Result<(), String> {
        for step in group {
            let source = &step.source;
            let prefix = format!("steps.{}", source.name);
            let child_name = format!("{name}.{}", source.name);
            match self.named(&child_name).cloned() {
                Some(node) => {
                    let declared = self.declared(boundary, source, &node);
                    self.describe(scope, &prefix, &node, declared.as_deref());
                }
                None => {
                    let Some(group) = self.nodes.get(id) else { continue };
                    let start = format!("{child_name}(");
                    let children: Vec<&NodeStatus> =
                        self.children(group).filter(|it| it.name.starts_with(&start)).collect();
                    self.aggregate(scope, &prefix, &children)?;
                }
            }
        }
        Ok(())
    }

    /// The template of a child that did not run: it says which outputs there would have been.
    pub(crate) fn declared(
        &mut self,
        boundary: &Boundary,
        source: &WorkflowStep,
        node: &NodeStatus,
    ) -> Option<Arc<Template>> {
        if !matches!(node.phase(), NodePhase::Skipped | NodePhase::Omitted) {
            return None;
        }
        let (_, template) = self.resolve(&boundary.origin, source).ok()?;
        Some(Arc::new(template.template.clone()))
    }
}
