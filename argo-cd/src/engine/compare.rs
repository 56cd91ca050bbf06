//! Targets against the cluster: what is managed, whether it is as it should be, how it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use argo_core::{Gvk, Object};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    conditions::condition,
    diff::{self, Diff, How},
    health,
    ignored::Ignored,
    key::ResourceKey,
    live::{KindScope, Kinds, LiveView},
    memo::{self, Memo},
    observe::{Asked, DryRun, Effect},
    options,
    settings::Settings,
    target::Targets,
};
use crate::api::{
    AppProjectSpec, Condition, ConditionType, Destination, HealthState, ResourceHealth, ResourceStatus, SyncState,
    names,
};

/// What is compared, and by whose rules.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the sources say.
    pub targets: &'a Targets,
    /// The name that the Application is tracked by.
    pub instance: &'a str,
    /// The Application itself, which is never its own managed object in health.
    pub own_key: &'a ResourceKey,
    /// Where it goes.
    pub destination: &'a Destination,
    /// What is permitted.
    pub project: &'a AppProjectSpec,
    /// Differences that do not count.
    pub ignored: &'a Ignored,
    /// Scopes of kinds.
    pub kinds: &'a Kinds,
    /// Kinds that may hold objects of this Application: those of the targets and those seen earlier.
    pub known: &'a BTreeSet<Gvk>,
    /// Settings of the installation.
    pub settings: &'a Settings,
    /// The time that health scripts read.
    pub now: Timestamp,
    /// Sync options of the Application.
    pub sync_options: &'a [String],
    /// Its `argocd.argoproj.io/compare-options`.
    pub compare_options: &'a str,
    /// What was told of single objects.
    pub asked: &'a Asked,
    /// Pairs that were found equal earlier, if that is to count.
    pub memo: Option<&'a Memo>,
}

impl Input<'_> {
    fn asks_server(&self, target: &Object) -> bool {
        let says = |value: &str| {
            let entry = format!("ServerSideDiff={value}");
            let app = self.compare_options.split(',').any(|it| it.trim() == entry);
            (options::has_entry(target, names::COMPARE_OPTIONS, &entry), app)
        };
        match (says("true"), says("false")) {
            ((true, _), (false, _)) => true,
            (_, (true, _)) => false,
            ((_, on), (_, off)) => (on || self.settings.server_side_diff) && !off,
        }
    }

    fn way(&self, target: &Object) -> Way {
        if self.asks_server(target) {
            Way::Server {
                webhooks: self.compare_options.split(',').any(|it| it.trim() == "IncludeMutationWebhook=true"),
            }
        } else if options::option_is_on(Some(target), self.sync_options, "ServerSideApply") {
            Way::Structured
        } else {
            Way::LastApplied
        }
    }

    fn rules(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.ignored.fold(&mut hasher);
        format!("{:?}", self.settings.tracking).hash(&mut hasher);
        hasher.finish()
    }
}

/// How a pair is to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    LastApplied,
    Structured,
    Server { webhooks: bool },
}

/// One managed object: wanted, there, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Managed {
    /// Its key.
    pub key: ResourceKey,
    /// What is wanted; absent when it is to go.
    pub target: Option<Object>,
    /// What is there.
    pub live: Option<Arc<Object>>,
    /// How they differ.
    pub diff: Diff,
    /// What is shown of it.
    pub status: ResourceStatus,
}

impl Managed {
    /// The target, or else the live object.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        self.target.as_ref().or(self.live.as_deref())
    }

    /// Whether it is there and is no longer wanted.
    #[must_use]
    pub fn is_extraneous(&self) -> bool {
        self.target.is_none() && self.live.is_some()
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Whether the cluster is as the sources say.
    pub sync: SyncState,
    /// How the objects are.
    pub health: HealthState,
    /// Managed objects, in order of `status.resources`.
    pub managed: Vec<Managed>,
    /// Hooks of a synchronisation.
    pub hooks: Vec<Object>,
    /// Live hooks of this Application by key.
    pub live_hooks: BTreeMap<ResourceKey, Arc<Object>>,
    /// Hooks of a cascade deletion.
    pub delete_hooks: Vec<Object>,
    /// What people should know.
    pub conditions: Vec<Condition>,
    /// What has to be observed before the comparison is one.
    pub needs: Vec<Effect>,
    /// Fingerprints of the pairs that are equal.
    pub equal: Vec<u64>,
}

/// Compares.
#[must_use]
pub fn compare(input: Input<'_>, live: &dyn LiveView) -> Comparison {
    let mut result = Comparison {
        hooks: input.targets.hooks.clone(),
        delete_hooks: input.targets.delete_hooks.clone(),
        conditions: input.targets.conditions.clone(),
        ..Comparison::default()
    };
    let tracking = &input.settings.tracking;
    let rules = input.rules();
    let mut there = tracked_objects(&input, live);
    let mut failed = result.conditions.iter().any(|it| it.kind.is_error());
    for target in &input.targets.objects {
        let key = ResourceKey::of(target);
        // An object that is not tracked (yet) is adopted by its name.
        let found = there.remove(&key).or_else(|| live.get(&target.reference()));
        if let Some(found) = &found
            && let Some(other) = tracking.tracked_by(found).filter(|it| it != input.instance)
            && tracking.is_own(found)
        {
            let own = format!("{}/{}", input.own_key.namespace, input.own_key.name);
            let other = other.replace('_', "/");
            let message = format!("{}/{} is part of applications {own} and {other}", key.kind, key.name);
            result.conditions.push(condition(ConditionType::SharedResourceWarning, message));
        }
        match pair(&input, key, Some(target.clone()), found, rules, live, &mut result) {
            Ok(managed) => result.managed.push(managed),
            Err(error) => {
                failed = true;
                result.conditions.push(condition(ConditionType::ComparisonError, error.to_string()));
            }
        }
    }
    for hook in &input.targets.hooks {
        // Hooks that run under their own name are looked up by it; the live one may be from an earlier run.
        if hook.name().is_empty() {
            continue;
        }
        let key = ResourceKey::of(hook);
        if let Some(found) = there.get(&key).cloned().or_else(|| live.get(&hook.reference())) {
            result.live_hooks.insert(key, found);
        }
    }
    for (key, found) in there {
        if options::is_hook(&found) {
            result.live_hooks.insert(key.clone(), found.clone());
        }
        if let Ok(managed) = pair(&input, key, None, Some(found), rules, live, &mut result) {
            result.managed.push(managed);
        }
    }
    result.managed.sort_by_cached_key(|it| it.status.sort_key());
    result.sync = if failed { SyncState::Unknown } else { sync_state(&result.managed) };
    if failed {
        for managed in &mut result.managed {
            managed.status.status = managed.status.status.map(|_| SyncState::Unknown);
        }
    }
    result.health = app_health(&input, &result.managed);
    result
}

/// Live objects that are tracked to the Application and permitted by its project, once each.
fn tracked_objects(input: &Input<'_>, live: &dyn LiveView) -> BTreeMap<ResourceKey, Arc<Object>> {
    let mut there = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let targeted: BTreeSet<Gvk> = input.targets.objects.iter().map(Object::gvk).collect();
    // Of two versions of one object, the one that the targets use is kept.
    let (first, rest): (Vec<_>, Vec<_>) = input.known.iter().partition(|it| targeted.contains(it));
    for gvk in first.into_iter().chain(rest) {
        let scope = input.kinds.get(gvk).copied().unwrap_or(KindScope::NotServed);
        if scope == KindScope::NotServed {
            continue;
        }
        for object in live.tracked(gvk, input.instance) {
            let uid = object.uid();
            if !uid.is_empty() && !seen.insert(uid.to_owned()) {
                continue;
            }
            let key = ResourceKey::of(&object);
            if input.project.permits(&key, scope == KindScope::Namespaced, input.destination) {
                there.entry(key).or_insert(object);
            }
        }
    }
    there
}

fn pair(
    input: &Input<'_>,
    key: ResourceKey,
    target: Option<Object>,
    mut live: Option<Arc<Object>>,
    rules: u64,
    view: &dyn LiveView,
    result: &mut Comparison,
) -> Result<Managed, diff::DiffError> {
    let tracking = &input.settings.tracking;
    let diff = match (&target, &mut live) {
        (Some(target), Some(live)) => both(input, target, live, rules, view, result)?,
        (target, live) => diff::diff_by(target.as_ref(), live.as_deref(), input.ignored, How::LastApplied)?,
    };
    let object = target.as_ref().or(live.as_deref());
    let gvk = object.map(Object::gvk).unwrap_or_default();
    let is = |test: fn(&Object) -> bool| object.is_some_and(test);
    let hook = is(options::is_hook);
    let skipped = is(options::is_skipped);
    let ours = target.is_some() || live.as_deref().is_none_or(|it| tracking.is_own(it));
    let namespaced = input.kinds.get(&gvk).copied() != Some(KindScope::Cluster);
    let permitted = target.is_none() || input.project.permits(&key, namespaced, input.destination);
    let state = if hook || skipped || !ours {
        None
    } else if !permitted {
        Some(SyncState::Unknown)
    } else if live.is_none() || target.is_none() || diff.modified {
        Some(SyncState::OutOfSync)
    } else {
        Some(SyncState::Synced)
    };
    let health = match live.as_deref() {
        Some(live) => health::of(live, input.settings, input.now),
        None if target.is_some() && !hook && !skipped => {
            Some(ResourceHealth { status: HealthState::Missing, message: String::new() })
        }
        None => None,
    };
    let confirm = live
        .as_deref()
        .is_some_and(|it| options::sync_option(it, "Prune=confirm") || options::sync_option(it, "Delete=confirm"));
    let status = ResourceStatus {
        group: gvk.group,
        version: gvk.version,
        kind: gvk.kind,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        status: state,
        health,
        hook,
        requires_pruning: target.is_none() && live.is_some() && ours && !hook,
        requires_deletion_confirmation: confirm,
        sync_wave: object.map(options::wave).unwrap_or_default(),
        extra: BTreeMap::default(),
    };
    Ok(Managed { key, target, live, diff, status })
}

/// Compares what is wanted with what is there. Where something has yet to be told of the live object, that is noted down and
/// the verdict does not count.
fn both(
    input: &Input<'_>,
    target: &Object,
    live: &mut Arc<Object>,
    rules: u64,
    view: &dyn LiveView,
    result: &mut Comparison,
) -> Result<Diff, diff::DiffError> {
    const EQUAL: Diff = Diff { modified: false, normalized_live: Value::Null, predicted_live: Value::Null };
    let way = input.way(target);
    let mut hasher = DefaultHasher::new();
    (rules, way).hash(&mut hasher);
    let print = memo::fingerprint(target, live, hasher.finish());
    if let Some(print) = print.filter(|it| input.memo.is_some_and(|memo| memo.knows(*it))) {
        result.equal.push(print);
        return Ok(EQUAL);
    }
    let reference = live.reference();
    let by_owners = way == Way::Structured || !input.ignored.managers(live).is_empty();
    if (by_owners && live.pointer("/metadata/managedFields").is_none() && !live.resource_version().is_empty())
        || !view.is_whole(live)
    {
        match input.asked.fetched.get(&reference) {
            Some(Some(whole)) => *live = whole.clone(),
            // It is going: there is nothing more to be told.
            Some(None) => {}
            None => {
                result.needs.push(Effect::Fetch(reference));
                return Ok(EQUAL);
            }
        }
    }
    let predicted = match (way, input.asked.predicted.get(&reference)) {
        (Way::Server { .. }, None) => {
            let resource_version = live.resource_version().to_owned();
            result.needs.push(Effect::DryRun(Box::new(DryRun { target: target.clone(), resource_version })));
            return Ok(EQUAL);
        }
        (Way::Server { webhooks }, Some(Ok(predicted))) => How::Server { predicted, webhooks },
        (Way::Server { .. }, Some(Err(message))) => {
            return Err(diff::DiffError {
                object: Box::new(reference),
                source: diff::DiffFault::Server(format!("error running server side apply in dryrun mode: {message}")),
            });
        }
        (Way::Structured, _) => How::Structured,
        (Way::LastApplied, _) => How::LastApplied,
    };
    let seen = input.settings.tracking.migrated(target, live);
    let diff = diff::diff_by(Some(target), Some(&seen), input.ignored, predicted)?;
    if !diff.modified {
        result.equal.extend(print);
    }
    Ok(diff)
}

fn sync_state(managed: &[Managed]) -> SyncState {
    let counts = |it: &&Managed| {
        !(it.is_extraneous()
            && it.live.as_deref().is_some_and(|it| options::has_entry(it, names::COMPARE_OPTIONS, "IgnoreExtraneous")))
    };
    let out = |it: &Managed| matches!(it.status.status, Some(SyncState::OutOfSync | SyncState::Unknown));
    if managed.iter().filter(counts).any(out) { SyncState::OutOfSync } else { SyncState::Synced }
}

/// The worst health of what counts.
fn app_health(input: &Input<'_>, managed: &[Managed]) -> HealthState {
    let mut worst = HealthState::Healthy;
    let mut any = false;
    let mut any_live = false;
    for it in managed {
        let own = it.key == *input.own_key;
        if it.status.hook || it.status.status.is_none() || own {
            continue;
        }
        any = true;
        let Some(live) = it.live.as_deref() else { continue };
        any_live = true;
        if live.annotation(names::IGNORE_HEALTHCHECK) == Some("true") {
            continue;
        }
        let Some(health) = &it.status.health else { continue };
        let child = it.key.group == "argoproj.io" && it.key.kind == "Application";
        if child && matches!(health.status, HealthState::Missing | HealthState::Unknown) {
            continue;
        }
        worst = worst.max(health.status);
    }
    if any && !any_live { HealthState::Missing } else { worst }
}
