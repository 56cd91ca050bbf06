//! Stages and Promotions driven to rest in memory, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use argo_core::{Change, Gvk, Note, Object, ObjectRef, Resource, Time, Timestamp, time};
use serde_json::{Value, json};

use super::store::{Killed, Store, StoreError};
use crate::{
    admission::{Tasks, complete_freight},
    api::{Freight, FreightOrigin, Image, Promotion, PromotionPolicy, PromotionPolicySelector, Stage, Warehouse},
    engine::{
        argocd,
        expression::{Data, Need},
        promotion::{self, Kinds, StepCall, StepDefaults, StepResult},
        stage::{self, Rollouts},
    },
};

/// The project of a simulation.
pub const PROJECT: &str = "project";

/// Most rounds until everything must be at rest.
const ROUNDS: usize = 2_000;

type Script = Box<dyn FnMut(&StepCall) -> StepResult>;

/// A project in memory: objects, scripted steps, and a clock that moves only when told.
pub struct Simulation {
    /// The objects.
    pub store: Store,
    now: Timestamp,
    steps: BTreeMap<String, (StepDefaults, Script)>,
    policies: Vec<PromotionPolicy>,
    files: BTreeSet<String>,
    waits: BTreeMap<String, (String, Timestamp)>,
    notes: Vec<Note>,
}

struct Known(BTreeMap<String, StepDefaults>);

impl Kinds for Known {
    fn defaults(&self, kind: &str) -> Option<StepDefaults> {
        self.0.get(kind).copied()
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Simulation {
    /// An empty project on the first of January 2026.
    #[must_use]
    pub fn new() -> Self {
        Self {
            store: Store::default(),
            now: Timestamp::from_second(1_767_225_600).unwrap_or_default(),
            steps: BTreeMap::new(),
            policies: Vec::new(),
            files: BTreeSet::new(),
            waits: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the clock.
    pub fn advance(&mut self, by: Duration) {
        self.now = time::after(self.now, by);
    }

    /// What a kind of step does.
    pub fn step(&mut self, kind: &str, script: impl FnMut(&StepCall) -> StepResult + 'static) {
        self.step_with(kind, StepDefaults::default(), script);
    }

    /// What a kind of step does, with its defaults.
    pub fn step_with(
        &mut self,
        kind: &str,
        defaults: StepDefaults,
        script: impl FnMut(&StepCall) -> StepResult + 'static,
    ) {
        self.steps.insert(kind.to_owned(), (defaults, Box::new(script)));
    }

    /// Puts an object, as `kubectl apply` does.
    pub fn put(&mut self, object: impl Into<Object>) {
        self.store.put(object.into(), self.now);
    }

    /// These Stages take Freight on their own.
    pub fn auto_promote(&mut self, stages: &[&str]) {
        self.policies = stages
            .iter()
            .map(|it| PromotionPolicy {
                stage_selector: Some(PromotionPolicySelector { name: (*it).to_owned(), ..Default::default() }),
                auto_promotion_enabled: true,
                ..PromotionPolicy::default()
            })
            .collect();
    }

    /// New Freight of a Warehouse (made if it is not there) with an image of this tag; returns its name.
    pub fn freight(&mut self, warehouse: &str, tag: &str) -> String {
        let mut object = Warehouse::named(PROJECT, warehouse);
        object.spec.subscriptions = vec![json!({"image": {"repoURL": format!("registry/{warehouse}")}})];
        self.put(object.object());
        let mut freight = Freight::named(PROJECT, "");
        freight.origin = FreightOrigin::warehouse(warehouse);
        freight.images.push(Image {
            repo_url: format!("registry/{warehouse}"),
            tag: tag.to_owned(),
            ..Image::default()
        });
        complete_freight(&mut freight, self.now, |_| false);
        self.put(freight.object());
        freight.name().to_owned()
    }

    /// Approves Freight for a Stage, as `kargo approve` does.
    pub fn approve(&mut self, freight: &str, stage: &str) {
        let at = Time::new(self.now);
        let target = ObjectRef::new(Freight::gvk(), Some(PROJECT), freight);
        let body = json!({"status": {"approvedFor": {stage: {"approvedAt": at}}}});
        self.user(Change::Patch {
            target,
            patch: argo_core::Patch::merge(body),
            subresource: Some("status".to_owned()),
            resource_version: None,
        });
    }

    /// Makes a bare Promotion, as `kubectl create` does where no admission completes it.
    pub fn promote(&mut self, name: &str, stage: &str, freight: &str) {
        let mut promotion = Promotion::named(PROJECT, name);
        promotion.spec.stage = stage.to_owned();
        promotion.spec.freight = freight.to_owned();
        self.put(promotion.object());
    }

    /// Merges a patch into an object, as a user or another controller does.
    pub fn patch(&mut self, gvk: Gvk, name: &str, body: Value) {
        self.user(Change::merge(ObjectRef::new(gvk, Some(PROJECT), name), body));
    }

    fn user(&mut self, change: Change) {
        self.store.die_after(None);
        // What a user does to something that is not there changes nothing.
        let _ = self.store.apply(&change, self.now);
    }

    /// The Stage as it is.
    #[must_use]
    pub fn stage(&self, name: &str) -> Stage {
        self.decoded(name)
    }

    /// The Freight as it is.
    #[must_use]
    pub fn freight_named(&self, name: &str) -> Freight {
        self.decoded(name)
    }

    fn decoded<T: Resource + serde::de::DeserializeOwned + Default>(&self, name: &str) -> T {
        let found = self.store.get(&ObjectRef::new(T::gvk(), Some(PROJECT), name));
        found.and_then(|it| it.decode().ok()).unwrap_or_default()
    }

    /// The Promotions of a Stage, in order of their names.
    #[must_use]
    pub fn promotions(&self, stage: &str) -> Vec<Promotion> {
        let all =
            self.store.list(&Promotion::gvk(), PROJECT).into_iter().filter_map(|it| it.decode::<Promotion>().ok());
        all.filter(|it| it.spec.stage == stage).collect()
    }

    /// The events so far.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The process is new: only the objects are left, and the files unless `files_too`.
    pub fn restart(&mut self, files_too: bool) {
        self.store.die_after(None);
        self.waits.clear();
        if files_too {
            self.files.clear();
        }
    }

    /// Runs passes until nothing changes at this time.
    ///
    /// # Panics
    /// When it does not come to rest: an engine that goes on forever is a bug.
    pub fn settle(&mut self) {
        let rested = self.try_settle();
        assert_eq!(rested, Ok(()), "nobody asked this simulation to die");
    }

    /// Runs passes until nothing changes at this time, or the store says that the process died.
    ///
    /// # Errors
    /// When the process died.
    ///
    /// # Panics
    /// When it does not come to rest.
    pub fn try_settle(&mut self) -> Result<(), Killed> {
        for _ in 0..ROUNDS {
            let before = self.store.writes();
            for name in self.names(&Stage::gvk()) {
                self.stage_pass(&name)?;
            }
            for name in self.names(&Promotion::gvk()) {
                self.promotion_pass(&name)?;
            }
            if self.store.writes() == before {
                return Ok(());
            }
        }
        panic!("the simulation does not come to rest after {ROUNDS} rounds");
    }

    fn names(&self, gvk: &Gvk) -> Vec<String> {
        self.store.list(gvk, PROJECT).into_iter().map(|it| it.name().to_owned()).collect()
    }

    fn all<T: serde::de::DeserializeOwned>(&self, gvk: &Gvk) -> Vec<(Object, T)> {
        let list = self.store.list(gvk, PROJECT);
        list.into_iter().filter_map(|it| Some((it.clone(), it.decode().ok()?))).collect()
    }

    fn write(&mut self, change: &Change) -> Result<Option<Object>, Killed> {
        match self.store.apply(change, self.now) {
            Ok(object) => Ok(object),
            Err(StoreError::Killed(killed)) => Err(killed),
            // As the controllers do: a later pass decides again.
            Err(StoreError::Refused(_)) => Ok(None),
        }
    }

    fn write_status(&mut self, read: &Object, status: &impl serde::Serialize) -> Result<(), Killed> {
        let mut to = read.clone();
        to.set(&["status"], serde_json::to_value(status).unwrap_or_default());
        match Change::subresource_between(read, &to, "status") {
            Some(change) => self.write(&change).map(|_| ()),
            None => Ok(()),
        }
    }

    fn stage_pass(&mut self, name: &str) -> Result<(), Killed> {
        let Some(read) = self.store.get(&ObjectRef::new(Stage::gvk(), Some(PROJECT), name)).cloned() else {
            return Ok(());
        };
        let Ok(stage) = read.decode::<Stage>() else { return Ok(()) };
        let promotions = self.promotions(name);
        let freight = self.all::<Freight>(&Freight::gvk());
        let warehouses: Vec<Warehouse> = self.all(&Warehouse::gvk()).into_iter().map(|(_, it)| it).collect();
        let argo = |kind: &str| Gvk::new("argoproj.io", "v1alpha1", kind);
        let runs: Vec<Object> = self.store.list(&argo("AnalysisRun"), PROJECT).into_iter().cloned().collect();
        let templates: Vec<Object> = self.store.list(&argo("AnalysisTemplate"), PROJECT).into_iter().cloned().collect();
        let applications = self.store.list(&argocd::application(), "argocd");
        let applications: BTreeMap<_, _> =
            applications.into_iter().map(|it| (("argocd".to_owned(), it.name().to_owned()), it.clone())).collect();
        let mut data = Data::default();
        loop {
            let plan = stage::pass(&stage::World {
                read: &read,
                stage: &stage,
                promotions: &promotions,
                freight: &freight,
                warehouses: &warehouses,
                policies: &self.policies,
                applications: Some(&applications),
                rollouts: Some(Rollouts { runs: &runs, templates: &templates }),
                tasks: &Tasks::default(),
                data: &data,
                actor: "controller:stage-controller",
                now: self.now,
            });
            if let Some(stage::Effect::Load(needs)) = plan.effects().next() {
                self.load(needs.clone(), &mut data);
                continue;
            }
            for change in plan.changes() {
                self.write(change)?;
            }
            if let Some(status) = &plan.status {
                // The plan may have changed the Stage's own annotations: read again what is written over.
                let fresh = self.store.get(&read.reference()).cloned();
                self.write_status(&fresh.unwrap_or(read), status)?;
            }
            self.notes.extend(plan.notes);
            return Ok(());
        }
    }

    fn promotion_pass(&mut self, name: &str) -> Result<(), Killed> {
        let target = ObjectRef::new(Promotion::gvk(), Some(PROJECT), name);
        let kinds = Known(self.steps.iter().map(|(kind, (defaults, _))| (kind.clone(), *defaults)).collect());
        let mut data = Data::default();
        loop {
            let Some(read) = self.store.get(&target).cloned() else { return Ok(()) };
            let Ok(promotion) = read.decode::<Promotion>() else { return Ok(()) };
            if promotion.status.phase.is_terminal() {
                self.files.remove(read.uid());
                return Ok(());
            }
            let waiting = self.waits.get(name);
            if waiting.is_some_and(|(version, until)| version == read.resource_version() && *until > self.now) {
                return Ok(());
            }
            let stage: Option<Stage> = Some(self.stage(&promotion.spec.stage)).filter(|it| !it.name().is_empty());
            let freight: Vec<Freight> = self.all(&Freight::gvk()).into_iter().map(|(_, it)| it).collect();
            let warehouses: Vec<Warehouse> = self.all(&Warehouse::gvk()).into_iter().map(|(_, it)| it).collect();
            let plan = promotion::pass(&promotion::World {
                read: &read,
                promotion: &promotion,
                stage: stage.as_ref(),
                freight: &freight,
                warehouses: &warehouses,
                tasks: &Tasks::default(),
                data: &data,
                kinds: &kinds,
                files_present: self.files.contains(read.uid()),
                ui_base_url: "",
                now: self.now,
            });
            let mut own = false;
            for change in plan.changes() {
                own |= change.target() == target;
                self.write(change)?;
            }
            if own {
                return Ok(());
            }
            if let Some(status) = &plan.status {
                self.write_status(&read, status)?;
            }
            self.notes.extend(plan.notes);
            let effect = plan.actions.into_iter().find_map(|it| match it {
                argo_core::Action::Effect(effect) => Some(effect),
                argo_core::Action::Change(_) => None,
            });
            match effect {
                None => return Ok(()),
                Some(promotion::Effect::Load(needs)) => self.load(needs, &mut data),
                Some(promotion::Effect::Run(call)) => {
                    self.files.insert(read.uid().to_owned());
                    if !self.run(&target, &call)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Runs one step and writes how it went; whether to go on.
    fn run(&mut self, target: &ObjectRef, call: &StepCall) -> Result<bool, Killed> {
        let Some((defaults, script)) = self.steps.get_mut(&call.uses) else { return Ok(false) };
        let (defaults, result) = (*defaults, script(call));
        let Some(read) = self.store.get(target).cloned() else { return Ok(false) };
        let Ok(promotion) = read.decode::<Promotion>() else { return Ok(false) };
        let Some(step) = promotion.spec.steps.get(call.index) else { return Ok(false) };
        let recorded = promotion::record(promotion.status.clone(), step, call, defaults, result, self.now);
        self.write_status(&read, &recorded.status)?;
        let Some(until) = recorded.wake else { return Ok(true) };
        let version = self.store.get(target).map(|it| it.resource_version().to_owned()).unwrap_or_default();
        self.waits.insert(target.name.clone(), (version, until));
        Ok(false)
    }

    fn load(&self, needs: BTreeSet<Need>, data: &mut Data) {
        for need in needs {
            let of = |kind: &str, name: &str| ObjectRef::new(Gvk::new("", "v1", kind), Some(PROJECT), name);
            let target = match &need {
                Need::Secret { name, .. } => of("Secret", name),
                Need::ConfigMap { name, .. } => of("ConfigMap", name),
                Need::Freight(name) => ObjectRef::new(Freight::gvk(), Some(PROJECT), name),
                Need::Stage(name) => ObjectRef::new(Stage::gvk(), Some(PROJECT), name),
            };
            data.insert(need, self.store.get(&target).cloned());
        }
    }
}
