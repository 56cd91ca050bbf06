//! Tables: how kubectl shows objects. Custom resources by their printer columns, built-in kinds as kube-apiserver's printers do.

mod cells;
mod columns;
mod kinds;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::resources::ResourceDef;
use crate::server::meta;
use crate::server::read::ListAnswer;
use columns::column;

/// What a row carries besides its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

/// A Status has no table.
pub(super) fn has_table(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) != Some("Status")
}

/// Renders objects as a `meta.k8s.io/v1` Table.
pub(super) fn render(
    def: &ResourceDef,
    version: usize,
    answer: &ListAnswer,
    now: Timestamp,
    include: Include,
) -> Value {
    let (columns, cells): (Vec<Value>, RowOf) = match &def.versions[version].custom {
        Some(custom) => {
            let mut columns = vec![column("Name", "string", "name", "Name of the object.", 0)];
            columns.extend(
                custom.columns.iter().map(|it| column(&it.name, &it.kind, &it.format, &it.description, it.priority)),
            );
            let custom = custom.clone();
            let cells = move |object: &Value| {
                let mut cells = vec![Value::from(meta::name(object))];
                cells.extend(
                    custom.columns.iter().map(|column| custom_cell(object, &column.json_path, &column.kind, now)),
                );
                cells
            };
            (columns, Box::new(cells))
        }
        None => {
            let cells = kinds::cells(def.group(), def.resource());
            (columns::columns(def.group(), def.resource()), Box::new(move |object| cells(object, now)))
        }
    };
    let pods = def.group().is_empty() && def.resource() == "pods";
    table(answer, columns, &cells, include, |object| if pods { completed(object) } else { None })
}

/// Whether this is what a scale subresource answers.
pub(super) fn is_scale(object: &Value) -> bool {
    meta::text(object, "/kind") == "Scale" && meta::text(object, "/apiVersion").starts_with("autoscaling/")
}

/// Renders what a scale subresource answers.
pub(super) fn scale(answer: &ListAnswer, now: Timestamp, include: Include) -> Value {
    let named = columns::columns("", "");
    let mut definitions = vec![named.first().cloned().unwrap_or_default()];
    definitions.push(column("Desired", "integer", "", "desired number of instances for the scaled object.", 0));
    definitions.push(column(
        "Available",
        "integer",
        "",
        "actual number of observed instances of the scaled object.",
        0,
    ));
    definitions.extend(named.get(1).cloned());
    let row = |object: &Value| {
        vec![
            cells::name(object),
            cells::number(object, "/spec/replicas").into(),
            cells::number(object, "/status/replicas").into(),
            cells::age(object, now),
        ]
    };
    table(answer, definitions, &row, include, |_| None)
}

fn table(
    answer: &ListAnswer,
    columns: Vec<Value>,
    cells: &dyn Fn(&Value) -> Vec<Value>,
    include: Include,
    condition: impl Fn(&Value) -> Option<Value>,
) -> Value {
    let rows: Vec<Value> = answer
        .items
        .iter()
        .map(|object: &Arc<Value>| {
            let mut row = json!({ "cells": cells(object) });
            if let Some(condition) = condition(object) {
                row["conditions"] = json!([condition]);
            }
            match include {
                Include::None => {}
                Include::Object => row["object"] = (**object).clone(),
                Include::Metadata => {
                    row["object"] = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata") });
                }
            }
            row
        })
        .collect();
    let mut metadata = json!({ "resourceVersion": answer.revision.to_string() });
    if let Some(token) = &answer.continue_token {
        metadata["continue"] = Value::from(token.as_str());
    }
    if let Some(remaining) = answer.remaining {
        metadata["remainingItemCount"] = Value::from(remaining);
    }
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows })
}

/// Rows of pods that have ended say so, for clients that grey them out.
fn completed(object: &Value) -> Option<Value> {
    let (reason, message) = match meta::text(object, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({ "type": "Completed", "status": "True", "reason": reason, "message": message }))
}

fn custom_cell(object: &Value, path: &str, kind: &str, now: Timestamp) -> Value {
    let Some(found) = crate::jsonpath::first(object, path) else {
        return if kind == "date" { Value::from("<unknown>") } else { Value::Null };
    };
    match (kind, &found) {
        ("date", Value::String(text)) => Value::from(age_of(text, now)),
        ("integer", Value::Number(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | (_, Value::String(_)) => found,
        (_, Value::Null) => Value::Null,
        ("string", other) => Value::from(other.to_string()),
        (_, other) => Value::from(other.to_string()),
    }
}

/// The time since, in the units of kubectl: `5s`, `3m20s`, `2h`, `3d4h`, `2y`.
pub(super) fn age_of(text: &str, now: Timestamp) -> String {
    match text.parse::<Timestamp>() {
        Ok(then) => human(now.as_second() - then.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

pub(super) fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{rest}{small}") }
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if days < 365 * 2 => format!("{days}d"),
        () if days < 365 * 8 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// The cells of an object.
type RowOf = Box<dyn Fn(&Value) -> Vec<Value>>;
