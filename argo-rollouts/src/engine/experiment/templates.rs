//! The ReplicaSets of an Experiment: made empty, sized, and taken away a while after the end.

use std::time::Duration;

use argo_core::{Change, Gvk, Note, Object, time};
use serde_json::{Value, json};

use super::{Pass, desired};
use crate::{
    api::{ExperimentStatus, ExperimentTemplate, TemplatePhase, TemplateStatus, names},
    engine::{hash, world::ReplicaSet},
};

/// Seconds that a ReplicaSet stays after the end, by default.
const SCALE_DOWN_DELAY: i64 = 30;

impl Pass<'_> {
    pub(super) fn reconcile_template(&mut self, template: &ExperimentTemplate) {
        let name = &template.name;
        let before = self.ex.status.template(name).cloned().unwrap_or_default();
        let mut next = TemplateStatus { name: name.clone(), ..before.clone() };
        let wanted = desired(&self.ex, template);
        let set = self.sets.get(name).cloned();
        match &set {
            None if wanted > 0 => self.create_set(template, &mut next),
            None => {}
            Some(set) => {
                self.reconcile_service(template, set, wanted, &mut next);
                self.size(set, wanted, &mut next);
            }
        }
        let counted = |count: fn(&ReplicaSet) -> i64| set.as_ref().map_or(0, count);
        next.replicas = counted(|it| it.replicas);
        next.updated_replicas = next.replicas;
        next.ready_replicas = counted(|it| it.ready);
        next.available_replicas = counted(|it| it.available);
        if counts(&next) != counts(&before) {
            next.last_transition_time = Some(self.now.into());
        }
        if !next.phase.is_complete() {
            self.judge_template(wanted, &mut next);
        }
        if next.phase != before.phase {
            let mut message = format!("Template '{name}' transitioned from {} -> {}", before.phase, next.phase);
            if !next.message.is_empty() {
                message = format!("{message}: {}", next.message);
            }
            let reason = format!("Template{}", next.phase);
            self.plan.note(match next.phase {
                TemplatePhase::Failed | TemplatePhase::Error => Note::warning(reason, message),
                _ => Note::normal(reason, message),
            });
        }
        put(&mut self.next, next);
    }

    fn judge_template(&self, wanted: i64, next: &mut TemplateStatus) {
        if self.terminating {
            next.phase = TemplatePhase::Successful;
        } else if wanted == next.available_replicas {
            next.phase = if self.is_over() { TemplatePhase::Successful } else { TemplatePhase::Running };
        } else {
            let since = next.last_transition_time.map_or(self.now, |it| it.timestamp());
            if self.now > time::after(since, self.deadline()) {
                let seconds = self.deadline().as_secs();
                next.phase = TemplatePhase::Failed;
                next.message = format!("Template '{}' exceeded its progressDeadlineSeconds ({seconds})", next.name);
            } else {
                next.phase = TemplatePhase::Progressing;
            }
        }
    }

    fn create_set(&mut self, template: &ExperimentTemplate, next: &mut TemplateStatus) {
        let set = self.set_of(template);
        let taken = self.world.replica_sets.iter().find(|it| it.reference() == set.reference());
        match taken {
            // On its way out; its end brings the next pass.
            Some(taken) if taken.is_deleting() => {}
            Some(_) => {
                next.phase = TemplatePhase::Error;
                next.message = format!(
                    "Failed to create ReplicaSet for template '{}': replicasets.apps \"{}\" already exists",
                    template.name,
                    set.name()
                );
            }
            None => {
                self.plan.push(Change::create(set));
                next.last_transition_time = Some(self.now.into());
            }
        }
    }

    /// The ReplicaSet of a template, without pods yet.
    fn set_of(&self, template: &ExperimentTemplate) -> Object {
        let ex = &self.world.experiment;
        let mut pods = template.template.clone();
        if let Some(meta) = pods.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|_, it| !it.is_null());
        }
        if let Some(labels) = pods.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(names::POD_TEMPLATE_HASH);
        }
        let hash = hash::pod_template(&pods, None);
        pods["metadata"]["labels"][names::POD_TEMPLATE_HASH] = json!(hash);
        let mut selector = serde_json::to_value(&template.selector).unwrap_or_default();
        selector["matchLabels"][names::POD_TEMPLATE_HASH] = json!(hash);
        let name = format!("{}-{}", ex.name(), template.name);
        let mut set = Object::new(&Gvk::new("apps", "v1", "ReplicaSet"), ex.namespace(), &name);
        set.set(&["metadata", "labels"], pods["metadata"]["labels"].clone());
        set.set_annotation(names::EXPERIMENT_NAME, ex.name());
        set.set_annotation(names::EXPERIMENT_TEMPLATE, &*template.name);
        set.set_controller(&ex.owner_reference());
        set.set(&["spec", "replicas"], 0);
        if let Some(seconds) = template.min_ready_seconds.filter(|it| *it != 0) {
            set.set(&["spec", "minReadySeconds"], seconds);
        }
        set.set(&["spec", "selector"], selector);
        set.set(&["spec", "template"], pods);
        set
    }

    /// Gives the ReplicaSet its pods; takes them away when the delay after the end is over.
    fn size(&mut self, set: &ReplicaSet, wanted: i64, next: &mut TemplateStatus) {
        if wanted > 0 {
            // Tried again: what an earlier end left does not count.
            if self.scale(set, wanted) {
                next.last_transition_time = Some(self.now.into());
            }
            return;
        }
        if set.spec == 0 {
            return;
        }
        let delay = self.ex.spec.scale_down_delay_seconds.unwrap_or(SCALE_DOWN_DELAY);
        match set.deadline {
            Some(deadline) if delay > 0 && deadline > self.now => self.plan.wake_at(deadline),
            None if delay > 0 => {
                let delay = Duration::from_secs(u64::try_from(delay).unwrap_or_default());
                let deadline = time::after(self.now, delay);
                let mut marked = (*set.object).clone();
                marked.set_annotation(names::SCALE_DOWN_DEADLINE, time::rfc3339(deadline));
                self.plan.actions.extend(Change::merge_between(&set.object, &marked).map(Into::into));
                self.plan.wake_at(deadline);
            }
            _ => {
                self.scale(set, 0);
                next.last_transition_time = Some(self.now.into());
            }
        }
    }

    fn scale(&mut self, set: &ReplicaSet, to: i64) -> bool {
        let mut scaled = (*set.object).clone();
        scaled.set(&["spec", "replicas"], to);
        scaled.remove(&["metadata", "annotations", names::SCALE_DOWN_DEADLINE]);
        let Some(change) = Change::merge_between(&set.object, &scaled) else { return false };
        self.plan.push(change);
        if set.spec == to {
            return false;
        }
        let direction = if set.spec < to { "up" } else { "down" };
        let message = format!("Scaled {direction} ReplicaSet {} from {} to {to}", set.name(), set.spec);
        self.plan.note(Note::normal(names::reason::SCALING, message));
        true
    }
}

fn counts(status: &TemplateStatus) -> (i64, i64, i64) {
    (status.replicas, status.ready_replicas, status.available_replicas)
}

/// Adds or replaces the status of a template.
pub(super) fn put(status: &mut ExperimentStatus, of_template: TemplateStatus) {
    match status.template_statuses.iter_mut().find(|it| it.name == of_template.name) {
        Some(old) => *old = of_template,
        None => status.template_statuses.push(of_template),
    }
}
