//! One container: a state machine over its timers.

use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use serde_json::{Value, json};

use crate::simulator::read::{count, flag, list, text, time};
use crate::simulator::script::{Behaviour, Readiness};

/// The first wait of a crash loop; doubled at each crash.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
/// The longest wait of a crash loop.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);
/// A run of this length ends a crash loop.
const BACK_OFF_RESET: Duration = Duration::from_secs(600);

/// Where a container stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// Its turn has not come.
    Idle,
    /// The image is being pulled, or the container created, until then.
    Creating { until: Timestamp },
    /// The image cannot be had; tried again then.
    PullFailed { backed_off: bool, until: Timestamp },
    /// Its configuration is incomplete; tried again then.
    Misconfigured { message: String, until: Timestamp },
    /// It runs.
    Running { since: Timestamp },
    /// It crashed and starts again then.
    CrashLoop { until: Timestamp },
    /// It is over.
    Done,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

/// A container as its node runs it.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) spec: Value,
    pub(super) stage: Stage,
    pub(super) restarts: u32,
    pub(super) ended: Option<Ended>,
    pub(super) ready: bool,
    /// Crashes in a row, for the back-off.
    crashes: u32,
    pull_tries: u32,
    process: Process,
    /// A liveness probe has failed since anybody asked.
    unhealthy: bool,
}

/// The process of a container that has one.
#[derive(Clone, Debug, PartialEq)]
enum Process {
    /// None of this program's making.
    Unknown,
    /// To be started.
    Wanted,
    Running,
    Exited {
        code: i32,
        message: String,
        at: Timestamp,
    },
}

/// Which ends lead to a new start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Restart {
    pub(super) fn of(policy: &str) -> Self {
        match policy {
            "Never" => Self::Never,
            "OnFailure" => Self::OnFailure,
            _ => Self::Always,
        }
    }

    fn after(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

impl Container {
    pub(super) fn new(spec: &Value) -> Self {
        Self {
            spec: spec.clone(),
            stage: Stage::Idle,
            restarts: 0,
            ended: None,
            ready: false,
            crashes: 0,
            pull_tries: 0,
            process: Process::Unknown,
            unhealthy: false,
        }
    }

    /// Reads a container back from a status an earlier process wrote.
    pub(super) fn restored(spec: &Value, statuses: &[Value], now: Timestamp) -> Self {
        let mut container = Self::new(spec);
        let Some(status) = statuses.iter().find(|status| text(status, "/name") == container.name()) else {
            return container;
        };
        container.restarts = u32::try_from(count(status, "/restartCount")).unwrap_or(0);
        container.crashes = container.restarts;
        container.ready = flag(status, "/ready");
        let ended = |state: &Value| {
            state.get("terminated").map(|it| Ended {
                code: i32::try_from(count(it, "/exitCode")).unwrap_or(1),
                reason: text(it, "/reason").to_owned(),
                message: text(it, "/message").to_owned(),
                started: time(it, "/startedAt").unwrap_or(now),
                finished: time(it, "/finishedAt").unwrap_or(now),
            })
        };
        container.ended = ended(&status["state"]).or_else(|| ended(&status["lastState"]));
        container.stage = if let Some(since) = time(status, "/state/running/startedAt") {
            Stage::Running { since }
        } else if status.pointer("/state/terminated").is_some() {
            Stage::Done
        } else {
            match text(status, "/state/waiting/reason") {
                "CrashLoopBackOff" => Stage::CrashLoop { until: after(now, back_off(container.crashes)) },
                "ErrImagePull" | "ImagePullBackOff" => Stage::PullFailed { backed_off: true, until: now },
                "ContainerCreating" => Stage::Creating { until: now },
                _ => Stage::Idle,
            }
        };
        container
    }

    pub(super) fn name(&self) -> &str {
        text(&self.spec, "/name")
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(super) fn succeeded(&self) -> bool {
        self.is_done() && self.ended.as_ref().is_some_and(|ended| ended.code == 0)
    }

    /// Its turn has come: pull and create.
    pub(super) fn begin(&mut self, behaviour: &Behaviour, now: Timestamp) {
        self.stage = if behaviour.pull_error.is_some() {
            self.pull_tries += 1;
            Stage::PullFailed { backed_off: false, until: after(after(now, behaviour.pull), FIRST_BACK_OFF) }
        } else {
            Stage::Creating { until: after(after(now, behaviour.pull), behaviour.start) }
        };
    }

    /// Moves on to `now`. Returns what it printed meanwhile, and when it moves next.
    pub(super) fn advance(
        &mut self,
        behaviour: &Behaviour,
        restart: Restart,
        now: Timestamp,
    ) -> (Vec<String>, Option<Timestamp>) {
        let mut printed = Vec::new();
        // Each turn of the loop is a transition; a container that exits at once waits in its crash loop.
        loop {
            match self.stage.clone() {
                Stage::Idle | Stage::Done => return (printed, None),
                Stage::Creating { until } | Stage::CrashLoop { until } | Stage::Misconfigured { until, .. } => {
                    if until > now {
                        return (printed, Some(until));
                    }
                    self.process = Process::Wanted;
                    if matches!(self.stage, Stage::CrashLoop { .. }) {
                        self.restarts += 1;
                    }
                    self.stage = Stage::Running { since: until };
                    self.ready = false;
                    if behaviour.process.is_none() {
                        printed.extend(behaviour.logs.iter().cloned());
                    }
                }
                Stage::PullFailed { backed_off, until } => {
                    if behaviour.pull_error.is_none() {
                        self.begin(behaviour, now);
                        continue;
                    }
                    if until > now {
                        return (printed, Some(until));
                    }
                    // From the error to the back-off, and from there to the next try.
                    if backed_off {
                        self.pull_tries += 1;
                    }
                    let wait = if backed_off { FIRST_BACK_OFF } else { back_off(self.pull_tries) };
                    self.stage = Stage::PullFailed { backed_off: !backed_off, until: after(until.max(now), wait) };
                }
                Stage::Running { since } => match self.run(behaviour, restart, since, now) {
                    Ok(next) => return (printed, next),
                    Err(()) => continue,
                },
            }
        }
    }

    /// A running container at `now`: when something happens next, or `Err` when it just ended.
    fn run(
        &mut self,
        behaviour: &Behaviour,
        restart: Restart,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ()> {
        if behaviour.process.is_some() {
            match self.process.clone() {
                Process::Exited { code, message, at } => {
                    self.end(code, if code == 0 { "Completed" } else { "Error" }, &message, since, at, restart);
                    return Err(());
                }
                // It ran in a process of a program that is no more.
                Process::Unknown => {
                    let message = "The container could not be located when the pod was terminated";
                    self.end(137, "ContainerStatusUnknown", message, since, now, restart);
                    return Err(());
                }
                Process::Wanted | Process::Running => {}
            }
        }
        let exit = behaviour.exit.as_ref().filter(|exit| exit.times.is_none_or(|times| self.restarts < times));
        let ends = exit.map(|exit| after(since, exit.after));
        let killed = behaviour.unhealthy_after.map(|delay| after(since, delay));
        if let Some(at) = ends.filter(|at| *at <= now && killed.is_none_or(|killed| killed >= *at))
            && let Some(exit) = exit
        {
            let reason = match exit.reason.as_str() {
                "" if exit.code == 0 => "Completed",
                "" => "Error",
                reason => reason,
            };
            self.end(exit.code, reason, &behaviour.message, since, at, restart);
            return Err(());
        }
        if let Some(at) = killed.filter(|at| *at <= now) {
            self.unhealthy = true;
            self.end(137, "Error", &behaviour.message, since, at, restart);
            return Err(());
        }
        let mut next: Vec<Timestamp> = ends.into_iter().chain(killed).collect();
        match behaviour.ready {
            Readiness::After(delay) => {
                let at = after(since, delay);
                self.ready = at <= now;
                next.extend((at > now).then_some(at));
            }
            Readiness::Never => self.ready = false,
        }
        Ok(next.into_iter().min())
    }

    fn end(&mut self, code: i32, reason: &str, message: &str, since: Timestamp, at: Timestamp, restart: Restart) {
        self.ended =
            Some(Ended { code, reason: reason.to_owned(), message: message.to_owned(), started: since, finished: at });
        self.ready = false;
        if !restart.after(code) {
            self.stage = Stage::Done;
            return;
        }
        if argo_core::time::between(since, at) >= BACK_OFF_RESET {
            self.crashes = 0;
        }
        self.stage = Stage::CrashLoop { until: after(at, back_off(self.crashes)) };
        self.crashes += 1;
    }

    /// Whether a liveness probe has failed since the last call.
    pub(super) fn take_unhealthy(&mut self) -> bool {
        std::mem::take(&mut self.unhealthy)
    }

    /// Whether a process is to be started now; it counts as running from here on.
    pub(super) fn take_start(&mut self) -> bool {
        let wanted = self.is_running() && self.process == Process::Wanted;
        if wanted {
            self.process = Process::Running;
        }
        wanted
    }

    /// It cannot be started as it is configured.
    pub(super) fn misconfigured(&mut self, message: String, now: Timestamp) -> Timestamp {
        let until = after(now, FIRST_BACK_OFF);
        self.stage = Stage::Misconfigured { message, until };
        self.ready = false;
        until
    }

    /// Its process ended.
    pub(super) fn exited(&mut self, attempt: u32, code: i32, message: String, at: Timestamp) {
        if self.is_running() && self.restarts == attempt && self.process == Process::Running {
            self.process = Process::Exited { code, message, at };
        }
    }

    /// Whether its process is still to be waited for.
    pub(super) fn has_process(&self, behaviour: &Behaviour) -> bool {
        behaviour.process.is_some() && self.is_running() && self.process == Process::Running
    }

    /// Stops it for good: with the pod, or because the pod failed as a whole.
    pub(super) fn stop(&mut self, now: Timestamp, code: i32) {
        if let Stage::Running { since } = self.stage {
            let (code, message, finished) = match &self.process {
                Process::Exited { code, message, at } => (*code, message.clone(), *at),
                _ => (code, String::new(), now),
            };
            let reason = if code == 0 { "Completed" } else { "Error" };
            self.ended = Some(Ended { code, reason: reason.to_owned(), message, started: since, finished });
        }
        self.ready = false;
        self.stage = Stage::Done;
    }

    /// Its entry in `containerStatuses`.
    pub(super) fn status(&self, behaviour: &Behaviour, creating: &str) -> Value {
        let image = text(&self.spec, "/image");
        let terminated = |ended: &Ended| {
            let mut state = json!({
                "exitCode": ended.code,
                "reason": ended.reason,
                "startedAt": rfc3339(ended.started),
                "finishedAt": rfc3339(ended.finished),
            });
            if !ended.message.is_empty() {
                state["message"] = json!(ended.message);
            }
            json!({"terminated": state})
        };
        let waiting = |reason: &str, message: Option<String>| match message {
            Some(message) => json!({"waiting": {"reason": reason, "message": message}}),
            None => json!({"waiting": {"reason": reason}}),
        };
        let state = match &self.stage {
            Stage::Idle => waiting(creating, None),
            Stage::Creating { .. } => waiting("ContainerCreating", None),
            Stage::Misconfigured { message, .. } => waiting("CreateContainerConfigError", Some(message.clone())),
            Stage::PullFailed { backed_off: true, .. } => {
                waiting("ImagePullBackOff", Some(format!("Back-off pulling image {image:?}")))
            }
            Stage::PullFailed { .. } => {
                let error = behaviour.pull_error.as_ref();
                waiting(error.map_or("ErrImagePull", |it| it.reason.as_str()), error.map(|it| it.message.clone()))
            }
            Stage::Running { since } => json!({"running": {"startedAt": rfc3339(*since)}}),
            Stage::CrashLoop { .. } => {
                let wait = back_off(self.crashes.saturating_sub(1));
                waiting(
                    "CrashLoopBackOff",
                    Some(format!("back-off {}s restarting failed container={}", wait.as_secs(), self.name())),
                )
            }
            Stage::Done => self.ended.as_ref().map_or_else(
                || json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}),
                terminated,
            ),
        };
        let last = match (&self.stage, &self.ended) {
            (Stage::Done | Stage::Idle, _) | (_, None) => json!({}),
            (_, Some(ended)) => terminated(ended),
        };
        let mut status = json!({
            "name": self.name(),
            "image": image,
            "imageID": if self.ever_ran() { format!("docker.io/library/{image}@sha256:{}", "0".repeat(64)) } else { String::new() },
            "ready": self.ready,
            "started": self.is_running(),
            "restartCount": self.restarts,
            "state": state,
            "lastState": last,
        });
        if self.ever_ran() {
            status["containerID"] = json!(format!("containerd://{}-{}", self.name(), self.restarts));
        }
        status
    }

    fn ever_ran(&self) -> bool {
        self.is_running() || self.ended.is_some()
    }
}

fn back_off(crashes: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(2u32.saturating_pow(crashes.min(16))).min(LONGEST_BACK_OFF)
}

/// The containers of a pod's list.
pub(super) fn containers(pod: &Value, pointer: &str) -> Vec<Value> {
    list(pod, pointer).to_vec()
}
