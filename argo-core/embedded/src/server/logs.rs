//! What containers print: per start of a container, with the moment of each line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::meta;
use super::state::State;
use super::status::{ApiError, Cause};
use super::{Call, Follow, Outcome};
use crate::store::{GroupResource, ObjectKey};

/// Namespace, pod, container.
pub(crate) type LogKey = (String, String, String);

/// The logs of all containers.
#[derive(Debug, Default)]
pub(crate) struct Logs(BTreeMap<LogKey, Log>);

#[derive(Debug, Default)]
struct Log {
    current: Run,
    /// The start before this one.
    previous: Option<Run>,
}

/// What one start of a container printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    attempt: u32,
    text: String,
    /// Where lines begin, and when they were printed.
    lines: Vec<(usize, Timestamp)>,
}

/// Which part of a log is wanted, and in what form.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOptions {
    since: Option<Timestamp>,
    tail: Option<usize>,
    limit: Option<usize>,
    timestamps: bool,
}

// === impl Logs ===

impl Logs {
    /// Adds what a start of a container printed. A later start makes the log before it the previous one.
    pub(crate) fn append(&mut self, key: LogKey, attempt: u32, text: &str, now: Timestamp) {
        let log = self.0.entry(key).or_default();
        if attempt > log.current.attempt {
            log.previous = Some(std::mem::replace(&mut log.current, Run { attempt, ..Run::default() }));
        }
        log.current.append(text, now);
    }

    /// As [`Logs::append`], to whichever start is the last.
    pub(crate) fn append_last(&mut self, key: LogKey, text: &str, now: Timestamp) {
        self.0.entry(key).or_default().current.append(text, now);
    }

    /// Replaces the log of the last start.
    pub(crate) fn set(&mut self, key: LogKey, text: &str, now: Timestamp) {
        let log = self.0.entry(key).or_default();
        log.current = Run { attempt: log.current.attempt, ..Run::default() };
        log.current.append(text, now);
    }

    pub(crate) fn current(&self, key: &LogKey) -> Option<&Run> {
        self.0.get(key).map(|log| &log.current)
    }

    /// Forgets a pod.
    pub(crate) fn forget(&mut self, namespace: &str, pod: &str) {
        self.0.retain(|(its_namespace, its_pod, _), _| its_namespace != namespace || its_pod != pod);
    }
}

// === impl Run ===

impl Run {
    fn append(&mut self, text: &str, now: Timestamp) {
        for line in text.split_inclusive('\n') {
            if self.text.is_empty() || self.text.ends_with('\n') {
                self.lines.push((self.text.len(), now));
            }
            self.text.push_str(line);
        }
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the wanted part begins.
    pub(crate) fn begin(&self, options: &LogOptions) -> usize {
        let since = match options.since {
            Some(since) => self.lines.partition_point(|(_, at)| *at < since),
            None => 0,
        };
        let tail = options.tail.map_or(0, |tail| self.lines.len().saturating_sub(tail));
        self.lines.get(since.max(tail)).map_or(self.text.len(), |(offset, _)| *offset)
    }

    /// The log from an offset on.
    pub(crate) fn shown(&self, from: usize, options: &LogOptions) -> String {
        let text = self.text.get(from..).unwrap_or_default();
        if !options.timestamps {
            return text.to_owned();
        }
        let first = self.lines.partition_point(|(offset, _)| *offset < from);
        let mut shown = String::with_capacity(text.len() + 32);
        let mut at = from;
        for (offset, moment) in &self.lines[first..] {
            shown.push_str(&self.text[at..*offset]);
            shown.push_str(&format!("{moment:.9} "));
            at = *offset;
        }
        shown.push_str(&self.text[at..]);
        shown
    }
}

// === impl LogOptions ===

impl LogOptions {
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let query = &call.request.query;
        let mut causes = Vec::new();
        let mut positive = |field: &str, smallest: i64| -> Result<Option<i64>, ApiError> {
            let given = query.number(field)?;
            if let Some(number) = given.filter(|number| *number < smallest) {
                let why = if smallest == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
                causes.push(Cause::invalid(field, &Value::from(number), why));
            }
            Ok(given)
        };
        let tail = positive("tailLines", 0)?;
        let limit = positive("limitBytes", 1)?;
        let seconds = positive("sinceSeconds", 1)?;
        let moment = match query.get("sinceTime") {
            None => None,
            Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                ApiError::bad_request(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse"))
            })?),
        };
        if seconds.is_some() && moment.is_some() {
            causes.push(Cause::forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid("", "PodLogOptions", call.name_or_empty(), &causes));
        }
        let before = seconds.and_then(|seconds| call.now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok());
        let size = |number: Option<i64>| number.and_then(|it| usize::try_from(it).ok());
        Ok(Self {
            since: moment.or(before),
            tail: size(tail),
            limit: size(limit),
            timestamps: query.flag("timestamps"),
        })
    }
}

// === impl State ===

impl State {
    pub(super) fn log(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let options = LogOptions::of(call)?;
        let pod = self.current(call)?;
        let pod_name = call.name_or_empty();
        let container = self.container_of(call, &pod, call.request.query.get("container"))?;
        let key = (call.namespace.unwrap_or_default().to_owned(), pod_name.to_owned(), container.clone());
        let log = self.logs.0.get(&key);
        if call.request.query.flag("previous") {
            let run = log.and_then(|log| log.previous.as_ref()).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "previous terminated container \"{container}\" in pod \"{pod_name}\" not found"
                ))
            })?;
            return Ok(Outcome::Text(limited(run.shown(run.begin(&options), &options), options.limit)));
        }
        let empty = Run::default();
        let run = match log {
            Some(log) => &log.current,
            None if meta::text(&pod, "/status/phase") == "Pending" => {
                let why = waits(&pod, &container);
                return Err(ApiError::bad_request(format!(
                    "container \"{container}\" in pod \"{pod_name}\" is waiting to start: {why}"
                )));
            }
            None => &empty,
        };
        let begin = run.begin(&options);
        if call.request.query.flag("follow") {
            let pod = ObjectKey::new(call.namespace, pod_name);
            let attempt = run.attempt;
            return Ok(Outcome::Follow(Follow { pod, container, attempt, skip: begin, options }));
        }
        Ok(Outcome::Text(limited(run.shown(begin, &options), options.limit)))
    }

    /// The container that a request is about: the one it names, the only one, or the pod's default.
    pub(crate) fn container_of(&self, call: &Call<'_>, pod: &Value, named: Option<&str>) -> Result<String, ApiError> {
        let list = |field: &str| -> Vec<&str> {
            let containers = pod.pointer(&format!("/spec/{field}")).and_then(Value::as_array);
            containers.into_iter().flatten().map(|container| meta::text(container, "/name")).collect()
        };
        let (init, regular, ephemeral) = (list("initContainers"), list("containers"), list("ephemeralContainers"));
        let pod_name = call.name_or_empty();
        match named {
            Some(name) if [&init, &regular, &ephemeral].iter().any(|names| names.contains(&name)) => {
                Ok(name.to_owned())
            }
            Some(name) => Err(ApiError::bad_request(format!("container {name} is not valid for pod {pod_name}"))),
            None => {
                match (&regular[..], meta::text(pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container"))
                {
                    ([only], _) => Ok((*only).to_owned()),
                    (_, default) if !default.is_empty() => Ok(default.to_owned()),
                    _ => {
                        let mut text = format!(
                            "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                            regular.join(" ")
                        );
                        if !init.is_empty() {
                            text.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
                        }
                        Err(ApiError::bad_request(text))
                    }
                }
            }
        }
    }

    /// Whether a container that printed in this start may print more.
    pub(crate) fn may_print(&self, pod: &ObjectKey, container: &str, attempt: u32) -> bool {
        let Some(pod) = self.store.read(&GroupResource::new("", "pods"), pod) else { return false };
        if matches!(meta::text(&pod, "/status/phase"), "Succeeded" | "Failed") {
            return false;
        }
        let Some(status) = status_of(&pod, container) else { return true };
        let restarts = status.get("restartCount").and_then(Value::as_u64).unwrap_or(0);
        if restarts > u64::from(attempt) {
            return false;
        }
        // Waiting after a crash, or at its end for good.
        let crashed = status.pointer("/state/waiting").is_some() && status.pointer("/lastState/terminated").is_some();
        status.pointer("/state/terminated").is_none() && !crashed
    }
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        .iter()
        .filter_map(|list| pod.pointer(&format!("/status/{list}"))?.as_array())
        .flatten()
        .find(|status| meta::text(status, "/name") == container)
}

/// What a container waits for.
fn waits(pod: &Value, container: &str) -> String {
    let reason = status_of(pod, container).map_or("", |status| meta::text(status, "/state/waiting/reason"));
    if reason.is_empty() { "ContainerCreating".to_owned() } else { reason.to_owned() }
}

fn limited(text: String, limit: Option<usize>) -> String {
    let Some(limit) = limit.filter(|limit| *limit < text.len()) else { return text };
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    #[test]
    fn lines_are_chosen_by_number_and_moment_and_shown_with_it() {
        let mut logs = Logs::default();
        let key: LogKey = ("ns".into(), "p".into(), "c".into());
        logs.append(key.clone(), 0, "one\ntw", at(1));
        logs.append(key.clone(), 0, "o\nthree\n", at(2));
        let run = logs.current(&key).expect("a log").clone();
        let shown = |options: LogOptions| run.shown(run.begin(&options), &options);
        assert_eq!(shown(LogOptions { tail: Some(2), ..LogOptions::default() }), "two\nthree\n");
        assert_eq!(shown(LogOptions { tail: Some(0), ..LogOptions::default() }), "");
        assert_eq!(shown(LogOptions { since: Some(at(2)), ..LogOptions::default() }), "three\n");
        assert_eq!(
            shown(LogOptions { timestamps: true, tail: Some(2), ..LogOptions::default() }),
            "1970-01-01T00:00:01.000000000Z two\n1970-01-01T00:00:02.000000000Z three\n"
        );
        logs.append(key.clone(), 1, "again\n", at(3));
        assert_eq!(logs.current(&key).expect("a log").text(), "again\n");
        assert_eq!(logs.0[&key].previous.as_ref().map(|run| run.text.as_str()), Some("one\ntwo\nthree\n"));
    }
}
