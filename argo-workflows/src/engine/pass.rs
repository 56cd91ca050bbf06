//! [`Pass`]: the state of one reconcile, and the verbs that change nodes.

use std::{
    collections::{BTreeMap, btree_map},
    rc::Rc,
    sync::Arc,
};

use argo_core::{Time, Timestamp};

use super::{
    compile::{Compiled, CompiledTemplate},
    names::{display_name, is_display_name, node_id},
    scope,
    step::Effect,
    synchronization::OwnLocks,
    vars::Scope,
    world::World,
};
use crate::api::{
    ANNOTATION_DISPLAY_NAME, NodeFlag, NodePhase, NodeStatus, NodeType, Outputs, Parameter, SHUTDOWN_TERMINATE,
    SynchronizationStatus, Template, TemplateRef, WorkflowPhase,
};

/// Deepest nesting of templates.
pub(crate) const MAX_DEPTH: usize = 100;

/// Where a template's name is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Local,
    Namespaced(String),
    Cluster(String),
}

impl Origin {
    /// As `templateScope` spells it.
    pub(crate) fn scope(&self, workflow: &str) -> String {
        match self {
            Self::Local => format!("local/{workflow}"),
            Self::Namespaced(name) => format!("namespaced/{name}"),
            Self::Cluster(name) => format!("cluster/{name}"),
        }
    }

    pub(crate) fn parse(scope: &str) -> Self {
        match scope.split_once('/') {
            Some(("namespaced", name)) => Self::Namespaced(name.to_owned()),
            Some(("cluster", name)) => Self::Cluster(name.to_owned()),
            _ => Self::Local,
        }
    }
}

/// The steps or dag node that a walk is in.
#[derive(Debug)]
pub(crate) struct Boundary {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) template: Arc<CompiledTemplate>,
    pub(crate) origin: Origin,
    /// `inputs.*` of the template, and the names of its node.
    pub(crate) inputs: Rc<Scope>,
    pub(crate) on_exit: bool,
    pub(crate) depth: usize,
}

/// Why a template was not executed, or only in part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Halt {
    /// No place is free: another pass tries again.
    Parallelism,
    /// Templates nest too deeply.
    Depth,
    /// It can not be done.
    Error(String),
}

/// Nodes as they were read, with what changed laid over them.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    base: &'a BTreeMap<String, NodeStatus>,
    changed: BTreeMap<String, NodeStatus>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn get(&self, id: &str) -> Option<&NodeStatus> {
        self.changed.get(id).or_else(|| self.base.get(id))
    }

    pub(crate) fn edit(&mut self, id: &str) -> Option<&mut NodeStatus> {
        match self.changed.entry(id.to_owned()) {
            btree_map::Entry::Occupied(entry) => Some(entry.into_mut()),
            btree_map::Entry::Vacant(entry) => self.base.get(id).map(|it| entry.insert(it.clone())),
        }
    }

    fn insert(&mut self, node: NodeStatus) {
        self.changed.insert(node.id.clone(), node);
    }

    /// Every node, changed ones first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NodeStatus> {
        let rest = self.base.iter().filter(|(id, _)| !self.changed.contains_key(*id)).map(|(_, it)| it);
        self.changed.values().chain(rest)
    }

    /// Every node as it is, beside what it was.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Option<&'a NodeStatus>, &NodeStatus)> {
        self.changed.iter().map(|(id, it)| (self.base.get(id), it))
    }

    fn into_changed(self) -> BTreeMap<String, NodeStatus> {
        let base = self.base;
        self.changed.into_iter().filter(|(id, it)| base.get(id) != Some(it)).collect()
    }
}

/// Counts of active nodes, for parallelism.
#[derive(Debug, Default)]
pub(crate) struct Active {
    pub(crate) pods: i64,
    /// Active children (pods, steps, dags) by boundary.
    pub(crate) children: BTreeMap<String, i64>,
    /// Active pods by boundary.
    pub(crate) boundary_pods: BTreeMap<String, i64>,
    /// Failed children by boundary.
    pub(crate) failed: BTreeMap<String, i64>,
}

/// How a new node is to be.
#[derive(Debug, Default)]
pub(crate) struct NewNode {
    pub(crate) kind: NodeType,
    pub(crate) template_name: Option<String>,
    pub(crate) template_ref: Option<TemplateRef>,
    pub(crate) template_scope: Option<String>,
    pub(crate) boundary: Option<String>,
    pub(crate) phase: NodePhase,
    pub(crate) flag: Option<NodeFlag>,
    pub(crate) message: Option<String>,
    pub(crate) display_name: Option<String>,
}

/// One reconcile under way.
pub(crate) struct Pass<'a> {
    pub(crate) world: World<'a>,
    pub(crate) compiled: &'a Compiled,
    pub(crate) now: Timestamp,
    pub(crate) name: String,
    pub(crate) nodes: Nodes<'a>,
    pub(crate) globals: Rc<Scope>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) wake: Option<Timestamp>,
    pub(crate) stored: BTreeMap<String, Template>,
    pub(crate) fetched: BTreeMap<String, Arc<CompiledTemplate>>,
    pub(crate) outputs: Option<Outputs>,
    pub(crate) active: Option<Active>,
    /// Steps whose start this pass asks for.
    pub(crate) started: std::collections::BTreeSet<String>,
    /// When the workflow must be over.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) locks: OwnLocks<'a>,
    /// Nodes that got their locks in this pass.
    pub(crate) unlocked: std::collections::BTreeSet<String>,
    /// Entries of caches to write, by ConfigMap and key.
    pub(crate) remembered: BTreeMap<String, BTreeMap<String, String>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(world: World<'a>, compiled: &'a Compiled, now: Timestamp) -> Self {
        let status = &world.workflow.status;
        let seconds = compiled.spec.active_deadline_seconds.as_ref().and_then(crate::api::IntOrString::as_i64);
        let start = status.started_at.map_or(now, Time::timestamp);
        let deadline =
            seconds.map(|it| argo_core::time::after(start, std::time::Duration::from_secs(it.max(0).unsigned_abs())));
        Self {
            name: world.workflow.name().to_owned(),
            nodes: Nodes { base: &status.nodes, changed: BTreeMap::new() },
            globals: Rc::new(scope::globals(world.workflow, compiled, now)),
            effects: Vec::new(),
            wake: None,
            stored: BTreeMap::new(),
            fetched: BTreeMap::new(),
            outputs: None,
            active: None,
            started: Default::default(),
            deadline,
            unlocked: Default::default(),
            remembered: BTreeMap::new(),
            locks: OwnLocks::new(world.locks, world.references, world.workflow, &compiled.spec),
            world,
            compiled,
            now,
        }
    }

    pub(crate) fn id(&self, node_name: &str) -> String {
        node_id(&self.name, node_name)
    }

    pub(crate) fn named(&self, node_name: &str) -> Option<&NodeStatus> {
        self.nodes.get(&self.id(node_name))
    }

    pub(crate) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |it| it.min(at)));
    }

    pub(crate) fn shutdown(&self) -> Option<&'a str> {
        self.world.workflow.spec.shutdown.as_deref().filter(|it| !it.is_empty())
    }

    /// Whether work may start, given `spec.shutdown`.
    pub(crate) fn may_execute(&self, on_exit: bool) -> bool {
        match self.shutdown() {
            None => true,
            Some(SHUTDOWN_TERMINATE) => false,
            Some(_) => on_exit,
        }
    }

    pub(crate) fn is_past_deadline(&self, on_exit: bool) -> bool {
        !on_exit && self.deadline.is_some_and(|it| self.now >= it)
    }

    /// Makes a node, unless it is there. Returns its id.
    pub(crate) fn create(&mut self, name: &str, new: NewNode) -> String {
        let id = self.id(name);
        if self.nodes.get(&id).is_some() {
            return id;
        }
        let boundary_name = new.boundary.as_deref().and_then(|it| self.nodes.get(it)).map(|it| it.name.clone());
        let ended = new.phase.is_fulfilled();
        let leaf = matches!(
            new.kind,
            NodeType::Pod | NodeType::Suspend | NodeType::HTTP | NodeType::Plugin | NodeType::Container
        );
        let node = NodeStatus {
            id: id.clone(),
            name: name.to_owned(),
            display_name: new.display_name.unwrap_or_else(|| display_name(name, boundary_name.as_deref())),
            kind: new.kind,
            template_name: new.template_name,
            template_ref: new.template_ref,
            template_scope: new.template_scope,
            phase: Some(new.phase),
            boundary_id: new.boundary,
            message: new.message,
            started_at: Some(self.now.into()),
            finished_at: ended.then(|| self.now.into()),
            progress: leaf.then(|| "0/1".to_owned()),
            node_flag: new.flag,
            ..NodeStatus::default()
        };
        self.count(&node, 1);
        self.nodes.insert(node);
        id
    }

    /// Moves a node to `phase`. A node that has ended stays as it is.
    pub(crate) fn mark(&mut self, id: &str, phase: NodePhase, message: &str) {
        let now = self.now;
        let Some(before) = self.nodes.get(id) else { return };
        if before.phase().is_fulfilled() {
            return;
        }
        if before.phase == Some(phase) && (message.is_empty() || before.message() == message) {
            return;
        }
        let was = before.clone();
        if let Some(node) = self.nodes.edit(id) {
            node.phase = Some(phase);
            if !message.is_empty() {
                node.message = Some(message.to_owned());
            }
            if phase.is_fulfilled() {
                node.finished_at = Some(now.into());
                if phase == NodePhase::Succeeded
                    && is_executable(&node.kind)
                    && let Some((_, all)) = node.progress.as_deref().and_then(|it| it.split_once('/'))
                {
                    node.progress = Some(format!("{all}/{all}"));
                }
            }
        }
        if phase.is_fulfilled() {
            self.locks.release(id);
            if was.synchronization_status.is_some()
                && let Some(node) = self.nodes.edit(id)
            {
                node.synchronization_status = None;
            }
            self.count(&was, -1);
            self.count_failed(&was, phase);
            if matches!(was.kind, NodeType::Steps | NodeType::DAG) {
                self.kill_daemons(Some(id));
            }
        }
    }

    /// Sets the message of a node that goes on.
    pub(crate) fn say(&mut self, id: &str, message: &str) {
        if self.nodes.get(id).is_some_and(|it| it.message() != message)
            && let Some(node) = self.nodes.edit(id)
        {
            node.message = (!message.is_empty()).then(|| message.to_owned());
        }
    }

    /// Hangs `child` under `parent`.
    pub(crate) fn link(&mut self, parent: &str, child: &str) {
        let Some(node) = self.nodes.get(parent) else { return };
        // The newest edges are the likeliest to be asked for again.
        if node.children.iter().rev().any(|it| it == child) {
            return;
        }
        if let Some(node) = self.nodes.edit(parent) {
            node.children.push(child.to_owned());
        }
    }

    pub(crate) fn count(&mut self, node: &NodeStatus, by: i64) {
        let Some(active) = &mut self.active else { return };
        if !matches!(node.phase(), NodePhase::Pending | NodePhase::Running) {
            return;
        }
        let boundary = node.boundary_id.clone().unwrap_or_default();
        if node.kind == NodeType::Pod && !node.is_waiting_for_lock() {
            active.pods += by;
            *active.boundary_pods.entry(boundary.clone()).or_default() += by;
        }
        if matches!(node.kind, NodeType::Pod | NodeType::Steps | NodeType::DAG) {
            *active.children.entry(boundary).or_default() += by;
        }
    }

    fn count_failed(&mut self, node: &NodeStatus, phase: NodePhase) {
        if phase.is_failed()
            && let Some(active) = &mut self.active
        {
            *active.failed.entry(node.boundary_id.clone().unwrap_or_default()).or_default() += 1;
        }
    }

    /// Counts active nodes, once, where some template limits them.
    pub(crate) fn count_active(&mut self) {
        if !self.compiled.has_parallelism || self.active.is_some() {
            return;
        }
        let nodes: Vec<NodeStatus> = self.nodes.iter().map(slim).collect();
        self.active = Some(Active::default());
        for node in &nodes {
            self.count(node, 1);
            self.count_failed(node, node.phase());
        }
    }

    /// Publishes outputs with a `globalName`.
    pub(crate) fn publish(&mut self, outputs: &Outputs) {
        let named = |it: &&Parameter| it.global_name.as_deref().is_some_and(|it| !it.is_empty());
        let parameters: Vec<&Parameter> = outputs.parameters.iter().filter(named).collect();
        let artifacts: Vec<_> =
            outputs.artifacts.iter().filter(|it| it.global_name.as_deref().is_some_and(|it| !it.is_empty())).collect();
        if parameters.is_empty() && artifacts.is_empty() {
            return;
        }
        let mut all = self.outputs.take().or_else(|| self.world.workflow.status.outputs.clone()).unwrap_or_default();
        let globals = Rc::make_mut(&mut self.globals);
        for it in parameters {
            let (Some(name), Some(value)) = (&it.global_name, &it.value) else { continue };
            let new = Parameter::new(name, value.as_str());
            match all.parameters.iter_mut().find(|it| it.name == *name) {
                Some(old) => *old = new,
                None => all.parameters.push(new),
            }
            globals.set(format!("workflow.outputs.parameters.{name}"), value.as_str());
        }
        for it in artifacts {
            let Some(name) = &it.global_name else { continue };
            let mut new = (*it).clone();
            new.name.clone_from(name);
            new.global_name = None;
            new.path = None;
            globals.set_artifact(format!("workflow.outputs.artifacts.{name}"), Some(new.clone()));
            match all.artifacts.iter_mut().find(|it| it.name == *name) {
                Some(old) => *old = new,
                None => all.artifacts.push(new),
            }
        }
        self.outputs = Some(all);
    }

    /// Carries what changed of the leaf nodes into the groups that they are in.
    pub(crate) fn sum_progress(&mut self) {
        let mut deltas: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (before, after) in self.nodes.changes() {
            let was = before.map(progress_of).unwrap_or_default();
            let (done, all) = progress_of(after);
            let delta = (done - was.0, all - was.1);
            if !is_executable(&after.kind) || delta == (0, 0) {
                continue;
            }
            // What a node is in has a name that its own begins with.
            for (at, _) in after.name.match_indices(['(', '.', '[']) {
                let id = self.id(&after.name[..at]);
                if self.nodes.get(&id).is_some_and(|it| !is_executable(&it.kind)) {
                    let sum = deltas.entry(id).or_default();
                    *sum = (sum.0 + delta.0, sum.1 + delta.1);
                }
            }
        }
        for (id, (done, all)) in deltas {
            let Some(node) = self.nodes.edit(&id) else { continue };
            let was = progress_of(node);
            node.progress = Some(format!("{}/{}", was.0 + done, was.1 + all));
        }
    }

    /// Nodes that a client set to a good end are done whole.
    pub(crate) fn complete_progress(&mut self) {
        let ids: Vec<String> = self
            .nodes
            .iter()
            .filter(|it| it.kind == NodeType::Suspend && it.phase() == NodePhase::Succeeded)
            .filter(|it| {
                let (done, all) = progress_of(it);
                done != all
            })
            .map(|it| it.id.clone())
            .collect();
        for id in ids {
            if let Some(node) = self.nodes.edit(&id) {
                let all = progress_of(node).1;
                node.progress = Some(format!("{all}/{all}"));
            }
        }
    }

    /// `done/all` over the leaf nodes, carried forward by what changed.
    pub(crate) fn progress(&self) -> String {
        let of = |node: &NodeStatus| if is_executable(&node.kind) { progress_of(node) } else { (0, 0) };
        let status = &self.world.workflow.status;
        let (mut done, mut all) = match status.progress.as_deref().and_then(parse_progress) {
            Some(it) => it,
            None => status.nodes.values().map(of).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1)),
        };
        for (before, after) in self.nodes.changes() {
            let (was, is) = (before.map(of).unwrap_or_default(), of(after));
            done += is.0 - was.0;
            all += is.1 - was.1;
        }
        format!("{done}/{all}")
    }

    pub(crate) fn into_changes(self, is_over: bool) -> (BTreeMap<String, NodeStatus>, Option<SynchronizationStatus>) {
        (self.nodes.into_changed(), self.locks.into_change(is_over))
    }

    /// Display name that a template's annotation asks for.
    pub(crate) fn annotated_name(template: &Template) -> Result<Option<String>, String> {
        match template.annotations.as_ref().and_then(|it| it.get(ANNOTATION_DISPLAY_NAME)) {
            None => Ok(None),
            Some(name) if is_display_name(name) => Ok(Some(name.clone())),
            Some(name) => Err(format!(
                "displayName '{name}' is invalid: must match the regex ^[a-zA-Z0-9][a-zA-Z0-9-.]{{0,61}}[a-zA-Z0-9]$"
            )),
        }
    }

    pub(crate) fn is_first(&self) -> bool {
        let status = &self.world.workflow.status;
        status.phase == WorkflowPhase::Unset || status.phase == WorkflowPhase::Pending && status.started_at.is_none()
    }
}

/// Whether a node's progress is its own, not the sum of what is in it.
fn is_executable(kind: &NodeType) -> bool {
    matches!(kind, NodeType::Pod | NodeType::HTTP | NodeType::Plugin | NodeType::Container | NodeType::Suspend)
}

/// Counts the progress of groups anew from what is in them.
pub(crate) fn recount(workflow: &str, nodes: &mut BTreeMap<String, NodeStatus>) {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for node in nodes.values().filter(|it| is_executable(&it.kind)) {
        let (done, all) = progress_of(node);
        for (at, _) in node.name.match_indices(['(', '.', '[']) {
            let sum = sums.entry(node_id(workflow, &node.name[..at])).or_default();
            *sum = (sum.0 + done, sum.1 + all);
        }
    }
    for node in nodes.values_mut().filter(|it| !is_executable(&it.kind)) {
        node.progress = sums.get(&node.id).map(|(done, all)| format!("{done}/{all}"));
    }
}

fn parse_progress(text: &str) -> Option<(i64, i64)> {
    let (done, all) = text.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

fn progress_of(node: &NodeStatus) -> (i64, i64) {
    node.progress.as_deref().and_then(parse_progress).unwrap_or_default()
}

/// What counting needs of a node.
fn slim(node: &NodeStatus) -> NodeStatus {
    NodeStatus {
        kind: node.kind.clone(),
        phase: node.phase,
        boundary_id: node.boundary_id.clone(),
        synchronization_status: node.synchronization_status.clone(),
        ..NodeStatus::default()
    }
}
