//! From templates to the spec of one run.

use std::collections::BTreeSet;

use argo_core::Object;

use crate::api::{
    AnalysisRunSpec, AnalysisTemplate, AnalysisTemplateRef, AnalysisTemplateSpec, Argument, DryRun,
    MeasurementRetention,
};

/// How deep templates may name templates.
const DEPTH: usize = 32;

/// Why templates do not make a run. The words are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A template is not there.
    #[error("{kind} '{name}' not found")]
    NotFound {
        /// `AnalysisTemplate` or `ClusterAnalysisTemplate`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A template does not decode.
    #[error("template '{name}' does not decode: {message}")]
    Undecodable {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Templates name each other too deeply.
    #[error("templates are nested too deeply at '{0}'")]
    TooDeep(String),
    /// A metric's name is there twice.
    #[error("two metrics have the same name '{0}'")]
    Metric(String),
    /// An argument has two values.
    #[error("Argument `{name}` specified multiple times with different values: '{first}', '{second}'")]
    Argument {
        /// The argument.
        name: String,
        /// One value.
        first: String,
        /// The other.
        second: String,
    },
    /// An argument has no value.
    #[error("args.{0} was not resolved")]
    Unresolved(String),
    /// A dry-run rule is there twice.
    #[error("two Dry-Run metric rules have the same name '{0}'")]
    DryRun(String),
    /// A retention rule is there twice.
    #[error("two Measurement Retention metric rules have the same name '{0}'")]
    Retention(String),
}

impl TemplateError {
    /// The template or name it is about.
    #[must_use]
    pub fn template(&self) -> String {
        match self {
            Self::NotFound { name, .. } | Self::Undecodable { name, .. } | Self::Argument { name, .. } => name.clone(),
            Self::TooDeep(it) | Self::Metric(it) | Self::Unresolved(it) | Self::DryRun(it) | Self::Retention(it) => {
                it.clone()
            }
        }
    }
}

impl argo_core::Failure for TemplateError {
    fn category(&self) -> argo_core::Category {
        match self {
            Self::NotFound { .. } => argo_core::Category::NotFound,
            _ => argo_core::Category::Invalid,
        }
    }
}

/// The templates that are named, with those that they name, each once: namespaced ones first, then
/// cluster-wide ones. `find` looks one up.
///
/// # Errors
/// When one is missing or does not decode.
pub fn collect(
    refs: &[AnalysisTemplateRef],
    find: &mut dyn FnMut(&AnalysisTemplateRef) -> Option<Object>,
) -> Result<Vec<AnalysisTemplateSpec>, TemplateError> {
    let (mut own, mut cluster) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    gather(refs, find, &mut seen, &mut own, &mut cluster, 0)?;
    own.append(&mut cluster);
    Ok(own)
}

fn gather(
    refs: &[AnalysisTemplateRef],
    find: &mut dyn FnMut(&AnalysisTemplateRef) -> Option<Object>,
    seen: &mut BTreeSet<(bool, String)>,
    own: &mut Vec<AnalysisTemplateSpec>,
    cluster: &mut Vec<AnalysisTemplateSpec>,
    depth: usize,
) -> Result<(), TemplateError> {
    for it in refs {
        if depth > DEPTH {
            return Err(TemplateError::TooDeep(it.template_name.clone()));
        }
        let kind = if it.cluster_scope { "ClusterAnalysisTemplate" } else { "AnalysisTemplate" };
        let object = find(it).ok_or_else(|| TemplateError::NotFound { kind, name: it.template_name.clone() })?;
        if !seen.insert((it.cluster_scope, it.template_name.clone())) {
            continue;
        }
        let template: AnalysisTemplate = object.decode().map_err(|error| TemplateError::Undecodable {
            name: it.template_name.clone(),
            message: error.source.to_string(),
        })?;
        let inner = template.spec.templates.clone();
        if it.cluster_scope {
            cluster.push(template.spec)
        } else {
            own.push(template.spec)
        }
        gather(&inner, find, seen, own, cluster, depth + 1)?;
    }
    Ok(())
}

/// The spec of a run over these templates: all metrics, and all arguments with the caller's values.
///
/// # Errors
/// When names clash or an argument has no value.
pub fn spec(
    templates: &[AnalysisTemplateSpec],
    args: &[Argument],
    dry_run: &[DryRun],
    retention: &[MeasurementRetention],
) -> Result<AnalysisRunSpec, TemplateError> {
    let mut spec =
        AnalysisRunSpec { dry_run: dry_run.to_vec(), measurement_retention: retention.to_vec(), ..Default::default() };
    let mut declared: Vec<Argument> = Vec::new();
    for template in templates {
        spec.metrics.extend(template.metrics.iter().cloned());
        spec.dry_run.extend(template.dry_run.iter().cloned());
        spec.measurement_retention.extend(template.measurement_retention.iter().cloned());
        for arg in &template.args {
            match declared.iter_mut().find(|it| it.name == arg.name) {
                None => declared.push(arg.clone()),
                Some(earlier) => match (&earlier.value, &arg.value) {
                    (Some(first), Some(second)) if first != second => {
                        return Err(TemplateError::Argument {
                            name: arg.name.clone(),
                            first: first.clone(),
                            second: second.clone(),
                        });
                    }
                    (None, _) => *earlier = arg.clone(),
                    _ => {}
                },
            }
        }
    }
    unique(spec.metrics.iter().map(|it| &it.name)).map_err(TemplateError::Metric)?;
    unique(spec.dry_run.iter().map(|it| &it.metric_name)).map_err(TemplateError::DryRun)?;
    unique(spec.measurement_retention.iter().map(|it| &it.metric_name)).map_err(TemplateError::Retention)?;
    spec.args = arguments(args, declared)?;
    Ok(spec)
}

/// The declared arguments with the caller's values; what the caller gives beyond them is left out.
fn arguments(given: &[Argument], declared: Vec<Argument>) -> Result<Vec<Argument>, TemplateError> {
    let mut merged = declared;
    for arg in &mut merged {
        if let Some(found) = given.iter().find(|it| it.name == arg.name) {
            if found.value.is_some() {
                arg.value.clone_from(&found.value);
                arg.value_from = None;
            } else if found.value_from.is_some() {
                arg.value_from.clone_from(&found.value_from);
                arg.value = None;
            }
        }
        if arg.value.is_none() && arg.value_from.is_none() {
            return Err(TemplateError::Unresolved(arg.name.clone()));
        }
    }
    Ok(merged)
}

fn unique<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(name.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(value: serde_json::Value) -> AnalysisTemplateSpec {
        serde_json::from_value(value).unwrap()
    }

    fn arg(name: &str, value: &str) -> Argument {
        Argument { name: name.into(), value: Some(value.into()), ..Default::default() }
    }

    #[test]
    fn metrics_join_and_arguments_are_one_set() {
        let a = template(json!({"metrics": [{"name": "x", "provider": {}}], "args": [{"name": "h"}]}));
        let b = template(json!({"metrics": [{"name": "y", "provider": {}}], "args": [{"name": "h", "value": "d"}]}));
        let both = spec(&[a.clone(), b.clone()], &[], &[], &[]).unwrap();
        assert_eq!(both.metrics.len(), 2);
        assert_eq!(both.args, [arg("h", "d")]);
        assert_eq!(
            spec(&[a.clone(), b], &[arg("h", "v"), arg("unknown", "")], &[], &[]).unwrap().args,
            [arg("h", "v")]
        );
        let error = spec(std::slice::from_ref(&a), &[], &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "args.h was not resolved");
        let error = spec(&[a.clone(), a], &[arg("h", "v")], &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "two metrics have the same name 'x'");
    }

    #[test]
    fn templates_that_name_each_other_end() {
        let named = |name: &str| AnalysisTemplateRef { template_name: name.into(), cluster_scope: false };
        let mut find = |it: &AnalysisTemplateRef| {
            let other = if it.template_name == "a" { "b" } else { "a" };
            (it.template_name != "c").then(|| {
                Object::from_value(
                    json!({"metadata": {"name": it.template_name}, "spec": {"templates": [{"templateName": other}]}}),
                )
            })
        };
        assert_eq!(collect(&[named("a")], &mut find).unwrap().len(), 2);
        let error = collect(&[named("c")], &mut find).unwrap_err();
        assert_eq!(error.to_string(), "AnalysisTemplate 'c' not found");
    }
}
