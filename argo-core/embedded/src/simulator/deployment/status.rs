//! A Deployment's status: numbers, conditions, and the progress deadline.

use std::time::Duration;

use argo_core::time::{after, rfc3339};
use serde_json::{Value, json};

use super::{REVISION, Rollout};
use crate::simulator::kinds::DEPLOYMENTS;
use crate::simulator::pass::Write;
use crate::simulator::read::{
    annotation, condition, count, flag, generation, int, list, name, set_meta, text, time, with_condition,
};

/// "No deadline" upstream.
const NO_DEADLINE: i64 = i32::MAX as i64;

struct Numbers {
    total: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

impl Rollout<'_> {
    fn numbers(&self) -> Numbers {
        let sum = |field: &str| self.all().map(|set| count(&set.live, field)).sum();
        Numbers {
            total: sum("/status/replicas"),
            updated: self.new.as_ref().map_or(0, |new| count(&new.live, "/status/replicas")),
            ready: sum("/status/readyReplicas"),
            available: sum("/status/availableReplicas"),
        }
    }

    /// Whether all pods are of the new template and available.
    pub(super) fn is_complete(&self) -> bool {
        let (numbers, wanted) = (self.numbers(), self.replicas());
        numbers.updated == wanted && numbers.total == wanted && numbers.available == wanted
    }

    /// Writes the status and the revision annotation, if they changed.
    pub(super) fn status(&mut self) {
        let deployment = self.deployment;
        // Written along with the status: an update of the Deployment itself would be a new generation.
        let revision =
            self.revision.take().filter(|revision| annotation(deployment, REVISION) != Some(revision.as_str()));
        let numbers = self.numbers();
        let mut status = json!({"observedGeneration": generation(deployment)});
        let unavailable = (numbers.total - numbers.available).max(0);
        for (field, number) in [
            ("replicas", numbers.total),
            ("updatedReplicas", numbers.updated),
            ("readyReplicas", numbers.ready),
            ("availableReplicas", numbers.available),
            ("unavailableReplicas", unavailable),
        ] {
            if number != 0 {
                status[field] = json!(number);
            }
        }
        if let Some(collisions) = self.collisions.or_else(|| int(deployment, "/status/collisionCount")) {
            status["collisionCount"] = json!(collisions);
        }
        let conditions = self.conditions(&numbers);
        if !conditions.is_empty() {
            status["conditions"] = Value::Array(conditions);
        }
        match revision {
            None => self.pass.status(&DEPLOYMENTS, deployment, status),
            Some(revision) => {
                let mut object = deployment.clone();
                set_meta(&mut object, "annotations", REVISION, &revision);
                object["status"] = status;
                self.pass.write(Write::Status { kind: &DEPLOYMENTS, object });
            }
        }
    }

    fn conditions(&mut self, numbers: &Numbers) -> Vec<Value> {
        let deployment = self.deployment;
        let mut conditions = list(deployment, "/status/conditions").to_vec();
        let enough = numbers.available >= self.replicas() - self.max_unavailable();
        let available = if enough {
            json!({"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability."})
        } else {
            json!({"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "Deployment does not have minimum availability."})
        };
        conditions = self.put(conditions, available, false);
        if let Some(progress) = self.progress(numbers) {
            let renews = text(&progress, "/reason") == "ReplicaSetUpdated";
            conditions = self.put(conditions, progress, renews);
        }
        let failure = self
            .all()
            .find_map(|set| condition(&set.live, "ReplicaFailure").filter(|it| text(it, "/status") == "True").cloned());
        match failure {
            Some(failure) => conditions = self.put(conditions, failure, false),
            None => conditions.retain(|condition| text(condition, "/type") != "ReplicaFailure"),
        }
        conditions
    }

    /// Puts a condition; the same status and reason keep both times, unless progress renews them.
    fn put(&self, conditions: Vec<Value>, mut new: Value, renews: bool) -> Vec<Value> {
        let now = rfc3339(self.now);
        let kind = text(&new, "/type");
        let same = conditions.iter().find(|old| {
            text(old, "/type") == kind
                && text(old, "/status") == text(&new, "/status")
                && text(old, "/reason") == text(&new, "/reason")
        });
        match same {
            Some(_) if !renews => conditions,
            _ => {
                new["lastUpdateTime"] = json!(now);
                with_condition(conditions, new, &now)
            }
        }
    }

    /// The next `Progressing` condition; none to leave it as it is.
    fn progress(&mut self, numbers: &Numbers) -> Option<Value> {
        let deployment = self.deployment;
        let current = condition(deployment, "Progressing");
        let reason = current.map_or("", |it| text(it, "/reason"));
        let make = |status: &str, reason: &str, message: String| json!({"type": "Progressing", "status": status, "reason": reason, "message": message});
        let deadline = int(deployment, "/spec/progressDeadlineSeconds").unwrap_or(NO_DEADLINE);
        if deadline == NO_DEADLINE {
            return None;
        }
        if flag(deployment, "/spec/paused") {
            return (reason != "DeploymentPaused")
                .then(|| make("Unknown", "DeploymentPaused", "Deployment is paused".into()));
        }
        if reason == "DeploymentPaused" {
            return Some(make("Unknown", "DeploymentResumed", "Deployment is resumed".into()));
        }
        let subject = self.new.as_ref().map_or_else(
            || format!("Deployment {:?}", name(deployment)),
            |new| format!("ReplicaSet {:?}", name(&new.next)),
        );
        if let Some(new) = &self.new
            && new.live.is_null()
        {
            return Some(make(
                "True",
                "NewReplicaSetCreated",
                format!("Created new replica set {:?}", name(&new.next)),
            ));
        }
        if current.is_none() && self.new.is_some() {
            return Some(make(
                "True",
                "FoundNewReplicaSet",
                format!("Found new replica set {:?}", self.new.as_ref().map_or("", |new| name(&new.live))),
            ));
        }
        if numbers.total == numbers.updated && reason == "NewReplicaSetAvailable" {
            return None;
        }
        let before = |field: &str| count(deployment, &format!("/status/{field}"));
        if self.is_complete() {
            return Some(make("True", "NewReplicaSetAvailable", format!("{subject} has successfully progressed.")));
        }
        let progressed = numbers.updated > before("updatedReplicas")
            || numbers.total - numbers.updated < before("replicas") - before("updatedReplicas")
            || numbers.ready > before("readyReplicas")
            || numbers.available > before("availableReplicas");
        if progressed {
            return Some(make("True", "ReplicaSetUpdated", format!("{subject} is progressing.")));
        }
        if reason == "NewReplicaSetAvailable" {
            return None;
        }
        let expires = after(
            current.and_then(|it| time(it, "/lastUpdateTime")).unwrap_or(self.now),
            Duration::from_secs(deadline.unsigned_abs()),
        );
        if reason == "ProgressDeadlineExceeded" {
            return None;
        }
        if expires < self.now {
            return Some(make("False", "ProgressDeadlineExceeded", format!("{subject} has timed out progressing.")));
        }
        // Strictly later, as upstream asks.
        self.pass.wake_at(after(expires, Duration::from_secs(1)));
        None
    }
}
