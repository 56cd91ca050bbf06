//! What an operation will do, before it does anything: the same tasks, in the same order, with the same writes.
//!
//! A plan takes for granted that every write goes well and that everything gets healthy; hooks that run when an operation
//! fails are not in it.

use std::{fmt, sync::Arc};

use argo_core::Change;
use serde_json::Value;

use super::{
    Input,
    step::{propagation, prune_verdict, write},
    tasks::{Invalid, Task, tasks},
};
use crate::{
    api::HookType,
    engine::{
        diff::{mask_annotations, mask_secrets},
        explain::{differences, short},
        key::ResourceKey,
    },
};

/// What an operation will do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncPlan {
    /// Wave after wave, in the order in which they are carried out.
    pub waves: Vec<PlannedWave>,
    /// How many objects the Application has in the cluster now.
    pub managed: usize,
}

/// What is done at once, before it is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedWave {
    /// The phase.
    pub phase: HookType,
    /// The wave in it.
    pub wave: i64,
    /// Deletions first, then everything else by kind.
    pub steps: Vec<PlannedStep>,
}

/// What is done with one object.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// The object.
    pub key: ResourceKey,
    /// What is done with it.
    pub kind: PlannedKind,
    /// The write; absent when there is nothing to write.
    pub change: Option<Change>,
    /// What of it changes: path, before, after. Values of Secrets are masked.
    pub fields: Vec<(String, Option<Value>, Option<Value>)>,
}

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedKind {
    /// It is created.
    Create,
    /// It is changed.
    Change,
    /// It is applied, and is already as it should be.
    Unchanged,
    /// It is deleted.
    Prune,
    /// It is no longer wanted, and stays: pruning is off for it.
    Keep,
    /// It is run.
    Hook,
}

impl PlannedKind {
    /// As it is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Unchanged => "unchanged",
            Self::Prune => "prune",
            Self::Keep => "keep",
            Self::Hook => "run",
        }
    }
}

impl SyncPlan {
    /// The plan of an operation.
    ///
    /// # Errors
    /// When the operation can not begin: a kind is not served, an object is not permitted.
    pub fn of(input: &Input<'_>) -> Result<Self, Invalid> {
        let all = tasks(input)?;
        let mut waves: Vec<PlannedWave> = Vec::new();
        for task in all.iter().filter(|it| it.phase != HookType::SyncFail) {
            let step = planned(input, task);
            match waves.iter_mut().find(|it| it.phase == task.phase && it.wave == task.wave) {
                Some(wave) => wave.steps.push(step),
                None => waves.push(PlannedWave { phase: task.phase, wave: task.wave, steps: vec![step] }),
            }
        }
        for wave in &mut waves {
            wave.steps.sort_by_key(|it| !matches!(it.kind, PlannedKind::Prune | PlannedKind::Keep));
        }
        let managed = input.comparison.managed.iter().filter(|it| it.live.is_some() && !it.status.hook).count();
        Ok(Self { waves, managed })
    }

    /// Every step, in order.
    pub fn steps(&self) -> impl Iterator<Item = &PlannedStep> {
        self.waves.iter().flat_map(|it| &it.steps)
    }

    /// Every write, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps().filter_map(|it| it.change.as_ref())
    }

    /// How many steps are of a kind.
    #[must_use]
    pub fn count(&self, kind: PlannedKind) -> usize {
        self.steps().filter(|it| it.kind == kind).count()
    }

    /// Whether nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }
}

fn planned(input: &Input<'_>, task: &Task) -> PlannedStep {
    let step = |kind, change, fields| PlannedStep { key: task.key.clone(), kind, change, fields };
    let Some(target) = &task.target else {
        if prune_verdict(input, task).is_some() {
            return step(PlannedKind::Keep, None, Vec::new());
        }
        let live = task.live.as_deref().filter(|it| !it.is_deleting());
        let change = live.map(|it| Change::delete_with(it, propagation(input)));
        return step(PlannedKind::Prune, change, Vec::new());
    };
    let change = write(input, task, target, 0).change;
    if task.is_hook {
        return step(PlannedKind::Hook, change, Vec::new());
    }
    let kind = match (&task.live, &change) {
        (None, _) => PlannedKind::Create,
        (Some(_), Some(_)) => PlannedKind::Change,
        (Some(_), None) => PlannedKind::Unchanged,
    };
    let managed = input.comparison.managed.iter().find(|it| it.key == task.key);
    let fields = managed.filter(|it| it.live.is_some() && it.diff.modified).map(|it| {
        let (mut from, mut to) = (it.diff.normalized_live.clone(), it.diff.predicted_live.clone());
        let hidden = &input.settings.sensitive_annotations;
        mask_secrets(&mut [&mut from, &mut to], hidden);
        mask_annotations(&mut [&mut from, &mut to], hidden);
        differences(&from, &to)
    });
    step(kind, change, fields.unwrap_or_default())
}

impl fmt::Display for SyncPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for wave in &self.waves {
            writeln!(f, "{} wave {}", wave.phase.as_str(), wave.wave)?;
            for step in &wave.steps {
                writeln!(f, "  {} {}", step.kind.as_str(), step.key)?;
                for (path, from, to) in &step.fields {
                    writeln!(f, "    {path}: {} -> {}", short(from.as_ref()), short(to.as_ref()))?;
                }
            }
        }
        let counts = [PlannedKind::Create, PlannedKind::Change, PlannedKind::Prune]
            .map(|it| format!("{} to {}", self.count(it), it.as_str()));
        write!(f, "{} of {} objects in the cluster", counts.join(", "), self.managed)
    }
}

/// Says no to plans.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Looks at a plan before its first write.
    ///
    /// # Errors
    /// Why the operation is not to begin; it fails with that message, and nothing is written.
    fn review(&self, plan: &SyncPlan) -> Result<(), Refusal>;
}

/// A policy does not permit a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused by policy: {0}")]
pub struct Refusal(pub String);

/// A policy as a setting.
#[derive(Debug, Clone)]
pub struct PolicyRef(pub Arc<dyn Policy>);

impl PartialEq for PolicyRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Refuses to delete too much at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlastRadius {
    /// Largest part of the objects in the cluster that one operation may delete, from 0 to 1.
    pub share: f64,
    /// As many deletions are always permitted, so that small Applications can lose an object.
    pub free: usize,
}

impl Policy for BlastRadius {
    fn review(&self, plan: &SyncPlan) -> Result<(), Refusal> {
        let deleted = plan.count(PlannedKind::Prune);
        #[allow(clippy::cast_precision_loss, reason = "objects are counted in thousands")]
        let too_many = deleted as f64 > self.share * plan.managed as f64;
        if deleted > self.free && too_many {
            let most = self.share * 100.0;
            return Err(Refusal(format!(
                "it deletes {deleted} of {} objects, and more than {} or {most:.0} % need another way",
                plan.managed, self.free
            )));
        }
        Ok(())
    }
}
