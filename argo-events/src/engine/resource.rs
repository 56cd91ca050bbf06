//! Whether a change of a Kubernetes object is an event.

use argo_core::{Object, Timestamp};
use regex::Regex;
use serde_json::{Value, json};

use super::json_path;
use crate::api::{ResourceConfig, Selector};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// It is new.
    Add,
    /// It changed.
    Update,
    /// It is gone.
    Delete,
}

impl Happening {
    /// As the payload and `eventTypes` spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A compiled configuration.
#[derive(Debug, Clone)]
pub struct Watch {
    config: ResourceConfig,
    fields: Vec<(String, bool, Regex)>,
    started: Timestamp,
}

impl Watch {
    /// Compiles a configuration; `started` is when the source started.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn compile(config: &ResourceConfig, started: Timestamp) -> Result<Self, String> {
        if config.version.is_empty() || config.resource.is_empty() {
            return Err("version and resource must be specified".to_owned());
        }
        if let Some(other) = config.event_types.iter().find(|it| !["ADD", "UPDATE", "DELETE"].contains(&it.as_str())) {
            return Err(format!("event type {other:?} is none of ADD, UPDATE, DELETE"));
        }
        let filter = config.filter.clone().unwrap_or_default();
        let fields = filter.fields.iter().map(field).collect::<Result<_, _>>()?;
        selector(&filter.labels)?;
        Ok(Self { config: config.clone(), fields, started })
    }

    /// The label selector for the server; `None` for all.
    #[must_use]
    pub fn label_selector(&self) -> Option<String> {
        let filter = self.config.filter.as_ref()?;
        selector(&filter.labels).ok().filter(|it| !it.is_empty())
    }

    /// Whether it is an event. `now` stands in for a deletion time that the object does not tell.
    #[must_use]
    pub fn wants(&self, what: Happening, old: Option<&Object>, new: &Object, now: Timestamp) -> bool {
        let types = &self.config.event_types;
        if !types.is_empty() && !types.iter().any(|it| it == what.as_str()) {
            return false;
        }
        if what == Happening::Update && old.is_some_and(|it| it.resource_version() == new.resource_version()) {
            return false;
        }
        let Some(filter) = &self.config.filter else {
            return true;
        };
        if !new.name().starts_with(&filter.prefix) {
            return false;
        }
        if filter.after_start && self.at(what, new, now) < self.started {
            return false;
        }
        if let Some(limit) = filter.created_by
            && new.created_at().is_some_and(|it| it > limit.timestamp())
        {
            return false;
        }
        if self.fields.is_empty() {
            return true;
        }
        let json = new.value().to_string();
        self.fields.iter().all(|(path, equal, pattern)| match json_path::get(&json, path) {
            Ok(Some(found)) => pattern.is_match(&found.text()) == *equal,
            _ => false,
        })
    }

    fn at(&self, what: Happening, object: &Object, now: Timestamp) -> Timestamp {
        let started = argo_core::time::rfc3339(self.started).parse().unwrap_or(self.started);
        let at = match what {
            // Kubernetes keeps whole seconds: what was made in the second of the start counts.
            Happening::Add => object.created_at().map(|it| if it == started { self.started } else { it }),
            // managedFields are not kept; an update that arrives after the first list is after the start.
            Happening::Update => Some(now),
            Happening::Delete => argo_core::time::parse(object.text("/metadata/deletionTimestamp")).ok(),
        };
        at.unwrap_or(now)
    }

    /// The event's payload.
    #[must_use]
    pub fn payload(&self, what: Happening, old: Option<&Object>, new: &Object) -> Value {
        let old = old.filter(|_| what == Happening::Update).map(Object::value);
        let mut payload = json!({
            "type": what.as_str(), "body": new.value(), "oldBody": old,
            "group": self.config.group, "version": self.config.version, "resource": self.config.resource,
        });
        if !self.config.metadata.is_empty() {
            payload["metadata"] = json!(self.config.metadata);
        }
        payload
    }
}

fn field(selector: &Selector) -> Result<(String, bool, Regex), String> {
    let equal = match selector.operation.as_str() {
        // Documented as the default; upstream's code rejects everything then.
        "" | "=" | "==" => true,
        "!=" => false,
        other => return Err(format!("field {:?}: operation {other:?} is none of =, ==, !=", selector.key)),
    };
    let pattern = regex::RegexBuilder::new(&selector.value).size_limit(1 << 20).build();
    Ok((selector.key.clone(), equal, pattern.map_err(|it| format!("field {:?}: {it}", selector.key))?))
}

fn selector(labels: &[Selector]) -> Result<String, String> {
    let parts = labels.iter().map(|it| {
        let (key, value) = (&it.key, &it.value);
        let list = || value.split(',').map(str::trim).collect::<Vec<_>>().join(",");
        Ok(match it.operation.as_str() {
            "" | "=" | "==" => format!("{key}={value}"),
            "!=" => format!("{key}!={value}"),
            "in" => format!("{key} in ({})", list()),
            "notin" => format!("{key} notin ({})", list()),
            "exists" => key.clone(),
            "!" => format!("!{key}"),
            "gt" | ">" => format!("{key}>{value}"),
            "lt" | "<" => format!("{key}<{value}"),
            other => return Err(format!("label {key:?}: unknown operation {other:?}")),
        })
    });
    Ok(parts.collect::<Result<Vec<_>, String>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Timestamp {
        "2026-01-01T00:00:00.500Z".parse().unwrap()
    }

    fn watch(filter: Value) -> Watch {
        let config = json!({"version": "v1", "resource": "pods", "filter": filter, "metadata": {"k": "v"}});
        Watch::compile(&serde_json::from_value(config).unwrap(), started()).unwrap()
    }

    fn pod(name: &str, created: &str) -> Object {
        Object::from_value(json!({"metadata": {"name": name, "creationTimestamp": created, "resourceVersion": "1"},
            "status": {"phase": "Failed", "restarts": 3}}))
    }

    #[test]
    fn filters_look_at_name_time_and_fields() {
        let old = pod("web-1", "2025-12-31T00:00:00Z");
        let new = pod("web-2", "2026-01-01T00:00:00Z");
        let wants = |filter: Value, object: &Object| watch(filter).wants(Happening::Add, None, object, started());
        assert!(wants(json!({"prefix": "web-"}), &old));
        assert!(!wants(json!({"prefix": "db-"}), &old));
        assert!(!wants(json!({"afterStart": true}), &old));
        assert!(wants(json!({"afterStart": true}), &new));
        assert!(wants(json!({"createdBy": "2025-12-31T00:00:00Z"}), &old));
        assert!(!wants(json!({"createdBy": "2025-12-31T00:00:00Z"}), &new));
        let field = |op: &str, path: &str, value: &str| {
            wants(json!({"fields": [{"key": path, "operation": op, "value": value}]}), &old)
        };
        assert!(field("", "status.phase", "Failed|Error"));
        assert!(field("==", "status.restarts", "^3$"));
        assert!(!field("!=", "status.phase", "Failed"));
        assert!(!field("", "status.nope", ".*"));
    }

    #[test]
    fn an_update_needs_a_new_version_and_carries_the_old_body() {
        let watch = watch(json!({}));
        let old = pod("a", "2026-01-01T00:00:00Z");
        let mut new = old.clone();
        assert!(!watch.wants(Happening::Update, Some(&old), &new, started()));
        new.set(&["metadata", "resourceVersion"], "2");
        assert!(watch.wants(Happening::Update, Some(&old), &new, started()));
        let payload = watch.payload(Happening::Update, Some(&old), &new);
        assert_eq!(payload["oldBody"]["metadata"]["resourceVersion"], "1");
        assert_eq!(payload["metadata"], json!({"k": "v"}));
        assert_eq!(watch.payload(Happening::Delete, Some(&old), &new)["oldBody"], Value::Null);
    }

    #[test]
    fn labels_become_a_selector() {
        let labels = json!({"labels": [{"key": "app", "value": "x"}, {"key": "tier", "operation": "in", "value": "a, b"},
            {"key": "z", "operation": "exists", "value": ""}]});
        assert_eq!(watch(labels).label_selector().unwrap(), "app=x,tier in (a,b),z");
        assert_eq!(watch(json!({})).label_selector(), None);
    }
}
