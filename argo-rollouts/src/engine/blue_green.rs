//! The blue-green strategy: both versions in full, then a switch of the active Service.

use std::{sync::Arc, time::Duration};

use argo_core::{Object, time};

use super::{
    canary::short,
    pass::{Flow, Pass},
    services::selector_hash,
    validate::Invalid,
    world::ReplicaSet,
};
use crate::api::{AnalysisPhase, AnalysisRun, LabelSelector, names};

impl Pass<'_> {
    /// One pass of the strategy.
    pub(crate) fn blue_green_pass(&mut self) -> Result<(), Invalid> {
        let preview = self.blue_green().and_then(|it| it.preview_service.clone()).and_then(|it| self.service(&it));
        let active = self.blue_green().and_then(|it| self.service(&it.active_service));
        let hash = self.current_hash();
        let mut selectors = (
            active.as_ref().map(|it| selector_hash(it).to_owned()).unwrap_or_default(),
            preview.as_ref().map(|it| selector_hash(it).to_owned()).unwrap_or_default(),
        );
        if let Some(preview) = preview.filter(|_| !self.is_halted()) {
            self.switch(&preview, &hash);
            selectors.1.clone_from(&hash);
        }
        if self.is_changed() {
            self.sync_blue_green(selectors);
            return Ok(());
        }
        if self.restart() == Flow::Stop {
            return Ok(());
        }
        if self.reconcile_ephemeral() == Flow::Stop {
            return Ok(());
        }
        if !self.reconcile_blue_green_sets() {
            self.limit_history();
        }
        self.reconcile_blue_green_pause(&selectors.0);
        if let Some(active) = active
            && let Some(wanted) = self.wanted_active(&selectors.0)
        {
            self.switch(&active, &wanted);
            selectors.0 = wanted;
        }
        self.reconcile_runs()?;
        self.sync_blue_green(selectors);
        Ok(())
    }

    pub(crate) fn service(&self, name: &str) -> Option<Arc<Object>> {
        let namespace = self.ro.metadata.namespace.as_deref();
        self.world.services.iter().find(|it| it.name() == name && it.namespace() == namespace).cloned()
    }

    /// Brings stable and new to their sizes and takes old ReplicaSets away after their delay;
    /// whether a deadline was removed, which is the only change then.
    pub(crate) fn reconcile_blue_green_sets(&mut self) -> bool {
        if self.remove_deadlines() {
            return true;
        }
        let replicas = self.replicas();
        if let Some(stable) = self.stable.filter(|_| self.distinct_stable().is_some()) {
            self.scale(stable, replicas);
        }
        self.reconcile_new_set();
        self.reconcile_blue_green_others();
        false
    }

    fn reconcile_blue_green_others(&mut self) {
        if self.ro.status.pause(names::pause::INCONCLUSIVE).is_some() || self.waits_for_post_promotion() {
            return;
        }
        let mut old: Vec<usize> = self.others_at().filter(|it| self.sets[*it].spec > 0).collect();
        old.sort_by_key(|it| std::cmp::Reverse(self.sets[*it].revision));
        let mut delayed = 0;
        for at in old {
            if self.is_referenced(&self.sets[at]) {
                continue;
            }
            let size = self.sets[at].spec;
            let wanted = self.delayed(at, &mut delayed);
            if wanted != size {
                self.scale(at, wanted);
            }
        }
    }

    /// Without a delay of the user's own, old pods stay until the analysis after the switch is good.
    fn waits_for_post_promotion(&self) -> bool {
        let Some(strategy) = self.blue_green() else { return false };
        let status = &self.ro.status;
        let active = status.blue_green.active_selector == self.current_hash();
        let run = status.blue_green.post_promotion_analysis_run_status.as_ref();
        strategy.post_promotion_analysis.is_some()
            && strategy.scale_down_delay_seconds.is_none()
            && active
            && status.stable_rs != self.current_hash()
            && run.is_none_or(|it| it.phase != AnalysisPhase::Successful)
    }

    /// Pods of the new ReplicaSet: all, or the size of the preview until it may grow.
    pub(crate) fn preview_count(&self) -> i64 {
        let (replicas, status) = (self.replicas(), &self.ro.status);
        let Some(count) = self.blue_green().and_then(|it| it.preview_replica_count) else {
            return replicas;
        };
        let hash = self.current_hash();
        let active = self.sets.iter().find(|it| it.hash == status.blue_green.active_selector);
        if active.is_none_or(|it| it.hash == hash) || status.promote_full {
            return replicas;
        }
        let is_paused = self.ro.spec.paused || !status.pause_conditions.is_empty();
        let may_grow = status.current_pod_hash == hash && !is_paused && status.blue_green.scale_up_preview_check_point;
        if may_grow { replicas } else { count }
    }

    /// All pods asked for are there, and were asked for by the spec as it is.
    pub(crate) fn is_saturated(&self, set: &ReplicaSet) -> bool {
        let replicas = self.replicas();
        set.spec == replicas && set.desired == Some(replicas) && set.available == replicas
    }

    fn is_ready_for_pause(&self) -> bool {
        let count = self.preview_count();
        self.new_set().is_some_and(|it| it.spec == count && it.available == count)
    }

    /// Nothing to wait for: going back, told to go on, or the first to be active.
    fn is_fast_tracked(&self, active: &str) -> bool {
        self.is_fast_rollback() || self.ro.status.promote_full || active.is_empty() || active == self.current_hash()
    }

    fn reconcile_blue_green_pause(&mut self, active: &str) {
        let Some(strategy) = self.blue_green() else { return };
        let seconds = strategy.auto_promotion_seconds.unwrap_or_default();
        let managed = strategy.auto_promotion_enabled == Some(false) || seconds > 0;
        if self.ro.status.abort || !self.is_ready_for_pause() || self.is_halted() {
            return;
        }
        if self.is_fast_tracked(active) || self.ro.status.blue_green.scale_up_preview_check_point || !managed {
            self.pauses.remove(names::pause::BLUE_GREEN);
            return;
        }
        if !self.is_pre_promotion_done() {
            return;
        }
        match self.ro.status.pause(names::pause::BLUE_GREEN).map(|it| it.start_time) {
            Some(_) if self.is_blue_green_pause_over() => self.pauses.remove(names::pause::BLUE_GREEN),
            Some(start) if seconds > 0 => self.plan.wake_at(time::after(start.timestamp(), whole(seconds))),
            Some(_) => {}
            None if self.ro.status.controller_pause => {}
            None => self.pauses.add(names::pause::BLUE_GREEN),
        }
    }

    fn is_blue_green_pause_over(&self) -> bool {
        let Some(strategy) = self.blue_green() else { return false };
        let status = &self.ro.status;
        let pause = status.pause(names::pause::BLUE_GREEN);
        if self.pauses.has_added() {
            return false;
        }
        if status.blue_green.scale_up_preview_check_point {
            return true;
        }
        let seconds = strategy.auto_promotion_seconds.unwrap_or_default();
        if strategy.auto_promotion_enabled == Some(false) {
            return status.controller_pause && pause.is_none();
        }
        match pause {
            _ if seconds == 0 => true,
            Some(pause) => self.now >= time::after(pause.start_time.timestamp(), whole(seconds)),
            // A client resumed before the time was over; otherwise it never paused.
            None => status.controller_pause,
        }
    }

    /// There is no analysis before the switch, or it is good.
    fn is_pre_promotion_done(&self) -> bool {
        if self.blue_green().is_none_or(|it| it.pre_promotion_analysis.is_none()) {
            return true;
        }
        let run = self.ro.status.blue_green.pre_promotion_analysis_run_status.as_ref();
        let run: Option<&AnalysisRun> =
            run.and_then(|status| self.runs.iter().find(|it| it.metadata.name.as_ref() == Some(&status.name)));
        run.is_some_and(|it| it.status.phase == AnalysisPhase::Successful)
    }

    /// The hash that the active Service is to select now, if it may be touched.
    fn wanted_active(&self, active: &str) -> Option<String> {
        let saturated = self.new_set().is_some_and(|it| self.is_saturated(it));
        if self.is_halted() || !self.is_ready_for_pause() || !saturated {
            return None;
        }
        if self.ro.status.abort {
            // Not away from pods that serve to where none do.
            let serves = |hash: &str| self.sets.iter().any(|it| it.hash == hash && it.available > 0);
            let stable = self.ro.status.stable_rs.clone();
            return Some(stable).filter(|it| !it.is_empty() && (serves(it) || !serves(active)));
        }
        let done = self.is_blue_green_pause_over() && self.is_pre_promotion_done();
        (self.is_fast_tracked(active) || done).then(|| self.current_hash())
    }

    /// Composes the status.
    fn sync_blue_green(&mut self, (active, preview): (String, String)) {
        self.count_base();
        let changed = self.is_changed();
        self.next.current_step_index = None;
        self.next.current_step_hash.clear();
        self.next.blue_green.active_selector = active;
        self.next.blue_green.preview_selector = preview;
        if changed {
            self.begin(None);
        } else {
            self.next.blue_green.pre_promotion_analysis_run_status = self.pre_run.as_ref().map(short);
            self.next.blue_green.post_promotion_analysis_run_status = self.post_run.as_ref().map(short);
        }
        if self.ro.status.promote_full || self.is_rollback_within_window() {
            self.pauses.clear();
            self.pauses.remove_abort();
        }
        let why = self.blue_green_promotion();
        // Unlike what follows, the first deployment does not wait: nobody serves before it.
        let first = self.stable.is_none() || self.next.blue_green.active_selector.is_empty();
        match why.filter(|_| first || self.targets_are_verified()) {
            Some(why) => self.promote(why, None),
            None => self.next.blue_green.scale_up_preview_check_point = !changed && self.preview_check_point(),
        }
        self.count_active_pods();
        self.persist();
    }

    fn preview_check_point(&self) -> bool {
        let Some(count) = self.blue_green().and_then(|it| it.preview_replica_count) else {
            return false;
        };
        self.ro.status.blue_green.scale_up_preview_check_point
            || self.is_pre_promotion_done()
                && self.is_blue_green_pause_over()
                && self.new_set().is_some_and(|it| it.available == count)
    }

    /// Why the new template is to become stable now, if it is.
    fn blue_green_promotion(&self) -> Option<&'static str> {
        let active = &self.next.blue_green.active_selector;
        if self.stable.is_none() || active.is_empty() {
            return Some("Initial deploy");
        }
        if *active != self.next.current_pod_hash {
            return None;
        }
        if self.ro.status.promote_full {
            return Some("Full promotion requested");
        }
        if self.is_fast_rollback() {
            let window = self.is_rollback_within_window();
            return Some(if window { "Rollback within window" } else { "Fast rollback" });
        }
        if self.is_aborted() {
            return None;
        }
        let analysed = self.blue_green().is_none_or(|it| it.post_promotion_analysis.is_none());
        let good = self.post_run.as_ref().is_some_and(|it| it.status.phase == AnalysisPhase::Successful);
        (analysed || good).then_some("Completed blue-green update")
    }

    /// Counts of the active ReplicaSet, which is the one that serves; of all before there is one.
    pub(crate) fn count_active_pods(&mut self) {
        let active = self.sets.iter().find(|it| it.hash == self.next.blue_green.active_selector);
        let Some(active) = active.cloned() else {
            self.count_pods();
            return;
        };
        self.next.hpa_replicas = active.replicas;
        self.next.available_replicas = active.available;
        self.next.ready_replicas = active.ready;
        let selector = active.object.pointer("/spec/selector").cloned().unwrap_or_default();
        if let Ok(selector) = serde_json::from_value::<LabelSelector>(selector) {
            self.next.selector = selector.to_text();
        }
    }
}

fn whole(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
