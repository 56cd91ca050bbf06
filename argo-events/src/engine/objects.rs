//! Which change of the cluster a `k8s` or `argoWorkflow` trigger makes.

use argo_core::{Object, Timestamp};
use serde_json::{Value, json};

use super::firing::Firing;
use crate::api::{ANNOTATION_FIRING, LABEL_ACTION_TIMESTAMP, LABEL_SENSOR, LABEL_TRIGGER};

/// Makes an object ready to be created by a firing: the Sensor's namespace unless it has one, the
/// labels that upstream's UI lists by, and a name.
///
/// `generateName` becomes a name here rather than in the API server, made from the events: when the
/// same events are delivered again, the same name comes out and the API server refuses the second
/// object ([`is_own`] then tells that the first is ours).
#[must_use]
pub fn prepare_create(mut object: Object, firing: &Firing, now: Timestamp) -> Object {
    if object.namespace().is_none() {
        object.set(&["metadata", "namespace"], firing.namespace.clone());
    }
    object.set_label(LABEL_SENSOR, firing.sensor.clone());
    object.set_label(LABEL_TRIGGER, firing.trigger.clone());
    object.set_label(LABEL_ACTION_TIMESTAMP, now.as_millisecond().to_string());
    object.set_annotation(ANNOTATION_FIRING, firing.id());
    if object.name().is_empty() {
        let prefix = object.text("/metadata/generateName").to_owned();
        if !prefix.is_empty() {
            object.set(&["metadata", "name"], generated(&prefix, &firing.name_suffix()));
        }
    }
    object
}

/// Whether an object that exists already was made by this very firing.
#[must_use]
pub fn is_own(found: &Object, firing: &Firing) -> bool {
    found.annotation(ANNOTATION_FIRING) == Some(firing.id().as_str())
}

/// Prefix and suffix within the 63 characters of a name.
fn generated(prefix: &str, suffix: &str) -> String {
    let room = 63 - suffix.len();
    let end = (0..=prefix.len().min(room)).rev().find(|it| prefix.is_char_boundary(*it)).unwrap_or_default();
    format!("{}{suffix}", &prefix[..end])
}

/// What is in the cluster with `source` merged in: what is not empty there replaces, lists as a whole.
#[must_use]
pub fn merged(live: &Object, source: &Object) -> Object {
    let mut value = live.value().clone();
    merge(&mut value, source.value());
    let mut merged = Object::from_value(value);
    // The name of the thing is not up for change.
    for field in ["uid", "resourceVersion", "name", "namespace"] {
        if let Some(kept) = live.pointer(&format!("/metadata/{field}")) {
            merged.set(&["metadata", field], kept.clone());
        }
    }
    merged
}

fn merge(target: &mut Value, source: &Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (target, source) => {
            let empty = match source {
                Value::Null => true,
                Value::Bool(it) => !it,
                Value::Number(it) => it.as_f64() == Some(0.0),
                Value::String(it) => it.is_empty(),
                Value::Array(it) => it.is_empty(),
                Value::Object(it) => it.is_empty(),
            };
            if !empty || target.is_null() {
                *target = source.clone();
            }
        }
    }
}

/// What `argo submit`'s arguments do to a workflow.
///
/// # Errors
/// Names the argument that is not known.
pub fn submit_args(workflow: &mut Object, args: &[String]) -> Result<(), String> {
    let mut args = args.iter().map(String::as_str);
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (arg, None),
        };
        let mut value = || inline.or_else(|| args.next()).ok_or_else(|| format!("argument {flag} needs a value"));
        match flag {
            "--wait" | "-w" | "--watch" | "--log" => {}
            "-p" | "--parameter" => {
                let text = value()?;
                let (name, value) =
                    text.split_once('=').ok_or_else(|| format!("parameter {text:?} is not name=value"))?;
                set_parameter(workflow, name, value);
            }
            "--name" => workflow.set(&["metadata", "name"], value()?),
            "--generate-name" => {
                workflow.set(&["metadata", "generateName"], value()?);
                workflow.remove(&["metadata", "name"]);
            }
            "-l" | "--labels" => {
                let text = value()?;
                for pair in text.split(',') {
                    let (key, value) =
                        pair.split_once('=').ok_or_else(|| format!("label {pair:?} is not key=value"))?;
                    workflow.set_label(key, value);
                }
            }
            "--serviceaccount" => workflow.set(&["spec", "serviceAccountName"], value()?),
            "--entrypoint" => workflow.set(&["spec", "entrypoint"], value()?),
            "--priority" => {
                let text = value()?;
                let priority: i32 = text.parse().map_err(|_| format!("priority {text:?} is not a number"))?;
                workflow.set(&["spec", "priority"], priority);
            }
            other => return Err(format!("argument {other:?} is not supported")),
        }
    }
    Ok(())
}

fn set_parameter(workflow: &mut Object, name: &str, value: &str) {
    let mut list =
        workflow.pointer("/spec/arguments/parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    match list.iter_mut().find(|it| it["name"] == name) {
        Some(found) => {
            found["value"] = value.into();
            if let Some(map) = found.as_object_mut() {
                map.remove("valueFrom");
            }
        }
        None => list.push(json!({"name": name, "value": value})),
    }
    workflow.set(&["spec", "arguments", "parameters"], Value::Array(list));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Event, engine::firing::Events};

    fn firing() -> Firing {
        let event = Event::new("1", "s", "e", "webhook", Timestamp::UNIX_EPOCH, &json!({}));
        Firing {
            namespace: "ns".into(),
            sensor: "sn".into(),
            trigger: "tr".into(),
            events: Events::from([("d".into(), event)]),
        }
    }

    fn object(json: Value) -> Object {
        Object::from_value(json)
    }

    #[test]
    fn generated_names_are_the_same_for_the_same_events() {
        let source = object(json!({"metadata": {"generateName": "build-"}}));
        let now: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
        let first = prepare_create(source.clone(), &firing(), now);
        let again = prepare_create(source, &firing(), argo_core::time::after(now, std::time::Duration::from_secs(9)));
        assert_eq!(first.name(), again.name());
        assert!(first.name().starts_with("build-") && first.name().len() == 16, "{}", first.name());
        assert_eq!(first.namespace(), Some("ns"));
        assert_eq!(first.label(LABEL_SENSOR), Some("sn"));
        assert_eq!(first.label(LABEL_TRIGGER), Some("tr"));
        assert_eq!(first.label(LABEL_ACTION_TIMESTAMP), Some("1767225600123"));
        assert!(is_own(&again, &firing()));
        let mut other = firing();
        other.trigger = "another".into();
        assert!(!is_own(&first, &other));
        assert_eq!(generated(&"x".repeat(80), "0123456789").len(), 63);
    }

    #[test]
    fn merging_replaces_what_is_not_empty() {
        let live = object(
            json!({"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"n": 1, "list": [1, 2], "keep": true}}),
        );
        let source = object(
            json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"n": 2, "list": [3], "keep": false, "new": ""}}),
        );
        assert_eq!(
            *merged(&live, &source).value(),
            json!({"metadata": {"name": "a", "resourceVersion": "5", "labels": {"x": "y"}},
                "spec": {"n": 2, "list": [3], "keep": true, "new": ""}})
        );
    }

    #[test]
    fn arguments_of_the_command_are_honoured() {
        let mut workflow = object(
            json!({"metadata": {"name": "w"}, "spec": {"arguments": {"parameters": [{"name": "a", "value": "1"}]}}}),
        );
        let args =
            ["-p", "a=2", "--parameter=b=x=y", "--generate-name", "g-", "--priority", "3", "--wait"].map(String::from);
        submit_args(&mut workflow, &args).unwrap();
        assert_eq!(
            *workflow.value(),
            json!({"metadata": {"generateName": "g-"}, "spec": {"priority": 3, "arguments": {"parameters": [
                {"name": "a", "value": "2"}, {"name": "b", "value": "x=y"}]}}})
        );
        assert!(submit_args(&mut workflow, &["--nope".into()]).unwrap_err().contains("--nope"));
        assert!(submit_args(&mut workflow, &["-p".into()]).unwrap_err().contains("-p"));
    }
}
