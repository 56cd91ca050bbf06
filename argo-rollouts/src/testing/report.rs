//! What happened, to read and to assert on.

use std::{collections::BTreeMap, fmt, time::Duration};

use argo_core::Object;

use super::journal::Written;
use crate::api::RolloutStatus;

/// What a simulated rollout did, from the change on. Prints as an incident report.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) name: String,
    /// Hash of what was stable before the change.
    pub(super) baseline: String,
    pub(super) entries: Vec<Entry>,
    pub(super) status: RolloutStatus,
    pub(super) took: Duration,
    pub(super) objects: Vec<Object>,
    pub(super) steps: usize,
    pub(super) writes: u64,
    pub(super) least_available: i64,
    pub(super) least_served: BTreeMap<String, i64>,
    pub(super) overload: i64,
    pub(super) journal: Vec<Written>,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the change.
    pub at: Duration,
    /// Steps done.
    pub step: i64,
    /// Share of the traffic, in percent, that pods get that are not of the old template: as it is
    /// routed, or their share of the available pods.
    pub canary_percent: i64,
    /// Available pods of the template that was stable before the change.
    pub old: i64,
    /// Available pods of other templates.
    pub new: i64,
    /// The phase.
    pub phase: String,
    /// One word, as events have it.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

impl Report {
    /// The phase at the end: `Healthy`, `Degraded`, `Paused` or `Progressing`.
    #[must_use]
    pub fn phase(&self) -> &str {
        &self.status.phase
    }

    /// Why, at the end.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.status.message
    }

    /// Whether the update was given up.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.status.abort
    }

    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The largest share of the available pods that were new at any time: 100 once an update is through.
    #[must_use]
    pub fn most_exposed(&self) -> i64 {
        self.entries.iter().map(|it| it.canary_percent).max().unwrap_or_default()
    }

    /// The fewest pods that were available at any time.
    #[must_use]
    pub fn least_available(&self) -> i64 {
        self.least_available
    }

    /// The fewest available pods that a Service selected at any time; `None` for one that no
    /// Rollout steers.
    #[must_use]
    pub fn least_served(&self, service: &str) -> Option<i64> {
        self.least_served.get(service).copied()
    }

    /// The most pods that a version lacked at any time for the share of the traffic routed to it; 0
    /// when none ever got more than its pods can serve.
    #[must_use]
    pub fn overload(&self) -> i64 {
        self.overload
    }

    /// How many writes the controller made.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Every write since the change, by whomever, in order.
    #[must_use]
    pub fn journal(&self) -> &[Written] {
        &self.journal
    }

    /// The hash of the template that was stable before the change.
    #[must_use]
    pub fn baseline(&self) -> &str {
        &self.baseline
    }

    /// The timeline as a picture: pods and traffic over time, phases, and what happened when.
    #[must_use]
    pub fn svg(&self) -> String {
        super::svg::draw(self)
    }

    /// The lines, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first line with this reason (`RolloutAborted`, `AnalysisRunFailed`…).
    #[must_use]
    pub fn first(&self, reason: &str) -> Option<&Entry> {
        self.entries.iter().find(|it| it.reason == reason)
    }

    /// The status at the end.
    #[must_use]
    pub fn status(&self) -> &RolloutStatus {
        &self.status
    }

    /// Every object at the end, in order of kind and name.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    time  step  canary  old  new  what happened")?;
        for it in &self.entries {
            let time = clock(it.at);
            let (step, steps) = (it.step, self.steps);
            let (percent, old, new) = (it.canary_percent, it.old, it.new);
            writeln!(f, "{time:>8}  {step}/{steps:<2}  {percent:>5}%  {old:>3}  {new:>3}  {}", it.message)?;
        }
        write!(f, "{} after {}", self.status.phase, clock(self.took))?;
        if !self.status.message.is_empty() {
            write!(f, ": {}", self.status.message)?;
        }
        writeln!(f)
    }
}

pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, s) => format!("{h}h{m:02}m{s:02}s"),
    }
}
