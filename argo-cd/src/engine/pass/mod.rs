//! One pass over one Application.
//!
//! ```text
//!  decide ─ look ────> comparison, status, conditions
//!         ├ automate ─> an operation, when the policy asks for one
//!         └ operate ──> one step of the operation under way
//! ```
//! Whatever is missing on the way is asked for ([`Effect`]); the pass is then called again.

mod ask;
mod faults;
mod finish;
mod look;
mod operate;

use argo_core::{ApplyError, Change, Note, Object, Plan, Time, Timestamp, object::DecodeError};

use super::{
    autosync,
    clusters::{Cluster, Clusters},
    conditions,
    conditions::condition,
    deletion,
    edits::Edits,
    key::ResourceKey,
    live::LiveView,
    memo::Memo,
    observe::{Effect, Seen},
    refresh,
    refresh::Level,
    settings::Settings,
    sync, tracking, windows,
};
use crate::api::{
    AppProject, AppProjectSpec, Application, ApplicationStatus, ApplicationTree, ConditionType, Destination,
    HealthState, OperationState, SyncState, SyncStatus, names,
};

pub(in crate::engine) use ask::{Ask, sourced};
pub(in crate::engine) use look::remembered;

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
    /// The clusters that Applications may go to.
    pub clusters: &'a Clusters,
    /// Whether there is an Application that is tracked by a name.
    pub is_application: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// The time.
    pub now: Timestamp,
    /// The next wave does not begin before this.
    pub settled_at: Option<Timestamp>,
    /// Pairs that the pass before found equal ([`Pass::memo`]); a pass without them gives the same, and takes longer.
    pub memo: Option<&'a Memo>,
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
    /// The resource tree, if [`Settings::resource_tree`] asks for it.
    pub tree: Option<Box<ApplicationTree>>,
    /// The user that the changes are to be made as; the controller itself when absent.
    pub act_as: Option<String>,
    /// How many objects of the destination namespace nobody manages, if the project watches them.
    pub orphans: usize,
    /// The pairs that are equal, for the next pass; absent when nothing was compared.
    pub memo: Option<Memo>,
    /// Which changes are independent: a failure in one run ends the pass before the next.
    runs: Vec<usize>,
    /// Of which write of the step each change is; absent for others.
    draft: Draft,
    step: Option<sync::Step>,
    /// Whether a DeletionError of an earlier pass goes when every write goes well.
    pub(in crate::engine) clears_error: bool,
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
    world.settings.is_application_namespace(namespace)
}

/// What holds for both halves of a pass.
pub(in crate::engine) struct Subject<'a> {
    pub(in crate::engine) app: &'a Application,
    pub(in crate::engine) instance: String,
    pub(in crate::engine) own_key: ResourceKey,
    pub(in crate::engine) destination: Destination,
    pub(in crate::engine) cluster: Cluster,
    pub(in crate::engine) project: &'a AppProjectSpec,
}

fn decide(app: Application, world: &World<'_>, ask: &mut Ask<'_>) -> Option<Pass> {
    let now = world.now;
    let old = app.status.clone().unwrap_or_default();
    let mut status = old.clone();
    let mut pass = Pass::default();
    let due = refresh::due(&app, world.settings, now);
    pass.draft.edits.normalize_spec = true;
    pass.draft.edits.clear_refresh = app.metadata.annotations.contains_key(names::REFRESH);
    status.controller_namespace.clone_from(&world.settings.namespace);

    let faults = faults::faults(&app, world);
    // A destination that names no cluster is among the faults: nothing is compared then.
    let cluster = world.clusters.of(&app.spec.destination).unwrap_or_default();
    let empty = AppProjectSpec::default();
    let subject = Subject {
        instance: tracking::instance_name(
            app.metadata.namespace.as_deref().unwrap_or_default(),
            app.metadata.name.as_deref().unwrap_or_default(),
            &world.settings.namespace,
        ),
        own_key: ResourceKey::of(world.app),
        destination: cluster.destination(&app.spec.destination),
        cluster,
        project: world.project.map_or(&empty, |it| &it.spec),
        app: &app,
    };
    if faults.is_empty() {
        look::look(&subject, due, world, ask, &mut status, &mut pass)?;
    } else {
        status.sync = Some(SyncStatus {
            status: SyncState::Unknown,
            compared_to: look::compared_to(&app),
            ..status.sync.take().unwrap_or_default()
        });
        look::set_health(&mut status, HealthState::Unknown, now);
        status.conditions = conditions::set(&old.conditions, faults.clone(), &look::REFRESH_CONDITIONS, now);
    }
    if due.level >= Level::Latest || status.reconciled_at.is_none() {
        status.reconciled_at = Some(Time::new(now));
    }
    look::note_changes(&old, &status, &mut pass);
    let seen = Application { status: Some(status.clone()), ..app.clone() };
    if let Some(at) = status.reconciled_at.and_then(|it| refresh::next(&seen, world.settings, it.timestamp())) {
        pass.plan.wake_at(at);
    }
    if faults.is_empty() && window_permits(&subject, false, None, now) {
        automate(&app, world, &mut status, &mut pass);
    }
    if app.operation.is_some() {
        operate::operate(&subject, world, ask, &mut status, &mut pass, &faults)?;
    }
    pass.draft.now = now;
    pass.draft.spec = app.spec.clone();
    pass.plan.status = (status != old).then(|| status.clone());
    pass.draft.status = status;
    Some(pass)
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

/// Whether the project's windows let a synchronisation happen.
fn window_permits(subject: &Subject<'_>, manual: bool, started_at: Option<Timestamp>, now: Timestamp) -> bool {
    let app = subject.app.metadata.name.as_deref().unwrap_or_default();
    let request = windows::Request { app, destination: &subject.destination, manual, started_at };
    windows::permits(&subject.project.sync_windows, request, now)
}
