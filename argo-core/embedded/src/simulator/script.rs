//! What the simulated containers do: rules on pods, the last matching one wins.
//!
//! ```
//! use std::time::Duration;
//! use argo_embedded::simulator::{Behaviour, PodRule, PodScript};
//!
//! let script = PodScript::new()
//!     // Pods of this image need half a minute until they serve.
//!     .with(PodRule::image("shop:2"), Behaviour::running().ready_after(Duration::from_secs(30)))
//!     // This one never gets there.
//!     .with(PodRule::image("shop:broken"), Behaviour::running().never_ready())
//!     // This one dies two seconds after every start.
//!     .with(PodRule::image("shop:crash*"), Behaviour::exits(Duration::from_secs(2), 1).log("panic: no config"));
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::read::{label, name, namespace, text};
use crate::process::LocalImage;

/// Which containers a rule is about. Every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRule {
    /// The container's image; `*` stands for any text.
    pub image: Option<String>,
    /// The pod's name; `*` stands for any text.
    pub name: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The container's name.
    pub container: Option<String>,
    /// Labels the pod has.
    pub labels: BTreeMap<String, String>,
}

/// When a container becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// So long after its start.
    After(Duration),
    /// Not at all.
    Never,
}

/// How a container ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// So long after its start.
    pub after: Duration,
    /// With this code: zero is success.
    pub code: i32,
    /// `reason` of the state; `Completed` or `Error` by the code if empty. `OOMKilled` is one.
    pub reason: String,
    /// Only at the first so many starts; afterwards the container keeps running.
    pub times: Option<u32>,
}

/// What keeps an image from being pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullError {
    /// `ErrImagePull` or `InvalidImageName`.
    pub reason: String,
    /// The registry's words.
    pub message: String,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// How long the image takes to arrive. Default: nothing.
    pub pull: Duration,
    /// The image cannot be had.
    pub pull_error: Option<PullError>,
    /// Creation of the container, after the pull. Default: nothing.
    pub start: Duration,
    /// From start to ready, where the pod's readiness is asked for. Default: at once.
    pub ready: Readiness,
    /// How the container ends by itself. Default: it runs on; in pods that are not restarted it completes after
    /// [`super::SimulatorConfig::run_time`].
    pub exit: Option<Exit>,
    /// The liveness probe fails so long after the start: the container is killed and restarted.
    pub unhealthy_after: Option<Duration>,
    /// How long the container takes to stop when told to, at most its grace period. Default: nothing.
    pub stop: Duration,
    /// What it prints at each start, a line each.
    pub logs: Vec<String>,
    /// What it leaves in its termination message.
    pub message: String,
    /// It runs as a process of this machine: output, exit code and message are its own, and `exit`, `stop`, `logs` and `message` do not
    /// apply.
    pub process: Option<LocalImage>,
}

/// The rules of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodScript {
    rules: Vec<(PodRule, Behaviour)>,
}

// === impl PodRule ===

impl PodRule {
    /// Every container.
    pub fn any() -> Self {
        Self::default()
    }

    /// Containers of an image; `*` stands for any text.
    pub fn image(image: impl Into<String>) -> Self {
        Self { image: Some(image.into()), ..Self::default() }
    }

    /// Containers of pods by name; `*` stands for any text.
    pub fn pod(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Containers of pods with a label.
    pub fn labeled(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().label(key, value)
    }

    /// Only pods with this label too.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only the container of this name.
    #[must_use]
    pub fn container(mut self, container: impl Into<String>) -> Self {
        self.container = Some(container.into());
        self
    }

    pub(crate) fn matches(&self, pod: &Value, container: &Value) -> bool {
        let glob = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|pattern| glob(pattern, text));
        glob(&self.image, text(container, "/image"))
            && glob(&self.name, name(pod))
            && self.namespace.as_ref().is_none_or(|wanted| wanted == namespace(pod))
            && self.container.as_ref().is_none_or(|wanted| wanted == text(container, "/name"))
            && self.labels.iter().all(|(key, value)| label(pod, key) == Some(value.as_str()))
    }
}

// === impl Behaviour ===

impl Behaviour {
    /// Starts at once, is ready at once and runs until stopped.
    pub fn running() -> Self {
        Self {
            pull: Duration::ZERO,
            pull_error: None,
            start: Duration::ZERO,
            ready: Readiness::After(Duration::ZERO),
            exit: None,
            unhealthy_after: None,
            stop: Duration::ZERO,
            logs: Vec::new(),
            message: String::new(),
            process: None,
        }
    }

    /// Runs the container's command as a process of this machine.
    pub fn process(image: LocalImage) -> Self {
        Self { process: Some(image), ..Self::running() }
    }

    /// Ends by itself, at every start: a crash for any code but zero.
    pub fn exits(after: Duration, code: i32) -> Self {
        Self { exit: Some(Exit { after, code, reason: String::new(), times: None }), ..Self::running() }
    }

    /// The image cannot be pulled.
    pub fn image_error(message: impl Into<String>) -> Self {
        Self {
            pull_error: Some(PullError { reason: "ErrImagePull".to_owned(), message: message.into() }),
            ..Self::running()
        }
    }

    /// Becomes ready so long after its start.
    #[must_use]
    pub fn ready_after(mut self, delay: Duration) -> Self {
        self.ready = Readiness::After(delay);
        self
    }

    /// Runs, but never becomes ready.
    #[must_use]
    pub fn never_ready(mut self) -> Self {
        self.ready = Readiness::Never;
        self
    }

    /// The image takes this long to arrive.
    #[must_use]
    pub fn pulled_after(mut self, delay: Duration) -> Self {
        self.pull = delay;
        self
    }

    /// Takes this long to start after the pull.
    #[must_use]
    pub fn started_after(mut self, delay: Duration) -> Self {
        self.start = delay;
        self
    }

    /// Takes this long to stop when told to.
    #[must_use]
    pub fn stops_after(mut self, delay: Duration) -> Self {
        self.stop = delay;
        self
    }

    /// The liveness probe fails so long after each start.
    #[must_use]
    pub fn unhealthy_after(mut self, delay: Duration) -> Self {
        self.unhealthy_after = Some(delay);
        self
    }

    /// Exits only at the first `times` starts.
    #[must_use]
    pub fn only(mut self, times: u32) -> Self {
        if let Some(exit) = &mut self.exit {
            exit.times = Some(times);
        }
        self
    }

    /// Ends with this reason, such as `OOMKilled`.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        if let Some(exit) = &mut self.exit {
            exit.reason = reason.into();
        }
        self
    }

    /// Prints a line at each start.
    #[must_use]
    pub fn log(mut self, line: impl Into<String>) -> Self {
        self.logs.push(line.into());
        self
    }

    /// Leaves a termination message.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::running()
    }
}

// === impl PodScript ===

impl PodScript {
    /// No rules: everything runs and is ready at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule; it goes before all earlier ones.
    #[must_use]
    pub fn with(mut self, rule: PodRule, behaviour: Behaviour) -> Self {
        self.set(rule, behaviour);
        self
    }

    /// Adds a rule, in the place of an equal one.
    pub fn set(&mut self, rule: PodRule, behaviour: Behaviour) {
        self.rules.retain(|(other, _)| *other != rule);
        self.rules.push((rule, behaviour));
    }

    /// Takes a rule away; whether there was one.
    pub fn unset(&mut self, rule: &PodRule) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(other, _)| other != rule);
        self.rules.len() < before
    }

    /// What a container of a pod does, if a rule says so.
    pub(super) fn behaviour(&self, pod: &Value, container: &Value) -> Option<&Behaviour> {
        self.rules.iter().rev().find(|(rule, _)| rule.matches(pod, container)).map(|(_, behaviour)| behaviour)
    }
}

/// Whether a text matches a pattern in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, matches) in [
            ("shop:*", "shop:2", true),
            ("*:2", "shop:2", true),
            ("s*:*2", "shop:2", true),
            ("shop", "shop:2", false),
            ("shop:2", "shop:2", true),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_matching_rule_wins() {
        let script = PodScript::new()
            .with(PodRule::any(), Behaviour::running().never_ready())
            .with(PodRule::image("a:*").label("app", "web"), Behaviour::exits(Duration::ZERO, 3));
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "web"}}});
        let found = |image: &str| script.behaviour(&pod, &json!({"name": "c", "image": image})).cloned();
        assert_eq!(found("a:1").and_then(|it| it.exit).map(|it| it.code), Some(3));
        assert_eq!(found("b:1").map(|it| it.ready), Some(Readiness::Never));
    }
}
