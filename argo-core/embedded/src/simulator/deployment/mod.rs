//! Deployments: rollouts over ReplicaSets, with upstream's arithmetic.
//!
//! ```text
//! Deployment ─► revisions (which ReplicaSet is new) ─► scaling event? paused? ─► proportional scale
//!                                                  └─► Recreate | RollingUpdate ─► status, conditions, clean-up
//! ```

mod revisions;
mod rolling;
mod status;

use std::sync::Arc;

use argo_core::time::Timestamp;
use serde_json::{Value, json};

use super::kinds::{DEPLOYMENTS, PODS, REPLICA_SETS};
use super::pass::{Pass, Write};
use super::read::{
    adopted, annotation, controller_uid, count, flag, int, is_deleting, labels, namespace, owner_reference, portion,
    released, selects, set_meta, text, uid,
};
use super::world::World;
pub(super) use revisions::name_hash;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
pub(super) const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// A Deployment, its ReplicaSets and what this pass makes of them.
struct Rollout<'a> {
    world: &'a World,
    deployment: &'a Value,
    now: Timestamp,
    /// Oldest first; `new` is not among them.
    old: Vec<Set>,
    new: Option<Set>,
    collisions: Option<i64>,
    revision: Option<String>,
    pass: Pass,
}

/// A ReplicaSet as read, and as it will be.
struct Set {
    live: Arc<Value>,
    next: Value,
}

pub(super) fn pass(world: &World, deployment: &Value, now: Timestamp) -> Pass {
    let mut rollout = Rollout {
        world,
        deployment,
        now,
        old: Vec::new(),
        new: None,
        collisions: None,
        revision: None,
        pass: Pass::default(),
    };
    let sets = rollout.claim();
    rollout.split(sets);
    if is_deleting(deployment) {
        rollout.status();
        return rollout.pass;
    }
    let paused = flag(deployment, "/spec/paused");
    let scaled = rollout.all().any(|set| {
        set.replicas() > 0
            && annotation(&set.live, DESIRED_REPLICAS)
                .and_then(|it| it.parse().ok())
                .is_some_and(|desired: i64| desired != rollout.replicas())
    });
    if paused || scaled {
        rollout.sync_new(false);
        rollout.scale();
        if paused {
            rollout.clean_up();
        }
    } else if text(deployment, "/spec/strategy/type") == "Recreate" {
        rollout.recreate();
    } else {
        rollout.roll();
    }
    rollout.save();
    rollout.status();
    rollout.pass
}

impl Set {
    fn replicas(&self) -> i64 {
        int(&self.next, "/spec/replicas").unwrap_or(1)
    }

    fn available(&self) -> i64 {
        count(&self.live, "/status/availableReplicas")
    }
}

impl Rollout<'_> {
    fn replicas(&self) -> i64 {
        int(self.deployment, "/spec/replicas").unwrap_or(1)
    }

    fn all(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    /// Surge and unavailability in pods; both zero counts as one unavailable.
    fn limits(&self) -> (i64, i64) {
        if text(self.deployment, "/spec/strategy/type") == "Recreate" {
            return (0, 0);
        }
        let field = |name: &str| self.deployment.pointer(&format!("/spec/strategy/rollingUpdate/{name}"));
        let quarter = json!("25%");
        let surge = portion(field("maxSurge").or(Some(&quarter)), self.replicas(), true).unwrap_or(0);
        let unavailable = portion(field("maxUnavailable").or(Some(&quarter)), self.replicas(), false).unwrap_or(0);
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    fn max_surge(&self) -> i64 {
        self.limits().0
    }

    fn max_unavailable(&self) -> i64 {
        if text(self.deployment, "/spec/strategy/type") == "Recreate" || self.replicas() == 0 {
            return 0;
        }
        self.limits().1.min(self.replicas())
    }

    /// The ReplicaSets of this Deployment: owned ones, and orphans that match are adopted.
    fn claim(&mut self) -> Vec<Set> {
        let selector = self.deployment.pointer("/spec/selector");
        let owner = owner_reference(self.deployment, DEPLOYMENTS.api_version, DEPLOYMENTS.kind);
        let mut sets = Vec::new();
        for set in self.world.within(&REPLICA_SETS, namespace(self.deployment)) {
            let controller = controller_uid(set);
            let matches = selects(selector, labels(set));
            if controller == uid(self.deployment) {
                if matches {
                    sets.push(Set { live: set.clone(), next: (**set).clone() });
                } else if !is_deleting(self.deployment) && !is_deleting(set) {
                    self.pass.write(Write::Update { kind: &REPLICA_SETS, object: released(set, uid(self.deployment)) });
                }
            } else if controller.is_empty() && matches && !is_deleting(self.deployment) && !is_deleting(set) {
                sets.push(Set { live: set.clone(), next: adopted(set, &owner) });
            }
        }
        sets
    }

    /// Writes the ReplicaSets that changed.
    fn save(&mut self) {
        let changed: Vec<Value> = self.all().filter(|set| set.next != *set.live).map(|set| set.next.clone()).collect();
        for object in changed {
            // A set made in this pass has no version yet.
            if text(&object, "/metadata/resourceVersion").is_empty() {
                self.pass.write(Write::Create { kind: &REPLICA_SETS, object });
            } else {
                self.pass.write(Write::Update { kind: &REPLICA_SETS, object });
            }
        }
    }

    /// Sets the size of a ReplicaSet and the annotations that remember for which Deployment size.
    fn resize(set: &mut Set, replicas: i64, desired: i64, max: i64) {
        set.next["spec"]["replicas"] = json!(replicas);
        set_meta(&mut set.next, "annotations", DESIRED_REPLICAS, &desired.to_string());
        set_meta(&mut set.next, "annotations", MAX_REPLICAS, &max.to_string());
    }

    fn recreate(&mut self) {
        self.sync_new(false);
        let (desired, max) = (self.replicas(), self.replicas() + self.max_surge());
        let mut scaled_down = false;
        for set in self.old.iter_mut().filter(|set| set.replicas() > 0) {
            Self::resize(set, 0, desired, max);
            scaled_down = true;
        }
        if scaled_down || self.old_pods_run() {
            return;
        }
        self.sync_new(true);
        if let Some(new) = self.new.as_mut().filter(|new| new.replicas() != desired) {
            Self::resize(new, desired, desired, max);
        }
        if self.is_complete() {
            self.clean_up();
        }
    }

    /// Whether pods of old ReplicaSets have not ended yet.
    fn old_pods_run(&self) -> bool {
        self.old.iter().any(|set| {
            let pods = self.world.controlled(&PODS, &set.live);
            pods.iter().any(|pod| !matches!(super::read::phase(pod), "Succeeded" | "Failed"))
        })
    }
}
