//! The canary strategy: steps, promotion, abort.

use argo_core::{Change, Note, time};
use serde_json::Value;

use super::{
    dynamic,
    pass::{Flow, Pass, selected},
    pause::pause_end,
    phase::step_text,
    validate::Invalid,
};
use crate::api::{AnalysisPhase, AnalysisRun, RunStatus, SetCanaryScale, names};
use names::reason;

/// How soon a restart that found no room is tried again.
const RESTART_RETRY: std::time::Duration = std::time::Duration::from_secs(30);

impl Pass<'_> {
    /// One pass of the strategy.
    pub(crate) fn canary_pass(&mut self) -> Result<(), Invalid> {
        if self.is_changed() {
            self.hold_workload();
            self.sync_status();
            return Ok(());
        }
        if self.restart() == Flow::Stop {
            return Ok(());
        }
        if self.in_place.is_none() {
            if self.reconcile_ephemeral() == Flow::Stop {
                return Ok(());
            }
            self.limit_history();
        }
        self.reconcile_services();
        let old_may_go = self.reconcile_traffic();
        self.reconcile_experiments()?;
        self.reconcile_runs()?;
        // Promoted first, then selected by the stable Service, and only then are old pods taken away.
        let selected = self.strategy().is_some_and(|it| it.stable_service.is_some());
        let promotes = selected && self.distinct_stable().is_some() && self.promotion().is_some();
        if old_may_go && !promotes && !self.pauses.has_added() && !self.reconcile_replica_sets() {
            self.reconcile_pause();
            self.reconcile_step_plugins();
        }
        self.sync_status();
        Ok(())
    }

    /// Begins the pause of a pause step, and wakes at its end.
    fn reconcile_pause(&mut self) {
        let (_, step) = self.current_step();
        let Some(pause) = step.and_then(|it| it.pause.clone()) else { return };
        if self.ro.spec.paused || self.ro.status.promote_full {
            return;
        }
        match self.ro.status.pause(names::pause::CANARY_STEP) {
            // Paused by the controller without condition left: a client resumed.
            None if self.ro.status.controller_pause => {}
            None => self.pauses.add(names::pause::CANARY_STEP),
            Some(condition) => {
                if let Some(end) = pause_end(Some(condition), &pause).filter(|it| *it > self.now) {
                    self.plan.wake_at(end);
                }
            }
        }
    }

    /// A pause begins with the end of the step before it: sizes and weights stay as they are in between.
    fn begin_next_pause(&mut self, index: Option<i64>) {
        let step = index.and_then(|it| self.ro.spec.steps().get(usize::try_from(it).ok()?));
        let status = &self.ro.status;
        let is_held = status.controller_pause || !status.pause_conditions.is_empty() || self.pauses.has_added();
        let is_next = step.is_some_and(|it| it.pause.is_some());
        if is_next && !is_held && !self.ro.spec.paused && !status.promote_full && !self.is_aborted() {
            self.pauses.add(names::pause::CANARY_STEP);
        }
    }

    /// Composes the status: where the rollout stands, whether a step is done, whether all are.
    fn sync_status(&mut self) {
        self.count_base();
        let steps = self.ro.spec.steps();
        let count = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        let all_done = (count > 0).then_some(count);
        self.next.current_step_hash = self.step_hash();
        let changed = self.is_changed();
        let (index, step) = self.current_step();
        let mut index = all_done.map(|_| i64::try_from(index).unwrap_or(i64::MAX));
        let finished = step.filter(|_| !changed && self.is_step_complete()).map(step_text);
        self.count_pods();
        self.next.canary.current_step_analysis_run_status = self.step_run.as_ref().map(short);
        self.next.canary.current_background_analysis_run_status = self.background_run.as_ref().map(short);

        if changed {
            self.begin(all_done);
            return self.persist();
        }
        if self.ro.status.promote_full || self.is_rollback_within_window() {
            self.pauses.clear();
            self.pauses.remove_abort();
            index = all_done;
        }
        if let Some(why) = self.promotion() {
            self.promote(&why, all_done);
            return self.persist();
        }
        if self.is_aborted() {
            let back = self.next.stable_rs == self.next.current_pod_hash;
            self.next.current_step_index = if back { all_done } else { all_done.map(|_| 0) };
            return self.persist();
        }
        if let Some(text) = finished.filter(|_| index.is_some_and(|it| it < count)) {
            index = index.map(|it| it + 1);
            self.next.canary.current_step_analysis_run_status = None;
            self.next.canary.current_experiment.clear();
            let message = format!("Rollout step {}/{count} completed ({text})", index.unwrap_or_default());
            self.plan.note(Note::normal(reason::STEP_COMPLETED, message));
            self.pauses.remove(names::pause::CANARY_STEP);
            self.begin_next_pause(index);
        }
        self.next.current_step_index = index;
        self.persist();
    }

    /// What every strategy counts the same way.
    pub(crate) fn count_base(&mut self) {
        let status = &self.ro.status;
        self.next.current_pod_hash = self.current_hash();
        self.next.replicas = self.sets.iter().map(|it| it.replicas).sum();
        self.next.updated_replicas = self.new_set().map_or(0, |it| it.replicas);
        self.next.ready_replicas = self.sets.iter().map(|it| it.ready).sum();
        self.next.promote_full = status.promote_full && self.next.current_pod_hash != status.stable_rs;
        self.next.selector = self.ro.spec.selector.as_ref().map(|it| it.to_text()).unwrap_or_default();
    }

    /// The template or the steps changed: everything begins again.
    pub(crate) fn begin(&mut self, all_done: Option<i64>) {
        self.pauses.clear();
        self.pauses.remove_abort();
        self.next.restarted_at =
            self.ro.spec.restart_at.filter(|it| it.timestamp() <= self.now).or(self.next.restarted_at);
        self.next.promote_full = false;
        self.next.intended_analysis_runs.clear();
        self.next.canary.current_step_analysis_run_status = None;
        self.next.canary.current_experiment.clear();
        self.next.canary.step_plugin_statuses.clear();
        self.next.canary.current_background_analysis_run_status = None;
        self.next.blue_green.pre_promotion_analysis_run_status = None;
        self.next.blue_green.post_promotion_analysis_run_status = None;
        self.next.blue_green.scale_up_preview_check_point = false;
        self.next.current_step_index = all_done.map(|_| 0);
        if all_done.is_none() {
            return;
        }
        let skip = match self.new_set() {
            Some(new) if new.hash == self.ro.status.stable_rs => "Rollback to stable ReplicaSets",
            Some(new) if self.is_rollback_within_window() && new.spec > 0 => {
                "Rollback to active ReplicaSets within RollbackWindow"
            }
            _ => return,
        };
        self.plan.note(Note::normal(reason::SKIP_STEPS, skip));
        self.next.current_step_index = all_done;
    }

    /// Why the new template is to become stable now, if it is.
    fn promotion(&self) -> Option<String> {
        if self.stable.is_none() {
            return Some("Initial deploy".to_owned());
        }
        let replicas = self.replicas();
        let enough = self.new_set().is_some_and(|it| it.available >= replicas || self.meets_threshold(it, replicas));
        let unrouted = self.next.canary.weights.as_ref().is_some_and(|it| it.verified == Some(false));
        let settled = self.in_place.as_ref().is_none_or(|it| it.is_settled());
        if !enough || unrouted || !settled {
            return None;
        }
        if self.is_aborted() {
            let too_late = self.in_place.as_ref().is_some_and(|it| it.is_through());
            return too_late.then(|| "Every pod was new when it was aborted".to_owned());
        }
        if self.ro.status.promote_full {
            return Some("Full promotion requested".to_owned());
        }
        if self.is_fast_rollback() {
            let why = if self.is_rollback_within_window() { "Rollback within window" } else { "Fast rollback" };
            return Some(why.to_owned());
        }
        let steps = self.ro.spec.steps().len();
        (steps == 0 || self.current_step().0 == steps).then(|| format!("Completed all {steps} canary steps"))
    }

    pub(crate) fn promote(&mut self, why: &str, all_done: Option<i64>) {
        self.pauses.clear();
        self.pauses.remove_abort();
        self.next.promote_full = false;
        self.next.blue_green.scale_up_preview_check_point = false;
        self.next.current_step_index = all_done;
        self.retire_workload();
        if self.next.stable_rs != self.next.current_pod_hash {
            self.note_promotion();
            if self.strategy().is_some_and(|it| it.ping_pong.is_some()) {
                let was_ping = self.ro.status.canary.stable_ping_pong == names::PING;
                self.next.canary.stable_ping_pong = if was_ping { names::PONG } else { names::PING }.to_owned();
            }
            self.next.stable_rs.clone_from(&self.next.current_pod_hash);
            let (revision, hash) = (self.revision(), &self.next.stable_rs);
            let message = format!("Rollout completed update to revision {revision} ({hash}): {why}");
            self.plan.note(Note::normal(reason::COMPLETED, message));
        }
    }

    /// Whether the step under way is done; never while the Rollout is paused by hand.
    fn is_step_complete(&self) -> bool {
        let (_, Some(step)) = self.current_step() else { return false };
        if self.ro.spec.paused {
            return false;
        }
        if let Some(pause) = &step.pause {
            return self.is_pause_over(pause);
        }
        let weights = self.next.canary.weights.as_ref();
        if step.set_canary_scale.is_some() {
            return self.is_at_desired_counts(weights);
        }
        if step.set_weight.is_some() {
            return self.is_at_desired_counts(weights) && self.traffic_is_settled();
        }
        if step.set_header_route.is_some() || step.set_mirror_route.is_some() {
            return true;
        }
        if step.plugin.is_some() {
            return self.is_step_plugin_done();
        }
        if step.experiment.is_some() {
            return self.is_experiment_successful();
        }
        if step.analysis.is_some() {
            return self.step_run.as_ref().is_some_and(|it| it.status.phase == AnalysisPhase::Successful);
        }
        false
    }

    // === weights ===

    /// What all traffic is; 100.
    pub(crate) fn max_weight(&self) -> i64 {
        let routing = self.strategy().and_then(|it| it.traffic_routing.as_ref());
        routing.and_then(|it| it.max_traffic_weight).filter(|it| *it > 0).unwrap_or(100)
    }

    /// The weight that sizes the canary.
    pub(crate) fn canary_weight(&self) -> i64 {
        let status = &self.ro.status;
        if status.promote_full || status.stable_rs.is_empty() || status.current_pod_hash == status.stable_rs {
            return self.max_weight();
        }
        if let Some(scale) = self.canary_scale() {
            if scale.replicas.is_some() {
                return 0;
            }
            if let Some(weight) = scale.weight {
                return weight;
            }
        }
        self.desired_weight()
    }

    /// The weight of the steps; after an abort, where stable follows its traffic, the steps backwards.
    fn desired_weight(&self) -> i64 {
        let (Some(stable), Some(new)) = (self.stable_set(), self.new_set()) else { return self.set_weight() };
        if !self.ro.status.abort || !self.is_dynamic() {
            return self.set_weight();
        }
        dynamic::desired_weight(&dynamic::Back {
            replicas: self.replicas(),
            max_weight: self.max_weight(),
            stable: stable.available,
            canary: new.available,
            holds_canary: self.has_explicit_abort_delay(),
            is_aborted: true,
            weights: self.ro.spec.steps().iter().filter_map(|it| it.set_weight).collect(),
            ..Default::default()
        })
    }

    /// The last `setWeight` at or before the step under way; everything after the last step, nothing
    /// before the first or when aborted.
    pub(crate) fn set_weight(&self) -> i64 {
        if self.ro.status.abort {
            return 0;
        }
        let (index, step) = self.current_step();
        if step.is_none() {
            return self.max_weight();
        }
        self.ro.spec.steps()[..=index].iter().rev().find_map(|it| it.set_weight).unwrap_or(0)
    }

    /// The `setCanaryScale` in force; only with traffic routing.
    pub(crate) fn canary_scale(&self) -> Option<&SetCanaryScale> {
        let strategy = self.strategy()?;
        if !self.is_routed() || self.ro.status.abort && strategy.abort_scale_down_delay_seconds != Some(0) {
            return None;
        }
        let (index, step) = self.current_step();
        step?;
        let last = strategy.steps[..=index].iter().rev().find_map(|it| it.set_canary_scale.as_ref())?;
        (!last.match_traffic_weight).then_some(last)
    }

    // === restart ===

    /// Evicts pods from before `spec.restartAt`, as many at once as may be missing.
    pub(crate) fn restart(&mut self) -> Flow {
        let Some(at) = self.ro.spec.restart_at.filter(|it| Some(*it) != self.ro.status.restarted_at) else {
            return Flow::Continue;
        };
        if at.timestamp() > self.now {
            self.plan.wake_at(at.timestamp());
            return Flow::Continue;
        }
        let order = self.stable.into_iter().chain(self.new.filter(|_| self.new != self.stable)).chain(self.others_at());
        let mut old = Vec::new();
        for set in order.map(|it| &self.sets[it]) {
            let pods = self.world.pods.iter().filter(|it| {
                it.is_controlled_by(self.owner_of_pods(set))
                    && self.is_pod_of(set, it)
                    && selected(&self.ro, it)
                    && it.created_at().is_some_and(|created| created < at.timestamp())
            });
            old.extend(pods);
        }
        if old.is_empty() {
            self.next.restarted_at = Some(at);
            return Flow::Continue;
        }
        let available: i64 = self.sets.iter().map(|it| it.available).sum();
        let wanted = self.sets.iter().map(|it| it.spec).sum::<i64>().max(self.replicas());
        let missing = old.iter().filter(|it| it.is_deleting()).count();
        let budget = available - (wanted - self.ro.spec.max_unavailable().max(1)) - i64::try_from(missing).unwrap_or(0);
        let room = usize::try_from(budget).unwrap_or_default();
        let evicted = old.into_iter().filter(|it| !it.is_deleting()).take(room);
        for pod in evicted {
            self.plan.push(Change::Evict { target: pod.reference() });
        }
        self.plan.wake_at(time::after(self.now, RESTART_RETRY));
        if self.plan.actions.is_empty() { Flow::Continue } else { Flow::Stop }
    }
}

pub(super) fn short(run: &AnalysisRun) -> RunStatus {
    RunStatus {
        name: run.metadata.name.clone().unwrap_or_default(),
        phase: run.status.phase,
        message: run.status.message.clone(),
        extra: std::collections::BTreeMap::<String, Value>::new(),
    }
}
