//! `spec.ignoreDifferences` and `resource.customizations.ignoreDifferences`: differences that do not count.
//!
//! Pointers are removed as a JSON patch removes them; a jq expression is run as `del(<expression>)`. What is not there is
//! not removed, and a rule that fails on an object leaves it as it is, as upstream does. An expression that is no jq is an
//! error for the whole comparison: nobody knows what it was to ignore.

use std::{
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use argo_core::Object;
use argo_lang::jq::{Jq, JqError, Limits};
use argo_merge::{json_patch, merge_patch, strategic};
use serde_json::{Value, json};

use super::{
    diff, known_types, memo, normalize,
    project::glob,
    settings::{CompareOptions, IgnoreRule, IgnoreStatus, KnownTypeField, Settings},
};
use crate::api::IgnoreDifferences;

/// Upstream's bound on one expression on one object (`ARGOCD_IGNORE_NORMALIZER_JQ_TIMEOUT`).
pub const JQ_TIMEOUT: Duration = Duration::from_secs(1);
/// Steps that stand for a second, as decisions read no clock.
const STEPS_PER_SECOND: f64 = 20_000_000.0;

/// An expression that is no jq.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("jqPathExpressions {expression:?}{origin}: {source}")]
pub struct IgnoreError {
    /// As it is in the rule.
    pub expression: String,
    /// Whose rule it is.
    pub origin: Origin,
    /// What is wrong, at its place in `del(<expression>)`.
    #[source]
    pub source: Box<JqError>,
}

/// Whose rule it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The Application's.
    #[default]
    Application,
    /// The installation's, for these kinds.
    Installation(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => Ok(()),
            Self::Installation(key) => write!(f, " of resource.customizations.ignoreDifferences for {key}"),
        }
    }
}

/// One rule with its expressions compiled.
#[derive(Debug, Clone)]
struct Rule {
    rule: IgnoreDifferences,
    programs: Vec<Jq>,
    origin: Origin,
}

/// What does not count as a difference: rules with their expressions compiled, and what the installation says of
/// status, of aggregated roles and of fields of known types.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    rules: Vec<Rule>,
    limits: Limits,
    compare: CompareOptions,
    known: Vec<(String, KnownTypeField)>,
}

impl Ignored {
    /// Compiles rules of an Application; an expression may take about `timeout` on one object.
    ///
    /// # Errors
    /// An expression is no jq.
    pub fn compile(rules: &[IgnoreDifferences], timeout: Duration) -> Result<Self, IgnoreError> {
        let steps = (timeout.as_secs_f64() * STEPS_PER_SECOND) as u64;
        let mut ignored = Self { limits: Limits { steps, ..Limits::default() }, ..Self::default() };
        for rule in rules {
            ignored.add(rule.clone(), Origin::Application)?;
        }
        Ok(ignored)
    }

    /// Compiles rules of an Application and those of the installation.
    ///
    /// # Errors
    /// An expression is no jq.
    pub fn of(rules: &[IgnoreDifferences], settings: &Settings) -> Result<Self, IgnoreError> {
        let mut ignored = Self::compile(rules, settings.jq_timeout)?;
        ignored.compare = settings.compare;
        for (key, it) in &settings.overrides {
            if it.ignore_differences != IgnoreRule::default() {
                ignored.add_for(key, &it.ignore_differences)?;
            }
            ignored.known.extend(it.known_type_fields.iter().map(|field| (key.clone(), field.clone())));
        }
        Ok(ignored)
    }

    /// What does not count when a live object changes, by the installation's rules.
    ///
    /// # Errors
    /// An expression is no jq.
    pub fn updates(settings: &Settings) -> Result<Self, IgnoreError> {
        let mut ignored = Self::compile(&[], settings.jq_timeout)?;
        let differences = settings.compare.on_resource_updates;
        ignored.compare = CompareOptions { ignore_status: IgnoreStatus::None, ..settings.compare };
        if differences {
            ignored.compare.ignore_status = settings.compare.ignore_status;
        }
        for (key, it) in &settings.overrides {
            let rules = [Some(&it.ignore_resource_updates), Some(&it.ignore_differences).filter(|_| differences)];
            for rule in rules.into_iter().flatten().filter(|it| **it != IgnoreRule::default()) {
                ignored.add_for(key, rule)?;
            }
        }
        Ok(ignored)
    }

    /// Adds the installation's rule for kinds.
    fn add_for(&mut self, key: &str, rule: &IgnoreRule) -> Result<(), IgnoreError> {
        let (group, kind) = key.split_once('/').unwrap_or(("", key));
        let rule = IgnoreDifferences {
            group: group.to_owned(),
            kind: kind.to_owned(),
            json_pointers: rule.json_pointers.clone(),
            jq_path_expressions: rule.jq_path_expressions.clone(),
            managed_fields_managers: rule.managed_fields_managers.clone(),
            ..IgnoreDifferences::default()
        };
        self.add(rule, Origin::Installation(key.to_owned()))
    }

    fn add(&mut self, rule: IgnoreDifferences, origin: Origin) -> Result<(), IgnoreError> {
        let compiled = |expression: &String| {
            Jq::compile(&format!("del({expression})")).map_err(|error| IgnoreError {
                expression: expression.clone(),
                origin: origin.clone(),
                source: Box::new(error),
            })
        };
        let programs = rule.jq_path_expressions.iter().map(compiled).collect::<Result<_, _>>()?;
        self.rules.push(Rule { rule, programs, origin });
        Ok(())
    }

    /// Folds everything that verdicts hang on into a hash.
    pub fn fold(&self, hasher: &mut impl Hasher) {
        for it in &self.rules {
            let json = serde_json::to_value(&it.rule).unwrap_or_default();
            memo::value(&json, hasher);
        }
        self.limits.steps.hash(hasher);
        format!("{:?} {:?}", self.compare, self.known).hash(hasher);
    }

    /// Managers whose fields do not count for an object.
    #[must_use]
    pub fn managers<'a>(&'a self, live: &'a Object) -> Vec<&'a str> {
        self.about(live).flat_map(|it| &it.rule.managed_fields_managers).map(String::as_str).collect()
    }

    /// Every rule about an object, with whose it is.
    pub fn rules_about<'a>(&'a self, live: &'a Object) -> impl Iterator<Item = (&'a IgnoreDifferences, &'a Origin)> {
        self.about(live).map(|it| (&it.rule, &it.origin))
    }

    /// Brings a form of `live` into one spelling: rules of aggregated roles go where they are not compared, fields of known
    /// types are written as Kubernetes writes them.
    pub fn shape(&self, value: &mut Value, live: &Object) {
        if self.compare.ignore_aggregated_roles {
            normalize::aggregated(value);
        }
        let key = super::actions::config_key(live);
        let configured = self.known.iter().filter(|it| it.0 == key).map(|it| (it.1.field.as_str(), it.1.kind.as_str()));
        let mut any = false;
        for (field, kind) in configured {
            any = true;
            known_types::write(value, field, kind);
        }
        if !any && key == "argoproj.io/Rollout" {
            known_types::write(value, "spec.template.spec", "core/v1/PodSpec");
        }
    }

    /// Whether the status of an object is left out.
    fn leaves_status_out(&self, live: &Object) -> bool {
        match self.compare.ignore_status {
            IgnoreStatus::All => true,
            IgnoreStatus::Definitions => super::tracking::is_crd(live),
            IgnoreStatus::None => false,
        }
    }

    fn about<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|it| applies(&it.rule, object))
    }

    /// Removes from a form of `live` what its rules name.
    pub fn forget(&self, value: &mut Value, live: &Object) {
        if self.leaves_status_out(live)
            && let Some(map) = value.as_object_mut()
        {
            map.remove("status");
        }
        for Rule { rule, programs, .. } in self.about(live) {
            for pointer in &rule.json_pointers {
                // A path that is not there is no error: there is nothing to ignore.
                let _ = json_patch::apply(value, &json!([{"op": "remove", "path": pointer}]));
            }
            self.run(programs, value);
        }
    }

    /// Runs programs one after another, each on what the one before left.
    fn run(&self, programs: &[Jq], value: &mut Value) {
        for program in programs {
            // One object, or the rule does not fit.
            let (first, second) = {
                let mut run = program.run(value).limits(self.limits);
                (run.next(), run.next())
            };
            if let (Some(Ok(Value::Object(left))), None) = (first, second) {
                *value = Value::Object(left);
            }
        }
    }

    /// The target in which what is ignored is as in the live object (`RespectIgnoreDifferences=true`).
    #[must_use]
    pub fn respect(&self, target: &Object, live: &Object) -> Object {
        let mut target = target.clone();
        for Rule { rule, programs, .. } in self.about(live) {
            for pointer in rule.json_pointers.iter().filter(|it| !it.starts_with("/status")) {
                let operation = match live.pointer(pointer) {
                    Some(value) => json!([{"op": "add", "path": pointer, "value": value}]),
                    None => json!([{"op": "remove", "path": pointer}]),
                };
                // A path whose parent the target does not have is not the target's to write.
                let _ = json_patch::apply(target.value_mut(), &operation);
            }
            if !programs.is_empty() {
                self.keep(programs, &mut target, live);
            }
        }
        target
    }

    /// Takes out of the target what programs name, and puts in what they name in the live object.
    fn keep(&self, programs: &[Jq], target: &mut Object, live: &Object) {
        let bare = |object: &Object| {
            let mut value = object.value().clone();
            if let Some(map) = value.as_object_mut() {
                map.remove("status");
            }
            value
        };
        let (mut wanted, there) = (bare(target), bare(live));
        let mut rest = there.clone();
        self.run(programs, &mut wanted);
        self.run(programs, &mut rest);
        let kept = match diff::schema(live) {
            Some(schema) => {
                strategic::diff(&rest, &there, &schema).and_then(|patch| strategic::apply(&wanted, &patch, &schema))
            }
            None => {
                merge_patch::apply(&mut wanted, &merge_patch::diff(&rest, &there));
                Ok(wanted)
            }
        };
        // Lists that cannot be merged leave the target as it is; the comparison says what is wrong with them.
        if let Ok(kept) = kept {
            *target.value_mut() = kept;
        }
    }
}

/// Whether a rule is about an object: group and kind are globs, name and namespace exact.
#[must_use]
pub fn applies(rule: &IgnoreDifferences, object: &Object) -> bool {
    let gvk = object.gvk();
    glob(&rule.group, &gvk.group, false)
        && glob(&rule.kind, &gvk.kind, false)
        && (rule.name.is_empty() || rule.name == object.name())
        && (rule.namespace.is_empty() || Some(rule.namespace.as_str()) == object.namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "annotations": {"a/b": "1", "c": "2"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "main", "image": "m:1", "resources": {"limits": {"cpu": "1"}}},
                {"name": "proxy", "image": "p:1"}]}}}}))
    }

    fn rules(expressions: &[&str]) -> Ignored {
        let rule = IgnoreDifferences {
            group: "apps".into(),
            kind: "Deployment".into(),
            jq_path_expressions: expressions.iter().map(|it| (*it).to_owned()).collect(),
            ..Default::default()
        };
        Ignored::compile(&[rule], JQ_TIMEOUT).unwrap()
    }

    fn left(expressions: &[&str]) -> Value {
        let mut value = deployment().into_value();
        rules(expressions).forget(&mut value, &deployment());
        value
    }

    #[test]
    fn expressions_remove_what_they_select() {
        let containers = "/spec/template/spec/containers";
        let value = left(&[".spec.template.spec.containers[] | select(.name == \"proxy\")", ".spec.replicas"]);
        assert_eq!(value.pointer(containers).unwrap().as_array().unwrap().len(), 1);
        assert!(value.pointer("/spec/replicas").is_none());
        let value = left(&[".spec.template.spec.containers[].resources, .metadata.annotations.\"a/b\""]);
        assert!(value.pointer(&format!("{containers}/0/resources")).is_none());
        assert_eq!(value["metadata"]["annotations"], json!({"c": "2"}));
    }

    #[test]
    fn a_rule_that_fails_or_runs_away_leaves_the_object() {
        let whole = deployment().into_value();
        for expression in [
            ".spec.replicas.x",
            ".metadata.name[]",
            "1",
            ".",
            "error(\"x\")",
            ".nope",
            ".spec.nope[]?",
            "(def f: f; f)",
            "[limit(1e9; repeat(1))]",
        ] {
            let short = Ignored { limits: Limits { steps: 100_000, ..Limits::default() }, ..rules(&[expression]) };
            let mut value = whole.clone();
            short.forget(&mut value, &deployment());
            assert_eq!(value, whole, "{expression}");
        }
        // the next rule still counts
        assert!(left(&[".spec.replicas.x", ".spec.replicas"]).pointer("/spec/replicas").is_none());
    }

    #[test]
    fn what_is_no_jq_is_an_error_that_names_it() {
        let rule = IgnoreDifferences { jq_path_expressions: vec![".spec[".into()], ..Default::default() };
        let error = Ignored::compile(&[rule], JQ_TIMEOUT).unwrap_err();
        assert_eq!(error.to_string(), "jqPathExpressions \".spec[\": unexpected token \")\" (line 1, column 11)");
        let rule = IgnoreDifferences { jq_path_expressions: vec![".a | nope(1)".into()], ..Default::default() };
        let error = Ignored::compile(&[rule], JQ_TIMEOUT).unwrap_err();
        assert_eq!(error.source.message, "function not defined: nope/1");
    }

    #[test]
    fn respected_fields_are_those_of_the_live_object() {
        let mut live = deployment().into_value();
        live["spec"]["replicas"] = json!(9);
        live["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "4"}});
        let live = Object::from_value(live);
        let respected =
            rules(&[".spec.replicas", ".spec.template.spec.containers[].resources"]).respect(&deployment(), &live);
        assert_eq!(respected.value()["spec"]["replicas"], 9);
        let containers = &respected.value()["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["resources"]["limits"]["cpu"], "4");
        assert_eq!(containers[0]["image"], "m:1");
        assert_eq!(containers.as_array().unwrap().len(), 2);
        let custom = |value: Value| {
            Object::from_value(json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
                "spec": value}))
        };
        let rule = IgnoreDifferences {
            group: "*".into(),
            kind: "Thing".into(),
            jq_path_expressions: vec![".spec.a".into()],
            ..Default::default()
        };
        let ignored = Ignored::compile(&[rule], JQ_TIMEOUT).unwrap();
        let respected = ignored.respect(&custom(json!({"b": 1})), &custom(json!({"a": 7, "b": 2})));
        assert_eq!(respected.value()["spec"], json!({"a": 7, "b": 1}));
    }
}
