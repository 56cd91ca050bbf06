//! `retryStrategy`: attempts under a Retry node.

use std::time::Duration;

use argo_core::{Time, time};

use super::{
    pass::{Halt, Pass},
    template::{Call, Ready},
    vars::{How, Scope},
};
use crate::api::{AnyString, Backoff, NodeFlag, NodePhase, NodeStatus, NodeType, RetryStrategy};

/// Texts of errors that pass by themselves.
const TRANSIENT: &[&str] = &[
    "exceeded quota",
    "etcdserver",
    "connection reset",
    "connection refused",
    "i/o timeout",
    "timeout",
    "TLS handshake",
    "too many requests",
    "service unavailable",
];

/// Whether a failure with this message goes away by itself.
pub(crate) fn is_transient(message: &str) -> bool {
    TRANSIENT.iter().any(|it| message.contains(it))
}

/// What comes after an attempt that did not succeed.
enum Next {
    Again,
    Wait(argo_core::Timestamp, String),
    End(NodePhase, String),
}

impl Pass<'_> {
    /// The retry strategy of an invocation: its template's, or else the workflow's.
    pub(crate) fn retry_strategy(&mut self, call: &Call<'_>, ready: &Ready) -> Result<Option<RetryStrategy>, Halt> {
        let own = ready.template.template.retry_strategy.as_ref().or(self.compiled.spec.retry_strategy.as_ref());
        let Some(own) = own else { return Ok(None) };
        let json = serde_json::to_value(own).map_err(|it| Halt::Error(it.to_string()))?;
        if !super::vars::has_tags(&json) {
            return Ok(Some(own.clone()));
        }
        let local = std::rc::Rc::new(self.local_scope(call, ready, &call.name));
        let scope = Scope::inside(vec![local, self.globals.clone()]);
        let json = scope.render_value(&json, How::Keep).map_err(|it| Halt::Error(it.to_string()))?;
        serde_json::from_value(json).map(Some).map_err(|it| Halt::Error(it.to_string()))
    }

    pub(crate) fn run_attempts(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        strategy: &RetryStrategy,
    ) -> Result<Option<String>, Halt> {
        let (id, _) = self.start(call, ready, &call.name, NodeType::Retry, NodePhase::Running, call.flag)?;
        let mut advanced = None;
        loop {
            let Some(node) = self.nodes.get(&id).cloned() else { return Ok(Some(id)) };
            let attempts: Vec<NodeStatus> = self.attempts(&node).into_iter().cloned().collect();
            let Some(last) = attempts.last() else {
                self.attempt(call, ready, &id, 0, None)?;
                continue_once(self, &id, 0)?;
                advanced = Some(0);
                continue;
            };
            if !last.is_fulfilled() {
                if advanced != Some(attempts.len() - 1) && !self.is_settled(last) {
                    advanced = Some(attempts.len() - 1);
                    self.attempt(call, ready, &id, attempts.len() - 1, attempts.iter().rev().nth(1))?;
                }
                if self.nodes.get(&last.id).is_some_and(NodeStatus::is_fulfilled) {
                    continue;
                }
                return Ok(Some(id));
            }
            if last.is_daemoned() && !last.phase().is_fulfilled() {
                if !node.is_daemoned()
                    && let Some(retry) = self.nodes.edit(&id)
                {
                    retry.daemoned = Some(true);
                    retry.pod_ip.clone_from(&last.pod_ip);
                    self.locks.release(&id);
                }
                return Ok(Some(id));
            }
            if !last.phase().is_failed() {
                self.end_retry(&id, last, NodePhase::Succeeded, "");
                return Ok(Some(id));
            }
            match self.after_failure(strategy, &attempts) {
                Ok(Next::Again) => {
                    self.say(&id, "");
                    self.attempt(call, ready, &id, attempts.len(), Some(last))?;
                    continue_once(self, &id, attempts.len())?;
                    advanced = Some(attempts.len());
                }
                Ok(Next::Wait(at, message)) => {
                    self.say(&id, &message);
                    self.wake_at(at);
                    return Ok(Some(id));
                }
                Ok(Next::End(phase, message)) => {
                    self.end_retry(&id, last, phase, &message);
                    return Ok(Some(id));
                }
                Err(message) => {
                    self.end_retry(&id, last, NodePhase::Error, &message);
                    return Ok(Some(id));
                }
            }
        }
    }

    fn end_retry(&mut self, id: &str, last: &NodeStatus, phase: NodePhase, message: &str) {
        if message.is_empty() {
            self.say(id, "");
        }
        if let Some(node) = self.nodes.edit(id) {
            node.outputs.clone_from(&last.outputs);
        }
        self.mark(id, phase, message);
    }

    /// Makes or advances attempt `number`; `before` is the one that failed before it.
    fn attempt(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        id: &str,
        number: usize,
        before: Option<&NodeStatus>,
    ) -> Result<(), Halt> {
        let name = format!("{}({number})", call.name);
        let mut locals = Scope::default();
        locals.set("retries", number.to_string());
        last_retry(&mut locals, before);
        let existed = self.named(&name).is_some();
        let result = self.run(call, ready, &name, Some(NodeFlag { retried: true, hooked: false }), &locals);
        let attempt = self.id(&name);
        if !existed && self.nodes.get(&attempt).is_some() {
            self.link(id, &attempt);
        }
        match result {
            Err(Halt::Error(message)) => {
                self.mark(&attempt, NodePhase::Error, &message);
                Ok(())
            }
            Err(other) => Err(other),
            Ok(_) => Ok(()),
        }
    }

    /// The decision after a failed attempt, in upstream's order.
    fn after_failure(&self, strategy: &RetryStrategy, attempts: &[NodeStatus]) -> Result<Next, String> {
        let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else { return Ok(Next::Again) };
        let count = attempts.len();
        let limit = match &strategy.limit {
            None => None,
            Some(it) => Some(it.as_i64().ok_or_else(|| format!("retryStrategy.limit is not a number: '{it}'"))?),
        };
        if let Some(strategy) = self.shutdown() {
            return Ok(Next::End(last.phase(), format!("Stopped with strategy '{strategy}'")));
        }
        if let Some(deadline) = self.deadline.filter(|it| self.now > *it) {
            let at = deadline.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
            return Ok(Next::End(last.phase(), format!("retry exceeded workflow deadline {at}")));
        }
        let within_limit = limit.is_none_or(|it| usize::try_from(it).is_ok_and(|it| count <= it));
        let mut wait = None;
        if let Some(backoff) = &strategy.backoff {
            let longest = match text(&backoff.max_duration) {
                Some(text) => Some(parse("maxDuration", text)?),
                None => None,
            };
            let started = first.started_at.map_or(self.now, Time::timestamp);
            let until = longest.map(|it| time::after(started, it));
            if until.is_some_and(|it| self.now > it) {
                return Ok(Next::End(last.phase(), "Max duration limit exceeded".to_owned()));
            }
            let pause = pause(backoff, count)?;
            let due = time::after(last.finished_at.map_or(self.now, Time::timestamp), pause);
            if until.is_some_and(|it| due > it) {
                return Ok(Next::End(last.phase(), "Backoff would exceed max duration limit".to_owned()));
            }
            if self.now < due && within_limit {
                wait = Some((due, format!("Backoff for {}", humanize(pause))));
            }
        }
        if let Some((due, message)) = wait {
            return Ok(Next::Wait(due, message));
        }
        if !policy_matches(strategy, last)? {
            return Ok(Next::End(last.phase(), last.message().to_owned()));
        }
        if !within_limit {
            return Ok(Next::End(last.phase(), "No more retries left".to_owned()));
        }
        if let Some(expression) = strategy.expression.as_deref().filter(|it| !it.is_empty()) {
            let mut scope = Scope::inside(vec![self.globals.clone()]);
            scope.set("retries", (count - 1).to_string());
            last_retry(&mut scope, Some(last));
            if !scope.eval_bool(expression)? {
                return Ok(Next::End(last.phase(), "retryStrategy.expression evaluated to false".to_owned()));
            }
        }
        Ok(Next::Again)
    }
}

/// Stops a loop whose attempt could not even be made.
fn continue_once(pass: &mut Pass<'_>, id: &str, number: usize) -> Result<(), Halt> {
    pass.restless = true;
    let made = pass.nodes.get(id).is_some_and(|it| pass.attempts(it).len() > number);
    if made { Ok(()) } else { Err(Halt::Parallelism) }
}

/// `lastRetry.*` of the attempt before.
fn last_retry(scope: &mut Scope, last: Option<&NodeStatus>) {
    let code = last.and_then(|it| it.outputs.as_ref()).and_then(|it| it.exit_code.clone());
    let seconds =
        last.and_then(|it| Some(it.finished_at?.timestamp().as_second() - it.started_at?.timestamp().as_second()));
    scope.set("lastRetry.exitCode", code.unwrap_or_else(|| if last.is_some() { "-1" } else { "0" }.to_owned()));
    scope.set("lastRetry.status", last.map_or("", |it| it.phase().as_str()));
    scope.set("lastRetry.duration", seconds.unwrap_or_default().to_string());
    scope.set("lastRetry.message", last.map_or("", NodeStatus::message));
}

fn policy_matches(strategy: &RetryStrategy, last: &NodeStatus) -> Result<bool, String> {
    let has_expression = strategy.expression.as_deref().is_some_and(|it| !it.is_empty());
    let default = if has_expression { "Always" } else { "OnFailure" };
    let policy = strategy.retry_policy.as_deref().filter(|it| !it.is_empty()).unwrap_or(default);
    Ok(match policy {
        "Always" => true,
        "OnError" => last.phase() == NodePhase::Error,
        "OnFailure" => last.phase() == NodePhase::Failed,
        "OnTransientError" => is_transient(last.message()),
        other => return Err(format!("{other} is not a valid RetryPolicy")),
    })
}

fn text(field: &Option<AnyString>) -> Option<&str> {
    field.as_ref().map(AnyString::as_str).filter(|it| !it.is_empty())
}

fn parse(field: &str, text: &str) -> Result<Duration, String> {
    let parsed = argo_lang::duration::parse_or_seconds(text).ok().and_then(|it| Duration::try_from(it).ok());
    parsed.ok_or_else(|| format!("unable to parse {field} '{text}' of the retryStrategy's backoff"))
}

/// The wait after attempt `count` (from 1): `duration·factor^(count-1)`, at most `cap`.
fn pause(backoff: &Backoff, count: usize) -> Result<Duration, String> {
    let base = text(&backoff.duration).ok_or("no base duration specified for retryStrategy")?;
    let base = parse("duration", base)?;
    let mut seconds = base.as_secs_f64();
    if let Some(factor) = &backoff.factor {
        let factor = factor.as_i64().ok_or_else(|| format!("backoff factor is not a number: '{factor}'"))?;
        if factor > 0 {
            let power = i32::try_from(count.saturating_sub(1)).unwrap_or(i32::MAX);
            seconds *= (factor as f64).powi(power);
        }
    }
    // A year is as good as for ever, and far from overflow.
    let pause = Duration::from_secs_f64(seconds.min(31_536_000.0));
    Ok(match text(&backoff.cap) {
        Some(cap) => pause.min(parse("cap", cap)?),
        None => pause,
    })
}

/// `1 minute 30 seconds`.
fn humanize(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") }
}
