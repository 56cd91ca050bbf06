//! Verification: an AnalysisRun made from templates, followed until it ends.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::{Change, Gvk, Note, NoteKind, Object, ObjectRef, Resource, Time, Timestamp};
use serde_json::{Value, json};

use super::{Effect, Pass};
use crate::{
    admission::ulid,
    api::{
        API_VERSION, AnalysisRunReference, Conditions, FALSE, Freight, FreightCollection, HealthState, TRUE, UNKNOWN,
        VerificationInfo, VerificationPhase, names,
    },
    engine::{
        expression::{EvalError, Evaluator, FreightScope},
        names::{hash_shorten, label_value, sha1_hex},
    },
};

/// Most verifications that are remembered for a collection.
const HISTORY: usize = 10;

/// What there is of Argo Rollouts in the cluster.
#[derive(Debug, Clone, Copy)]
pub struct Rollouts<'a> {
    /// AnalysisRuns of the project.
    pub runs: &'a [Object],
    /// AnalysisTemplates of the project and ClusterAnalysisTemplates.
    pub templates: &'a [Object],
}

/// Group, version and kind of an AnalysisRun.
#[must_use]
pub fn analysis_run() -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", "AnalysisRun")
}

impl Pass<'_> {
    pub(super) fn verify(&mut self) {
        let Some(current) = self.stage.status.freight_history.first().cloned() else {
            self.condition("Verified", UNKNOWN, "NoFreight", "Stage has no current Freight to verify");
            return;
        };
        if self.stage.status.current_promotion.is_some() {
            return;
        }
        let before = current.verification_history.first().cloned();
        let next = match &before {
            Some(info) if !info.phase.is_terminal() => self.follow(info),
            Some(info) => match self.asked_for(names::ANNOTATION_REVERIFY, &info.id) {
                Some(actor) => self.begin(&current, Some(actor)),
                None => None,
            },
            None if self.stage.status.health.as_ref().is_some_and(|it| it.status == HealthState::Healthy) => {
                self.begin(&current, None)
            }
            None => None,
        };
        if let Some(next) = next {
            if next.phase.is_terminal() && next.analysis_run.is_some() {
                self.announce(&current, &next);
            }
            if let Some(held) = self.stage.status.freight_history.first_mut() {
                let list = &mut held.verification_history;
                match list.first_mut().filter(|it| it.id == next.id) {
                    Some(same) => *same = next,
                    None => list.insert(0, next),
                }
                list.truncate(HISTORY);
            }
        }
        self.verified_condition();
    }

    fn verified_condition(&mut self) {
        let Some(current) = self.stage.status.freight_history.first() else { return };
        let history = &current.verification_history;
        if history.iter().any(|it| it.phase == VerificationPhase::Successful) {
            self.condition("Verified", TRUE, "Verified", "Freight has been verified");
            return;
        }
        let Some(latest) = history.first().cloned() else {
            if self.stage.status.conditions.condition("Verified").is_none() {
                let message = "Waiting for verification to be performed";
                self.condition("Verified", UNKNOWN, "WaitingForVerification", message);
            }
            return;
        };
        let reason = format!("Verification{}", latest.phase.as_str());
        let message = match latest.message.as_str() {
            "" => format!("Freight verification is {}", latest.phase.as_str()),
            text => text.to_owned(),
        };
        let status = if latest.phase.is_terminal() { FALSE } else { UNKNOWN };
        self.condition("Verified", status, &reason, &message);
    }

    /// The actor of a request in an annotation, if it is about this verification. The value is an id, or JSON with
    /// `id` and `actor`.
    fn asked_for(&self, annotation: &str, id: &str) -> Option<String> {
        let text = self.stage.metadata.annotation(annotation)?;
        let parsed: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
        match parsed {
            Some(json) => (json["id"] == id).then(|| json["actor"].as_str().unwrap_or_default().to_owned()),
            None => (text == id).then(String::new),
        }
    }

    /// A verification under way: ended by somebody, or read from its AnalysisRun.
    fn follow(&mut self, info: &VerificationInfo) -> Option<VerificationInfo> {
        let now = Time::new(self.world.now);
        let mut next = info.clone();
        let ended = |mut it: VerificationInfo, phase, message: String| {
            it.phase = phase;
            it.message = crate::api::bounded(&message);
            it.finish_time = it.finish_time.or(Some(now));
            Some(it)
        };
        let Some(reference) = info.analysis_run.clone() else {
            return ended(next, VerificationPhase::Error, "verification has no AnalysisRun".to_owned());
        };
        let Some(rollouts) = self.world.rollouts else {
            let message = "Rollouts integration is disabled on this controller; cannot get AnalysisRun".to_owned();
            return ended(next, VerificationPhase::Error, message);
        };
        let run = rollouts.runs.iter().find(|it| it.name() == reference.name).cloned();
        if let Some(actor) = self.asked_for(names::ANNOTATION_ABORT, &info.id) {
            if let Some(run) = &run {
                self.plan.push(Change::merge(run.reference(), json!({"spec": {"terminate": true}})));
            }
            let by = if actor.is_empty() { "user".to_owned() } else { actor };
            return ended(next, VerificationPhase::Aborted, format!("Verification aborted by {by}"));
        }
        let Some(run) = run else {
            // Just made and not seen yet, or gone: given the time that upstream gives it.
            let started = info.start_time.map_or(self.world.now, Time::timestamp);
            if argo_core::time::between(started, self.world.now).as_secs() < 120 {
                self.plan.wake_at(argo_core::time::after(started, std::time::Duration::from_secs(120)));
                return None;
            }
            let message = format!("AnalysisRun {:?} in namespace {:?} not found", reference.name, reference.namespace);
            return ended(next, VerificationPhase::Error, message);
        };
        let phase = run.text("/status/phase");
        next.phase = phase_of(phase);
        next.message = crate::api::bounded(run.text("/status/message"));
        next.analysis_run = Some(AnalysisRunReference { phase: phase.to_owned(), ..reference });
        if next.phase.is_terminal() && next.finish_time.is_none() {
            let completed = argo_core::time::parse(run.text("/status/completedAt")).ok().map(Time::new);
            next.finish_time = completed.or(Some(now));
        }
        (next != *info).then_some(next)
    }

    /// Starts a verification: at once good when none is asked for; else an AnalysisRun, taken up again if there is one.
    fn begin(&mut self, current: &FreightCollection, actor: Option<String>) -> Option<VerificationInfo> {
        let now = self.world.now;
        let rerun = actor.is_some();
        let seed = format!("{}/{}/{}/{}", self.world.read.uid(), self.stage.name(), current.id, now.as_millisecond());
        let info = VerificationInfo {
            id: uuid(&seed),
            actor: actor.unwrap_or_default(),
            start_time: Some(Time::new(now)),
            ..VerificationInfo::default()
        };
        let ended = |mut info: VerificationInfo, phase, message: String| {
            info.phase = phase;
            info.message = crate::api::bounded(&message);
            info.finish_time = Some(Time::new(now));
            Some(info)
        };
        let Some(verification) = self.stage.spec.verification.clone().filter(|it| !it.analysis_templates.is_empty())
        else {
            return ended(info, VerificationPhase::Successful, String::new());
        };
        let Some(rollouts) = self.world.rollouts else {
            let message = "Rollouts integration is disabled on this controller; cannot start verification".to_owned();
            return ended(info, VerificationPhase::Error, message);
        };
        let stage_label = label_value(self.stage.name());
        if !rerun {
            let mine = |it: &&Object| {
                it.label(names::LABEL_STAGE) == Some(stage_label.as_str())
                    && it.label(names::LABEL_FREIGHT_COLLECTION) == Some(current.id.as_str())
            };
            let newest = rollouts.runs.iter().filter(mine).max_by_key(|it| (it.created_at(), it.name().to_owned()));
            if let Some(run) = newest {
                return Some(reuse(info, run, now));
            }
        }
        let run = match self.build_run(current, &verification, rollouts.templates, rerun, &seed) {
            Ok(run) => run,
            Err(EvalError::Needs(needs)) => {
                self.plan.effect(Effect::Load(needs));
                return None;
            }
            Err(EvalError::Expression(message)) => {
                let message = format!("error starting verification: {message}");
                return ended(info, VerificationPhase::Error, message);
            }
        };
        let reference = AnalysisRunReference {
            namespace: self.stage.namespace().to_owned(),
            name: run.name().to_owned(),
            ..AnalysisRunReference::default()
        };
        self.plan.push(Change::create(run));
        Some(VerificationInfo { phase: VerificationPhase::Pending, analysis_run: Some(reference), ..info })
    }

    fn build_run(
        &self,
        current: &FreightCollection,
        verification: &crate::api::Verification,
        templates: &[Object],
        rerun: bool,
        seed: &str,
    ) -> Result<Object, EvalError> {
        let wrong = EvalError::Expression;
        let mut chosen = Vec::new();
        for reference in &verification.analysis_templates {
            let kind = if reference.kind.is_empty() { "AnalysisTemplate" } else { reference.kind.as_str() };
            let found = templates.iter().find(|it| it.text("/kind") == kind && it.name() == reference.name);
            chosen.push(found.ok_or_else(|| wrong(format!("{kind} {:?} not found", reference.name)))?);
        }
        let spec = flatten_templates(&chosen).map_err(wrong)?;
        let scope = FreightScope::new(&self.stage, self.world.warehouses, current.freight.values().cloned());
        let evaluator = Evaluator::new(scope, self.world.data.clone());
        let mut env = json!({"ctx": {"project": self.stage.namespace(), "stage": self.stage.name()}, "vars": {}});
        for var in &self.stage.spec.vars {
            let value = evaluator.evaluate_text(&var.value, &env)?;
            env["vars"][&var.name] = value;
        }
        let string = |text: &str, what: &str| -> Result<String, EvalError> {
            match evaluator.evaluate_text(text, &env)? {
                Value::String(it) => Ok(it),
                other => Err(wrong(format!("{what} must be a string, but its expression gives {other}; use quote()"))),
            }
        };
        let mut given = BTreeMap::new();
        for arg in &verification.args {
            given.insert(arg.name.as_str(), string(&arg.value, &format!("argument {:?}", arg.name))?);
        }
        let mut spec = spec;
        resolve_args(&mut spec, &given).map_err(wrong)?;
        let metadata = verification.analysis_run_metadata.clone().unwrap_or_default();
        let name = format!("{}.{}.{}", self.stage.name(), ulid(self.world.now, seed), current.id).to_lowercase();
        let mut run = Object::new(&analysis_run(), Some(self.stage.namespace()), &hash_shorten(&name, names::NAME_MAX));
        for (key, value) in &metadata.labels {
            run.set_label(key, string(value, &format!("label {key:?}"))?);
        }
        for (key, value) in &metadata.annotations {
            run.set_annotation(key, string(value, &format!("annotation {key:?}"))?);
        }
        run.set_label(names::LABEL_STAGE, label_value(self.stage.name()));
        run.set_label(names::LABEL_FREIGHT_COLLECTION, current.id.clone());
        if let Some(last) = self.stage.status.last_promotion.as_ref().filter(|_| !rerun) {
            run.set_annotation(names::ANNOTATION_PROMOTION, last.name.clone());
        }
        let owners: Vec<Value> = current.freight.values().filter_map(|it| self.owner(&it.name)).collect();
        if !owners.is_empty() {
            run.set(&["metadata", "ownerReferences"], owners);
        }
        run.set(&["spec"], spec);
        Ok(run)
    }

    fn owner(&self, freight: &str) -> Option<Value> {
        let uid = self.freight.iter().find(|it| it.name() == freight)?.metadata.uid.as_deref()?;
        Some(json!({"apiVersion": API_VERSION, "kind": Freight::KIND, "name": freight, "uid": uid,
            "blockOwnerDeletion": false}))
    }

    /// The Freight of a collection is verified: healthy, and the last verification went well.
    pub(super) fn mark_verified(&mut self) {
        if self.stage.status.current_promotion.is_some() {
            return;
        }
        let healthy = self.stage.status.health.as_ref().is_some_and(|it| it.status == HealthState::Healthy);
        let Some(current) = self.stage.status.freight_history.first().cloned() else { return };
        let Some(latest) = current.verification_history.first() else { return };
        if !healthy || latest.phase != VerificationPhase::Successful {
            return;
        }
        let stage = self.stage.name().to_owned();
        let now = Time::new(self.world.now);
        let mut marked = Vec::new();
        for freight in self.freight.iter_mut().filter(|it| current.freight.values().any(|held| held.name == it.name()))
        {
            let verified = freight.status.verified_in.entry(stage.clone()).or_default();
            if verified.verified_at.is_none() {
                verified.verified_at = Some(latest.finish_time.unwrap_or(now));
                marked.push(freight.reference());
            }
        }
        for freight in marked {
            self.event(freight, names::events::FREIGHT_VERIFICATION_SUCCEEDED, "Freight verification succeeded");
        }
    }

    pub(super) fn event(&mut self, freight: ObjectRef, reason: &str, message: &str) {
        let kind = reason == names::events::FREIGHT_VERIFICATION_SUCCEEDED;
        let mut note = if kind { Note::normal(reason, message) } else { Note::warning(reason, message) };
        debug_assert!(matches!(note.kind, NoteKind::Normal | NoteKind::Warning));
        let mut annotate = |key: &str, value: &str| {
            note.annotations.insert(format!("{}{key}", names::EVENT_PREFIX), value.to_owned());
        };
        annotate("project", self.stage.namespace());
        annotate("stage-name", self.stage.name());
        annotate("freight-name", &freight.name);
        annotate("actor", self.world.actor);
        self.plan.note(note.on(freight));
    }

    /// Events of verifications that did not go well; success is announced when the Freight is marked.
    fn announce(&mut self, current: &FreightCollection, info: &VerificationInfo) {
        let reason = match info.phase {
            VerificationPhase::Failed => names::events::FREIGHT_VERIFICATION_FAILED,
            VerificationPhase::Error => names::events::FREIGHT_VERIFICATION_ERRORED,
            VerificationPhase::Aborted => names::events::FREIGHT_VERIFICATION_ABORTED,
            VerificationPhase::Inconclusive => names::events::FREIGHT_VERIFICATION_INCONCLUSIVE,
            _ => return,
        };
        let message = if info.message.is_empty() { "Freight verification did not succeed" } else { &info.message };
        let held: Vec<ObjectRef> = current
            .freight
            .values()
            .map(|it| ObjectRef::new(Freight::gvk(), Some(self.stage.namespace()), &it.name))
            .collect();
        for freight in held {
            self.event(freight, reason, message);
        }
    }
}

fn reuse(info: VerificationInfo, run: &Object, now: Timestamp) -> VerificationInfo {
    let phase = run.text("/status/phase").to_owned();
    let mut info = VerificationInfo { phase: phase_of(&phase), ..info };
    info.start_time = run.created_at().map(Time::new).or(info.start_time);
    info.message = crate::api::bounded(run.text("/status/message"));
    if info.phase.is_terminal() {
        let completed = argo_core::time::parse(run.text("/status/completedAt")).ok();
        info.finish_time = Some(Time::new(completed.unwrap_or(now)));
    }
    info.analysis_run = Some(AnalysisRunReference {
        namespace: run.namespace().unwrap_or_default().to_owned(),
        name: run.name().to_owned(),
        phase,
        ..AnalysisRunReference::default()
    });
    info
}

fn phase_of(phase: &str) -> VerificationPhase {
    match phase {
        "Running" => VerificationPhase::Running,
        "Successful" => VerificationPhase::Successful,
        "Failed" => VerificationPhase::Failed,
        "Error" => VerificationPhase::Error,
        "Inconclusive" => VerificationPhase::Inconclusive,
        _ => VerificationPhase::Pending,
    }
}

/// A UUID drawn from a seed.
fn uuid(seed: &str) -> String {
    let hash = sha1_hex(seed);
    format!("{}-{}-4{}-8{}-{}", &hash[0..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

/// One spec for an AnalysisRun from several templates: AnalysisTemplates first, then ClusterAnalysisTemplates.
///
/// # Errors
/// When two templates have a metric, a dry run or a retention of the same name, or different values for an argument.
pub fn flatten_templates(templates: &[&Object]) -> Result<Value, String> {
    let (cluster, namespaced): (Vec<_>, Vec<_>) =
        templates.iter().partition(|it| it.text("/kind") == "ClusterAnalysisTemplate");
    let ordered: Vec<&&Object> = namespaced.into_iter().chain(cluster).collect();
    let mut spec = json!({});
    for (field, key, what) in [
        ("metrics", "name", "metric"),
        ("dryRun", "metricName", "dry-run metric"),
        ("measurementRetention", "metricName", "measurement retention metric"),
    ] {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for item in ordered.iter().filter_map(|it| it.pointer(&format!("/spec/{field}"))?.as_array()).flatten() {
            let name = item[key].as_str().unwrap_or_default();
            if !seen.insert(name.to_owned()) {
                return Err(format!("two {what}s have the same name {name:?}"));
            }
            all.push(item.clone());
        }
        if !all.is_empty() {
            spec[field] = all.into();
        }
    }
    let mut args: Vec<Value> = Vec::new();
    for arg in ordered.iter().filter_map(|it| it.pointer("/spec/args")?.as_array()).flatten() {
        let Some(known) = args.iter_mut().find(|it| it["name"] == arg["name"]) else {
            args.push(arg.clone());
            continue;
        };
        for field in ["value", "valueFrom"] {
            match (known.get(field), arg.get(field)) {
                (Some(a), Some(b)) if a != b => {
                    return Err(format!("argument {} specified multiple times with different values", arg["name"]));
                }
                (None, Some(value)) => known[field] = value.clone(),
                _ => {}
            }
        }
    }
    if !args.is_empty() {
        spec["args"] = args.into();
    }
    Ok(spec)
}

/// Gives declared arguments their values; what was given and not declared is left out.
fn resolve_args(spec: &mut Value, given: &BTreeMap<&str, String>) -> Result<(), String> {
    for arg in spec.get_mut("args").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = arg["name"].as_str().unwrap_or_default().to_owned();
        if let Some(value) = given.get(name.as_str()) {
            arg["value"] = json!(value);
            if let Some(map) = arg.as_object_mut() {
                map.remove("valueFrom");
            }
        } else if arg.get("value").is_none() && arg.get("valueFrom").is_none() {
            return Err(format!("args.{name} was not resolved"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(kind: &str, spec: Value) -> Object {
        Object::from_value(json!({"kind": kind, "metadata": {"name": "t"}, "spec": spec}))
    }

    #[test]
    fn templates_are_flattened_namespaced_first() {
        let cluster = template(
            "ClusterAnalysisTemplate",
            json!({"metrics": [{"name": "b"}], "args": [{"name": "x", "value": "1"}]}),
        );
        let own =
            template("AnalysisTemplate", json!({"metrics": [{"name": "a"}], "args": [{"name": "x"}, {"name": "y"}]}));
        let spec = flatten_templates(&[&cluster, &own]).unwrap();
        assert_eq!(spec["metrics"], json!([{"name": "a"}, {"name": "b"}]));
        assert_eq!(spec["args"], json!([{"name": "x", "value": "1"}, {"name": "y"}]));
        assert!(flatten_templates(&[&own, &own]).unwrap_err().contains("same name \"a\""));
        let other = template("AnalysisTemplate", json!({"args": [{"name": "x", "value": "2"}]}));
        assert!(flatten_templates(&[&cluster, &other]).unwrap_err().contains("different values"));
    }

    #[test]
    fn arguments_must_have_values() {
        let mut spec = json!({"args": [{"name": "x"}, {"name": "y", "value": "d"}]});
        assert_eq!(resolve_args(&mut spec.clone(), &BTreeMap::new()), Err("args.x was not resolved".to_owned()));
        let given = BTreeMap::from([("x", "1".to_owned()), ("stray", "2".to_owned())]);
        resolve_args(&mut spec, &given).unwrap();
        assert_eq!(spec["args"], json!([{"name": "x", "value": "1"}, {"name": "y", "value": "d"}]));
    }

    #[test]
    fn ids_look_like_uuids() {
        let id = uuid("seed");
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
    }
}
