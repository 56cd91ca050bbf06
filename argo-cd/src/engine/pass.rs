//! One pass over one Application.

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{ApplyError, Change, Gvk, Note, Object, Plan, Time, Timestamp, object::DecodeError, time};

use super::{
    autosync, compare,
    compare::Comparison,
    conditions,
    conditions::condition,
    deletion, destination,
    edits::Edits,
    key::ResourceKey,
    live::{KindScope, LiveView},
    observe::{Effect, ManifestRequest, RevisionRequest, Seen},
    operation, project, refresh,
    refresh::{Level, Refresh},
    settings::Settings,
    sync, target, tracking, tree, windows,
};
use crate::api::{
    AppProject, AppProjectSpec, Application, ApplicationStatus, ComparedTo, Condition, ConditionType, Destination,
    HealthState, HealthStatus, OperationPhase, OperationState, Source, SyncState, SyncStatus, names,
};

/// Everything a pass sees.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The Application as it was read.
    pub app: &'a Object,
    /// Its project, if it exists.
    pub project: Option<&'a AppProject>,
    /// The live objects of the kinds in `seen.observed`.
    pub live: &'a dyn LiveView,
    /// What was told in earlier calls of this pass.
    pub seen: &'a Seen,
    /// Settings of the installation.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    /// The next wave does not begin before this.
    pub settled_at: Option<Timestamp>,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("app", &self.app.key()).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a pass wants. Effects mean: observe these and call again. Otherwise the changes are to be made in order, and
/// [`Pass::finish`] told what came of them.
#[derive(Debug, Default)]
pub struct Pass {
    /// What to do. `plan.status` is the status if every change goes well at once.
    pub plan: Plan<ApplicationStatus, Effect>,
    /// Which changes are independent: a failure in one run ends the pass before the next.
    runs: Vec<usize>,
    /// Of which write of the step each change is; absent for others.
    draft: Draft,
    step: Option<sync::Step>,
}

/// What the pass will say, before it is known what came of the writes.
#[derive(Debug, Default)]
struct Draft {
    edits: Edits,
    status: ApplicationStatus,
    spec: crate::api::ApplicationSpec,
    state: Option<OperationState>,
    now: Timestamp,
}

/// What is left to write after a pass.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// Writes that come before the edits; if one fails, the edits are not made.
    pub cleanup: Vec<Change>,
    /// Changes of the Application itself.
    pub edits: Edits,
    /// Events to record.
    pub notes: Vec<Note>,
    /// Look again no later than this.
    pub wake: Option<Timestamp>,
    /// The next wave waits a little.
    pub settle: bool,
    /// Do the pass again soon: circumstances were against it.
    pub retry: Option<ApplyError>,
}

/// Decides one pass.
///
/// # Errors
/// When the Application does not decode.
pub fn pass(world: &World<'_>) -> Result<Pass, DecodeError> {
    let app: Application = world.app.decode()?;
    if !is_ours(&app, world) {
        return Ok(Pass::default());
    }
    let mut ask = Ask { seen: world.seen, effects: Vec::new() };
    if world.app.is_deleting() {
        let pass = deletion::pass(&app, world, &mut ask);
        return Ok(ask.or(pass));
    }
    let pass = decide(app, world, &mut ask);
    Ok(ask.or(pass.unwrap_or_default()))
}

/// Whether the controller is to touch the Application at all.
fn is_ours(app: &Application, world: &World<'_>) -> bool {
    let skipped = app.metadata.annotation(names::SKIP_RECONCILE);
    if skipped.is_some_and(|it| matches!(it, "true" | "True" | "TRUE" | "t" | "T" | "1")) {
        return false;
    }
    let namespace = app.metadata.namespace.as_deref().unwrap_or_default();
    namespace == world.settings.namespace
        || world.settings.application_namespaces.iter().any(|it| project::glob(it, namespace, false))
}

/// Collects what has to be observed.
pub(super) struct Ask<'a> {
    pub(super) seen: &'a Seen,
    pub(super) effects: Vec<Effect>,
}

impl Ask<'_> {
    fn want(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    fn is_waiting(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The pass, or the questions that stand before it.
    fn or(self, pass: Pass) -> Pass {
        if self.effects.is_empty() {
            return pass;
        }
        let mut ask = Pass::default();
        self.effects.into_iter().for_each(|it| ask.plan.effect(it));
        ask
    }

    fn revision(&mut self, source: &Source, revision: &str) -> Option<Result<String, String>> {
        let request = RevisionRequest { source: source.clone(), revision: revision.to_owned() };
        let found = self.seen.revision(&request).cloned();
        if found.is_none() {
            self.want(Effect::Resolve(request));
        }
        found
    }

    fn manifests(
        &mut self,
        source: &Source,
        revision: &str,
        hard: bool,
    ) -> Option<Result<Arc<super::observe::Manifests>, String>> {
        let request = ManifestRequest { source: source.clone(), revision: revision.to_owned(), hard };
        let found = self.seen.manifests(&request).cloned();
        if found.is_none() {
            self.want(Effect::Render(Box::new(request)));
        }
        found
    }

    /// Whether these kinds and what hangs below them are in view; asks for those that are not.
    pub(super) fn kinds(&mut self, kinds: &BTreeSet<Gvk>) -> bool {
        let mut ready = true;
        for gvk in kinds {
            match self.seen.kinds.get(gvk) {
                None => {
                    self.want(Effect::Discover(gvk.clone()));
                    ready = false;
                }
                Some(KindScope::NotServed) => {}
                Some(_) if !self.seen.observed.contains(gvk) => {
                    self.want(Effect::Observe(gvk.clone()));
                    ready = false;
                }
                Some(_) => {}
            }
        }
        ready
    }
}

/// What the sources of an Application gave.
pub(super) struct Sourced {
    pub(super) manifests: Vec<Object>,
    pub(super) revisions: Vec<String>,
    types: Vec<String>,
    error: Option<String>,
}

/// Resolves and renders. `None` while something has yet to be observed.
pub(super) fn sourced(
    ask: &mut Ask<'_>,
    sources: &[Source],
    known: Option<&[String]>,
    wanted: &[String],
    hard: bool,
) -> Option<Sourced> {
    let mut result = Sourced { manifests: Vec::new(), revisions: Vec::new(), types: Vec::new(), error: None };
    let mut missing = false;
    for (i, source) in sources.iter().enumerate() {
        let fail = |message: &str| {
            format!(
                "Failed to load target state: failed to generate manifest for source {} of {}: {message}",
                i + 1,
                sources.len()
            )
        };
        let pinned = known.and_then(|it| it.get(i)).filter(|it| !it.is_empty()).cloned();
        let revision = match pinned {
            Some(revision) => Ok(revision),
            None => match ask.revision(source, wanted.get(i).map_or("", String::as_str)) {
                Some(found) => found,
                None => {
                    missing = true;
                    continue;
                }
            },
        };
        let revision = match revision {
            Ok(revision) => revision,
            Err(message) => {
                result.revisions.push(String::new());
                result.error.get_or_insert_with(|| fail(&message));
                continue;
            }
        };
        result.revisions.push(revision.clone());
        if source.is_ref_only() {
            result.types.push(String::new());
            continue;
        }
        let types = source.explicit_types();
        if types.len() > 1 {
            let message = format!("multiple application sources defined: {}", types.join(","));
            result.error.get_or_insert_with(|| fail(&message));
            continue;
        }
        match ask.manifests(source, &revision, hard) {
            None => missing = true,
            Some(Ok(found)) => {
                result.manifests.extend(found.objects.iter().cloned());
                result.types.push(found.source_type.clone());
            }
            Some(Err(message)) => {
                result.error.get_or_insert_with(|| fail(&message));
            }
        }
    }
    (!missing).then_some(result)
}

/// What holds for both halves of a pass.
pub(super) struct Subject<'a> {
    pub(super) app: &'a Application,
    pub(super) instance: String,
    pub(super) own_key: ResourceKey,
    pub(super) destination: Destination,
    pub(super) project: &'a AppProjectSpec,
}

const REFRESH_CONDITIONS: [ConditionType; 6] = [
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::UnknownError,
];

fn decide(app: Application, world: &World<'_>, ask: &mut Ask<'_>) -> Option<Pass> {
    let now = world.now;
    let old = app.status.clone().unwrap_or_default();
    let mut status = old.clone();
    let mut pass = Pass::default();
    let due = refresh::due(&app, world.settings, now);
    pass.draft.edits.clear_refresh = app.metadata.annotations.contains_key(names::REFRESH);
    status.controller_namespace.clone_from(&world.settings.namespace);

    let faults = faults(&app, world);
    let destination = destination::resolve(&app.spec.destination).unwrap_or_else(|_| app.spec.destination.clone());
    let empty = AppProjectSpec::default();
    let subject = Subject {
        instance: tracking::instance_name(
            app.metadata.namespace.as_deref().unwrap_or_default(),
            app.metadata.name.as_deref().unwrap_or_default(),
            &world.settings.namespace,
        ),
        own_key: ResourceKey::of(world.app),
        destination,
        project: world.project.map_or(&empty, |it| &it.spec),
        app: &app,
    };
    if faults.is_empty() {
        look(&subject, due, world, ask, &mut status, &mut pass)?;
    } else {
        status.sync = Some(SyncStatus {
            status: SyncState::Unknown,
            compared_to: compared_to(&app),
            ..status.sync.take().unwrap_or_default()
        });
        set_health(&mut status, HealthState::Unknown, now);
        status.conditions = conditions::set(&old.conditions, faults.clone(), &REFRESH_CONDITIONS, now);
    }
    if due.level >= Level::Latest || status.reconciled_at.is_none() {
        status.reconciled_at = Some(Time::new(now));
    }
    note_changes(&old, &status, &mut pass);
    let seen = Application { status: Some(status.clone()), ..app.clone() };
    if let Some(at) = status.reconciled_at.and_then(|it| refresh::next(&seen, world.settings, it.timestamp())) {
        pass.plan.wake_at(at);
    }
    if faults.is_empty() && window_permits(&subject, false, None, now) {
        automate(&app, world, &mut status, &mut pass);
    }
    if app.operation.is_some() {
        operate(&subject, world, ask, &mut status, &mut pass, &faults)?;
    }
    pass.draft.now = now;
    pass.draft.spec = app.spec.clone();
    pass.plan.status = (status != old).then(|| status.clone());
    pass.draft.status = status;
    Some(pass)
}

/// What is wrong with the spec, or not permitted.
fn faults(app: &Application, world: &World<'_>) -> Vec<Condition> {
    let invalid = |message: String| condition(ConditionType::InvalidSpecError, message);
    let mut found = Vec::new();
    let project_name = app.spec.project_name();
    let Some(project) = world.project else {
        return vec![invalid(format!("Application referencing project {project_name} which does not exist"))];
    };
    let namespace = app.metadata.namespace.as_deref().unwrap_or_default();
    if namespace != world.settings.namespace
        && !project.spec.source_namespaces.iter().any(|it| project::glob(it, namespace, false))
    {
        let name = app.metadata.name.as_deref().unwrap_or_default();
        found.push(invalid(format!(
            "application '{name}' in namespace '{namespace}' is not permitted to use project '{project_name}'"
        )));
    }
    let sources = app.spec.effective_sources();
    if sources.is_empty() {
        found.push(invalid("spec.source.repoURL and either spec.source.path or spec.source.chart are required".into()));
    }
    for source in &sources {
        if source.repo_url.is_empty()
            || (source.path.is_empty() && source.chart.is_empty() && source.reference.is_empty())
        {
            found.push(invalid(
                "spec.source.repoURL and either spec.source.path or spec.source.chart are required".into(),
            ));
        } else if !project.spec.permits_source(&source.repo_url) {
            let url = argo_core::git::Repository::new(&source.repo_url);
            found.push(invalid(format!("application repo {url} is not permitted in project '{project_name}'")));
        }
    }
    match destination::resolve(&app.spec.destination) {
        Err(message) => found.push(invalid(message)),
        Ok(it) if !project.spec.permits_destination(&it.server, &it.name, &it.namespace) => {
            found.push(invalid(format!(
                "application destination server '{}' and namespace '{}' do not match any of the allowed destinations \
                 in project '{project_name}'",
                it.server, it.namespace
            )));
        }
        Ok(_) => {}
    }
    found
}

fn compared_to(app: &Application) -> ComparedTo {
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
pub(super) fn remembered(status: &ApplicationStatus) -> BTreeSet<Gvk> {
    let seen = status.resources.iter().map(|it| Gvk::new(&it.group, &it.version, &it.kind));
    let state = status.operation_state.as_ref().and_then(|it| it.sync_result.as_ref());
    let done = state.into_iter().flat_map(|it| &it.resources).map(|it| Gvk::new(&it.group, &it.version, &it.kind));
    seen.chain(done).filter(|it| !it.version.is_empty() && !it.kind.is_empty()).collect()
}

/// The status loop: compares and writes down what it found.
fn look(
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
    let comparison = compared(subject, &sourced, &app.spec.ignore_differences, world, ask, &old)?;
    let nodes = tree::tree(&comparison.managed, world.live);
    status.resources = resources(&comparison, world.settings);
    status.resource_health_source = if world.settings.persist_health { String::new() } else { "appTree".to_owned() };
    let revision = sourced.revisions.first().cloned().unwrap_or_default();
    status.sync = Some(SyncStatus {
        status: comparison.sync,
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
    let own = (world.app.namespace().unwrap_or_default(), world.app.name());
    status.summary = Some(tree::summary(&nodes, own));
    status.conditions = conditions::set(&old.conditions, comparison.conditions.clone(), &REFRESH_CONDITIONS, world.now);
    for hook in &comparison.delete_hooks {
        for kind in super::options::hook_types(hook) {
            let (run, cleanup) = match kind {
                crate::api::HookType::PreDelete => (names::FINALIZER_PRE_DELETE, names::FINALIZER_PRE_DELETE_CLEANUP),
                crate::api::HookType::PostDelete => {
                    (names::FINALIZER_POST_DELETE, names::FINALIZER_POST_DELETE_CLEANUP)
                }
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

/// A comparison at rendered manifests, once everything it needs is in view.
fn compared(
    subject: &Subject<'_>,
    sourced: &Sourced,
    ignored: &[crate::api::IgnoreDifferences],
    world: &World<'_>,
    ask: &mut Ask<'_>,
    status: &ApplicationStatus,
) -> Option<Comparison> {
    let mut known = remembered(status);
    known.extend(target::kinds_of(&sourced.manifests));
    let mut needed = known.clone();
    needed.extend(known.iter().flat_map(tree::child_kinds));
    if creates_namespace(subject.app) {
        needed.insert(Gvk::new("", "v1", "Namespace"));
    }
    if !ask.kinds(&needed) {
        return None;
    }
    let owner = target::Owner { instance: &subject.instance, namespace: &subject.destination.namespace };
    let mut targets = target::targets(&sourced.manifests, owner, &ask.seen.kinds);
    if let Some(error) = &sourced.error {
        targets.conditions.push(condition(ConditionType::ComparisonError, error.clone()));
    }
    let input = compare::Input {
        targets: &targets,
        instance: &subject.instance,
        own_key: &subject.own_key,
        destination: &subject.destination,
        project: subject.project,
        ignored,
        kinds: &ask.seen.kinds,
        known: &known,
        settings: world.settings,
    };
    let mut comparison = compare::compare(input, world.live);
    if sourced.error.is_some() {
        // Nobody knows what is wanted: nothing is to go.
        comparison.managed.iter_mut().for_each(|it| it.status.requires_pruning = false);
    }
    Some(comparison)
}

fn creates_namespace(app: &Application) -> bool {
    let policy = app.spec.sync_policy.iter().flat_map(|it| &it.sync_options);
    let sync = app.operation.as_ref().and_then(|it| it.sync.as_ref());
    let operation = sync.into_iter().flat_map(|it| &it.sync_options);
    policy.chain(operation).any(|it| it.trim() == "CreateNamespace=true")
}

fn resources(comparison: &Comparison, settings: &Settings) -> Vec<crate::api::ResourceStatus> {
    let list = comparison.managed.iter().map(|it| it.status.clone());
    list.map(|mut it| {
        if !settings.persist_health {
            it.health = None;
        }
        it
    })
    .collect()
}

fn set_health(status: &mut ApplicationStatus, state: HealthState, now: Timestamp) {
    let old = status.health.take().unwrap_or_default();
    let same = old.status == state && old.last_transition_time.is_some();
    let since = if same { old.last_transition_time } else { Some(Time::new(now)) };
    status.health =
        Some(HealthStatus { status: state, message: String::new(), last_transition_time: since, extra: old.extra });
}

fn note_changes(old: &ApplicationStatus, new: &ApplicationStatus, pass: &mut Pass) {
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

/// Sets an operation when the policy asks for one.
fn automate(app: &Application, world: &World<'_>, status: &mut ApplicationStatus, pass: &mut Pass) {
    let verdict = autosync::decide(app, status, world.settings, world.now);
    let mut errors = Vec::new();
    match verdict {
        autosync::Verdict::Idle => {}
        autosync::Verdict::Later(at) => pass.plan.wake_at(at),
        autosync::Verdict::Refused(message) => errors.push(condition(ConditionType::SyncError, message)),
        autosync::Verdict::Sync(operation) => {
            let sync = operation.sync.clone().unwrap_or_default();
            let revision = if sync.revisions.is_empty() { sync.revision } else { sync.revisions.join(", ") };
            pass.plan.note(Note::normal("OperationStarted", format!("Initiated automated sync to '{revision}'")));
            pass.draft.edits.operation = Some(*operation);
        }
    }
    status.conditions = conditions::set(&status.conditions, errors, &[ConditionType::SyncError], world.now);
}

/// The operation loop: one pass of what was asked for.
fn operate(
    subject: &Subject<'_>,
    world: &World<'_>,
    ask: &mut Ask<'_>,
    status: &mut ApplicationStatus,
    pass: &mut Pass,
    faults: &[Condition],
) -> Option<()> {
    let Some(operation) = subject.app.operation.clone() else { return Some(()) };
    let now = world.now;
    let running = status.operation_state.clone().filter(|it| !it.is_completed());
    let Some(mut state) = running else {
        // First the state is written, then anything is done: it names the attempt.
        let sources = operation::sources(&operation, &subject.app.spec);
        let began = match pin(ask, &operation, &sources)? {
            Ok(revisions) => operation::begin(&operation, &subject.app.spec, sources, revisions, now),
            Err(message) => {
                let state = operation::begin(&operation, &subject.app.spec, sources, vec![], now);
                let message = format!("ComparisonError: {message}");
                operation::conclude(state, OperationPhase::Error, message, now)
            }
        };
        settle_state(began, status, pass);
        return Some(());
    };
    if operation.sync.is_none() {
        let ended = operation::conclude(state, OperationPhase::Failed, "Invalid operation request".to_owned(), now);
        settle_state(ended, status, pass);
        return Some(());
    }
    let sync = state.operation.sync.clone().unwrap_or_default();
    if let Some(at) = operation::retry_at(&state) {
        if at > now {
            pass.plan.wake_at(at);
        } else {
            settle_state(operation::retry(state), status, pass);
        }
        return Some(());
    }
    let limit = world.settings.sync_timeout;
    if !limit.is_zero()
        && state.phase == OperationPhase::Running
        && time::after(state.started_at.timestamp(), limit) <= now
    {
        state.phase = OperationPhase::Terminating;
        state.message = TIMEOUT.to_owned();
        settle_state(state, status, pass);
        return Some(());
    }
    let manual = !state.operation.initiated_by.automated;
    let started = Some(state.started_at.timestamp());
    if state.phase == OperationPhase::Running && !window_permits(subject, manual, started, now) {
        state.message = BLOCKED.to_owned();
        pass.plan.wake_at(time::after(now, WINDOW_CHECK));
        settle_state(state, status, pass);
        return Some(());
    }
    let (sources, revisions) = operation::pinned(&state);
    if revisions.iter().any(String::is_empty) || revisions.is_empty() {
        let ended = match pin(ask, &state.operation, &sources)? {
            Err(message) => {
                operation::conclude(state, OperationPhase::Error, format!("ComparisonError: {message}"), now)
            }
            Ok(revisions) => {
                if let Some(result) = &mut state.sync_result {
                    if result.sources.is_empty() {
                        result.revision = revisions.into_iter().next().unwrap_or_default();
                    } else {
                        result.revisions = revisions;
                    }
                }
                state
            }
        };
        settle_state(ended, status, pass);
        return Some(());
    }
    let mut sourced = if sync.manifests.is_empty() {
        sourced(ask, &sources, Some(&revisions), &[], false)?
    } else {
        local(&sync.manifests, revisions)
    };
    let terminating = state.phase == OperationPhase::Terminating;
    if terminating {
        // What is wanted does not matter any more, only what runs.
        sourced.error = None;
    }
    let comparison = compared(subject, &sourced, &subject.app.spec.ignore_differences, world, ask, status)?;
    let errors: Vec<&Condition> = faults.iter().chain(&comparison.conditions).filter(|it| it.kind.is_error()).collect();
    if !errors.is_empty() && !terminating {
        let message = conditions::describe(errors);
        settle_state(operation::conclude(state, OperationPhase::Error, message, now), status, pass);
        return Some(());
    }
    if let Some(at) = world.settled_at.filter(|it| *it > now && !terminating) {
        pass.plan.wake_at(at);
        return Some(());
    }
    let lookup = |it: &argo_core::ObjectRef| world.live.get(it);
    let approved = world.app.annotation(names::DELETION_APPROVED).and_then(|it| time::parse(it).ok());
    let metadata = subject.app.spec.sync_policy.as_ref().and_then(|it| it.managed_namespace_metadata.as_ref());
    let input = sync::Input {
        comparison: &comparison,
        state: &state,
        operation: &sync,
        instance: &subject.instance,
        destination: &subject.destination,
        project: subject.project,
        project_name: subject.app.spec.project_name(),
        kinds: &ask.seen.kinds,
        ignored: &subject.app.spec.ignore_differences,
        namespace_metadata: metadata,
        approved_at: approved,
        now,
        lookup: &lookup,
        settings: world.settings,
    };
    let step = if terminating { sync::terminate(&input) } else { sync::step(&input) };
    for write in &step.writes {
        if let Some(change) = &write.change {
            pass.plan.push(change.clone());
            pass.runs.push(write.run);
        }
    }
    pass.step = Some(step);
    pass.draft.state = Some(state);
    Some(())
}

/// The commits of an operation's sources; an error is a sentence for people.
fn pin(
    ask: &mut Ask<'_>,
    operation: &crate::api::Operation,
    sources: &[Source],
) -> Option<Result<Vec<String>, String>> {
    let mut revisions = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let wanted = operation::wanted_revision(operation, sources, i);
        if argo_core::git::is_commit_id(&wanted) {
            revisions.push(wanted);
            continue;
        }
        match ask.revision(source, &wanted) {
            None => {}
            Some(Ok(revision)) => revisions.push(revision),
            Some(Err(message)) => {
                return Some(Err(format!(
                    "Failed to load target state: failed to generate manifest for source {} of {}: {message}",
                    i + 1,
                    sources.len()
                )));
            }
        }
    }
    (!ask.is_waiting()).then_some(Ok(revisions))
}

/// Manifests that came with the operation.
fn local(manifests: &[String], revisions: Vec<String>) -> Sourced {
    let mut sourced = Sourced { manifests: Vec::new(), revisions, types: Vec::new(), error: None };
    for (i, text) in manifests.iter().enumerate() {
        match serde_json::from_str(text) {
            Ok(value) => sourced.manifests.push(Object::from_value(value)),
            Err(error) => {
                sourced.error.get_or_insert(format!("Failed to unmarshal local manifest {}: {error}", i + 1));
            }
        }
    }
    sourced
}

/// Puts an operation's state into the status; one that is complete ends the operation.
fn settle_state(state: OperationState, status: &mut ApplicationStatus, pass: &mut Pass) {
    if let Some(at) = operation::retry_at(&state) {
        pass.plan.wake_at(at);
    }
    if state.is_completed() {
        pass.draft.edits.clear_operation = true;
        pass.plan.note(completed(&state));
    }
    status.operation_state = Some(state);
}

fn completed(state: &OperationState) -> Note {
    let revision = state.sync_result.as_ref().map(|it| it.revision.as_str()).unwrap_or_default();
    let partial = state.operation.sync.as_ref().is_some_and(|it| !it.resources.is_empty());
    let what = if partial { "Partial sync operation" } else { "Sync operation" };
    if state.phase == OperationPhase::Succeeded {
        Note::normal("OperationCompleted", format!("{what} to {revision} succeeded"))
    } else {
        Note::warning("OperationCompleted", format!("{what} to {revision} failed: {}", state.message))
    }
}

impl Pass {
    /// A pass that writes and then edits, without a synchronisation.
    pub(super) fn of(changes: Vec<Change>, edits: Edits, status: ApplicationStatus, now: Timestamp) -> Self {
        let mut pass = Self::default();
        for change in changes {
            pass.plan.push(change);
            pass.runs.push(0);
        }
        pass.draft.edits = edits;
        pass.draft.status = status;
        pass.draft.now = now;
        pass
    }

    /// Whether more has to be observed first.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.plan.effects().next().is_some()
    }

    /// The run of the change at `index`: a failure in a run ends the pass before the next run.
    #[must_use]
    pub fn run_of(&self, index: usize) -> usize {
        self.runs.get(index).copied().unwrap_or_default()
    }

    /// Reads what came of the plan's changes, one outcome each in their order, and gives what is left to write.
    #[must_use]
    pub fn finish(mut self, outcomes: Vec<sync::Outcome>) -> Conclusion {
        let mut conclusion = Conclusion::default();
        let Draft { mut edits, mut status, spec, state, now } = std::mem::take(&mut self.draft);
        let mut outcomes = outcomes.into_iter();
        if let (Some(step), Some(mut state)) = (self.step.take(), state) {
            // Writes that had nothing to change went well without a change.
            let mut blocked = None;
            let all = step
                .writes
                .iter()
                .map(|write| {
                    if blocked.is_some_and(|run| write.run > run) {
                        if write.change.is_some() {
                            outcomes.next();
                        }
                        return sync::Outcome::Skipped;
                    }
                    let outcome = match &write.change {
                        Some(_) => outcomes.next().unwrap_or(sync::Outcome::Skipped),
                        None => sync::Outcome::Done,
                    };
                    if !matches!(outcome, sync::Outcome::Done) {
                        blocked = Some(write.run);
                    }
                    outcome
                })
                .collect();
            let finish = sync::finish(step, all);
            if let Some(result) = &mut state.sync_result {
                result.resources = finish.results;
            }
            conclusion.cleanup = finish.cleanup;
            conclusion.settle = finish.settle;
            conclusion.retry = finish.retry;
            let phase = if finish.phase == OperationPhase::Running { state.phase } else { finish.phase };
            let mut message = finish.message;
            if state.phase == OperationPhase::Terminating && state.message == TIMEOUT {
                message.push_str(TIMED_OUT);
            }
            let state = operation::conclude(state, phase, message, now);
            operation::record(&mut status, &spec, &state, now);
            let mut rest = Pass::default();
            settle_state(state, &mut status, &mut rest);
            edits.clear_operation |= rest.draft.edits.clear_operation;
            self.plan.notes.extend(rest.plan.notes);
            if let Some(at) = rest.plan.wake {
                self.plan.wake_at(at);
            }
        } else {
            conclusion.retry = outcomes.find_map(|it| match it {
                sync::Outcome::Failed(error) => Some(error),
                _ => None,
            });
        }
        edits.status = Some(status);
        conclusion.edits = edits;
        conclusion.notes = self.plan.notes;
        conclusion.wake = self.plan.wake;
        conclusion
    }
}

/// Whether the project's windows let a synchronisation happen.
fn window_permits(subject: &Subject<'_>, manual: bool, started_at: Option<Timestamp>, now: Timestamp) -> bool {
    let app = subject.app.metadata.name.as_deref().unwrap_or_default();
    let request = windows::Request { app, destination: &subject.destination, manual, started_at };
    windows::permits(&subject.project.sync_windows, request, now)
}

/// Message of an operation that a window holds back.
const BLOCKED: &str = "Sync operation blocked by sync window";
/// Windows open and close on full minutes.
const WINDOW_CHECK: std::time::Duration = std::time::Duration::from_secs(60);

/// Message of an operation that the controller's own limit ends.
const TIMEOUT: &str = "operation is terminating due to timeout";
/// Ends the message of an operation that the controller's own limit ended.
const TIMED_OUT: &str = ", triggered by controller sync timeout";
