//! The rules of ownership, on values and field sets alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::managed::{Managed, ManagerId, Owned};
use super::set::FieldSet;
use super::typed::{self, Comparison};
use super::versions::{ConversionError, Versions};
use super::{Conflict, Conflicts, items, reconcile};

/// structured-merge-diff's updater: who owns what after an apply or an update, without anything that is particular to Kubernetes objects.
///
/// [`super::apply`] and [`super::update`] are built on it; they add what the API server does with `metadata`.
#[derive(Clone, Copy)]
pub struct Updater<'a> {
    /// The versions of the kind.
    pub versions: &'a dyn Versions,
    /// Fields that nobody owns, with everything below, by version.
    pub ignored: &'a BTreeMap<String, FieldSet>,
}

/// Why an [`Updater`] refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// Others own what the configuration changes.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// An object could not be converted.
    #[error("failed to convert object: {0}")]
    Conversion(#[from] ConversionError),
}

impl std::fmt::Debug for Updater<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updater").field("ignored", &self.ignored).finish_non_exhaustive()
    }
}

impl<'a> Updater<'a> {
    /// The managers after `live` was replaced by `new`, both of `version`: `by` owns what it changed, nobody else does.
    ///
    /// # Errors
    /// [`UpdateError::Conversion`].
    pub fn update(
        &self,
        live: &Value,
        new: &Value,
        version: &str,
        managed: Managed,
        by: &ManagerId,
    ) -> Result<Managed, UpdateError> {
        let managed = self.reconciled(live, managed)?;
        let (mut managed, change) = self.disown(live, new, version, managed, by, true)?;
        let owned = managed.entries.entry(by.clone()).or_default();
        let fields = owned.fields.difference(&change.removed).union(&change.modified).union(&change.added);
        owned.fields = self.without_ignored(&fields, version);
        owned.api_version = version.to_owned();
        if owned.fields.is_empty() {
            managed.entries.remove(by);
        }
        Ok(managed)
    }

    /// The object and its managers after `by` applied `config` of `version` to `live` of the same version.
    ///
    /// # Errors
    /// [`UpdateError::Conflicts`] unless `force`, and [`UpdateError::Conversion`].
    pub fn apply(
        &self,
        live: &Value,
        config: &Value,
        version: &str,
        managed: Managed,
        by: &ManagerId,
        force: bool,
    ) -> Result<(Value, Managed), UpdateError> {
        let mut managed = self.reconciled(live, managed)?;
        let schema = self.versions.schema(version);
        let merged = typed::merge(live, config, &schema);
        let last = managed.entries.get(by).cloned();
        let fields = self.without_ignored(&typed::field_set(config, &schema), version);
        let time = last.as_ref().and_then(|owned| owned.time.clone());
        managed.entries.insert(by.clone(), Owned { fields, api_version: version.to_owned(), time });
        let merged = match last {
            Some(last) if !last.fields.is_empty() => self.prune(merged, version, &managed, &last)?,
            _ => merged,
        };
        let (managed, _) = self.disown(live, &merged, version, managed, by, force)?;
        Ok((merged, managed))
    }

    /// Takes what changed from everybody but the one who changed it.
    fn disown(
        &self,
        live: &Value,
        new: &Value,
        version: &str,
        mut managed: Managed,
        by: &ManagerId,
        force: bool,
    ) -> Result<(Managed, Comparison), UpdateError> {
        let mut changes: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
        changes.insert(version.to_owned(), Some(self.change(live, new, version)));
        let mut conflicts = Vec::new();
        for (id, owned) in managed.entries.iter().filter(|(id, _)| *id != by) {
            if !changes.contains_key(&owned.api_version) {
                let there = &owned.api_version;
                let change = match (self.at(live, there)?, self.at(new, there)?) {
                    (Some(live), Some(new)) => Some(self.change(&live, &new, there)),
                    _ => None,
                };
                changes.insert(there.clone(), change);
            }
            let Some(Some(change)) = changes.get(&owned.api_version) else { continue };
            let taken = owned.fields.intersection(&change.modified.union(&change.added));
            conflicts.extend(taken.paths().into_iter().map(|path| Conflict { manager: id.clone(), path }));
        }
        if !force && !conflicts.is_empty() {
            return Err(UpdateError::Conflicts(Conflicts(conflicts)));
        }
        managed.entries.retain(|id, owned| {
            if id != by {
                let Some(Some(change)) = changes.get(&owned.api_version) else { return false };
                let touched = change.modified.union(&change.added).union(&change.removed);
                owned.fields = owned.fields.difference(&touched);
            }
            !owned.fields.is_empty()
        });
        let change = changes.remove(version).flatten().unwrap_or_default();
        Ok((managed, change))
    }

    /// Removes what the manager applied last time, does not apply now, and nobody else owns.
    fn prune(&self, merged: Value, version: &str, managed: &Managed, last: &Owned) -> Result<Value, UpdateError> {
        let Some(full) = self.at(&merged, &last.api_version)? else { return Ok(merged) };
        let schema = self.versions.schema(&last.api_version);
        let named = last.fields.with_named_fields(&schema);
        let pruned = items::remove(&full, &named, &schema).unwrap_or(Value::Null);
        let pruned = self.add_back_owned(&full, pruned, &last.api_version, managed)?;
        // What the manager did not apply last time goes back too.
        let Some(pruned) = self.at(&pruned, &last.api_version)? else { return Ok(merged) };
        let all = typed::field_set(&full, &schema).with_named_fields(&schema);
        let left = typed::field_set(&pruned, &schema).with_named_fields(&schema);
        let gone = all.difference(&left).intersection(&named);
        let pruned = items::remove(&full, &gone, &schema).unwrap_or(Value::Null);
        Ok(self.versions.convert(&pruned, version)?.into_owned())
    }

    /// Puts back what anybody owns now: first in the version that was pruned, since other versions may not convert without it.
    fn add_back_owned(
        &self,
        full: &Value,
        pruned: Value,
        first: &str,
        managed: &Managed,
    ) -> Result<Value, UpdateError> {
        let mut owned: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for entry in managed.entries.values() {
            let slot = owned.entry(&entry.api_version).or_default();
            *slot = slot.union(&entry.fields);
        }
        let (mut full, mut pruned) = (full.clone(), pruned);
        let first = owned.remove_entry(first);
        for (version, fields) in first.into_iter().chain(owned) {
            let (Some(full_here), Some(pruned_here)) = (self.at(&full, version)?, self.at(&pruned, version)?) else {
                continue;
            };
            let schema = self.versions.schema(version);
            let all = typed::field_set(&full_here, &schema).with_named_fields(&schema);
            let left = typed::field_set(&pruned_here, &schema).with_named_fields(&schema);
            let gone = all.difference(&left.union(&fields.with_named_fields(&schema)));
            let kept = items::remove(&full_here, &gone, &schema).unwrap_or(Value::Null);
            (full, pruned) = (full_here.into_owned(), kept);
        }
        Ok(pruned)
    }

    fn reconciled(&self, live: &Value, managed: Managed) -> Result<Managed, UpdateError> {
        let mut out = Managed::default();
        for (id, mut owned) in managed.entries {
            // The owners of a version that is gone are forgotten.
            if self.at(live, &owned.api_version)?.is_some() {
                owned.fields = reconcile(&owned.fields, &self.versions.schema(&owned.api_version));
                out.entries.insert(id, owned);
            }
        }
        Ok(out)
    }

    fn change(&self, old: &Value, new: &Value, version: &str) -> Comparison {
        let change = typed::compare(old, new, &self.versions.schema(version));
        match self.ignored.get(version) {
            Some(ignored) => change.without(ignored),
            None => change,
        }
    }

    fn without_ignored(&self, fields: &FieldSet, version: &str) -> FieldSet {
        self.ignored.get(version).map_or_else(|| fields.clone(), |ignored| fields.recursive_difference(ignored))
    }

    /// The object in a version; nothing when there is no such version.
    fn at<'v>(&self, object: &'v Value, version: &str) -> Result<Option<Cow<'v, Value>>, UpdateError> {
        match self.versions.convert(object, version) {
            Ok(object) => Ok(Some(object)),
            Err(ConversionError::NoSuchVersion(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
