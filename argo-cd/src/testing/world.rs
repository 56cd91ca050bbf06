//! A cluster, a repository and an Application as one value.

mod server;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Change, Gvk, Object, ObjectRef, Timestamp, time};
use argo_lang::yaml;
use argo_merge::{
    Schema,
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
    refused: BTreeMap<(String, String), String>,
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
            refused: BTreeMap::new(),
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

    /// The API server refuses to create or change this object from now on, with this message.
    pub fn refuse(&mut self, kind: &str, name: &str, message: &str) {
        self.refused.insert((kind.to_owned(), name.to_owned()), message.to_owned());
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
            if failed.is_some_and(|it| pass.run_of(i) > it) {
                outcomes.push(Outcome::Skipped);
                continue;
            }
            match self.write(change) {
                Ok(()) => outcomes.push(Outcome::Done),
                Err(error) => {
                    failed = failed.or_else(|| pass.ends_after(i, &error));
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
}

fn parse(text: &str) -> Vec<Object> {
    let documents = yaml::decode_all(text).expect("the manifests are YAML");
    documents.into_iter().filter(Value::is_object).map(Object::from_value).collect()
}
