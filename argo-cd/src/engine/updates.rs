//! Changes of live objects that bring no Application up (`ignoreResourceUpdates`).

use argo_core::{Object, Timestamp};
use serde_json::Value;

use super::{
    health,
    ignored::{IgnoreError, Ignored},
    settings::Settings,
};
use crate::api::names;

/// Which changes of live objects count.
#[derive(Debug, Clone)]
pub struct Updates {
    /// Absent when every change counts.
    ignored: Option<Ignored>,
    settings: Settings,
}

impl Updates {
    /// As the installation says: `resource.ignoreResourceUpdatesEnabled`, the kinds' `ignoreResourceUpdates`, and what does
    /// not count as a difference either, unless `ignoreDifferencesOnResourceUpdates` is off.
    ///
    /// # Errors
    /// An expression is no jq.
    pub fn of(settings: &Settings) -> Result<Self, IgnoreError> {
        let ignored = settings.ignore_resource_updates.then(|| Ignored::updates(settings)).transpose()?;
        Ok(Self { ignored, settings: settings.clone() })
    }

    /// Under which every change counts.
    #[must_use]
    pub fn all(settings: &Settings) -> Self {
        Self { ignored: None, settings: settings.clone() }
    }

    /// Whether a change does not count: of a root of an Application, of an Application, or of an object that asks for it;
    /// with the same health before and after; of nothing but fields that are ignored.
    #[must_use]
    pub fn ignore(&self, old: &Object, new: &Object, now: Timestamp) -> bool {
        let Some(ignored) = self.ignored.as_ref().filter(|_| self.is_watched(old) && self.is_watched(new)) else {
            return false;
        };
        let health = |it: &Object| health::of(it, &self.settings, now).map(|it| it.status);
        bare(ignored, old) == bare(ignored, new) && health(old) == health(new)
    }

    fn is_watched(&self, object: &Object) -> bool {
        self.settings.tracking.root_of(object).is_some()
            || (object.text("/kind") == "Application" && object.gvk().group == "argoproj.io")
            || matches!(
                object.annotation(names::IGNORE_RESOURCE_UPDATES),
                Some("1" | "t" | "T" | "true" | "TRUE" | "True")
            )
    }
}

fn bare(ignored: &Ignored, object: &Object) -> Value {
    let mut value = object.value().clone();
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "generation", "managedFields"] {
            meta.remove(field);
        }
    }
    ignored.forget(&mut value, object);
    value
}

impl Default for Updates {
    fn default() -> Self {
        Self::all(&Settings::default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn updates(config: &[(&str, &str)]) -> Updates {
        let data: BTreeMap<String, String> =
            config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (settings, faults) = Settings::default().with_config(&data);
        assert_eq!(faults, []);
        Updates::of(&settings).unwrap()
    }

    fn deployment(version: &str, spec: Value, status: Value) -> Object {
        let mut object = Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "resourceVersion": version}, "spec": spec, "status": status}));
        Settings::default().tracking.track(&mut object, "shop", "n").unwrap();
        object
    }

    fn ignores(config: &[(&str, &str)], old: &Object, new: &Object) -> bool {
        updates(config).ignore(old, new, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn status_without_a_change_of_health_does_not_count() {
        let status = |seen: i64, ready: i64| json!({"observedGeneration": seen, "replicas": 1, "updatedReplicas": 1, "availableReplicas": ready});
        let old = deployment("1", json!({"replicas": 1}), status(1, 1));
        let seen = deployment("2", json!({"replicas": 1}), status(2, 1));
        let down = deployment("2", json!({"replicas": 1}), status(1, 0));
        let scaled = deployment("2", json!({"replicas": 2}), status(1, 1));
        assert!(ignores(&[], &old, &seen));
        assert!(!ignores(&[], &old, &down), "the health is another");
        assert!(!ignores(&[], &old, &scaled));
        assert!(!ignores(&[("resource.ignoreResourceUpdatesEnabled", "false")], &old, &seen));
        let apart = ("resource.compareoptions", "ignoreDifferencesOnResourceUpdates: false");
        assert!(!ignores(&[apart], &old, &seen), "only what is ignored for updates counts then");
        let status = ("resource.customizations.ignoreResourceUpdates.all", "jsonPointers: [/status]");
        assert!(ignores(&[apart, status], &old, &seen));
    }

    #[test]
    fn rules_are_of_their_kinds() {
        let old = deployment("1", json!({"replicas": 1}), json!({}));
        let new = deployment("2", json!({"replicas": 2}), json!({}));
        let rule = "jqPathExpressions: [.spec.replicas]";
        assert!(ignores(&[("resource.customizations.ignoreResourceUpdates.apps_Deployment", rule)], &old, &new));
        assert!(ignores(&[("resource.customizations.ignoreDifferences.apps_Deployment", rule)], &old, &new));
        assert!(!ignores(&[("resource.customizations.ignoreResourceUpdates.apps_StatefulSet", rule)], &old, &new));
    }

    #[test]
    fn parts_count_unless_they_ask_not_to() {
        let pod = |version: &str, asks: bool| {
            let mut it = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "p", "resourceVersion": version}, "status": {"seen": version}}));
            if asks {
                it.set_annotation(names::IGNORE_RESOURCE_UPDATES, "true");
            }
            it
        };
        assert!(!ignores(&[], &pod("1", false), &pod("2", false)));
        assert!(ignores(&[], &pod("1", true), &pod("2", true)));
        assert!(!ignores(&[], &pod("1", false), &pod("2", true)));
    }

    #[test]
    fn what_is_no_jq_is_said() {
        let mut settings = Settings::default();
        let broken = crate::engine::settings::IgnoreRule {
            jq_path_expressions: vec![".spec[".to_owned()],
            ..Default::default()
        };
        let rule = crate::engine::settings::Override { ignore_resource_updates: broken, ..Default::default() };
        settings.overrides.insert("apps/Deployment".to_owned(), rule);
        assert!(Updates::of(&settings).unwrap_err().to_string().contains("apps/Deployment"));
    }
}
