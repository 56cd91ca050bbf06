//! The AnalysisRuns of a Rollout: made, read, cancelled, cleared away.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::{Change, Gvk, Note, Object, ObjectRef};
use serde_json::{Value, json};

use super::{analysis::flatten, pass::Pass, validate::Invalid};
use crate::api::{self, AnalysisPhase, AnalysisRun, RolloutAnalysisStep, RunStatus, names};

/// Finished runs kept by default, of either kind.
const HISTORY: i64 = 5;

impl Pass<'_> {
    /// Makes the runs that belong to where the rollout stands, turns their verdicts into pauses and
    /// aborts, cancels the others.
    pub(crate) fn reconcile_runs(&mut self) -> Result<(), Invalid> {
        self.next.intended_analysis_runs.clear();
        let status = &self.ro.status;
        let over = self.is_fully_promoted()
            || self.is_aborted()
            || status.promote_full
            || self.is_fast_rollback()
            || status.stable_rs.is_empty();
        if self.blue_green().is_some() {
            // These stay on the status when they are over.
            self.pre_run = self.named(self.ro.status.blue_green.pre_promotion_analysis_run_status.as_ref());
            self.post_run = self.named(self.ro.status.blue_green.post_promotion_analysis_run_status.as_ref());
            if over {
                self.cancel_promotion_runs();
            } else {
                self.pre_run = self.reconcile_pre_run()?;
                self.post_run = self.reconcile_post_run()?;
            }
        } else if !over {
            self.step_run = self.reconcile_step_run()?;
            self.background_run = self.reconcile_background_run()?;
        }
        let current = [&self.step_run, &self.background_run, &self.pre_run, &self.post_run];
        let current: BTreeSet<String> =
            current.into_iter().flatten().filter_map(|it| it.metadata.name.clone()).collect();
        let others: Vec<&AnalysisRun> =
            self.runs.iter().filter(|it| it.metadata.name.as_ref().is_none_or(|it| !current.contains(it))).collect();
        for run in &others {
            if !run.spec.terminate && !run.status.phase.is_complete() {
                self.plan.push(Change::merge(reference(run), json!({"spec": {"terminate": true}})));
            }
        }
        for run in self.surplus(&others) {
            self.plan.push(Change::delete(&Object::encode(run).unwrap_or_else(|_| Object::from_value(Value::Null))));
        }
        self.note_run(
            self.ro.status.canary.current_step_analysis_run_status.clone(),
            self.step_run.clone(),
            names::TYPE_STEP,
        );
        let before = self.ro.status.canary.current_background_analysis_run_status.clone();
        self.note_run(before, self.background_run.clone(), names::TYPE_BACKGROUND);
        let before = self.ro.status.blue_green.pre_promotion_analysis_run_status.clone();
        self.note_run(before, self.pre_run.clone(), names::TYPE_PRE_PROMOTION);
        let before = self.ro.status.blue_green.post_promotion_analysis_run_status.clone();
        self.note_run(before, self.post_run.clone(), names::TYPE_POST_PROMOTION);
        Ok(())
    }

    fn cancel_promotion_runs(&mut self) {
        for run in self.pre_run.iter().chain(&self.post_run) {
            if !run.spec.terminate && !run.status.phase.is_complete() {
                self.plan.push(Change::merge(reference(run), json!({"spec": {"terminate": true}})));
            }
        }
    }

    /// The run before the switch: once the new pods are there. One that has begun goes on though pods
    /// may come and go.
    fn reconcile_pre_run(&mut self) -> Result<Option<AnalysisRun>, Invalid> {
        let Some(strategy) = self.blue_green() else { return Ok(None) };
        let Some(analysis) = strategy.pre_promotion_analysis.clone().filter(|it| !it.templates.is_empty()) else {
            return Ok(None);
        };
        let (hash, active) = (self.current_hash(), &self.ro.status.blue_green.active_selector);
        if active.is_empty() || *active == hash {
            return Ok(self.pre_run.clone());
        }
        let sized = strategy.preview_replica_count;
        let ready = self.new_set().is_some_and(|set| match sized {
            Some(count) => set.spec == count && set.available == count,
            None => self.is_saturated(set),
        });
        let recorded = self.ro.status.blue_green.pre_promotion_analysis_run_status.clone();
        let (current, kind) = (self.pre_run.clone(), ("pre", names::TYPE_PRE_PROMOTION));
        self.reconcile_promotion_run(&analysis, current, recorded, ready, kind)
    }

    /// The run after the switch: once the new pods are active, until they are stable.
    fn reconcile_post_run(&mut self) -> Result<Option<AnalysisRun>, Invalid> {
        let Some(strategy) = self.blue_green() else { return Ok(None) };
        let Some(analysis) = strategy.post_promotion_analysis.clone().filter(|it| !it.templates.is_empty()) else {
            return Ok(None);
        };
        if self.ro.status.blue_green.active_selector != self.current_hash() || !self.targets_are_verified() {
            return Ok(self.post_run.clone());
        }
        let ready = self.new_set().is_some_and(|set| self.is_saturated(set));
        let recorded = self.ro.status.blue_green.post_promotion_analysis_run_status.clone();
        let (current, kind) = (self.post_run.clone(), ("post", names::TYPE_POST_PROMOTION));
        self.reconcile_promotion_run(&analysis, current, recorded, ready, kind)
    }

    fn reconcile_promotion_run(
        &mut self,
        analysis: &RolloutAnalysisStep,
        current: Option<AnalysisRun>,
        recorded: Option<RunStatus>,
        ready: bool,
        (infix, kind): (&str, &str),
    ) -> Result<Option<AnalysisRun>, Invalid> {
        if self.ro.status.pause(names::pause::INCONCLUSIVE).is_some() || current.is_none() && !ready {
            return Ok(current);
        }
        let run = match current.filter(|it| !self.needs_another(it)) {
            Some(run) => run,
            None => return self.begin_run(analysis, Some(infix), &[(names::ROLLOUT_TYPE, kind)], recorded),
        };
        self.judge(&run, if infix == "pre" { "Blue/green pre-promotion" } else { "Blue/green post-promotion" });
        Ok(Some(run))
    }

    fn reconcile_step_run(&mut self) -> Result<Option<AnalysisRun>, Invalid> {
        let current = self.named(self.ro.status.canary.current_step_analysis_run_status.as_ref());
        if !self.ro.status.pause_conditions.is_empty() || self.ro.status.abort {
            return Ok(current);
        }
        let (index, step) = self.current_step();
        let Some(analysis) = step.and_then(|it| it.analysis.clone()).filter(|it| !it.templates.is_empty()) else {
            return Ok(None);
        };
        let index = index.to_string();
        if current.as_ref().is_some_and(|it| it.metadata.label(names::STEP_INDEX) != Some(&index)) {
            return Ok(None);
        }
        let run = match current.filter(|it| !self.needs_another(it)) {
            Some(run) => run,
            None => {
                let labels = [(names::ROLLOUT_TYPE, names::TYPE_STEP), (names::STEP_INDEX, index.as_str())];
                let recorded = self.ro.status.canary.current_step_analysis_run_status.clone();
                return self.begin_run(&analysis, Some(&index), &labels, recorded);
            }
        };
        self.judge(&run, "Step-based");
        Ok(Some(run))
    }

    fn reconcile_background_run(&mut self) -> Result<Option<AnalysisRun>, Invalid> {
        let Some(background) = self.strategy().and_then(|it| it.analysis.clone()) else {
            return Ok(None);
        };
        let start = background.starting_step.unwrap_or_default();
        let before_start =
            !self.ro.spec.steps().is_empty() && i64::try_from(self.current_step().0).unwrap_or(i64::MAX) < start;
        if background.analysis.templates.is_empty() || self.ro.status.current_pod_hash.is_empty() || before_start {
            return Ok(None);
        }
        let current = self.named(self.ro.status.canary.current_background_analysis_run_status.as_ref());
        if self.ro.status.pause(names::pause::INCONCLUSIVE).is_some() {
            return Ok(current);
        }
        let run = match current.filter(|it| !self.needs_another(it)) {
            Some(run) => run,
            None => {
                let labels = [(names::ROLLOUT_TYPE, names::TYPE_BACKGROUND)];
                let recorded = self.ro.status.canary.current_background_analysis_run_status.clone();
                return self.begin_run(&background.analysis, None, &labels, recorded);
            }
        };
        self.judge(&run, "Background");
        Ok(Some(run))
    }

    fn named(&self, status: Option<&RunStatus>) -> Option<AnalysisRun> {
        let name = &status?.name;
        self.runs.iter().find(|it| it.metadata.name.as_ref() == Some(name)).cloned()
    }

    /// A client resumed after an inconclusive run, or tried again after an abort.
    fn needs_another(&self, current: &AnalysisRun) -> bool {
        let status = &self.ro.status;
        let resumed = status.controller_pause
            && status.pause(names::pause::CANARY_STEP).is_none()
            && status.pause(names::pause::BLUE_GREEN).is_none()
            && current.status.phase == AnalysisPhase::Inconclusive;
        resumed || status.aborted_at.is_some()
    }

    /// Neither good nor bad pauses, bad aborts.
    fn judge(&mut self, run: &AnalysisRun, kind: &str) {
        match run.status.phase {
            AnalysisPhase::Inconclusive => self.pauses.add(names::pause::INCONCLUSIVE),
            AnalysisPhase::Failed | AnalysisPhase::Error => {
                let mut message = format!("{kind} analysis phase error/failed");
                if !run.status.message.is_empty() {
                    message = format!("{message}: {}", run.status.message);
                }
                self.pauses.abort(message);
            }
            _ => {}
        }
    }

    /// Begins a run under a name that says what it is for; the run once it is there. One pass keeps the name in the
    /// status, where clients do not look, the next makes the run, and the one after tells of it: whenever the controller
    /// is stopped the run is made once, and no client reads the name of a run that is not there. Names that are taken
    /// are passed over, unless an earlier controller made this very run.
    fn begin_run(
        &mut self,
        analysis: &RolloutAnalysisStep,
        infix: Option<&str>,
        labels: &[(&str, &str)],
        recorded: Option<RunStatus>,
    ) -> Result<Option<AnalysisRun>, Invalid> {
        let path = if self.blue_green().is_some() { "spec.strategy.blueGreen" } else { "spec.strategy.canary" };
        let refuse = |message: String| Invalid::value(path, &self.name(), message);
        let args = self.arguments(&analysis.args).map_err(refuse)?;
        let templates = self.templates(&analysis.templates).map_err(refuse)?;
        let spec = flatten::spec(&templates, &args, &analysis.dry_run, &analysis.measurement_retention)
            .map_err(|it| refuse(it.to_string()))?;
        let mut base = format!("{}-{}-{}", self.name(), self.current_hash(), self.revision());
        if let Some(infix) = infix {
            base = format!("{base}-{infix}");
        }
        let known = recorded.as_ref().map(|it| it.name.clone());
        let is_ours = |it: &str| it == base || it.strip_prefix(&base).is_some_and(|it| it.starts_with('.'));
        let purpose = labels.iter().find(|it| it.0 == names::ROLLOUT_TYPE).map(|it| it.1).unwrap_or_default();
        let intended: Option<String> =
            self.ro.status.intended_analysis_runs.get(purpose).cloned().filter(|it| is_ours(it));
        if let Some(made) = intended.as_ref().and_then(|it| self.run_named(it))
            && made.is_controlled_by(self.world.rollout.uid())
        {
            return made.decode().map(Some).map_err(|it| refuse(it.to_string()));
        }
        // One that is told of and gone is made again.
        let gone = recorded.map(|it| it.name).filter(|it| is_ours(it));
        if let Some(name) = intended.or(gone).filter(|it| self.run_named(it).is_none()) {
            let object = self.run_object(&name, analysis, labels, &spec);
            self.next.intended_analysis_runs.insert(purpose.to_owned(), name);
            self.plan.push(Change::create(object));
            return Ok(None);
        }
        let mut name = base.clone();
        let mut collision = 0_u64;
        while let Some(taken) = self.run_named(&name) {
            let run: Option<AnalysisRun> = taken.decode().ok();
            let same = run.filter(|it| {
                let mut found = it.spec.clone();
                found.terminate = false;
                taken.is_controlled_by(self.world.rollout.uid())
                    && !it.status.phase.is_complete()
                    && !it.spec.terminate
                    && known.as_ref() != Some(&name)
                    && found == spec
            });
            if let Some(run) = same {
                return Ok(Some(run));
            }
            collision += 1;
            name = format!("{base}.{collision}");
        }
        self.next.intended_analysis_runs.insert(purpose.to_owned(), name);
        Ok(None)
    }

    fn run_named(&self, name: &str) -> Option<&Object> {
        let namespace = self.ro.metadata.namespace.as_deref();
        let mut runs = self.world.analysis_runs.iter();
        runs.find(|it| it.name() == name && it.namespace() == namespace).map(|it| &**it)
    }

    fn run_object(
        &self,
        name: &str,
        analysis: &RolloutAnalysisStep,
        labels: &[(&str, &str)],
        spec: &api::AnalysisRunSpec,
    ) -> Object {
        let metadata = analysis.analysis_run_metadata.clone().unwrap_or_default();
        let mut all = BTreeMap::from([(names::POD_TEMPLATE_HASH.to_owned(), self.current_hash())]);
        all.extend(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        if let Some(instance) = self.ro.metadata.label(names::INSTANCE_ID) {
            all.insert(names::INSTANCE_ID.to_owned(), instance.to_owned());
        }
        all.extend(metadata.labels);
        all.extend(self.ro.spec.selector.iter().flat_map(|it| it.match_labels.clone()));
        let mut annotations = BTreeMap::from([(names::REVISION.to_owned(), self.revision().to_owned())]);
        annotations.extend(metadata.annotations);
        let gvk = Gvk::new(api::GROUP, api::VERSION, "AnalysisRun");
        let mut object = Object::new(&gvk, self.ro.metadata.namespace.as_deref(), name);
        object.set(&["metadata", "labels"], json!(all));
        object.set(&["metadata", "annotations"], json!(annotations));
        object.set_controller(&self.world.rollout.owner_reference());
        object.set(&["spec"], serde_json::to_value(spec).unwrap_or_default());
        object
    }

    /// The templates that are named, with those they name, each once.
    pub(crate) fn templates(
        &self,
        refs: &[api::AnalysisTemplateRef],
    ) -> Result<Vec<api::AnalysisTemplateSpec>, String> {
        let namespace = self.ro.metadata.namespace.as_deref();
        flatten::collect(refs, &mut |it| {
            let list = if it.cluster_scope { &self.world.cluster_templates } else { &self.world.templates };
            let found = list.iter().find(|object| {
                object.name() == it.template_name && (it.cluster_scope || object.namespace() == namespace)
            })?;
            Some(Object::clone(found))
        })
        .map_err(|it| it.to_string())
    }

    /// Finished runs beyond the limits, the newest kept; and those whose ReplicaSet is gone.
    fn surplus<'a>(&self, others: &[&'a AnalysisRun]) -> Vec<&'a AnalysisRun> {
        let limits = self.ro.spec.analysis.clone().unwrap_or_default();
        let mut good = limits.successful_run_history_limit.unwrap_or(HISTORY);
        let mut bad = limits.unsuccessful_run_history_limit.unwrap_or(HISTORY);
        let hashes: BTreeSet<&str> = self.sets.iter().map(|it| it.hash.as_str()).collect();
        let mut surplus = Vec::new();
        for run in others.iter().rev().filter(|it| it.metadata.deletion_timestamp.is_none()) {
            let orphan = run.metadata.label(names::POD_TEMPLATE_HASH).is_none_or(|it| !hashes.contains(it));
            let left = match run.status.phase {
                AnalysisPhase::Successful => &mut good,
                phase if phase.is_complete() => &mut bad,
                _ if orphan => {
                    surplus.push(*run);
                    continue;
                }
                _ => continue,
            };
            if orphan || *left <= 0 {
                surplus.push(*run);
            } else {
                *left -= 1;
            }
        }
        surplus
    }

    fn note_run(&mut self, before: Option<RunStatus>, run: Option<AnalysisRun>, kind: &str) {
        let Some(run) = run.filter(|it| !it.status.phase.is_new()) else { return };
        let name = run.metadata.name.clone().unwrap_or_default();
        let (phase, previous) = (run.status.phase, before.as_ref().map(|it| it.phase));
        if before.is_some_and(|it| it.name != name || it.phase == phase) {
            return;
        }
        let previous = previous.map_or("NoPreviousStatus", AnalysisPhase::as_str);
        let message = format!("{kind} Analysis Run '{name}' Status New: '{phase}' Previous: '{previous}'");
        let reason = format!("AnalysisRun{phase}");
        self.plan.note(match phase {
            AnalysisPhase::Failed | AnalysisPhase::Error => Note::warning(reason, message),
            _ => Note::normal(reason, message),
        });
    }
}

fn reference(run: &AnalysisRun) -> ObjectRef {
    let gvk = Gvk::new(api::GROUP, api::VERSION, "AnalysisRun");
    ObjectRef::new(gvk, run.metadata.namespace.as_deref(), run.metadata.name.as_deref().unwrap_or_default())
}
