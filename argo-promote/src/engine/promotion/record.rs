//! How a step went, taken into the Promotion's status.

use std::{fmt, time::Duration};

use argo_core::{Category, Failure, Time, Timestamp, time};
use serde_json::Value;

use super::{StepCall, StepDefaults, context};
use crate::api::{HealthCheckStep, PromotionPhase, PromotionStatus, PromotionStep, StepStatus};

/// A health check that is to be made after the promotion.
pub type HealthCheck = HealthCheckStep;

/// The least time between two looks at a step that waits and says when; what watches bring comes sooner.
const LEAST_WAIT: Duration = Duration::from_secs(10);
/// How long a step that waits and does not say for how long goes unlooked at.
const DEFAULT_WAIT: Duration = Duration::from_secs(300);
/// How long to wait after the first error; doubled by each one more.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after an error.
const LAST_RETRY: Duration = Duration::from_secs(300);
/// Most bytes of output that one step may leave in the status.
const OUTPUT_LIMIT: usize = 256 << 10;

/// What a step that did not fail has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// Done.
    Succeeded {
        /// What later steps may read: an object, or nothing.
        output: Option<Value>,
        /// What is to be checked after the promotion.
        health_check: Option<HealthCheck>,
        /// A sentence for people.
        message: String,
    },
    /// There was nothing to do.
    Skipped {
        /// What later steps may read.
        output: Option<Value>,
        /// Why.
        message: String,
    },
    /// Not done: look again when something it watches changes, and no later than `after`.
    Pending {
        /// What it remembers for the next look.
        output: Option<Value>,
        /// What it waits for.
        message: String,
        /// Look again after this long, at least 10 s; absent means 5 min.
        after: Option<Duration>,
    },
}

impl StepOutcome {
    /// Done, without output.
    #[must_use]
    pub fn done() -> Self {
        Self::Succeeded { output: None, health_check: None, message: String::new() }
    }

    /// Done, with output.
    #[must_use]
    pub fn output(output: Value) -> Self {
        Self::Succeeded { output: Some(output), health_check: None, message: String::new() }
    }

    /// Waits for something a watch will show.
    pub fn pending(message: impl Into<String>) -> Self {
        Self::Pending { output: None, message: message.into(), after: None }
    }
}

/// A step that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// Failed (it said no) or Errored (it could not be carried out).
    pub status: StepStatus,
    /// Trying again can not help.
    pub terminal: bool,
    /// Why.
    pub message: String,
    /// Not before this long.
    pub retry_after: Option<Duration>,
}

impl StepError {
    /// It said no, for good.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { status: StepStatus::Failed, terminal: true, message: message.into(), retry_after: None }
    }

    /// Something went wrong that another attempt may get over.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { status: StepStatus::Errored, terminal: false, message: message.into(), retry_after: None }
    }

    /// Something went wrong that no attempt will get over.
    pub fn terminal(message: impl Into<String>) -> Self {
        Self { status: StepStatus::Errored, terminal: true, message: message.into(), retry_after: None }
    }

    /// From a typed error: transient ones may be tried again.
    #[must_use]
    pub fn from_failure(failure: &dyn Failure) -> Self {
        Self {
            status: StepStatus::Errored,
            terminal: matches!(failure.category(), Category::Invalid | Category::LimitExceeded),
            message: failure.to_string(),
            retry_after: failure.retry_after(),
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StepError {}

/// What a step returns.
pub type StepResult = Result<StepOutcome, StepError>;

/// The status after a step, and when to look again if the step is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The next status.
    pub status: PromotionStatus,
    /// The step waits, until then at the latest; absent means go on with the next pass at once.
    pub wake: Option<Timestamp>,
}

/// Takes the result of a step into the status.
#[must_use]
pub fn record(
    mut status: PromotionStatus,
    step: &PromotionStep,
    call: &StepCall,
    defaults: StepDefaults,
    result: StepResult,
    now: Timestamp,
) -> Recorded {
    let result = match result {
        Ok(outcome) if too_large(&outcome) => {
            Err(StepError::terminal(format!("output is larger than {OUTPUT_LIMIT} bytes")))
        }
        other => other,
    };
    let threshold = step.retry.as_ref().map_or(0, |it| it.error_threshold);
    let threshold = if threshold > 0 { threshold } else { i64::from(defaults.error_threshold.max(1)) };
    let timeout = match step.retry.as_ref().and_then(|it| it.timeout.as_deref()) {
        Some(text) => Some(crate::engine::freight::duration(text)),
        None => defaults.timeout,
    };
    let timeout = timeout.filter(|it| !it.is_zero());
    let clean = |text: &str| crate::api::bounded(&call.evaluator.redact(text));

    let (output, health_check) = match &result {
        Ok(StepOutcome::Succeeded { output, health_check, .. }) => (output.clone(), health_check.clone()),
        Ok(StepOutcome::Skipped { output, .. } | StepOutcome::Pending { output, .. }) => (output.clone(), None),
        Err(_) => (None, None),
    };
    if let Some(output) = output {
        keep(&mut status, call, call.evaluator.redact_value(output));
    }
    if let Some(check) = health_check
        && !status.health_checks.contains(&check)
    {
        status.health_checks.push(check);
    }
    let Some(meta) = status.step_execution_metadata.get_mut(call.index) else {
        return Recorded { status, wake: None };
    };
    let started = meta.started_at.map_or(now, Time::timestamp);
    let deadline = timeout.map(|it| time::after(started, it));
    let timed_out = deadline.is_some_and(|it| now >= it);
    let timeout_text = || {
        let length = jiff::SignedDuration::try_from(timeout.unwrap_or_default()).unwrap_or_default();
        format!("step {:?} timed out after {}", call.alias, argo_lang::duration::format(length))
    };
    let mut wait = None;
    match result {
        Ok(StepOutcome::Succeeded { message, .. }) => {
            (meta.status, meta.message) = (StepStatus::Succeeded, clean(&message));
        }
        Ok(StepOutcome::Skipped { message, .. }) => {
            (meta.status, meta.message) = (StepStatus::Skipped, clean(&message));
        }
        Ok(StepOutcome::Pending { .. }) if timed_out => {
            (meta.status, meta.message) = (StepStatus::Errored, timeout_text());
        }
        Ok(StepOutcome::Pending { message, after, .. }) => {
            (meta.status, meta.message) = (StepStatus::Running, clean(&message));
            wait = Some(after.map_or(DEFAULT_WAIT, |it| it.max(LEAST_WAIT)));
        }
        Err(error) if error.terminal => {
            meta.error_count += 1;
            meta.status = error.status;
            meta.message = if error.status == StepStatus::Failed {
                clean(&error.message)
            } else {
                clean(&format!("an unrecoverable error occurred: {}", error.message))
            };
        }
        Err(error) => {
            meta.error_count += 1;
            meta.status = error.status;
            if meta.error_count >= threshold {
                let text = format!("step {:?} met error threshold of {threshold}: {}", call.alias, error.message);
                meta.message = clean(&text);
            } else if timed_out {
                (meta.status, meta.message) = (StepStatus::Errored, timeout_text());
            } else {
                meta.message = clean(&format!("{}; step will be retried", error.message));
                let doublings = u32::try_from(meta.error_count - 1).unwrap_or_default().min(16);
                let backoff = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
                wait = Some(error.retry_after.map_or(backoff, |it| it.max(backoff)));
            }
        }
    }
    let Some(wait) = wait else {
        meta.finished_at = Some(Time::new(now));
        return Recorded { status, wake: None };
    };
    let at = time::after(now, wait);
    debug_assert_eq!(status.phase, PromotionPhase::Running);
    Recorded { status, wake: Some(deadline.map_or(at, |it| it.min(at))) }
}

/// Keeps a step's output under its alias; what compose-output gives inside a task is the task's too.
fn keep(status: &mut PromotionStatus, call: &StepCall, output: Value) {
    if call.uses == "compose-output"
        && let Some(task) = context::task_of(&call.alias)
        && let Value::Object(values) = &output
    {
        let whole = status.state.entry(task.to_owned()).or_insert_with(|| Value::Object(Default::default()));
        if let Value::Object(whole) = whole {
            whole.extend(values.clone());
        }
    }
    status.state.insert(call.alias.clone(), output);
}

fn too_large(outcome: &StepOutcome) -> bool {
    let output = match outcome {
        StepOutcome::Succeeded { output, .. }
        | StepOutcome::Skipped { output, .. }
        | StepOutcome::Pending { output, .. } => output,
    };
    output.as_ref().is_some_and(|it| it.to_string().len() > OUTPUT_LIMIT)
}
