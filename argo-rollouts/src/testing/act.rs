//! [`Act`]: what happens to a simulated rollout from outside.

use std::{fmt, time::Duration};

use argo_core::Object;
use serde_json::{Value, json};

use super::report::clock;
use crate::api::RolloutStatus;

/// What somebody does while the rollout runs (the patches that `kubectl argo rollouts` makes), or
/// what befalls its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Ends the pause, or leaves the step out.
    Promote,
    /// Leaves out everything that is left.
    PromoteFull,
    /// Gives up.
    Abort,
    /// Tries again.
    Retry,
    /// Sets `spec.paused`.
    Pause,
    /// Takes `spec.paused` away.
    Resume,
    /// Another image.
    Image(String),
    /// Another number of pods.
    Scale(i64),
    /// Pods that were ready are not any more.
    PodsFail {
        /// Of which image.
        image: String,
        /// How many at most, the oldest first.
        count: usize,
        /// When they are ready again; absent means never.
        lasts: Option<Duration>,
    },
}

impl Act {
    /// The merge patch of the Rollout that it makes; none for what befalls pods.
    pub(super) fn patch(&self, rollout: &Object, status: &RolloutStatus) -> Option<Value> {
        Some(match self {
            Self::Promote if rollout.pointer("/spec/paused") == Some(&json!(true)) => {
                json!({"spec": {"paused": false}})
            }
            Self::Promote if !status.pause_conditions.is_empty() => json!({"status": {"pauseConditions": null}}),
            Self::Promote => {
                let steps =
                    rollout.pointer("/spec/strategy/canary/steps").and_then(Value::as_array).map_or(0, Vec::len);
                let last = i64::try_from(steps).unwrap_or(i64::MAX);
                let next = (status.current_step_index.unwrap_or_default() + 1).min(last);
                json!({"status": {"pauseConditions": null, "currentStepIndex": next}})
            }
            Self::PromoteFull => json!({"status": {"promoteFull": true}}),
            Self::Abort => json!({"status": {"abort": true}}),
            Self::Retry => json!({"status": {"abort": false}}),
            Self::Pause => json!({"spec": {"paused": true}}),
            Self::Resume => json!({"spec": {"paused": false}}),
            Self::Scale(replicas) => json!({"spec": {"replicas": replicas}}),
            Self::Image(image) => {
                let mut containers = rollout.pointer("/spec/template/spec/containers").cloned().unwrap_or_default();
                containers[0]["image"] = json!(image);
                json!({"spec": {"template": {"spec": {"containers": containers}}}})
            }
            Self::PodsFail { .. } => return None,
        })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promote => f.write_str("somebody promotes"),
            Self::PromoteFull => f.write_str("somebody promotes in full"),
            Self::Abort => f.write_str("somebody aborts"),
            Self::Retry => f.write_str("somebody retries"),
            Self::Pause => f.write_str("somebody pauses"),
            Self::Resume => f.write_str("somebody resumes"),
            Self::Image(image) => write!(f, "somebody sets the image to {image}"),
            Self::Scale(replicas) => write!(f, "somebody scales to {replicas}"),
            Self::PodsFail { image, count, lasts: None } => write!(f, "{count} pods of {image} fail for good"),
            Self::PodsFail { image, count, lasts: Some(lasts) } => {
                write!(f, "{count} pods of {image} fail for {}", clock(*lasts))
            }
        }
    }
}
