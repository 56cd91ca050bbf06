//! The Kubernetes Events that controllers, scheduler and kubelet record, read off what they write.

use std::collections::BTreeMap;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::engine::Role;
use super::kinds::{PODS, REPLICA_SETS};
use super::pass::Write;
use super::read::{annotation, condition, count, int, list, name, namespace, text, uid};

/// Something worth telling of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What there is to do about a note.
pub(super) enum Record {
    /// POST this.
    New(Value),
    /// Merge this into the event of that name.
    Again(String, Value),
}

/// The events recorded so far: the same note on the same object only counts up.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    known: BTreeMap<(String, &'static str, String), (String, i64)>,
}

fn note(warning: bool, reason: &'static str, message: String) -> Note {
    Note { warning, reason, message }
}

/// What a write tells. `before` is the object that it changes; `created` the name the server gave.
pub(super) fn of(role: Role, write: &Write, before: Option<&Value>, created: &str) -> Vec<Note> {
    match (role, write) {
        (_, Write::Note(note)) => vec![note.clone()],
        (Role::Scheduler, Write::Bind { pod, node }) => {
            vec![note(false, "Scheduled", format!("Successfully assigned {} to {node}", pod.key))]
        }
        (Role::Scheduler, Write::Status { object, .. }) => condition(object, "PodScheduled")
            .filter(|it| text(it, "/status") == "False")
            .map(|it| note(true, "FailedScheduling", text(it, "/message").to_owned()))
            .into_iter()
            .collect(),
        (Role::Kubelet, Write::Status { object, .. }) => {
            before.map_or_else(Vec::new, |before| containers(before, object))
        }
        (Role::Deployment, Write::Create { object, .. }) => scaled(0, object, name(object)),
        (Role::Deployment, Write::Update { kind, object }) if kind.resource == REPLICA_SETS.resource => {
            before.map_or_else(Vec::new, |before| scaled(count(before, "/spec/replicas"), object, name(object)))
        }
        (Role::ReplicaSet | Role::DaemonSet | Role::Job, Write::Create { kind, .. })
            if kind.resource == PODS.resource =>
        {
            vec![note(false, "SuccessfulCreate", format!("Created pod: {created}"))]
        }
        (Role::StatefulSet, Write::Create { kind, object }) if kind.resource == PODS.resource => {
            let set = list(object, "/metadata/ownerReferences").first().map_or("", |owner| text(owner, "/name"));
            vec![note(false, "SuccessfulCreate", format!("create Pod {created} in StatefulSet {set} successful"))]
        }
        (Role::ReplicaSet | Role::DaemonSet | Role::Job | Role::StatefulSet, Write::Delete { place, .. })
            if place.resource == PODS.resource =>
        {
            vec![note(false, "SuccessfulDelete", format!("Deleted pod: {}", place.key.name))]
        }
        (Role::Autoscaler, Write::Scale { replicas, why, .. }) => {
            vec![note(false, "SuccessfulRescale", format!("New size: {replicas}; reason: {why}"))]
        }
        (Role::CronJob, Write::Create { object, .. }) => {
            vec![note(false, "SuccessfulCreate", format!("Created job {}", name(object)))]
        }
        (Role::CronJob, Write::Delete { place, .. }) => {
            vec![note(false, "SuccessfulDelete", format!("Deleted job {}", place.key.name))]
        }
        (Role::Job, Write::Status { object, .. }) => before.map_or_else(Vec::new, |before| finished(before, object)),
        _ => Vec::new(),
    }
}

fn scaled(from: i64, set: &Value, set_name: &str) -> Vec<Note> {
    let to = int(set, "/spec/replicas").unwrap_or(1);
    let direction = match to.cmp(&from) {
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => return Vec::new(),
        std::cmp::Ordering::Greater => "up",
    };
    // The annotations tell a resize from an adoption.
    if annotation(set, super::deployment::DESIRED_REPLICAS).is_none() {
        return Vec::new();
    }
    vec![note(false, "ScalingReplicaSet", format!("Scaled {direction} replica set {set_name} from {from} to {to}"))]
}

fn finished(before: &Value, after: &Value) -> Vec<Note> {
    let new = |kind: &str| condition(after, kind).filter(|_| condition(before, kind).is_none());
    let complete = new("Complete").map(|_| note(false, "Completed", "Job completed".into()));
    let failed = new("Failed").map(|it| note(true, "BackoffLimitExceeded", text(it, "/message").to_owned()));
    complete.into_iter().chain(failed).collect()
}

/// What changed with the containers of a pod.
fn containers(before: &Value, after: &Value) -> Vec<Note> {
    let mut notes = Vec::new();
    for field in ["initContainerStatuses", "containerStatuses"] {
        for status in list(after, &format!("/status/{field}")) {
            let container = text(status, "/name");
            let earlier = list(before, &format!("/status/{field}")).iter().find(|it| text(it, "/name") == container);
            let (reason, image) = (text(status, "/state/waiting/reason"), text(status, "/image"));
            let was = earlier.map_or("", |it| text(it, "/state/waiting/reason"));
            let ran = earlier.map_or("", |it| text(it, "/state/running/startedAt"));
            if !text(status, "/state/running/startedAt").is_empty() && text(status, "/state/running/startedAt") != ran {
                notes.push(note(false, "Pulled", format!("Container image {image:?} already present on machine")));
                notes.push(note(false, "Created", format!("Created container: {container}")));
                notes.push(note(false, "Started", format!("Started container {container}")));
            }
            if reason == was {
                continue;
            }
            match reason {
                "CrashLoopBackOff" => {
                    let pod = format!("{}_{}({})", name(after), namespace(after), uid(after));
                    notes.push(note(
                        true,
                        "BackOff",
                        format!("Back-off restarting failed container {container} in pod {pod}"),
                    ));
                }
                "ErrImagePull" | "InvalidImageName" => {
                    let why = text(status, "/state/waiting/message");
                    notes.push(note(true, "Failed", format!("Failed to pull image {image:?}: {why}")));
                }
                "ImagePullBackOff" => notes.push(note(false, "BackOff", format!("Back-off pulling image {image:?}"))),
                "CreateContainerConfigError" => {
                    notes.push(note(true, "Failed", format!("Error: {}", text(status, "/state/waiting/message"))))
                }
                _ => {}
            }
        }
    }
    notes
}

impl Recorder {
    /// The Event of a note.
    pub(super) fn record(&mut self, object: &Value, component: &str, note: Note, now: Timestamp) -> Record {
        let now = rfc3339(now);
        let key = (uid(object).to_owned(), note.reason, note.message.clone());
        if let Some((event, count)) = self.known.get_mut(&key) {
            *count += 1;
            return Record::Again(event.clone(), json!({"count": *count, "lastTimestamp": now}));
        }
        let digest = Sha256::digest(format!("{}/{}/{}", key.0, key.1, key.2));
        let event = format!("{}.{}", name(object), hex::encode(&digest[..8]));
        self.known.insert(key, (event.clone(), 1));
        let space = if namespace(object).is_empty() { "default" } else { namespace(object) };
        Record::New(json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event, "namespace": space},
            "involvedObject": {
                "apiVersion": object["apiVersion"], "kind": object["kind"], "name": name(object), "namespace": namespace(object), "uid": uid(object),
                "resourceVersion": text(object, "/metadata/resourceVersion"),
            },
            "reason": note.reason,
            "message": note.message,
            "type": if note.warning { "Warning" } else { "Normal" },
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }))
    }

    /// Forgets what was recorded of an object that is gone.
    pub(super) fn forget(&mut self, gone: &str) {
        self.known.retain(|(uid, _, _), _| uid != gone);
    }
}
