//! For tests of workflows: run one against scripted steps, in virtual time, in a few lines.
//!
//! ```
//! use argo_workflows::{executor::scripted::Script, testing::Run};
//!
//! let run = Run::yaml(
//!     r#"
//!     metadata: {name: ci}
//!     spec:
//!       entrypoint: ci
//!       templates:
//!       - name: ci
//!         dag:
//!           tasks:
//!           - {name: build, template: make}
//!           - {name: test, template: make, dependencies: [build]}
//!       - name: make
//!         container: {image: busybox, command: [make]}
//!     "#,
//! )
//! .on("build", Script::exits(2))
//! .finish();
//! assert_eq!(run.phase("ci"), "Failed");
//! assert_eq!(run.phase("ci.build"), "Failed");
//! assert_eq!(run.phase("ci.test"), "Omitted");
//! ```

pub mod conformance;
mod print;
mod svg;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{Action, Change, Object, Timestamp, time};
use serde_json::Value;

use crate::{
    api::{NodeStatus, Workflow, WorkflowPhase, WorkflowSpec},
    config::LabelSelector,
    engine::{
        Baseline, Catalog, Claims, CompileError, Compiled, Effect, GarbageState, Locks, StatusChange, StepState,
        WorkflowPlan, World, reconcile, refuse,
    },
    executor::{Executor, ScriptedExecutor, WorkflowId, scripted::Script},
    metrics::Custom,
};

/// Most passes of one run: a workflow that needs more does not come to an end.
const MAX_PASSES: usize = 10_000;

/// A workflow, its scripted steps and a clock.
#[derive(Debug)]
pub struct Run {
    /// The workflow as it is now.
    pub workflow: Workflow,
    /// Templates and ConfigMaps that it may refer to.
    pub catalog: Catalog,
    /// Locks of other workflows.
    pub locks: Locks,
    /// Locks of the database, where there is one: claims are put here, and wait for their answers.
    pub claims: Option<Claims>,
    /// Which workflows are archived when they are over, where somebody does that.
    pub archives: Option<LabelSelector>,
    /// A run that estimates are made from.
    pub baseline: Option<Baseline>,
    /// Whether the workflow has a place to run.
    pub admitted: bool,
    /// What it counts.
    pub metrics: Custom,
    /// Its artifact repository (an ArtifactRepositoryRefStatus).
    pub repository: Option<Value>,
    /// The time now.
    pub now: Timestamp,
    /// Its steps.
    pub executor: ScriptedExecutor,
    /// Plans so far.
    pub passes: usize,
    /// Objects that were made for the workflow beside its steps, by `kind/name`.
    pub objects: BTreeMap<String, Object>,
    deleted: bool,
    /// What the passes so far found out, and the workflow as the last of them left it.
    #[cfg(debug_assertions)]
    ledger: (crate::engine::Ledger, Option<Box<Workflow>>),
    compiled: Mutex<Option<(WorkflowSpec, bool, Arc<Compiled>)>>,
}

impl Run {
    /// Runs a manifest. A workflow without a name is called after its `generateName`.
    ///
    /// # Panics
    /// When the text is not a workflow: this is for tests.
    #[must_use]
    pub fn yaml(manifest: &str) -> Self {
        let value = argo_lang::yaml::decode(manifest).expect("the manifest is YAML");
        Self::value(value)
    }

    /// As [`Run::yaml`], from JSON.
    ///
    /// # Panics
    /// When the value is not a workflow.
    #[must_use]
    pub fn value(value: Value) -> Self {
        let mut workflow: Workflow = serde_json::from_value(value).expect("the manifest is a workflow");
        let meta = &mut workflow.metadata;
        if meta.name.is_none() {
            let prefix = meta.generate_name.clone().unwrap_or_else(|| "wf-".to_owned());
            meta.name = Some(prefix.trim_end_matches('-').to_owned());
        }
        meta.namespace.get_or_insert_with(|| "default".to_owned());
        meta.uid.get_or_insert_with(|| "uid".to_owned());
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        meta.creation_timestamp.get_or_insert_with(|| now.into());
        Self {
            workflow,
            catalog: Catalog::default(),
            locks: Locks::default(),
            claims: None,
            archives: None,
            baseline: None,
            admitted: true,
            metrics: Custom::default(),
            repository: None,
            now,
            executor: ScriptedExecutor::new(),
            passes: 0,
            objects: BTreeMap::new(),
            deleted: false,
            #[cfg(debug_assertions)]
            ledger: Default::default(),
            compiled: Mutex::default(),
        }
    }

    /// Steps of this node or template go so.
    #[must_use]
    pub fn on(mut self, name: &str, script: Script) -> Self {
        self.executor = std::mem::take(&mut self.executor).on(name, script);
        self
    }

    /// Other scripts.
    #[must_use]
    pub fn with(mut self, executor: ScriptedExecutor) -> Self {
        self.executor = executor;
        self
    }

    /// Adds a WorkflowTemplate or ClusterWorkflowTemplate.
    ///
    /// # Panics
    /// When the text is neither.
    #[must_use]
    pub fn template(mut self, manifest: &str) -> Self {
        let value = argo_lang::yaml::decode(manifest).expect("the manifest is YAML");
        let template: crate::api::WorkflowTemplate =
            serde_json::from_value(value).expect("the manifest is a WorkflowTemplate");
        let name = template.metadata.name.unwrap_or_default();
        let map = match template.kind.as_str() {
            "ClusterWorkflowTemplate" => &mut self.catalog.cluster_templates,
            _ => &mut self.catalog.templates,
        };
        map.insert(name, Arc::new(template.spec));
        self
    }

    /// The workflow's identity for the executor.
    #[must_use]
    pub fn id(&self) -> WorkflowId {
        let key = argo_core::ObjectKey::new(Some(self.workflow.namespace()), self.workflow.name());
        WorkflowId { key, uid: self.workflow.uid().to_owned() }
    }

    /// The plan of a pass now; nothing is carried out.
    #[must_use]
    pub fn plan(&self) -> WorkflowPlan {
        self.plan_with(&self.executor.observe(&self.id()))
    }

    /// The plan of a pass now, were the steps in these states.
    #[must_use]
    pub fn plan_with(&self, steps: &BTreeMap<String, StepState>) -> WorkflowPlan {
        let garbage = self.executor.garbage(&self.id());
        let world = self.world(steps, &garbage);
        match self.compiled() {
            Ok(compiled) => reconcile(&world, &compiled, self.now),
            Err(error) => refuse(&world, &error, self.now),
        }
    }

    /// What a pass sees.
    fn world<'a>(
        &'a self,
        steps: &'a BTreeMap<String, StepState>,
        garbage: &'a BTreeMap<String, GarbageState>,
    ) -> World<'a> {
        let world = World::new(&self.workflow, steps, &self.catalog).with_locks(&self.locks).admitted(self.admitted);
        let mut world = world.with_garbage(garbage).with_repository(self.repository.as_ref());
        world.metrics = Some(&self.metrics);
        world.claims = self.claims.as_ref();
        world.archives = self.archives.as_ref();
        world.baseline = self.baseline.as_ref();
        world
    }

    fn compiled(&self) -> Result<Arc<Compiled>, CompileError> {
        let is_stored = self.workflow.status.stored_workflow_template_spec.is_some();
        let mut memo = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((spec, stored, compiled)) = &*memo
            && *spec == self.workflow.spec
            && *stored == is_stored
        {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(Compiled::new(&self.workflow, &self.catalog)?);
        *memo = Some((self.workflow.spec.clone(), is_stored, compiled.clone()));
        Ok(compiled)
    }

    /// Writes what a plan changes.
    pub fn write(&mut self, change: &StatusChange) {
        change.apply_to(&mut self.workflow);
    }

    /// Carries out one effect.
    pub fn carry_out(&mut self, effect: &Effect) {
        let id = self.id();
        match effect {
            Effect::Start(step) => self.executor.begin(step, self.now),
            Effect::Stop { node_id } => self.executor.end(&id, node_id),
            Effect::Emit(list) => {
                let uid = self.workflow.uid().to_owned();
                for it in list {
                    // A refusal is the plan's own condition.
                    let _ = self.metrics.count(&uid, it, self.now);
                }
            }
            Effect::Collect(request) => self.executor.collect(request),
            Effect::Claim(claim) => {
                self.claims.get_or_insert_default().put((**claim).clone());
            }
            Effect::Disclaim { holder } => {
                self.claims.get_or_insert_default().remove(holder);
            }
            Effect::Release => self.executor.forget(&id),
            Effect::Ensure(change) => self.ensure(change),
        }
    }

    /// Keeps what is memoized; other objects are written down in `objects`.
    fn ensure(&mut self, change: &Change) {
        let target = change.target();
        let key = format!("{}/{}", target.gvk.kind, target.name);
        let data = match change {
            Change::Create { object } => object.get("data").cloned(),
            Change::Patch { patch, .. } => patch.body.get("data").cloned(),
            _ => None,
        };
        if target.gvk.kind == "ConfigMap" {
            let entries: BTreeMap<String, String> =
                data.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default();
            self.catalog.caches.entry(target.name).or_default().extend(entries);
            return;
        }
        match change {
            Change::Create { object } => drop(self.objects.insert(key, object.clone())),
            Change::Delete { .. } => drop(self.objects.remove(&key)),
            _ => {}
        }
    }

    /// Asks for the workflow's deletion: it goes at once, or when nothing keeps it any more.
    pub fn delete(&mut self) {
        self.workflow.metadata.deletion_timestamp = Some(self.now.into());
        self.settle();
        self.deleted |= self.workflow.metadata.finalizers.is_empty();
    }

    /// One pass, carried out. Says whether anything changed.
    pub fn pass(&mut self) -> bool {
        let plan = self.plan();
        self.passes += 1;
        #[cfg(debug_assertions)]
        self.check_ledger(&plan);
        for effect in plan.effects().filter(|it| matches!(it, Effect::Ensure(_))) {
            self.carry_out(effect);
        }
        if let Some(change) = &plan.status {
            self.write(change);
        }
        for action in &plan.actions {
            match action {
                Action::Effect(Effect::Ensure(_)) => {}
                Action::Effect(effect) => self.carry_out(effect),
                Action::Change(_) => self.deleted = true,
            }
        }
        #[cfg(debug_assertions)]
        self.ledger.1.replace(Box::new(self.workflow.clone()));
        !plan.is_empty()
    }

    /// A pass that builds on those before it comes to the same plan.
    #[cfg(debug_assertions)]
    fn check_ledger(&mut self, plan: &WorkflowPlan) {
        let (mut ledger, left) = std::mem::take(&mut self.ledger);
        if left.is_none_or(|it| *it != self.workflow) {
            ledger = crate::engine::Ledger::default();
        }
        let steps = self.executor.observe(&self.id());
        let garbage = self.executor.garbage(&self.id());
        let world = self.world(&steps, &garbage);
        if let Ok(compiled) = self.compiled() {
            let next = crate::engine::reconcile_with(&world, &compiled, &mut ledger, self.now);
            assert!(next == *plan, "with what earlier passes found out:\n{next:#?}\nwithout:\n{plan:#?}");
        }
        self.ledger.0 = ledger;
    }

    /// Passes until nothing changes without time going on; `false` when it never comes to rest.
    pub fn settle(&mut self) -> bool {
        for _ in 0..MAX_PASSES {
            if self.deleted || !self.pass() {
                return true;
            }
        }
        false
    }

    /// Moves time on to the next thing that is due; `false` when nothing is.
    pub fn wait(&mut self) -> bool {
        let wake = self.plan().wake;
        let due = self.executor.next_due();
        let Some(next) = [wake, due].into_iter().flatten().min() else { return false };
        self.now = next.max(self.now);
        self.executor.advance(self.now);
        true
    }

    /// Runs until the workflow has ended, or nothing more happens by itself.
    ///
    /// # Panics
    /// When the workflow does not come to rest.
    #[must_use]
    pub fn finish(mut self) -> Self {
        for _ in 0..MAX_PASSES {
            assert!(self.settle(), "the workflow does not come to rest:\n{}", self.tree());
            if self.is_over() || !self.wait() {
                return self;
            }
        }
        panic!("the workflow does not end:\n{}", self.tree());
    }

    /// Runs for `duration` of virtual time, or until the end.
    #[must_use]
    pub fn run_for(mut self, duration: Duration) -> Self {
        let until = time::after(self.now, duration);
        loop {
            self.settle();
            if self.is_over() {
                return self;
            }
            let next = [self.plan().wake, self.executor.next_due()].into_iter().flatten().min();
            match next.filter(|it| *it <= until) {
                Some(next) => self.now = next.max(self.now),
                None => break,
            }
            self.executor.advance(self.now);
        }
        self.now = until;
        self.executor.advance(until);
        self.settle();
        self
    }

    /// Whether the workflow has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.workflow.status.phase.is_completed() || self.deleted
    }

    /// Whether its time to live was over and it was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Phase of the workflow.
    #[must_use]
    pub fn status(&self) -> WorkflowPhase {
        self.workflow.status.phase
    }

    /// Message of the workflow.
    #[must_use]
    pub fn message(&self) -> &str {
        self.workflow.status.message.as_deref().unwrap_or_default()
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeStatus> {
        self.workflow.status.nodes.get(&crate::engine::node_id(self.workflow.name(), name))
    }

    /// Phase of a node by its name; `-` when it is not there.
    #[must_use]
    pub fn phase(&self, name: &str) -> &'static str {
        self.node(name).map_or("-", |it| it.phase().as_str())
    }

    /// Value of an input parameter of a node.
    #[must_use]
    pub fn input(&self, node: &str, parameter: &str) -> Option<&str> {
        let inputs = self.node(node)?.inputs.as_ref()?;
        inputs.parameters.iter().find(|it| it.name == parameter)?.effective()
    }

    /// Value of an output parameter of a node.
    #[must_use]
    pub fn output(&self, node: &str, parameter: &str) -> Option<&str> {
        self.node(node)?.outputs.as_ref()?.parameter(parameter)?.effective()
    }

    /// The nodes as an indented tree, one a line.
    #[must_use]
    pub fn tree(&self) -> String {
        print::tree(&self.workflow)
    }

    /// The graph in Mermaid's language.
    #[must_use]
    pub fn mermaid(&self) -> String {
        print::mermaid(&self.workflow)
    }

    /// The graph in Graphviz' language.
    #[must_use]
    pub fn dot(&self) -> String {
        print::dot(&self.workflow)
    }

    /// The graph as a picture.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::svg(&self.workflow)
    }
}
