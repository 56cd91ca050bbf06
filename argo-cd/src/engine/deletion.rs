//! The end of an Application: what it managed goes with it, wave by wave.
//!
//! ```text
//! PreDelete hooks ─> managed objects, highest wave first ─> PostDelete hooks ─> clean-up ─> finalizers off
//! ```

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{Change, Gvk, Note, Object, Propagation, Timestamp, time};

use super::{
    conditions,
    conditions::condition,
    edits::Edits,
    health,
    key::ResourceKey,
    live::KindScope,
    options,
    options::DeletePolicy,
    pass::{Ask, Pass, World, remembered, sourced},
    project, sync, target, tracking, tree,
};
use crate::api::{Application, ApplicationStatus, ConditionType, HealthState, HookType, names};

const CASCADE: [&str; 3] = [names::FINALIZER, names::FINALIZER_FOREGROUND, names::FINALIZER_BACKGROUND];
const OURS: [&str; 7] = [
    names::FINALIZER,
    names::FINALIZER_FOREGROUND,
    names::FINALIZER_BACKGROUND,
    names::FINALIZER_PRE_DELETE,
    names::FINALIZER_PRE_DELETE_CLEANUP,
    names::FINALIZER_POST_DELETE,
    names::FINALIZER_POST_DELETE_CLEANUP,
];

/// Propagation of a deletion by cascade.
fn propagation(app: &Object) -> Propagation {
    if app.has_finalizer(names::FINALIZER_BACKGROUND) { Propagation::Background } else { Propagation::Foreground }
}

/// One pass over an Application that is to go.
pub(super) fn pass(app: &Application, world: &World<'_>, ask: &mut Ask<'_>) -> Pass {
    let status = app.status.clone().unwrap_or_default();
    let mut work = Work { app, world, status, changes: Vec::new(), edits: Edits::default(), error: None, act_as: None };
    if !OURS.iter().any(|it| world.app.has_finalizer(it)) {
        return Pass::default();
    }
    if world.clusters.of(&app.spec.destination).is_err() {
        // Nothing can be reached any more: it would wait for ever.
        work.edits.remove_finalizers = OURS.to_vec();
        return work.done();
    }
    if work.step(ask).is_none() {
        return Pass::default();
    }
    work.done()
}

struct Work<'a, 'w> {
    app: &'a Application,
    world: &'a World<'w>,
    status: ApplicationStatus,
    changes: Vec<Change>,
    edits: Edits,
    error: Option<String>,
    act_as: Option<String>,
}

impl Work<'_, '_> {
    fn done(mut self) -> Pass {
        let now: Timestamp = self.world.now;
        // What earlier writes failed with stands until these have gone well.
        let open = self.error.is_none() && !self.changes.is_empty();
        let errors = self.error.take().map(|it| condition(ConditionType::DeletionError, it));
        if !open {
            self.status.conditions = conditions::set(
                &self.status.conditions,
                errors.into_iter().collect(),
                &[ConditionType::DeletionError],
                now,
            );
        }
        let waits = self.edits.remove_finalizers.is_empty();
        let mut pass = Pass::of(self.changes, self.edits, self.status, now);
        pass.act_as = self.act_as;
        pass.clears_error = open;
        if waits {
            // Deletions are watched; this is for what is hidden from the watch.
            pass.plan.wake_at(time::after(now, std::time::Duration::from_secs(30)));
        } else {
            pass.plan.note(Note::normal("ResourceDeleted", "Deleted managed resources"));
        }
        pass
    }

    /// The first stage that is not through yet. `None` while something has yet to be observed.
    fn step(&mut self, ask: &mut Ask<'_>) -> Option<()> {
        let app = self.world.app;
        if let Some(error) = &ask.seen.live_error {
            // The cluster may come back: what is there is not forgotten.
            self.error = Some(error.clone());
            return Some(());
        }
        let asked = &self.app.spec.destination;
        if let (Some(project), Ok(cluster)) = (self.world.project, self.world.clusters.of(asked)) {
            let home = self.app.metadata.namespace.as_deref().unwrap_or_default();
            match project::acting_as(self.world.settings, &project.spec, &cluster.destination(asked), home) {
                Ok(user) => self.act_as = user,
                Err(message) => {
                    self.error = Some(message);
                    return Some(());
                }
            }
        }
        if app.has_finalizer(names::FINALIZER_PRE_DELETE) {
            return self.hooks(ask, HookType::PreDelete, names::FINALIZER_PRE_DELETE);
        }
        if CASCADE.iter().any(|it| app.has_finalizer(it)) {
            return self.cascade(ask);
        }
        if app.has_finalizer(names::FINALIZER_POST_DELETE) {
            return self.hooks(ask, HookType::PostDelete, names::FINALIZER_POST_DELETE);
        }
        for (kind, finalizer) in [
            (HookType::PreDelete, names::FINALIZER_PRE_DELETE_CLEANUP),
            (HookType::PostDelete, names::FINALIZER_POST_DELETE_CLEANUP),
        ] {
            if app.has_finalizer(finalizer) {
                return self.clean_up(ask, kind, finalizer);
            }
        }
        Some(())
    }

    fn instance(&self) -> String {
        let meta = &self.app.metadata;
        tracking::instance_name(
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
            &self.world.settings.namespace,
        )
    }

    fn cascade(&mut self, ask: &mut Ask<'_>) -> Option<()> {
        let kinds = remembered(&self.status);
        let mut needed = kinds.clone();
        needed.extend(kinds.iter().flat_map(tree::descendant_kinds));
        if !ask.kinds(&needed) {
            return None;
        }
        let own = ResourceKey::of(self.world.app);
        let permissive = project::default_project(&self.world.settings.namespace);
        let spec = self.world.project.map_or(&permissive.spec, |it| &it.spec);
        let asked = &self.app.spec.destination;
        let destination = self.world.clusters.of(asked).map_or_else(|_| asked.clone(), |it| it.destination(asked));
        let instance = self.instance();
        let mut seen = BTreeSet::new();
        let mut due: Vec<Arc<Object>> = Vec::new();
        for gvk in &kinds {
            let scope = ask.seen.kinds.get(gvk).copied().unwrap_or(KindScope::NotServed);
            for object in self.world.live.tracked(gvk, &instance) {
                let key = ResourceKey::of(&object);
                let about = self.world.settings.tracking.is_own(&object);
                let keeps = options::sync_option(&object, "Delete=false")
                    || object.annotation(names::HELM_RESOURCE_POLICY) == Some("keep")
                    || tracking::is_crd(&object)
                    || key == own
                    || !about;
                if !keeps
                    && spec.permits(&key, scope == KindScope::Namespaced, &destination)
                    && seen.insert(object.uid().to_owned())
                {
                    due.push(object);
                }
            }
        }
        if due.is_empty() {
            self.edits.remove_finalizers = CASCADE.to_vec();
            return Some(());
        }
        // Hooks are let go first: their finalizer is ours.
        self.changes.extend(due.iter().filter_map(|it| sync::release(it)));
        if due.iter().any(|it| it.is_deleting()) {
            return Some(());
        }
        let approved = self.world.app.annotation(names::DELETION_APPROVED).and_then(|it| time::parse(it).ok());
        let deleted_at = time::parse(self.world.app.text("/metadata/deletionTimestamp")).ok();
        let is_approved = approved.zip(deleted_at).is_some_and(|(approved, deleted)| approved >= deleted);
        if !is_approved && due.iter().any(|it| options::sync_option(it, "Delete=confirm")) {
            return Some(());
        }
        let highest = due.iter().map(|it| options::wave(it)).max().unwrap_or_default();
        let how = propagation(self.world.app);
        for object in due.iter().filter(|it| options::wave(it) == highest) {
            self.changes.push(Change::delete_with(object, how));
        }
        Some(())
    }

    /// The hooks of the sources, of one kind.
    fn targets(&mut self, ask: &mut Ask<'_>, kind: HookType) -> Option<Vec<Object>> {
        let sources = self.app.spec.effective_sources();
        let known = match &self.status.sync {
            Some(sync) if self.app.spec.is_multi_source() => sync.revisions.clone(),
            Some(sync) => vec![sync.revision.clone()],
            None => vec![],
        };
        let wanted: Vec<String> = sources.iter().map(|it| it.target_revision.clone()).collect();
        let sourced = sourced(ask, &sources, Some(&known), &wanted, false)?;
        if !ask.kinds(&target::kinds_of(&sourced.manifests)) {
            return None;
        }
        let instance = self.instance();
        let tracking = &self.world.settings.tracking;
        let owner = target::Owner { tracking, instance: &instance, namespace: &self.app.spec.destination.namespace };
        let targets = target::targets(&sourced.manifests, owner, &ask.seen.kinds);
        let mut hooks: Vec<Object> =
            targets.delete_hooks.into_iter().filter(|it| options::hook_types(it).contains(&kind)).collect();
        for hook in hooks.iter_mut().filter(|it| it.name().is_empty()) {
            // One deletion, one hook: the Application's uid makes the name.
            let suffix: String = self.world.app.uid().chars().filter(|it| it.is_ascii_alphanumeric()).take(8).collect();
            let name = format!("{}{}-{suffix}", hook.text("/metadata/generateName"), kind.as_str().to_lowercase());
            hook.set(&["metadata", "name"], name);
            hook.remove(&["metadata", "generateName"]);
            if let Err(message) = tracking.track(hook, owner.instance, owner.namespace) {
                self.error = Some(message);
            }
        }
        hooks.sort_by_cached_key(|it| (options::wave(it), ResourceKey::of(it)));
        Some(hooks)
    }

    /// Creates hooks and waits for them; when all went well the finalizer goes.
    fn hooks(&mut self, ask: &mut Ask<'_>, kind: HookType, finalizer: &'static str) -> Option<()> {
        let hooks = self.targets(ask, kind)?;
        let mut waits = false;
        for hook in &hooks {
            let Some(live) = self.world.live.get(&hook.reference()) else {
                self.changes.push(Change::create(hook.clone()));
                waits = true;
                continue;
            };
            match health::of(&live, self.world.settings, self.world.now).map(|it| (it.status, it.message)) {
                None | Some((HealthState::Healthy, _)) => {}
                Some((HealthState::Degraded | HealthState::Unknown, message)) => {
                    let name = hook.reference();
                    self.error = Some(format!("failed to execute {} hook {name}: {message}", kind.as_str()));
                    self.changes.push(Change::delete(&live));
                    waits = true;
                }
                Some(_) => waits = true,
            }
        }
        if !waits {
            self.edits.remove_finalizers = vec![finalizer];
        }
        Some(())
    }

    /// Deletes hooks that want it; then the finalizer goes.
    fn clean_up(&mut self, ask: &mut Ask<'_>, kind: HookType, finalizer: &'static str) -> Option<()> {
        let hooks = self.targets(ask, kind)?;
        let live: Vec<(Object, Arc<Object>)> =
            hooks.into_iter().filter_map(|it| Some((it.clone(), self.world.live.get(&it.reference())?))).collect();
        let states =
            live.iter().filter_map(|(_, it)| health::of(it, self.world.settings, self.world.now)).map(|it| it.status);
        let worst = states.max().unwrap_or(HealthState::Healthy);
        let policy =
            if worst == HealthState::Degraded { DeletePolicy::HookFailed } else { DeletePolicy::HookSucceeded };
        let due: Vec<&Arc<Object>> = live
            .iter()
            .filter(|(hook, it)| options::delete_policies(hook).contains(&policy) && !it.is_deleting())
            .map(|(_, it)| it)
            .collect();
        if due.is_empty() {
            self.edits.remove_finalizers = vec![finalizer];
        }
        self.changes.extend(due.into_iter().map(|it| Change::delete(it)));
        Some(())
    }
}

/// Kinds that a deletion needs in view, for those who prepare a view of their own.
#[must_use]
pub fn kinds(status: &ApplicationStatus) -> BTreeSet<Gvk> {
    remembered(status)
}
