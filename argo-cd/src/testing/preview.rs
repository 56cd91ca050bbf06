//! What a synchronisation would change, before it does.

use std::fmt;

use argo_core::Object;
use argo_lang::yaml;
use serde_json::Value;
use similar::TextDiff;

use crate::{
    api::names,
    engine::{
        Comparison, ResourceKey,
        diff::{diff, mask_secret},
        ignored::Ignored,
    },
};

/// What would happen to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewKind {
    /// It would be created.
    Create,
    /// It would be changed.
    Change,
    /// It would be deleted, if pruning is on.
    Prune,
}

/// One object of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLine {
    /// What would happen.
    pub kind: PreviewKind,
    /// To whom.
    pub key: ResourceKey,
    /// The difference as text, values of Secrets masked.
    pub diff: String,
}

/// What a synchronisation would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Object by object; those that stay as they are are left out.
    pub lines: Vec<PreviewLine>,
}

impl Preview {
    /// From a comparison.
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let mut lines = Vec::new();
        for managed in &comparison.managed {
            if managed.status.hook || managed.status.status.is_none() {
                continue;
            }
            let kind = match (&managed.target, &managed.live) {
                (Some(_), None) => PreviewKind::Create,
                (None, Some(_)) => PreviewKind::Prune,
                (Some(_), Some(_)) if managed.diff.modified => PreviewKind::Change,
                _ => continue,
            };
            let mut from = managed.diff.normalized_live.clone();
            let mut to = managed.diff.predicted_live.clone();
            mask_secret(&mut [&mut from, &mut to]);
            lines.push(PreviewLine { kind, key: managed.key.clone(), diff: text(&from, &to) });
        }
        Self { lines }
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The difference between one object and its target, values of Secrets masked.
///
/// # Errors
/// As [`diff()`].
pub fn preview(target: Option<&Object>, live: Option<&Object>) -> Result<String, crate::engine::diff::DiffError> {
    let found = diff(target, live, &Ignored::default())?;
    let (mut from, mut to) = (found.normalized_live, found.predicted_live);
    mask_secret(&mut [&mut from, &mut to]);
    Ok(text(&from, &to))
}

/// What the API server writes into metadata is nobody's change.
const NOISE: [&str; 5] = ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"];

fn text(from: &Value, to: &Value) -> String {
    let print = |value: &Value| {
        if value.is_null() {
            return String::new();
        }
        let mut value = value.clone();
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|key, _| !NOISE.contains(&key.as_str()));
            if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove(names::LAST_APPLIED);
            }
        }
        yaml::to_yaml(&value)
    };
    let (from, to) = (print(from), print(to));
    TextDiff::from_lines(&from, &to).unified_diff().context_radius(2).to_string()
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let mark = match line.kind {
                PreviewKind::Create => "create",
                PreviewKind::Change => "change",
                PreviewKind::Prune => "prune",
            };
            writeln!(f, "{mark} {}\n{}", line.key, line.diff)?;
        }
        Ok(())
    }
}
