//! Why an object is out of sync: every field, what is wanted, what is there, who wrote it, and which rule would leave it
//! out of comparisons.

use std::fmt;

use argo_core::Object;
use argo_merge::structured::{FieldSet, PathElement};
use serde_json::Value;

use super::{
    compare::Managed,
    diff::{mask_annotations, mask_secrets},
    key::ResourceKey,
    settings::Settings,
};
use crate::api::{IgnoreDifferences, SyncState, names};

/// Most fields of one object that are told.
const MOST: usize = 200;

/// Why an object is out of sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The object.
    pub key: ResourceKey,
    /// Whether it is missing, too many, or different.
    pub cause: Cause,
    /// The fields that differ; none where the whole object does.
    pub fields: Vec<FieldDifference>,
}

/// What is wrong with an object as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is not in the cluster.
    Missing,
    /// It is no longer wanted.
    Extraneous,
    /// Fields differ.
    Different,
}

/// One field that differs. Values of Secrets are masked.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDifference {
    /// JSON pointer, as `ignoreDifferences` takes it.
    pub path: String,
    /// What a synchronisation would make of it; absent when the field would go.
    pub desired: Option<Value>,
    /// What is there; absent when the field is not.
    pub live: Option<Value>,
    /// The field manager that wrote it, where the object says.
    pub manager: Option<String>,
    /// Rules that would leave the field out: by its path, and by its manager if that is not this controller.
    pub rules: Vec<IgnoreDifferences>,
}

/// Why a managed object is out of sync; `None` when it is not.
#[must_use]
pub fn explain(managed: &Managed, settings: &Settings) -> Option<Explanation> {
    if managed.status.status != Some(SyncState::OutOfSync) {
        return None;
    }
    let whole = |cause| Some(Explanation { key: managed.key.clone(), cause, fields: Vec::new() });
    let (Some(_), Some(live)) = (&managed.target, managed.live.as_deref()) else {
        return whole(if managed.live.is_none() { Cause::Missing } else { Cause::Extraneous });
    };
    let (mut from, mut to) = (managed.diff.normalized_live.clone(), managed.diff.predicted_live.clone());
    mask_secrets(&mut [&mut from, &mut to], &settings.sensitive_annotations);
    mask_annotations(&mut [&mut from, &mut to], &settings.sensitive_annotations);
    let owners = owners(live);
    let fields = differences(&from, &to).into_iter().map(|(path, live_value, desired)| {
        let manager = owner_of(&owners, &path);
        FieldDifference { rules: rules(live, &path, manager.as_deref()), path, desired, live: live_value, manager }
    });
    Some(Explanation { key: managed.key.clone(), cause: Cause::Different, fields: fields.collect() })
}

/// The fields that differ between two objects: path, before, after. Lists of equal length are compared item by item.
#[must_use]
pub fn differences(from: &Value, to: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
    let mut found = Vec::new();
    walk(Some(from), Some(to), &mut String::new(), &mut found);
    found
}

fn walk(
    from: Option<&Value>,
    to: Option<&Value>,
    path: &mut String,
    found: &mut Vec<(String, Option<Value>, Option<Value>)>,
) {
    if from == to || found.len() >= MOST {
        return;
    }
    let length = path.len();
    let mut into = |key: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<_>| {
        path.push('/');
        path.push_str(&escape(key));
        walk(from, to, path, found);
        path.truncate(length);
    };
    match (from, to) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                into(key, Some(value), b.get(key), found);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                into(key, None, Some(value), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                into(&place.to_string(), Some(a), Some(b), found);
            }
        }
        _ => found.push((path.clone(), from.cloned(), to.cloned())),
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Pointers of the fields of a live object with the manager that wrote each.
fn owners(live: &Object) -> Vec<(String, String)> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut owners = Vec::new();
    for entry in entries.into_iter().flatten() {
        let Some(manager) = entry.get("manager").and_then(Value::as_str) else { continue };
        let fields = FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null));
        for path in fields.paths() {
            if let Some(pointer) = pointer(live.value(), &path) {
                owners.push((pointer, manager.to_owned()));
            }
        }
    }
    owners
}

/// Where a path of field ownership leads in an object.
fn pointer(value: &Value, path: &[PathElement]) -> Option<String> {
    let mut pointer = String::new();
    let mut place = value;
    for step in path {
        let key = match step {
            PathElement::Field(name) => name.clone(),
            PathElement::Index(at) => at.to_string(),
            PathElement::Value(wanted) => place.as_array()?.iter().position(|it| it == wanted)?.to_string(),
            PathElement::Key(keys) => {
                let fits = |it: &Value| keys.iter().all(|(key, wanted)| it.get(key) == Some(wanted));
                place.as_array()?.iter().position(fits)?.to_string()
            }
        };
        place = match place {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            other => other.get(&key)?,
        };
        pointer.push('/');
        pointer.push_str(&escape(&key));
    }
    Some(pointer)
}

/// The owner of the nearest field at or above a path, or else of one below it.
fn owner_of(owners: &[(String, String)], path: &str) -> Option<String> {
    let above = |it: &&(String, String)| path == it.0 || path.strip_prefix(&it.0).is_some_and(|it| it.starts_with('/'));
    let below = |it: &&(String, String)| it.0.strip_prefix(path).is_some_and(|it| it.starts_with('/'));
    let nearest = owners.iter().filter(above).max_by_key(|it| it.0.len());
    nearest.or_else(|| owners.iter().find(below)).map(|it| it.1.clone())
}

fn rules(live: &Object, path: &str, manager: Option<&str>) -> Vec<IgnoreDifferences> {
    let gvk = live.gvk();
    let about = IgnoreDifferences {
        group: gvk.group,
        kind: gvk.kind,
        name: live.name().to_owned(),
        namespace: live.namespace().unwrap_or_default().to_owned(),
        ..IgnoreDifferences::default()
    };
    let mut rules = vec![IgnoreDifferences { json_pointers: vec![path.to_owned()], ..about.clone() }];
    if let Some(manager) = manager.filter(|it| *it != names::FIELD_MANAGER) {
        rules.push(IgnoreDifferences { managed_fields_managers: vec![manager.to_owned()], ..about });
    }
    rules
}

/// A value on one line, short.
pub(crate) fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(none)".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Missing => write!(f, "{} is not in the cluster", self.key),
            Cause::Extraneous => write!(f, "{} is no longer wanted", self.key),
            Cause::Different => {
                write!(f, "{} differs:", self.key)?;
                for field in &self.fields {
                    let (live, desired) = (short(field.live.as_ref()), short(field.desired.as_ref()));
                    write!(f, "\n  {}: is {live}, should be {desired}", field.path)?;
                    if let Some(manager) = &field.manager {
                        write!(f, " (written by {manager})")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        api::ResourceStatus,
        engine::{diff::diff, ignored::Ignored},
    };

    fn managed(target: Option<Value>, live: Option<Value>) -> Managed {
        let (target, live) = (target.map(Object::from_value), live.map(Object::from_value));
        let diff = diff(target.as_ref(), live.as_ref(), &Ignored::default()).unwrap();
        let key = ResourceKey::of(target.as_ref().or(live.as_ref()).unwrap());
        let status = ResourceStatus { status: Some(SyncState::OutOfSync), ..ResourceStatus::default() };
        Managed { key, target, live: live.map(Arc::new), diff, status }
    }

    fn deployment(replicas: i64, image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "a", "image": image}]}}}})
    }

    #[test]
    fn every_field_says_who_wrote_it_and_which_rule_would_ignore_it() {
        let mut live = deployment(5, "a:2");
        live["metadata"]["managedFields"] = json!([
            {"manager": "autoscaler", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "argocd-controller", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers":
                {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}}}}}}}]);
        let told = explain(&managed(Some(deployment(2, "a:1")), Some(live)), &Settings::default()).unwrap();
        assert_eq!(told.cause, Cause::Different);
        let of = |path: &str| told.fields.iter().find(|it| it.path == path).unwrap();
        let replicas = of("/spec/replicas");
        assert_eq!((replicas.live.clone(), replicas.desired.clone()), (Some(json!(5)), Some(json!(2))));
        assert_eq!(replicas.manager.as_deref(), Some("autoscaler"));
        assert_eq!(replicas.rules[0].json_pointers, ["/spec/replicas"]);
        assert_eq!(replicas.rules[1].managed_fields_managers, ["autoscaler"]);
        let image = of("/spec/template/spec/containers/0/image");
        assert_eq!(image.manager.as_deref(), Some("argocd-controller"));
        assert_eq!(image.rules.len(), 1, "nobody ignores himself");
        assert!(told.to_string().contains("/spec/replicas: is 5, should be 2 (written by autoscaler)"), "{told}");
    }

    #[test]
    fn the_rule_that_is_named_ends_the_difference() {
        let pair = managed(Some(deployment(2, "a:1")), Some(deployment(5, "a:1")));
        let told = explain(&pair, &Settings::default()).unwrap();
        let rules: Vec<IgnoreDifferences> = told.fields.iter().map(|it| it.rules[0].clone()).collect();
        let ignored = Ignored::of(&rules, &Settings::default()).unwrap();
        let again = diff(pair.target.as_ref(), pair.live.as_deref(), &ignored).unwrap();
        assert!(!again.modified);
    }

    #[test]
    fn whole_objects_are_missing_or_too_many_and_secrets_stay_secret() {
        let settings = Settings::default();
        assert_eq!(explain(&managed(Some(deployment(1, "a")), None), &settings).unwrap().cause, Cause::Missing);
        assert_eq!(explain(&managed(None, Some(deployment(1, "a"))), &settings).unwrap().cause, Cause::Extraneous);
        let secret = |text: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": text}});
        let told = explain(&managed(Some(secret("aHVudGVyMg==")), Some(secret("b2xk"))), &settings).unwrap();
        let text = format!("{told} {told:?}");
        assert!(text.contains("/data/password") && !text.contains("aHVudGVyMg") && !text.contains("b2xk"), "{text}");
    }
}
