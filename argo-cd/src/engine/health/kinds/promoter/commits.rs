//! Promotions: which dry commit is active, which is proposed, and what the commit statuses between them say.

use super::{Judged, Look, Unjudged, degraded, healthy, progressing, unready, words};

/// Commit statuses by phase.
#[derive(Default)]
struct Tally {
    pending: Vec<String>,
    failed: Vec<String>,
    succeeded: usize,
}

impl Tally {
    fn of(statuses: Look<'_>) -> Self {
        let mut tally = Self::default();
        for status in statuses.list() {
            let key = status.get("key").message();
            match status.get("phase").str() {
                Some("pending") => tally.pending.push(key),
                Some("success") => tally.succeeded += 1,
                Some("failure") => tally.failed.push(key),
                _ => {}
            }
        }
        tally
    }

    fn is_clean(&self) -> bool {
        self.pending.is_empty() && self.failed.is_empty()
    }

    fn text(&self) -> String {
        let mut text =
            format!("{} pending, {} successful, {} failed. ", self.pending.len(), self.succeeded, self.failed.len());
        // a status without a key counts, and has no name to list
        let named = |keys: &[String]| keys.iter().filter(|it| !it.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        if !self.pending.is_empty() {
            text = format!("{text}Pending commit statuses: {}. ", named(&self.pending));
        }
        if !self.failed.is_empty() {
            text = format!("{text}Failed commit statuses: {}. ", named(&self.failed));
        }
        text
    }
}

fn short(sha: Look<'_>) -> String {
    sha.str().unwrap_or_default().chars().take(7).collect()
}

fn says(value: Look<'_>) -> bool {
    value.truthy() && !value.is("")
}

pub(super) fn transfer_policy(object: Look<'_>) -> Judged {
    if let Some(verdict) = unready(object, &words::TRANSFER_POLICY)? {
        return Ok(verdict);
    }
    let (active, proposed) = (object.path("status.active"), object.path("status.proposed"));
    let (from, to) = (active.path("dry.sha"), proposed.path("dry.sha"));
    if !says(from) {
        return progressing("The active commit DRY SHA is missing or empty.");
    }
    if !says(to) {
        return progressing("The proposed commit DRY SHA is missing or empty.");
    }
    if !from.same(to) {
        let tally = Tally::of(proposed.get("commitStatuses")).text();
        return progressing(format!("Promotion in progress from '{}' to '{}': {tally}", short(from), short(to)));
    }
    let tally = Tally::of(active.get("commitStatuses"));
    if !tally.is_clean() {
        return healthy(format!(
            "Environment is up-to-date, but there are non-successful active commit statuses: {}",
            tally.text()
        ));
    }
    healthy(format!("Environment is up-to-date on commit {}.", short(from)))
}

/// The dry commit that the hydrator has processed.
fn proposed_sha(environment: Look<'_>) -> Option<Look<'_>> {
    let proposed = environment.get("proposed");
    [proposed.path("note.drySha"), proposed.path("dry.sha")].into_iter().find(|it| says(*it))
}

pub(super) fn strategy(object: Look<'_>) -> Judged {
    if let Some(verdict) = unready(object, &words::STRATEGY)? {
        return Ok(verdict);
    }
    let environments = object.path("status.environments");
    if environments.length() == 0 {
        return degraded("Promotion strategy has no environments configured");
    }
    for environment in environments.list() {
        let missing = if !says(environment.path("active.dry.sha")) {
            "active"
        } else if proposed_sha(environment).is_none() {
            "proposed"
        } else {
            continue;
        };
        let branch = environment.get("branch").text()?;
        return progressing(format!("The {missing} commit DRY SHA is missing or empty in environment '{branch}'."));
    }
    let first = environments.nth(0);
    let sha = proposed_sha(first).map(short).unwrap_or_default();
    let agree = |it: Look<'_>| match (proposed_sha(it), proposed_sha(first)) {
        (Some(a), Some(b)) => a.same(b),
        _ => false,
    };
    if !environments.list().all(agree) {
        return progressing(
            "Not all environments have the same proposed commit SHA. This likely means the hydrator has not run for all environments yet.",
        );
    }
    for environment in environments.list() {
        if let Some(message) = promotion(environment)? {
            return progressing(message);
        }
    }
    let mut behind = Vec::new();
    for environment in environments.list() {
        let tally = Tally::of(environment.path("active.commitStatuses"));
        if !tally.is_clean() {
            let branch = environment.get("branch").text()?;
            behind.push(format!("{branch} ({} failed, {} pending)", tally.failed.len(), tally.pending.len()));
        }
    }
    if !behind.is_empty() {
        return healthy(format!(
            "Environments are up-to-date, but some environments have non-successful commit statuses: {}.",
            behind.join(", ")
        ));
    }
    let active = short(first.path("active.dry.sha"));
    healthy(format!("All environments are up-to-date on commit '{active}'. Hydrator has processed dry commit '{sha}'."))
}

fn promotion(environment: Look<'_>) -> Result<Option<String>, Unjudged> {
    let (active, proposed) = (environment.get("active"), environment.get("proposed"));
    let (from, to) = (active.path("dry.sha"), proposed.get("dry").at("sha")?);
    if to.same(from) {
        return Ok(None);
    }
    let tally = Tally::of(proposed.get("commitStatuses")).text();
    let hydrated = proposed_sha(environment).map(short).unwrap_or_default();
    Ok(Some(format!(
        "Promotion in progress for environment '{}' from '{}' to '{}': {tally}Hydrator has processed dry commit '{hydrated}'. ",
        environment.get("branch").text()?,
        short(from),
        short(to)
    )))
}
