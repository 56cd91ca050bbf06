//! The `experiment` step of a canary: the Experiment it asks for, and what its verdict means.

use std::collections::BTreeSet;

use argo_core::{Change, Gvk, Note, Object, ObjectRef};
use serde_json::{Value, json};

use crate::{
    api::{
        self, AnalysisPhase, Experiment, ExperimentAnalysis, ExperimentSpec, ExperimentTemplate, RolloutExperimentStep,
        RolloutExperimentTemplate, WeightDestination, names,
    },
    engine::{pass::Pass, validate::Invalid, world::ReplicaSet},
};

/// Finished experiments kept by default, of either kind.
const HISTORY: i64 = 5;

impl Pass<'_> {
    /// Makes the Experiment of the step under way, turns its verdict into a pause or an abort, ends
    /// and clears away the others.
    pub(crate) fn reconcile_experiments(&mut self) -> Result<(), Invalid> {
        let recorded = std::mem::take(&mut self.next.canary.current_experiment);
        if self.is_aborted() || self.ro.status.promote_full {
            self.end_experiments(None);
            return Ok(());
        }
        if self.ro.status.pause(names::pause::INCONCLUSIVE).is_some() {
            self.next.canary.current_experiment = recorded;
            return Ok(());
        }
        let step = self.current_step().1.and_then(|it| it.experiment.clone());
        let current = match &step {
            Some(step) if self.stable.is_some() => self.reconcile_experiment(step, &recorded)?,
            _ => None,
        };
        self.next.canary.current_experiment = current.clone().unwrap_or_default();
        self.end_experiments(current.as_deref());
        Ok(())
    }

    /// Whether the Experiment of the step under way ended well.
    pub(crate) fn is_experiment_successful(&self) -> bool {
        self.current_experiment().is_some_and(|it| it.status.phase == AnalysisPhase::Successful)
    }

    /// Where the routers are to send the shares of the Experiment under way.
    pub(crate) fn experiment_destinations(&self) -> Vec<WeightDestination> {
        let (index, step) = self.current_step();
        if step.is_none() {
            return Vec::new();
        }
        let step = self.ro.spec.steps()[..=index].iter().rev().find_map(|it| it.experiment.as_ref());
        let running = self.current_experiment().filter(|it| it.status.phase == AnalysisPhase::Running);
        let (Some(step), Some(ex)) = (step, running) else { return Vec::new() };
        let destination = |status: &api::TemplateStatus| {
            let template = step.templates.iter().find(|it| it.name == status.name)?;
            Some(WeightDestination {
                weight: template.weight?,
                service_name: status.service_name.clone(),
                pod_template_hash: status.pod_template_hash.clone(),
                ..Default::default()
            })
        };
        ex.status.template_statuses.iter().filter_map(destination).collect()
    }

    fn current_experiment(&self) -> Option<&Experiment> {
        let name = &self.ro.status.canary.current_experiment;
        self.experiments.iter().find(|it| it.metadata.name.as_ref() == Some(name))
    }

    fn reconcile_experiment(
        &mut self,
        step: &RolloutExperimentStep,
        recorded: &str,
    ) -> Result<Option<String>, Invalid> {
        let Some(ex) = self.current_experiment() else {
            return self.begin_experiment(step, recorded).map(Some);
        };
        let (name, phase) = (ex.metadata.name.clone().unwrap_or_default(), ex.status.phase);
        match phase {
            AnalysisPhase::Inconclusive => {
                // A client resumed: another one is to decide.
                let status = &self.ro.status;
                if status.controller_pause && status.pause(names::pause::INCONCLUSIVE_EXPERIMENT).is_none() {
                    return self.begin_experiment(step, recorded).map(Some);
                }
                self.pauses.add(names::pause::INCONCLUSIVE_EXPERIMENT);
            }
            AnalysisPhase::Error | AnalysisPhase::Failed => {
                let mut message = "Experiment analysis phase is error/failed".to_owned();
                if !ex.status.message.is_empty() {
                    message = format!("{message}: {}", ex.status.message);
                }
                self.pauses.abort(message);
            }
            _ => {}
        }
        Ok(Some(name))
    }

    /// Begins an Experiment under a name that says what it is for. The name is put into the status
    /// first and the Experiment is made by the next pass: whenever the controller is stopped, it is
    /// made once. Names that are taken are passed over, unless an earlier controller made this very one.
    fn begin_experiment(&mut self, step: &RolloutExperimentStep, recorded: &str) -> Result<String, Invalid> {
        let (index, _) = self.current_step();
        let base = format!("{}-{}-{}-{index}", self.name(), self.current_hash(), self.revision());
        let spec = self.experiment_for_step(step).map_err(|message| {
            Invalid::value(&format!("spec.strategy.canary.steps[{index}].experiment"), &self.name(), message)
        })?;
        let is_ours = |it: &str| it == base || it.strip_prefix(&base).is_some_and(|it| it.starts_with('-'));
        if is_ours(recorded) && self.experiment_named(recorded).is_none() {
            self.plan.push(Change::create(self.experiment_object(recorded, &spec)));
            let message = format!("Created Experiment '{recorded}'");
            self.plan.note(Note::normal(names::reason::EXPERIMENT_CREATED, message));
            return Ok(recorded.to_owned());
        }
        let mut name = base.clone();
        let mut collision = 0_u64;
        while let Some(taken) = self.experiment_named(&name) {
            let same = taken.decode::<Experiment>().is_ok_and(|it| {
                taken.is_controlled_by(self.world.rollout.uid())
                    && !it.status.phase.is_complete()
                    && !it.spec.terminate
                    && it.spec == spec
            });
            if same {
                break;
            }
            collision += 1;
            name = format!("{base}-{collision}");
        }
        Ok(name)
    }

    fn experiment_named(&self, name: &str) -> Option<&Object> {
        let namespace = self.ro.metadata.namespace.as_deref();
        let mut all = self.world.experiments.iter();
        all.find(|it| it.name() == name && it.namespace() == namespace).map(|it| &**it)
    }

    /// What an `experiment` step asks for, with the pods of stable and canary as they are.
    fn experiment_for_step(&self, step: &RolloutExperimentStep) -> Result<ExperimentSpec, String> {
        let mut templates = Vec::new();
        for template in &step.templates {
            let set = match template.spec_ref.as_str() {
                "canary" => self.new_set(),
                "stable" => self.stable_set(),
                _ => return Err("Invalid template step SpecRef: must be canary or stable".to_owned()),
            };
            let set = set.ok_or_else(|| format!("there is no {} ReplicaSet", template.spec_ref))?;
            templates.push(template_of(template, set)?);
        }
        let mut analyses = Vec::new();
        for analysis in &step.analyses {
            analyses.push(ExperimentAnalysis {
                name: analysis.name.clone(),
                template_name: analysis.template_name.clone(),
                cluster_scope: analysis.cluster_scope,
                args: self.arguments(&analysis.args)?,
                required_for_completion: analysis.required_for_completion,
                ..Default::default()
            });
        }
        Ok(ExperimentSpec {
            templates,
            duration: step.duration.clone(),
            progress_deadline_seconds: self.ro.spec.progress_deadline_seconds,
            analyses,
            scale_down_delay_seconds: step.scale_down_delay_seconds,
            dry_run: step.dry_run.clone(),
            analysis_run_metadata: step.analysis_run_metadata.clone(),
            ..Default::default()
        })
    }

    fn experiment_object(&self, name: &str, spec: &ExperimentSpec) -> Object {
        let mut object = Object::new(&gvk(), self.ro.metadata.namespace.as_deref(), name);
        for (key, value) in self.world.rollout.labels() {
            object.set_label(key, value);
        }
        object.set_label(names::POD_TEMPLATE_HASH, self.current_hash());
        object.set_annotation(names::REVISION, self.revision());
        object.set_controller(&self.world.rollout.owner_reference());
        object.set(&["spec"], serde_json::to_value(spec).unwrap_or_default());
        object
    }

    /// Ends all but `current`, and deletes finished ones beyond the limits (the newest kept) and those
    /// whose ReplicaSet is gone.
    fn end_experiments(&mut self, current: Option<&str>) {
        let limits = self.ro.spec.analysis.clone().unwrap_or_default();
        let mut good = limits.successful_run_history_limit.unwrap_or(HISTORY);
        let mut bad = limits.unsuccessful_run_history_limit.unwrap_or(HISTORY);
        let hashes: BTreeSet<&str> = self.sets.iter().map(|it| it.hash.as_str()).collect();
        let mut changes = Vec::new();
        // The newest last.
        for ex in self.experiments.iter().rev() {
            let name = ex.metadata.name.as_deref().unwrap_or_default();
            if Some(name) == current || ex.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let target = ObjectRef::new(gvk(), ex.metadata.namespace.as_deref(), name);
            let orphan = ex.metadata.label(names::POD_TEMPLATE_HASH).is_none_or(|it| !hashes.contains(it));
            let left = match ex.status.phase {
                AnalysisPhase::Successful => Some(&mut good),
                phase if phase.is_complete() => Some(&mut bad),
                _ => None,
            };
            let keep = match left {
                None => {
                    if !ex.spec.terminate {
                        changes.push(Change::merge(target, json!({"spec": {"terminate": true}})));
                    }
                    !orphan
                }
                Some(left) if orphan || *left <= 0 => false,
                Some(left) => {
                    *left -= 1;
                    true
                }
            };
            if !keep && let Some(object) = self.experiment_named(name) {
                changes.push(Change::delete(object));
            }
        }
        self.plan.actions.extend(changes.into_iter().map(Into::into));
    }
}

fn gvk() -> Gvk {
    Gvk::new(api::GROUP, api::VERSION, "Experiment")
}

/// A template of the Experiment: the pods of a ReplicaSet, under labels of their own.
fn template_of(template: &RolloutExperimentTemplate, set: &ReplicaSet) -> Result<ExperimentTemplate, String> {
    let decode = |it: &Value| serde_json::from_value(it.clone()).map_err(|error| error.to_string());
    let mut selector = match &template.selector {
        Some(selector) => selector.clone(),
        None => decode(set.object.pointer("/spec/selector").unwrap_or(&Value::Null))?,
    };
    let mut pods = set.object.pointer("/spec/template").cloned().unwrap_or_default();
    for (key, value) in &template.metadata.labels {
        pods["metadata"]["labels"][key] = json!(value);
        selector.match_labels.insert(key.clone(), value.clone());
    }
    for (key, value) in &template.metadata.annotations {
        pods["metadata"]["annotations"][key] = json!(value);
    }
    let service = template.service.clone().or_else(|| template.weight.map(|_| api::TemplateService::default()));
    Ok(ExperimentTemplate {
        name: template.name.clone(),
        replicas: template.replicas,
        min_ready_seconds: set.object.integer("/spec/minReadySeconds").filter(|it| *it != 0),
        selector: Some(selector),
        template: pods,
        service,
        ..Default::default()
    })
}
