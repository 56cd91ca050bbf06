//! From `argocd-cm` and `argocd-cmd-params-cm` to [`Settings`].

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    CompareOptions, GlobalProject, IgnoreStatus, RespectRbac, Settings, TrackingMethod,
    overrides::{self, decode, or_default},
};
use crate::engine::selector::Selector;

/// A setting that can not be read. The default (or what stood before) holds in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} can not be read: {message}")]
pub struct SettingsFault {
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl SettingsFault {
    pub(super) fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }
}

/// A key's reader: takes the text, changes the settings.
type Read = fn(&mut Settings, &str) -> Result<(), String>;

/// Keys of `argocd-cm`. Others are another component's, or unknown: nothing is said about them.
const CONFIG: [(&str, Read); 18] = [
    ("application.instanceLabelKey", |it, text| keep(&mut it.tracking.label, text)),
    ("application.resourceTrackingMethod", |it, text| {
        it.tracking.method = TrackingMethod::parse(text)
            .ok_or_else(|| format!("'{text}' is none of annotation, annotation+label, label"))?;
        Ok(())
    }),
    ("installationID", |it, text| keep(&mut it.tracking.installation, text)),
    ("timeout.reconciliation", |it, text| duration(&mut it.reconciliation, text)),
    ("timeout.reconciliation.jitter", |it, text| duration(&mut it.jitter, text)),
    ("timeout.hard.reconciliation", |it, text| duration(&mut it.hard_reconciliation, text)),
    ("resource.compareoptions", |it, text| {
        it.compare = compare_options(text)?;
        Ok(())
    }),
    ("resource.exclusions", |it, text| {
        it.filter.exclusions = decode(text)?;
        Ok(())
    }),
    ("resource.inclusions", |it, text| {
        it.filter.inclusions = decode(text)?;
        Ok(())
    }),
    ("resource.respectRBAC", |it, text| {
        it.respect_rbac = match text {
            "" => RespectRbac::Off,
            "normal" => RespectRbac::Normal,
            "strict" => RespectRbac::Strict,
            _ => return Err(format!("'{text}' is none of normal, strict")),
        };
        Ok(())
    }),
    ("resource.ignoreResourceUpdatesEnabled", |it, text| flag(&mut it.ignore_resource_updates, text)),
    ("resource.sensitive.mask.annotations", |it, text| list(&mut it.sensitive_annotations, text)),
    ("resource.customLabels", |it, text| list(&mut it.custom_labels, text)),
    ("application.allowedNodeLabels", |it, text| list(&mut it.node_labels, text)),
    // What is not exactly this word is the default, as upstream reads it.
    ("cluster.inClusterEnabled", |it, text| set(&mut it.in_cluster, text != "false")),
    ("application.sync.impersonation.enabled", |it, text| set(&mut it.impersonation, text == "true")),
    ("application.sync.impersonation.enforced", |it, text| set(&mut it.impersonation_enforced, text != "false")),
    ("globalProjects", |it, text| {
        let all: Vec<Global> = decode(text)?;
        let project = |it: Global| GlobalProject { project: it.project_name, selector: it.label_selector };
        it.global_projects = all.into_iter().map(project).collect();
        Ok(())
    }),
];

/// Keys of `argocd-cmd-params-cm`.
const PARAMS: [(&str, Read); 12] = [
    ("application.namespaces", |it, text| list(&mut it.application_namespaces, text)),
    ("controller.diff.server.side", |it, text| flag(&mut it.server_side_diff, text)),
    ("controller.resource.health.persist", |it, text| flag(&mut it.persist_health, text)),
    ("controller.sync.timeout.seconds", |it, text| seconds(&mut it.sync_timeout, text)),
    ("controller.sync.wave.delay.seconds", |it, text| seconds(&mut it.wave_delay, text)),
    ("controller.self.heal.timeout.seconds", |it, text| seconds(&mut it.self_heal.first, text)),
    ("controller.self.heal.backoff.timeout.seconds", |it, text| seconds(&mut it.self_heal.base, text)),
    ("controller.self.heal.backoff.cap.seconds", |it, text| seconds(&mut it.self_heal.cap, text)),
    ("controller.self.heal.backoff.factor", |it, text| {
        it.self_heal.factor = f64::from(number(text)?.min(1 << 20));
        Ok(())
    }),
    ("controller.repo.error.grace.period.seconds", |it, text| seconds(&mut it.repository_grace, text)),
    ("controller.kubectl.parallelism.limit", |it, text| {
        it.parallelism = usize::try_from(number(text)?).unwrap_or(usize::MAX);
        Ok(())
    }),
    ("controller.ignore.normalizer.jq.timeout", |it, text| {
        let default = it.jq_timeout;
        duration(&mut it.jq_timeout, text)?;
        if it.jq_timeout.is_zero() {
            it.jq_timeout = default;
        }
        Ok(())
    }),
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Global {
    project_name: String,
    #[serde(deserialize_with = "or_default")]
    label_selector: Selector,
}

impl Settings {
    /// With what `argocd-cm` says. Keys that are absent or empty leave what stands; keys that can not be read do too,
    /// and are returned.
    #[must_use]
    pub fn with_config(mut self, data: &BTreeMap<String, String>) -> (Self, Vec<SettingsFault>) {
        let mut faults = Vec::new();
        self.read(&CONFIG, data, &mut faults);
        self.overrides = overrides::read(data, &mut faults);
        (self, faults)
    }

    /// With what `argocd-cmd-params-cm` says.
    #[must_use]
    pub fn with_params(mut self, data: &BTreeMap<String, String>) -> (Self, Vec<SettingsFault>) {
        let mut faults = Vec::new();
        self.read(&PARAMS, data, &mut faults);
        (self, faults)
    }

    fn read(&mut self, keys: &[(&str, Read)], data: &BTreeMap<String, String>, faults: &mut Vec<SettingsFault>) {
        for (key, read) in keys {
            if let Some(text) = data.get(*key).map(|it| it.trim()).filter(|it| !it.is_empty())
                && let Err(message) = read(self, text)
            {
                faults.push(SettingsFault::new(key, message));
            }
        }
    }

    /// Whether an Application in this namespace is this controller's.
    #[must_use]
    pub fn is_application_namespace(&self, namespace: &str) -> bool {
        namespace == self.namespace
            || self.application_namespaces.iter().any(|it| crate::engine::project::glob_or_regex(it, namespace))
    }
}

fn keep(place: &mut String, text: &str) -> Result<(), String> {
    text.clone_into(place);
    Ok(())
}

fn set(place: &mut bool, value: bool) -> Result<(), String> {
    *place = value;
    Ok(())
}

fn flag(place: &mut bool, text: &str) -> Result<(), String> {
    *place = boolean(text)?;
    Ok(())
}

/// As Go's `strconv.ParseBool`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

fn list(place: &mut Vec<String>, text: &str) -> Result<(), String> {
    *place = text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    Ok(())
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is no whole number from 0"))
}

fn seconds(place: &mut Duration, text: &str) -> Result<(), String> {
    *place = Duration::from_secs(number(text)?.into());
    Ok(())
}

/// A Go duration, or a number of days (`2d`).
fn duration(place: &mut Duration, text: &str) -> Result<(), String> {
    if let Some(days) = text.strip_suffix('d').and_then(|it| it.parse::<u32>().ok()) {
        *place = Duration::from_secs(u64::from(days) * 86_400);
        return Ok(());
    }
    let parsed = argo_lang::duration::parse(text).map_err(|it| it.to_string())?;
    *place = Duration::try_from(parsed).map_err(|_| format!("'{text}' is negative"))?;
    Ok(())
}

fn compare_options(text: &str) -> Result<CompareOptions, String> {
    let value: BTreeMap<String, Value> = decode(text)?;
    let mut options = CompareOptions::default();
    let flag = |key: &str, default: bool| match value.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(it)) => Ok(*it),
        Some(other) => Err(format!("{key} is {other}, which is neither true nor false")),
    };
    options.ignore_aggregated_roles = flag("ignoreAggregatedRoles", false)?;
    options.on_resource_updates = flag("ignoreDifferencesOnResourceUpdates", true)?;
    options.ignore_status = match value.get("ignoreResourceStatusField") {
        Some(Value::String(it)) if it == "crd" => IgnoreStatus::Definitions,
        Some(Value::String(it)) if matches!(it.as_str(), "none" | "off" | "false") => IgnoreStatus::None,
        // What was written without quotes.
        Some(Value::Bool(false)) => IgnoreStatus::None,
        _ => IgnoreStatus::All,
    };
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tracking::Tracking;

    fn data(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_of_upstream_are_read_and_unknown_ones_tolerated() {
        let (settings, faults) = Settings::default().with_config(&data(&[
            ("application.instanceLabelKey", "team/app"),
            ("application.resourceTrackingMethod", "annotation+label"),
            ("installationID", "one"),
            ("timeout.reconciliation", "180s"),
            ("timeout.hard.reconciliation", "1d"),
            ("timeout.reconciliation.jitter", "0"),
            ("resource.compareoptions", "ignoreAggregatedRoles: true\nignoreResourceStatusField: off\n"),
            ("resource.exclusions", "- apiGroups: [cilium.io]\n  kinds:\n  clusters: ['*']\n"),
            ("resource.respectRBAC", "strict"),
            ("resource.customLabels", "tier, team"),
            ("cluster.inClusterEnabled", "false"),
            ("application.sync.impersonation.enabled", "true"),
            ("globalProjects", "- projectName: base\n  labelSelector:\n    matchLabels: {opt: in}\n"),
            ("url", "https://argocd.example.com"),
            ("something.new", "x"),
        ]));
        assert_eq!(faults, []);
        let tracking = &settings.tracking;
        assert_eq!((tracking.label.as_str(), tracking.installation.as_str()), ("team/app", "one"));
        assert_eq!(tracking.method, TrackingMethod::AnnotationAndLabel);
        assert_eq!((settings.reconciliation.as_secs(), settings.hard_reconciliation.as_secs()), (180, 86_400));
        assert!(settings.jitter.is_zero() && settings.compare.ignore_aggregated_roles);
        assert_eq!(settings.compare.ignore_status, IgnoreStatus::None, "YAML reads off as false");
        assert_eq!(settings.filter.exclusions[0].api_groups, ["cilium.io"]);
        assert_eq!(settings.custom_labels, ["tier", "team"]);
        assert!(!settings.in_cluster && settings.impersonation && settings.impersonation_enforced);
        assert_eq!(settings.global_projects[0].project, "base");
        assert!(settings.global_projects[0].selector.matches(&data(&[("opt", "in")])));
    }

    #[test]
    fn parameters_are_read_as_the_controllers_flags_are() {
        let (settings, faults) = Settings::default().with_params(&data(&[
            ("application.namespaces", "team-*, /^app-[0-9]+$/"),
            ("controller.diff.server.side", "true"),
            ("controller.resource.health.persist", "false"),
            ("controller.sync.timeout.seconds", "60"),
            ("controller.self.heal.backoff.factor", "2"),
            ("controller.self.heal.backoff.cap.seconds", "30"),
            ("controller.log.level", "debug"),
        ]));
        assert_eq!(faults, []);
        assert!(settings.server_side_diff && !settings.persist_health);
        assert_eq!(settings.sync_timeout.as_secs(), 60);
        assert_eq!(settings.self_heal.wait(9).as_secs(), 30);
        let ours = |it: &str| settings.is_application_namespace(it);
        assert!(ours("argocd") && ours("team-a") && ours("app-12"));
        assert!(!ours("app-x") && !ours("other"));
    }

    #[test]
    fn what_can_not_be_read_is_said_and_leaves_the_default() {
        let (settings, faults) = Settings::default().with_config(&data(&[
            ("timeout.reconciliation", "soon"),
            ("application.resourceTrackingMethod", "stars"),
            ("resource.exclusions", "- ["),
            ("resource.compareoptions", "ignoreAggregatedRoles: perhaps"),
            ("installationID", "kept"),
        ]));
        let keys: Vec<&str> = faults.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "application.resourceTrackingMethod",
                "timeout.reconciliation",
                "resource.compareoptions",
                "resource.exclusions"
            ]
        );
        assert_eq!(settings.tracking.installation, "kept");
        assert_eq!(Settings { tracking: Tracking::default(), ..settings }, Settings::default());
        assert!(faults[0].to_string().starts_with("application.resourceTrackingMethod can not be read: 'stars'"));
    }
}
