//! The AnalysisRuns of an Experiment: begun once all its pods are there, ended with it.

use std::collections::BTreeMap;

use argo_core::{Change, Gvk, Note, Object, time};
use serde_json::json;

use super::{Pass, end, note};
use crate::{
    api::{
        self, AnalysisPhase, AnalysisRun, AnalysisRunSpec, AnalysisTemplateRef, Argument, ExperimentAnalysis,
        ExperimentAnalysisStatus, names,
    },
    engine::analysis::{flatten, substitute},
};

impl Pass<'_> {
    pub(super) fn reconcile_analysis(&mut self, analysis: &ExperimentAnalysis) {
        let name = &analysis.name;
        let before = self.ex.status.analysis(name).cloned().unwrap_or_default();
        let mut next = ExperimentAnalysisStatus { name: name.clone(), ..before.clone() };
        if self.ex.status.available_at.is_none() {
            // Not before all pods are there; but a template that is missing is said at once.
            if let Err(message) = self.verify(analysis) {
                next.phase = AnalysisPhase::Error;
                next.message = message;
            }
        } else if next.analysis_run.is_empty() {
            if !self.terminating {
                self.begin(analysis, &mut next);
            }
        } else if !before.phase.is_complete() {
            self.follow(analysis, &mut next);
        }
        if next.phase != before.phase && !next.phase.is_new() {
            let mut message = format!("AnalysisRun '{name}' transitioned from {} -> {}", before.phase, next.phase);
            if !next.message.is_empty() {
                message = format!("{message}: {}", next.message);
            }
            let reason = format!("AnalysisRun{}", next.phase);
            self.plan.note(note(reason.clone(), message.clone(), next.phase));
            let owner = self.world.experiment.controller().filter(|it| it.kind == "Rollout");
            if let Some(owner) = owner {
                // So that those who subscribed to the Rollout hear of it.
                let gvk = Gvk::new(api::GROUP, api::VERSION, "Rollout");
                let rollout = argo_core::ObjectRef::new(gvk, self.world.experiment.namespace(), &owner.name);
                self.plan.note(Note::warning(reason, message).on(rollout));
            }
        }
        match self.next.analysis_runs.iter_mut().find(|it| it.name == *name) {
            Some(old) => *old = next,
            None => self.next.analysis_runs.push(next),
        }
    }

    fn verify(&self, analysis: &ExperimentAnalysis) -> Result<(), String> {
        let (kind, list) = if analysis.cluster_scope {
            ("ClusterAnalysisTemplate", &self.world.cluster_templates)
        } else {
            ("AnalysisTemplate", &self.world.templates)
        };
        if list.iter().any(|it| it.name() == analysis.template_name) {
            return Ok(());
        }
        let missing = format!("{}.{} \"{}\" not found", kind.to_lowercase(), api::GROUP, analysis.template_name);
        Err(format!("{kind} verification failed for analysis '{}': {missing}", analysis.name))
    }

    /// Names the run; the next pass makes it. So it is made once whenever the controller is stopped.
    fn begin(&mut self, analysis: &ExperimentAnalysis, next: &mut ExperimentAnalysisStatus) {
        let spec = match self.spec(analysis) {
            Ok(spec) => spec,
            Err(message) => return fail(next, &message),
        };
        let base = format!("{}-{}", self.world.experiment.name(), analysis.name);
        let mut name = base.clone();
        let mut collision = 0_u64;
        while let Some(taken) = self.run_named(&name) {
            let same = taken.decode::<AnalysisRun>().is_ok_and(|it| {
                let ours = taken.is_controlled_by(self.world.experiment.uid());
                ours && !it.status.phase.is_complete() && !it.spec.terminate && it.spec == spec
            });
            if same {
                break;
            }
            collision += 1;
            name = format!("{base}.{collision}");
        }
        next.analysis_run = name;
        next.phase = AnalysisPhase::Pending;
    }

    /// Takes over what the run came to; ends it with the experiment.
    fn follow(&mut self, analysis: &ExperimentAnalysis, next: &mut ExperimentAnalysisStatus) {
        let Some(object) = self.run_named(&next.analysis_run).cloned() else {
            if next.phase != AnalysisPhase::Pending {
                next.phase = AnalysisPhase::Error;
                next.message = format!("analysisrun.{} \"{}\" not found", api::GROUP, next.analysis_run);
            } else if self.terminating {
                // It was never made, and will not be.
                *next = ExperimentAnalysisStatus { name: analysis.name.clone(), ..Default::default() };
            } else {
                match self.spec(analysis) {
                    Ok(spec) => {
                        let run = self.run_object(&next.analysis_run, &spec);
                        self.plan.push(Change::create(run));
                    }
                    Err(message) => fail(next, &message),
                }
            }
            return;
        };
        let run: AnalysisRun = match object.decode() {
            Ok(run) => run,
            // Its own controller says so on its status.
            Err(_) => return,
        };
        if self.terminating && !run.status.phase.is_complete() {
            if !run.spec.terminate {
                let message = format!("Terminating {} ({})", analysis.name, next.analysis_run);
                self.plan.note(Note::normal("AnalysisRunTerminating", message));
                self.plan.push(Change::merge(object.reference(), json!({"spec": {"terminate": true}})));
            }
            return;
        }
        if !run.status.phase.is_new() {
            next.phase = run.status.phase;
            next.message = run.status.message;
        }
    }

    fn run_named(&self, name: &str) -> Option<&Object> {
        self.world.analysis_runs.iter().find(|it| it.name() == name).map(|it| &**it)
    }

    fn spec(&self, analysis: &ExperimentAnalysis) -> Result<AnalysisRunSpec, String> {
        let args = self.arguments(&analysis.args)?;
        let named = AnalysisTemplateRef {
            template_name: analysis.template_name.clone(),
            cluster_scope: analysis.cluster_scope,
        };
        let templates = flatten::collect(&[named], &mut |it| {
            let list = if it.cluster_scope { &self.world.cluster_templates } else { &self.world.templates };
            list.iter().find(|object| object.name() == it.template_name).map(|it| Object::clone(it))
        })
        .map_err(|it| it.to_string())?;
        let spec = &self.ex.spec;
        flatten::spec(&templates, &args, &spec.dry_run, &spec.measurement_retention).map_err(|it| it.to_string())
    }

    /// The arguments, with what they say of the experiment filled in.
    fn arguments(&self, args: &[Argument]) -> Result<Vec<Argument>, String> {
        let mut values = BTreeMap::new();
        if let Some(at) = self.ex.status.available_at {
            values.insert("experiment.availableAt".to_owned(), time::rfc3339(at.timestamp()));
        }
        if let Some(at) = end(&self.ex) {
            values.insert("experiment.finishedAt".to_owned(), time::rfc3339(at));
        }
        for (name, set) in &self.sets {
            values.insert(format!("templates.{name}.podTemplateHash"), set.hash.clone());
            values.insert(format!("templates.{name}.replicaset.name"), set.name().to_owned());
        }
        args.iter()
            .map(|arg| {
                let value = arg.value.as_deref().map(|it| substitute(it, &values)).transpose();
                Ok(Argument { value: value.map_err(|it| it.to_string())?, ..arg.clone() })
            })
            .collect()
    }

    fn run_object(&self, name: &str, spec: &AnalysisRunSpec) -> Object {
        let ex = &self.world.experiment;
        let gvk = Gvk::new(api::GROUP, api::VERSION, "AnalysisRun");
        let mut object = Object::new(&gvk, ex.namespace(), name);
        if let Some(instance) = ex.label(names::INSTANCE_ID) {
            object.set_label(names::INSTANCE_ID, instance);
        }
        let metadata = &self.ex.spec.analysis_run_metadata;
        for (key, value) in &metadata.labels {
            object.set_label(key, &**value);
        }
        for (key, value) in &metadata.annotations {
            object.set_annotation(key, &**value);
        }
        object.set_controller(&ex.owner_reference());
        object.set(&["spec"], serde_json::to_value(spec).unwrap_or_default());
        object
    }
}

fn fail(next: &mut ExperimentAnalysisStatus, message: &str) {
    next.phase = AnalysisPhase::Error;
    next.message = format!("Failed to create AnalysisRun for analysis '{}': {message}", next.name);
}
