//! A cluster, a repository and an Application as one value.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{
    Change, Gvk, Object, ObjectRef, Propagation, Timestamp,
    plan::{Patch, PatchKind},
    time,
};
use argo_lang::yaml;
use argo_merge::{
    Schema, json_patch, merge_patch, strategic,
    structured::{self, Writer},
};
use serde_json::{Value, json};

use super::Preview;
use crate::{
    api::{AppProject, names},
    engine::{
        self, Asked, Effect, KindScope, LiveView, Manifests, Memo, MemoryLive, Pass, ResourceKey, Seen, Settings,
        clusters::Clusters, compare, diff, ignored::Ignored, normalize, project, sync::Outcome, target,
    },
};

/// Most passes that [`World::settle`] makes.
const MAX_PASSES: usize = 200;

/// A cluster in memory with one Application, its manifests and a clock. Nothing but the engine acts in it: objects get
/// the status that the test gives them.
#[derive(Debug, Clone)]
pub struct World {
    /// The live objects, the Application among them.
    pub live: MemoryLive,
    /// The project; the default one to begin with.
    pub project: Option<AppProject>,
    /// Settings of the installation.
    pub settings: Settings,
    /// The clusters; the own one to begin with.
    pub clusters: Clusters,
    /// Why the cluster can not be looked at, if it can not.
    pub unreachable: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// Everything that was written, in order.
    pub written: Vec<Change>,
    /// Ends the world's patience: this many more writes are let through, then every one fails.
    pub writes_left: Option<usize>,
    app: ObjectRef,
    manifests: Vec<Object>,
    revision: String,
    broken: Option<String>,
    scopes: BTreeMap<Gvk, KindScope>,
    version: u64,
    settled_at: Option<Timestamp>,
    memo: Memo,
}

impl World {
    /// A world with an Application of this name that goes to the namespace `dest`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let gvk = Gvk::new("argoproj.io", "v1alpha1", "Application");
        let mut world = Self {
            live: MemoryLive::default(),
            project: Some(project::default_project("argocd")),
            settings: Settings::default(),
            clusters: Clusters::default(),
            unreachable: None,
            now: Timestamp::from_second(1_767_225_600).unwrap_or_default(),
            written: Vec::new(),
            writes_left: None,
            app: ObjectRef::new(gvk, Some("argocd"), name),
            manifests: Vec::new(),
            revision: String::new(),
            broken: None,
            scopes: BTreeMap::new(),
            version: 0,
            settled_at: None,
            memo: Memo::default(),
        };
        let app = Object::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd", "finalizers": [names::FINALIZER]},
            "spec": {"project": "default", "source": {"repoURL": "https://git/config", "path": "app"},
                "destination": {"server": names::IN_CLUSTER_SERVER, "namespace": "dest"}}
        }));
        world.put(app);
        world.set_manifests("");
        world
    }

    /// With more manifests (YAML, any number of documents).
    ///
    /// # Panics
    /// When the text is no YAML.
    #[must_use]
    pub fn manifest(mut self, text: &str) -> Self {
        self.manifests.extend(parse(text));
        self.advance_revision();
        self
    }

    /// With synchronisation, pruning and healing on its own.
    #[must_use]
    pub fn automated(mut self) -> Self {
        self.edit(|app| {
            app.set(&["spec", "syncPolicy"], json!({"automated": {"prune": true, "selfHeal": true}}));
        });
        self
    }

    /// A commit with these manifests in place of the earlier ones.
    ///
    /// # Panics
    /// When the text is no YAML.
    pub fn set_manifests(&mut self, text: &str) {
        self.manifests = parse(text);
        self.advance_revision();
    }

    /// Objects in place of the earlier manifests.
    pub fn set_objects(&mut self, objects: Vec<Object>) {
        self.manifests = objects;
        self.advance_revision();
    }

    /// The repository fails from now on with this message, or works again.
    pub fn set_broken(&mut self, message: Option<&str>) {
        self.broken = message.map(str::to_owned);
    }

    /// The scope of a kind; namespaced unless its name is known to be otherwise.
    pub fn set_scope(&mut self, gvk: Gvk, scope: KindScope) {
        self.scopes.insert(gvk, scope);
    }

    fn advance_revision(&mut self) {
        self.version += 1;
        self.revision = format!("{:040x}", self.version);
    }

    /// Changes the Application, as a user with kubectl would.
    ///
    /// # Panics
    /// When it is gone.
    pub fn edit(&mut self, change: impl FnOnce(&mut Object)) {
        let mut app = (*self.app().expect("the Application is there")).clone();
        change(&mut app);
        self.put(app);
    }

    /// Puts an object into the cluster, as another client would.
    pub fn put(&mut self, mut object: Object) {
        self.version += 1;
        if object.text("/kind") == "Secret" {
            normalize::secret_data(object.value_mut());
        }
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        if object.uid().is_empty() {
            object.set(&["metadata", "uid"], format!("uid-{}", self.version));
        }
        if object.created_at().is_none() {
            object.set(&["metadata", "creationTimestamp"], time::rfc3339(self.now));
        }
        self.live.put(object);
    }

    /// The Application, unless it is gone.
    #[must_use]
    pub fn app(&self) -> Option<Arc<Object>> {
        self.live.get(&self.app)
    }

    /// A text of the Application by JSON pointer.
    #[must_use]
    pub fn text(&self, pointer: &str) -> String {
        self.app().map(|it| it.text(pointer).to_owned()).unwrap_or_default()
    }

    /// `status.sync.status`.
    #[must_use]
    pub fn sync(&self) -> String {
        self.text("/status/sync/status")
    }

    /// A live object.
    #[must_use]
    pub fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Arc<Object>> {
        self.live
            .iter()
            .find(|it| it.text("/apiVersion") == api_version && it.text("/kind") == kind && it.name() == name)
            .cloned()
    }

    /// Asks for an operation.
    pub fn operate(&mut self, operation: Value) {
        self.edit(|app| app.set(&["operation"], operation));
    }

    /// Lets time go by.
    pub fn wait(&mut self, seconds: u64) {
        self.now = time::after(self.now, Duration::from_secs(seconds));
    }

    /// What a pass would do now, without doing it.
    ///
    /// # Panics
    /// When the Application does not decode.
    #[must_use]
    pub fn plan(&self) -> Option<Pass> {
        let app = self.app()?;
        let live = self.marked();
        let mut seen = Seen::default();
        seen.live_error.clone_from(&self.unreachable);
        loop {
            let pass = engine::pass(&self.view(&app, &live, &seen)).expect("the Application decodes");
            if !pass.is_asking() {
                return Some(pass);
            }
            for effect in pass.plan.effects() {
                self.answer(effect, &mut seen);
            }
        }
    }

    /// The live objects, read by the settings' method of tracking.
    fn marked(&self) -> MemoryLive {
        self.live.clone().tracked_by(self.settings.tracking.clone())
    }

    fn view<'a>(&'a self, app: &'a Object, live: &'a MemoryLive, seen: &'a Seen) -> engine::World<'a> {
        engine::World {
            app,
            project: self.project.as_ref(),
            live,
            seen,
            settings: &self.settings,
            clusters: &self.clusters,
            is_application: &|_| true,
            now: self.now,
            settled_at: self.settled_at,
            memo: Some(&self.memo),
        }
    }

    fn answer(&self, effect: &Effect, seen: &mut Seen) {
        match effect {
            Effect::Resolve(request) => {
                let answer = match &self.broken {
                    Some(message) => Err(message.clone()),
                    None => Ok(self.revision.clone()),
                };
                seen.put_revision(request, answer);
            }
            Effect::Render(request) => {
                let manifests = Manifests { objects: self.manifests.clone(), source_type: "Directory".to_owned() };
                let answer = match &self.broken {
                    Some(message) => Err(message.clone()),
                    None => Ok(Arc::new(manifests)),
                };
                seen.put_manifests(request, answer);
            }
            Effect::Discover(gvk) => {
                seen.kinds.insert(gvk.clone(), self.scope(gvk));
            }
            Effect::Catalog => {
                let kinds = self.live.kinds().into_iter().filter(|it| self.scope(it) == KindScope::Namespaced);
                seen.catalog = Some(Arc::new(kinds.collect()));
            }
            Effect::Observe(gvk) => {
                seen.observed.insert(gvk.clone());
            }
            Effect::Fetch(it) => {
                seen.asked.fetched.insert(it.clone(), self.live.get(it));
            }
            Effect::DryRun(it) => {
                // The world knows no defaults and no webhooks: what is asked for is what comes of it.
                let reference = it.target.reference();
                let live = self.live.get(&reference);
                let writer = Writer::new(names::FIELD_MANAGER, it.target.text("/apiVersion"), "1970-01-01T00:00:00Z");
                let schema = diff::schema(&it.target).unwrap_or_else(Schema::custom);
                let current = live.as_deref().map(Object::value);
                let merged = structured::apply(current, it.target.value(), &writer, true, &schema);
                let answer = merged.map(|it| Arc::new(Object::from_value(it))).map_err(|it| it.to_string());
                seen.asked.predicted.insert(reference, answer);
            }
        }
    }

    fn scope(&self, gvk: &Gvk) -> KindScope {
        if let Some(scope) = self.scopes.get(gvk) {
            return *scope;
        }
        match gvk.kind.as_str() {
            "Namespace" | "CustomResourceDefinition" | "ClusterRole" | "ClusterRoleBinding" | "PersistentVolume" => {
                KindScope::Cluster
            }
            _ => KindScope::Namespaced,
        }
    }

    /// Makes one pass; whether anything was written.
    pub fn pass(&mut self) -> bool {
        let before = self.written.len();
        let Some(pass) = self.plan() else { return false };
        if let Some(memo) = &pass.memo {
            self.memo = memo.clone();
        }
        let mut failed = None;
        let changes: Vec<Change> = pass.plan.changes().cloned().collect();
        let mut outcomes = Vec::new();
        for (i, change) in changes.iter().enumerate() {
            let run = pass.run_of(i);
            if failed.is_some_and(|it| run > it) {
                outcomes.push(Outcome::Skipped);
                continue;
            }
            match self.write(change) {
                Ok(()) => outcomes.push(Outcome::Done),
                Err(error) => {
                    failed = Some(run);
                    outcomes.push(Outcome::Failed(error));
                }
            }
        }
        let conclusion = pass.finish(outcomes);
        for change in &conclusion.cleanup {
            if self.write(change).is_err() {
                return true;
            }
        }
        if conclusion.settle {
            self.settled_at = Some(time::after(self.now, self.settings.wave_delay));
        }
        if let Some(app) = self.app()
            && let Some(change) = conclusion.edits.change(&app)
        {
            // A failed write is what a killed controller leaves behind.
            let _ = self.write(&change);
        }
        self.written.len() > before
    }

    /// Makes passes until nothing is written and nothing is due within `settings.wave_delay`.
    pub fn settle(&mut self) {
        for _ in 0..MAX_PASSES {
            let at = self.plan().and_then(|it| it.plan.wake);
            if !self.pass() {
                match at {
                    Some(at) if at <= time::after(self.now, self.settings.wave_delay) && at > self.now => {
                        self.now = at;
                    }
                    _ => return,
                }
            }
        }
    }

    /// What a synchronisation would change now.
    #[must_use]
    pub fn preview(&self) -> Preview {
        let Some(app) = self.app() else { return Preview::default() };
        let Ok(typed) = app.decode::<crate::Application>() else { return Preview::default() };
        let asked = &typed.spec.destination;
        let destination = self.clusters.of(asked).map_or_else(|_| asked.clone(), |it| it.destination(asked));
        let mut known = target::kinds_of(&self.manifests);
        known.extend(self.live.kinds());
        let kinds = known.iter().map(|it| (it.clone(), self.scope(it))).collect();
        let tracking = &self.settings.tracking;
        let owner = target::Owner { tracking, instance: app.name(), namespace: &destination.namespace };
        let targets = target::targets(&self.manifests, owner, &kinds);
        let permissive = project::default_project("argocd");
        let ignored = Ignored::of(&typed.spec.ignore_differences, &self.settings).unwrap_or_default();
        let comparison = compare(
            compare::Input {
                targets: &targets,
                instance: app.name(),
                own_key: &ResourceKey::of(&app),
                destination: &destination,
                project: self.project.as_ref().map_or(&permissive.spec, |it| &it.spec),
                ignored: &ignored,
                kinds: &kinds,
                known: &known,
                settings: &self.settings,
                now: self.now,
                compare_options: app.annotation(names::COMPARE_OPTIONS).unwrap_or_default(),
                asked: &Asked::default(),
                memo: None,
                sync_options: typed.spec.sync_policy.as_ref().map(|it| it.sync_options.as_slice()).unwrap_or_default(),
            },
            &self.marked(),
        );
        Preview::of(&comparison)
    }

    /// Carries a change out as an API server would, without defaults, validation or controllers.
    fn write(&mut self, change: &Change) -> Result<(), argo_core::ApplyError> {
        use argo_core::{ApplyError, Category};
        if let Some(left) = &mut self.writes_left {
            if *left == 0 {
                return Err(ApplyError::new(change, Category::Unavailable, "the controller was killed"));
            }
            *left -= 1;
        }
        let target = change.target();
        let live = self.live.get(&target);
        let missing = || ApplyError::new(change, Category::NotFound, format!("{target} not found"));
        match change {
            Change::Create { object } => {
                if live.is_some() {
                    return Err(ApplyError::new(change, Category::AlreadyExists, format!("{target} already exists")));
                }
                self.put(object.clone());
            }
            Change::Apply { object, .. } => {
                let mut merged = live.as_deref().cloned().unwrap_or_else(|| object.clone());
                merge_patch::apply(merged.value_mut(), object.value());
                self.put(merged);
            }
            Change::Update { object } => {
                live.ok_or_else(missing)?;
                self.put(object.clone());
            }
            Change::Patch { patch, resource_version, .. } => {
                let mut object = (*live.ok_or_else(missing)?).clone();
                if resource_version.as_ref().is_some_and(|it| it != object.resource_version()) {
                    return Err(ApplyError::new(change, Category::Conflict, "the object has been modified"));
                }
                apply_patch(&mut object, patch)
                    .map_err(|message| ApplyError::new(change, Category::Invalid, message))?;
                if object.is_deleting() && object.finalizers().next().is_none() {
                    self.live.remove(&target);
                } else {
                    self.put(object);
                }
            }
            Change::Delete { propagation, .. } => {
                if let Some(object) = live {
                    self.delete(&object, *propagation);
                }
            }
            Change::Evict { .. } => {}
        }
        self.written.push(change.clone());
        Ok(())
    }

    /// Deletes as an API server would: what has finalizers only begins to go.
    pub fn delete(&mut self, object: &Object, _: Propagation) {
        if object.finalizers().next().is_some() {
            let mut going = object.clone();
            going.set(&["metadata", "deletionTimestamp"], time::rfc3339(self.now));
            self.put(going);
        } else {
            self.live.remove(&object.reference());
        }
    }
}

fn apply_patch(object: &mut Object, patch: &Patch) -> Result<(), String> {
    match patch.kind {
        PatchKind::Merge => merge_patch::apply(object.value_mut(), &patch.body),
        PatchKind::Json => {
            json_patch::apply(object.value_mut(), &patch.body).map_err(|it| it.to_string())?;
        }
        PatchKind::Strategic => {
            let schema = Schema::of_object(object.value());
            let merged = strategic::apply(object.value(), &patch.body, &schema).map_err(|it| it.to_string())?;
            *object = Object::from_value(merged);
        }
    }
    Ok(())
}

fn parse(text: &str) -> Vec<Object> {
    let documents = yaml::decode_all(text).expect("the manifests are YAML");
    documents.into_iter().filter(Value::is_object).map(Object::from_value).collect()
}
