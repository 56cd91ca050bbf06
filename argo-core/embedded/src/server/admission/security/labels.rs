//! The labels of a namespace that say how confined its pods must be.

use std::fmt;

use serde_json::Value;

use crate::server::status::Cause;

const PREFIX: &str = "pod-security.kubernetes.io/";

/// How confined a pod must be.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    #[default]
    Privileged,
    Baseline,
    Restricted,
}

/// A level, by the rules of a minor version of Kubernetes; without one by the latest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Rules {
    pub(super) level: Level,
    pub(super) minor: Option<u32>,
}

/// What is refused, what is warned of, and what the journal tells of.
#[derive(Debug, Default)]
pub(super) struct Demands {
    pub(super) enforce: Rules,
    pub(super) warn: Rules,
    pub(super) audit: Rules,
}

// === impl Level ===

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

// === impl Rules ===

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged:",
            Level::Baseline => "baseline:",
            Level::Restricted => "restricted:",
        })?;
        match self.minor {
            Some(minor) => write!(f, "v1.{minor}"),
            None => f.write_str("latest"),
        }
    }
}

/// `latest` or `v1.x`.
fn version(text: &str) -> Option<Option<u32>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.").filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()))?;
    let canonical = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|_| canonical).map(Some)
}

// === impl Demands ===

impl Demands {
    /// What a namespace demands, and what is wrong with its labels. A level that can not be read is enforced as the strictest one.
    pub(super) fn of(namespace: &Value) -> (Self, Vec<Cause>) {
        let mut causes = Vec::new();
        let label = |name: &str| -> Option<&str> {
            namespace.pointer("/metadata/labels")?.get(format!("{PREFIX}{name}"))?.as_str()
        };
        let mut wrong = |name: &str, value: &str, why: &str| {
            causes.push(Cause::invalid(format!("metadata.labels[{PREFIX}{name}]"), &Value::from(value), why));
        };
        let mut read = |mode: &str, otherwise: Level| {
            let mut rules = Rules::default();
            if let Some(text) = label(mode) {
                rules.level = Level::parse(text).unwrap_or_else(|| {
                    wrong(mode, text, "must be one of privileged, baseline, restricted");
                    otherwise
                });
            }
            let mode = format!("{mode}-version");
            if let Some(text) = label(&mode) {
                rules.minor = version(text).unwrap_or_else(|| {
                    wrong(&mode, text, "must be \"latest\" or \"v1.x\"");
                    None
                });
            }
            rules
        };
        let enforce = read("enforce", Level::Restricted);
        let audit = read("audit", Level::Privileged);
        let mut warn = read("warn", Level::Privileged);
        let is_level = label("enforce").is_some_and(|it| Level::parse(it).is_some());
        if label("warn").is_none() && is_level && enforce.level > warn.level {
            warn.level = enforce.level;
            if label("warn-version").is_none() {
                warn.minor = enforce.minor;
            }
        }
        (Self { enforce, warn, audit }, causes)
    }
}
