//! [`Pass`]: the state of one reconcile, and the verbs that change nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, btree_map},
    rc::Rc,
    sync::Arc,
};

use argo_core::{Time, Timestamp};

use super::{
    compile::{Compiled, CompiledTemplate},
    ledger::{Active, Ledger},
    names::{display_name, is_display_name, node_id},
    progress::is_executable,
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

    /// Whether a node was not there before this pass.
    pub(crate) fn is_new(&self, id: &str) -> bool {
        !self.base.contains_key(id)
    }

    /// A node that changed, as it is.
    pub(crate) fn changed(&self, id: &str) -> Option<&NodeStatus> {
        self.changed.get(id)
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
    /// What earlier passes found out, as of the nodes that were read.
    pub(crate) ledger: Ledger,
    /// Whether nothing was known of the nodes.
    pub(crate) is_fresh: bool,
    /// Active nodes more or less than those of the ledger.
    active: Active,
    /// Nodes that changed before the walk, and the groups that they are in, by the groups that those are in.
    pub(crate) dirty: BTreeMap<String, BTreeSet<String>>,
    /// Names of nodes that could not even begin, as this pass sees it.
    pub(crate) refused: BTreeSet<String>,
    /// Whether something waits for more than a change of the nodes around it.
    pub(crate) restless: bool,
    /// Edges to nodes that this pass made.
    linked: HashSet<(String, String)>,
    /// Steps whose start this pass asks for.
    pub(crate) started: BTreeSet<String>,
    /// When the workflow must be over.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) locks: OwnLocks<'a>,
    /// Nodes that got their locks in this pass.
    pub(crate) unlocked: BTreeSet<String>,
    /// Entries of caches to write, by ConfigMap and key.
    pub(crate) remembered: BTreeMap<String, BTreeMap<String, String>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(world: World<'a>, compiled: &'a Compiled, mut ledger: Ledger, now: Timestamp) -> Self {
        let is_fresh = ledger.is_fresh();
        ledger.open(&world.workflow.status.nodes);
        let status = &world.workflow.status;
        let seconds = compiled.spec.active_deadline_seconds.as_ref().and_then(crate::api::IntOrString::as_i64);
        let start = status.started_at.map_or(now, Time::timestamp);
        let deadline =
            seconds.map(|it| argo_core::time::after(start, std::time::Duration::from_secs(it.max(0).unsigned_abs())));
        Self {
            name: world.workflow.name().to_owned(),
            nodes: Nodes { base: &status.nodes, changed: BTreeMap::new() },
            globals: Rc::new(scope::globals(world.workflow, compiled, world.references, now)),
            effects: Vec::new(),
            wake: None,
            stored: BTreeMap::new(),
            fetched: BTreeMap::new(),
            outputs: None,
            ledger,
            is_fresh,
            active: Active::default(),
            dirty: BTreeMap::new(),
            refused: BTreeSet::new(),
            restless: false,
            linked: HashSet::new(),
            started: Default::default(),
            deadline,
            unlocked: Default::default(),
            remembered: BTreeMap::new(),
            locks: OwnLocks::new(&world, &compiled.spec),
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
        self.restless = true;
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
            estimated_duration: self.world.baseline.and_then(|it| it.node(&self.name, name)),
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
            self.sum_resources(&was);
            self.count(&was, -1);
            self.active.count_failed(&was, phase, 1);
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
        if self.nodes.is_new(child) {
            // Only this pass can have made the edge.
            if !self.linked.insert((parent.to_owned(), child.to_owned())) {
                return;
            }
        } else if node.children.iter().rev().any(|it| it == child) {
            return;
        }
        if let Some(node) = self.nodes.edit(parent) {
            node.children.push(child.to_owned());
        }
    }

    /// Counts a node in or out, as it is.
    pub(crate) fn count(&mut self, node: &NodeStatus, by: i64) {
        self.active.count(node, by);
    }

    /// Active pods of the workflow.
    pub(crate) fn active_pods(&self) -> i64 {
        self.active.pods + self.ledger.active().map_or(0, |it| it.pods)
    }

    /// Active children of a boundary.
    pub(crate) fn active_children(&self, boundary: &str) -> i64 {
        self.sum(boundary, |it| &it.children)
    }

    /// Active pods of a boundary.
    pub(crate) fn active_pods_in(&self, boundary: &str) -> i64 {
        self.sum(boundary, |it| &it.boundary_pods)
    }

    /// Failed children of a boundary.
    pub(crate) fn failed_children(&self, boundary: &str) -> i64 {
        self.sum(boundary, |it| &it.failed)
    }

    fn sum(&self, boundary: &str, map: impl Fn(&Active) -> &BTreeMap<String, i64>) -> i64 {
        let of = |it: &Active| map(it).get(boundary).copied().unwrap_or_default();
        of(&self.active) + self.ledger.active().map_or(0, of)
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

    /// Everything that is asked of the world outside.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        let mut all = std::mem::take(&mut self.effects);
        all.extend(self.locks.take_effects());
        all
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
