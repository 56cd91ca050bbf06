//! [`Claims`]: locks of the database that controllers share, as far as this controller knows of them.
//!
//! ```text
//! pass ─ Effect::Claim ─> Claims ─ whoever asks the database ─> answer in Claims ─> next pass ─> status
//! ```
//! An engine never waits: it asks for locks by an effect, and finds the answer in a later pass. A claim that is
//! granted and in no status is given back by [`Claims::stale`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use argo_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LockName, Locks};

/// Locks of the database that somebody wants, all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseClaim {
    /// Who wants them: `<namespace>/<workflow>[/<node id>]`.
    pub holder: String,
    /// His workflow: `<namespace>/<name>`.
    pub workflow: String,
    /// Which.
    pub locks: Vec<LockName>,
    /// The workflow's priority: higher goes first.
    pub priority: i64,
    /// When the workflow was made: the older goes first.
    pub created: Timestamp,
}

/// What the database said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// All are held.
    Granted,
    /// None is.
    Waiting {
        /// The first that is not to be had.
        lock: String,
        /// For people.
        message: String,
        /// Who holds it.
        holders: Vec<String>,
    },
    /// They can not be had at all.
    Refused(String),
}

/// Every claim of this controller, with the answers so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    claims: BTreeMap<String, (DatabaseClaim, Option<ClaimAnswer>)>,
    lost: BTreeMap<String, String>,
}

impl Claims {
    /// Nothing was claimed.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: OnceLock<Claims> = OnceLock::new();
        NONE.get_or_init(Self::default)
    }

    /// Takes a claim in, in place of what its holder claimed before. Says whether that is new.
    pub fn put(&mut self, claim: DatabaseClaim) -> bool {
        if self.claims.get(&claim.holder).is_some_and(|(it, _)| *it == claim) {
            return false;
        }
        self.claims.insert(claim.holder.clone(), (claim, None));
        true
    }

    /// Takes a claim back.
    pub fn remove(&mut self, holder: &str) -> bool {
        self.claims.remove(holder).is_some()
    }

    /// The claim of a holder, and what was said to it.
    #[must_use]
    pub fn get(&self, holder: &str) -> Option<(&DatabaseClaim, Option<&ClaimAnswer>)> {
        self.claims.get(holder).map(|(claim, answer)| (claim, answer.as_ref()))
    }

    /// Takes an answer in. Says whether it is another than before.
    pub fn answer(&mut self, holder: &str, answer: ClaimAnswer) -> bool {
        let Some((_, before)) = self.claims.get_mut(holder) else { return false };
        let is_new = before.as_ref() != Some(&answer);
        *before = Some(answer);
        is_new
    }

    /// The claims that are not granted, in the order of their turns.
    #[must_use]
    pub fn open(&self) -> Vec<DatabaseClaim> {
        let is_open = |it: &Option<ClaimAnswer>| matches!(it, None | Some(ClaimAnswer::Waiting { .. }));
        let mut open: Vec<_> = self.claims.values().filter(|it| is_open(&it.1)).map(|it| it.0.clone()).collect();
        open.sort_by(|a, b| (-a.priority, a.created, &a.holder).cmp(&(-b.priority, b.created, &b.holder)));
        open
    }

    /// Drops the claims of workflows that neither hold nor await any of their locks, as `locks` (the index over all
    /// statuses) has it.
    pub fn stale(&mut self, locks: &Locks) {
        self.claims.retain(|_, (claim, _)| {
            claim.locks.iter().map(ToString::to_string).any(|lock| {
                locks.others(&lock, "").any(|it| workflow_of(it) == claim.workflow)
                    || locks.waiting(&lock).contains(&claim.workflow.as_str())
            })
        });
        let known: BTreeSet<&str> =
            locks.iter().flat_map(|(lock, ..)| locks.others(lock, "")).map(workflow_of).collect();
        self.lost.retain(|it, _| known.contains(it.as_str()));
    }

    /// Whether the row `(lock, holder)` of the database (`mtx/…` or `sem/…`) belongs to a claim or a status.
    #[must_use]
    pub fn wants(&self, locks: &Locks, row: &str, holder: &str) -> bool {
        let claimed = self.claims.get(holder);
        claimed.is_some_and(|(it, _)| it.locks.iter().any(|it| it.database_key().as_deref() == Some(row)))
            || locks.others(&status_name(row), "").any(|it| it == holder)
    }

    /// The holds that statuses tell of and `rows` (what the database says that is held here) does not: the workflows
    /// do not run on them any longer.
    pub fn verify(&mut self, locks: &Locks, rows: &BTreeSet<(String, String)>) -> BTreeSet<String> {
        let mut woken = BTreeSet::new();
        for (lock, ..) in locks.iter() {
            let Some((namespace, key)) = lock.split_once("/Database/") else { continue };
            for holder in locks.others(lock, "") {
                let held = |kind: &str| rows.contains(&(format!("{kind}/{namespace}/{key}"), holder.to_owned()));
                if held("mtx") || held("sem") {
                    continue;
                }
                let reason = format!(
                    "could not re-establish \"{lock}\" at controller startup: hold on {namespace}/{key} for {holder} is not present in the database"
                );
                let workflow = workflow_of(holder);
                self.lost.entry(workflow.to_owned()).or_insert(reason);
                woken.insert(workflow.to_owned());
            }
        }
        woken
    }

    /// Why a workflow (`namespace/name`) must not go on: a lock that it holds is not its own.
    #[must_use]
    pub fn lost(&self, workflow: &str) -> Option<&str> {
        self.lost.get(workflow).map(String::as_str)
    }
}

/// `<namespace>/<workflow>` of a holder.
fn workflow_of(holder: &str) -> &str {
    match holder.match_indices('/').nth(1) {
        Some((at, _)) => &holder[..at],
        None => holder,
    }
}

/// How statuses call a row's lock.
fn status_name(row: &str) -> String {
    let name = row.split_once('/').map_or(row, |it| it.1);
    match name.split_once('/') {
        Some((namespace, key)) => format!("{namespace}/Database/{key}"),
        None => name.to_owned(),
    }
}
