//! The status loop.

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{Gvk, Note, Object, Time, Timestamp};

use super::{
    Ask, Pass, Subject, World,
    ask::{Sourced, sourced},
};
use crate::{
    api::{
        Application, ApplicationStatus, ComparedTo, ConditionType, HealthState, HealthStatus, HookType, ResourceStatus,
        SyncState, SyncStatus, names,
    },
    engine::{
        compare,
        compare::Comparison,
        conditions,
        conditions::condition,
        health::Rules,
        ignored::Ignored,
        key::ResourceKey,
        live::{KindScope, MemoryLive},
        memo::Memo,
        options,
        refresh::{Level, Refresh, namespace_metadata_changed},
        settings::Settings,
        target, tree,
    },
};

pub(super) const REFRESH_CONDITIONS: [ConditionType; 7] = [
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::OrphanedResourceWarning,
    ConditionType::UnknownError,
];

/// The status loop: compares and writes down what it found.
pub(super) fn look(
    subject: &Subject<'_>,
    due: Refresh,
    world: &World<'_>,
    ask: &mut Ask<'_>,
    status: &mut ApplicationStatus,
    pass: &mut Pass,
) -> Option<()> {
    let app = subject.app;
    let old = status.clone();
    // A comparison that failed is tried again by the timers, not by every event.
    let broken = old.conditions.iter().any(|it| it.kind == ConditionType::ComparisonError);
    if due.level == Level::Recent && broken && old.sync_state() == SyncState::Unknown {
        return Some(());
    }
    let sources = app.spec.effective_sources();
    let multi = app.spec.is_multi_source();
    let known = (due.level == Level::Recent).then(|| match (&old.sync, multi) {
        (Some(sync), true) => sync.revisions.clone(),
        (Some(sync), false) => vec![sync.revision.clone()],
        (None, _) => vec![],
    });
    let wanted: Vec<String> = sources.iter().map(|it| it.target_revision.clone()).collect();
    let sourced = sourced(ask, &sources, known.as_deref(), &wanted, due.hard)?;
    // Who asks for a refresh wants to be told what is, not what was.
    let memo = world.memo.filter(|_| due.level < Level::Forced);
    let mut comparison = compared(subject, &sourced, memo, world, ask, &old)?;
    pass.memo = Some(comparison.equal.drain(..).collect());
    let nodes = tree::tree(&comparison.managed, world.live);
    let orphans = orphans(subject, world, ask, &mut comparison)?;
    if world.settings.resource_tree {
        pass.tree = Some(Box::new(tree::resource_tree(
            &comparison.managed,
            &nodes,
            &orphans,
            subject.project,
            &subject.destination,
            world.live,
            Rules { settings: world.settings, now: world.now },
        )));
    }
    pass.orphans = orphans.len();
    if ask.seen.live_error.is_some() {
        // What was there is remembered: it is what may have to go later.
        status.resources.iter_mut().for_each(|it| it.status = it.status.map(|_| SyncState::Unknown));
    } else {
        status.resources = resources(&comparison, world.settings);
    }
    status.resource_health_source = if world.settings.persist_health { String::new() } else { "appTree".to_owned() };
    let revision = sourced.revisions.first().cloned().unwrap_or_default();
    let metadata = comparison.sync == SyncState::Synced && namespace_metadata_changed(app);
    status.sync = Some(SyncStatus {
        status: if metadata { SyncState::OutOfSync } else { comparison.sync },
        compared_to: compared_to(app),
        revision: if multi { String::new() } else { revision },
        revisions: if multi { sourced.revisions.clone() } else { vec![] },
        extra: old.sync.as_ref().map(|it| it.extra.clone()).unwrap_or_default(),
    });
    set_health(status, comparison.health, world.now);
    if sourced.error.is_none() {
        let types = sourced.types.clone();
        (status.source_type, status.source_types) =
            if multi { (String::new(), types) } else { (types.into_iter().next().unwrap_or_default(), vec![]) };
    }
    status.summary = Some(tree::summary(&nodes, world.app));
    status.conditions = conditions::set(&old.conditions, comparison.conditions.clone(), &REFRESH_CONDITIONS, world.now);
    for hook in &comparison.delete_hooks {
        for kind in options::hook_types(hook) {
            let (run, cleanup) = match kind {
                HookType::PreDelete => (names::FINALIZER_PRE_DELETE, names::FINALIZER_PRE_DELETE_CLEANUP),
                HookType::PostDelete => (names::FINALIZER_POST_DELETE, names::FINALIZER_POST_DELETE_CLEANUP),
                _ => continue,
            };
            for finalizer in [run, cleanup] {
                if !world.app.has_finalizer(finalizer) && !pass.draft.edits.add_finalizers.contains(&finalizer) {
                    pass.draft.edits.add_finalizers.push(finalizer);
                }
            }
        }
    }
    Some(())
}

pub(super) fn compared_to(app: &Application) -> ComparedTo {
    let sources = app.spec.effective_sources();
    let (source, sources) =
        if app.spec.is_multi_source() { (None, sources) } else { (sources.into_iter().next(), vec![]) };
    ComparedTo {
        source,
        sources,
        destination: app.spec.destination.clone(),
        ignore_differences: app.spec.ignore_differences.clone(),
        ..ComparedTo::default()
    }
}

/// Kinds that may hold objects of the Application: what it was seen to have.
pub(in crate::engine) fn remembered(status: &ApplicationStatus) -> BTreeSet<Gvk> {
    let seen = status.resources.iter().map(|it| Gvk::new(&it.group, &it.version, &it.kind));
    let state = status.operation_state.as_ref().and_then(|it| it.sync_result.as_ref());
    let done = state.into_iter().flat_map(|it| &it.resources).map(|it| Gvk::new(&it.group, &it.version, &it.kind));
    seen.chain(done).filter(|it| !it.version.is_empty() && !it.kind.is_empty()).collect()
}

/// A comparison at rendered manifests, once everything it needs is in view.
pub(super) fn compared(
    subject: &Subject<'_>,
    sourced: &Sourced,
    memo: Option<&Memo>,
    world: &World<'_>,
    ask: &mut Ask<'_>,
    status: &ApplicationStatus,
) -> Option<Comparison> {
    let excluded = |gvk: &Gvk| world.settings.filter.excludes(gvk, &subject.destination.server);
    let (dropped, manifests): (Vec<Object>, Vec<Object>) =
        sourced.manifests.iter().cloned().partition(|it| excluded(&it.gvk()));
    let mut known = remembered(status);
    known.extend(target::kinds_of(&manifests));
    known.retain(|it| !excluded(it));
    let mut needed = known.clone();
    needed.extend(known.iter().flat_map(tree::descendant_kinds));
    if world.settings.resource_tree {
        needed.insert(Gvk::new("", "v1", "Node"));
    }
    if creates_namespace(subject.app) {
        needed.insert(Gvk::new("", "v1", "Namespace"));
    }
    needed.retain(|it| !excluded(it));
    if !ask.kinds(&needed) {
        return None;
    }
    let tracking = &world.settings.tracking;
    let owner = target::Owner { tracking, instance: &subject.instance, namespace: &subject.destination.namespace };
    let mut targets = target::targets(&manifests, owner, &ask.seen.kinds);
    for it in &dropped {
        let gvk = it.gvk();
        let message = format!("Resource {}/{} {} is excluded in the settings", gvk.group, gvk.kind, it.name());
        targets.conditions.push(condition(ConditionType::ExcludedResourceWarning, message));
    }
    if let Some(error) = &sourced.error {
        targets.conditions.push(condition(ConditionType::ComparisonError, error.clone()));
    }
    let unseen = live_fault(subject, &targets, ask).map(|message| {
        let message = format!("Failed to load live state: {message}");
        targets.conditions.push(condition(ConditionType::ComparisonError, message));
    });
    let unseen = unseen.is_some();
    let ignored = Ignored::of(&subject.app.spec.ignore_differences, world.settings).unwrap_or_else(|error| {
        let message = format!("Failed to compare desired state to live state: {error}");
        targets.conditions.push(condition(ConditionType::ComparisonError, message));
        Ignored::default()
    });
    let input = compare::Input {
        targets: &targets,
        instance: &subject.instance,
        own_key: &subject.own_key,
        destination: &subject.destination,
        project: subject.project,
        ignored: &ignored,
        kinds: &ask.seen.kinds,
        known: &known,
        settings: world.settings,
        now: world.now,
        sync_options: subject.app.spec.sync_policy.as_ref().map(|it| it.sync_options.as_slice()).unwrap_or_default(),
        compare_options: subject.app.metadata.annotation(names::COMPARE_OPTIONS).unwrap_or_default(),
        asked: &ask.seen.asked,
        memo,
    };
    let nothing = MemoryLive::default();
    let live = if unseen { &nothing } else { world.live };
    let mut comparison = compare::compare(input, live);
    if !comparison.needs.is_empty() {
        comparison.needs.drain(..).for_each(|it| ask.want(it));
        return None;
    }
    if sourced.error.is_some() || unseen {
        // Nobody knows what is wanted: nothing is to go.
        comparison.managed.iter_mut().for_each(|it| it.status.requires_pruning = false);
    }
    Some(comparison)
}

/// Objects of the destination namespace that nobody manages, if the project wants to know; they become a warning.
fn orphans(
    subject: &Subject<'_>,
    world: &World<'_>,
    ask: &mut Ask<'_>,
    comparison: &mut Comparison,
) -> Option<Vec<Arc<Object>>> {
    let namespace = subject.destination.namespace.as_str();
    let Some(rules) = subject.project.orphaned_resources.as_ref().filter(|_| !namespace.is_empty()) else {
        return Some(Vec::new());
    };
    let kinds = ask.catalog()?;
    let kinds: BTreeSet<Gvk> =
        kinds.iter().filter(|it| !world.settings.filter.excludes(it, &subject.cluster.server)).cloned().collect();
    if !ask.kinds(&kinds) {
        return None;
    }
    let own: BTreeSet<&ResourceKey> = comparison.managed.iter().map(|it| &it.key).collect();
    let found = tree::orphans(
        &kinds,
        namespace,
        rules,
        world.live,
        |it| subject.project.permits_kind(&it.group, &it.kind, &it.name, true),
        |it| {
            own.contains(&ResourceKey::of(it))
                || world
                    .settings
                    .tracking
                    .tracked_by(it)
                    .is_some_and(|it| it == subject.instance || (world.is_application)(&it))
        },
    );
    if let Some(message) = tree::orphan_message(found.len(), rules) {
        comparison.conditions.push(condition(ConditionType::OrphanedResourceWarning, message));
    }
    Some(found)
}

/// Why the live objects of these targets can not be told.
fn live_fault(subject: &Subject<'_>, targets: &target::Targets, ask: &Ask<'_>) -> Option<String> {
    if let Some(error) = &ask.seen.live_error {
        return Some(error.clone());
    }
    targets.objects.iter().find_map(|it| {
        let namespaced = ask.seen.kinds.get(&it.gvk()).copied() != Some(KindScope::Cluster);
        subject.cluster.refuses(it.text("/kind"), it.name(), it.namespace().unwrap_or_default(), namespaced)
    })
}

pub(super) fn creates_namespace(app: &Application) -> bool {
    let policy = app.spec.sync_policy.iter().flat_map(|it| &it.sync_options);
    let sync = app.operation.as_ref().and_then(|it| it.sync.as_ref());
    let operation = sync.into_iter().flat_map(|it| &it.sync_options);
    policy.chain(operation).any(|it| it.trim() == "CreateNamespace=true")
}

pub(super) fn resources(comparison: &Comparison, settings: &Settings) -> Vec<ResourceStatus> {
    let list = comparison.managed.iter().map(|it| it.status.clone());
    list.map(|mut it| {
        if !settings.persist_health {
            it.health = None;
        }
        it
    })
    .collect()
}

pub(super) fn set_health(status: &mut ApplicationStatus, state: HealthState, now: Timestamp) {
    let old = status.health.take().unwrap_or_default();
    let same = old.status == state && old.last_transition_time.is_some();
    let since = if same { old.last_transition_time } else { Some(Time::new(now)) };
    status.health =
        Some(HealthStatus { status: state, message: String::new(), last_transition_time: since, extra: old.extra });
}

pub(super) fn note_changes(old: &ApplicationStatus, new: &ApplicationStatus, pass: &mut Pass) {
    let (from, to) = (old.sync_state(), new.sync_state());
    let shown = |known: bool, text: &str| if known { text.to_owned() } else { String::new() };
    if old.sync.is_none() || from != to {
        let from = shown(old.sync.is_some(), from.as_str());
        pass.plan.note(Note::normal("ResourceUpdated", format!("Updated sync status: {from} -> {}", to.as_str())));
    }
    let (from, to) = (old.health(), new.health());
    if old.health.is_none() || from != to {
        let from = shown(old.health.is_some(), from.as_str());
        pass.plan.note(Note::normal("ResourceUpdated", format!("Updated health status: {from} -> {}", to.as_str())));
    }
}
