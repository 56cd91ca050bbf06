//! Warehouses: when to look, and what to make of what was found.

use std::{collections::BTreeSet, time::Duration};

use argo_core::{Change, Note, Plan, Time, Timestamp, time};
use argo_lang::expr::{Functions, Options, Program};
use serde_json::{Value, json};

use super::{freight::duration, urls::normalize_git};
use crate::{
    admission::complete_freight,
    api::{
        ArtifactReference, Chart, Conditions, DiscoveredArtifacts, FALSE, Freight, FreightCreationPolicy,
        FreightOrigin, GitCommit, Image, TRUE, UNKNOWN, Warehouse, WarehouseStatus, names,
    },
};

/// How often to look when the spec does not say.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// The least time between two looks.
const FLOOR: Duration = Duration::from_millis(100);

/// Whether it is time to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Yes.
    Now,
    /// At this time.
    At(Timestamp),
}

/// When to look next: at once when it never was done, the spec changed or a refresh is asked for; else after the
/// interval, which `least` bounds from below.
#[must_use]
pub fn due(warehouse: &Warehouse, least: Duration, now: Timestamp) -> Due {
    let Some(discovered) = warehouse.status.discovered_artifacts.as_ref().and_then(|it| it.discovered_at) else {
        return Due::Now;
    };
    if warehouse.metadata.generation.unwrap_or_default() > warehouse.status.observed_generation
        || refresh_asked(warehouse).is_some()
    {
        return Due::Now;
    }
    let interval = match warehouse.spec.interval.as_str() {
        "" => DEFAULT_INTERVAL,
        text => duration(text),
    };
    let at = time::after(discovered.timestamp(), interval.max(least).max(FLOOR));
    if at <= now { Due::Now } else { Due::At(at) }
}

/// The refresh token that was not handled yet.
#[must_use]
pub fn refresh_asked(warehouse: &Warehouse) -> Option<&str> {
    let token = warehouse.metadata.annotation(names::ANNOTATION_REFRESH)?;
    (token != warehouse.status.last_handled_refresh).then_some(token)
}

/// The status while the first look at this spec is under way; `None` when it says so already, or an earlier look
/// failed and is only repeated.
#[must_use]
pub fn begin(warehouse: &Warehouse, now: Timestamp) -> Option<WarehouseStatus> {
    let generation = warehouse.metadata.generation.unwrap_or_default();
    let conditions = &warehouse.status.conditions;
    let known =
        |kind: &str| conditions.condition(kind).filter(|it| it.observed_generation.unwrap_or_default() >= generation);
    let first = warehouse.status.discovered_artifacts.is_none() || generation > warehouse.status.observed_generation;
    if !first || known("Ready").is_some() {
        return None;
    }
    let mut status = warehouse.status.clone();
    let list = &mut status.conditions;
    list.set_condition(
        "Reconciling",
        TRUE,
        "ScheduledDiscovery",
        "Scheduled discovery is in progress",
        generation,
        now,
    );
    list.set_condition("Ready", FALSE, "DiscoveryInProgress", "Waiting for discovery to complete", generation, now);
    list.set_condition(
        "Healthy",
        UNKNOWN,
        "Pending",
        "Health status cannot be determined until discovery completes",
        generation,
        now,
    );
    list.remove_condition("FreightCreationCriteriaSatisfied");
    list.remove_condition("FreightCreated");
    Some(status)
}

/// The status after a look that failed.
#[must_use]
pub fn failed(warehouse: &Warehouse, message: &str, now: Timestamp) -> WarehouseStatus {
    let generation = warehouse.metadata.generation.unwrap_or_default();
    let mut status = warehouse.status.clone();
    let text = format!("Unable to discover artifacts: {message}");
    status.conditions.set_condition(
        "Reconciling",
        TRUE,
        "ScheduledDiscovery",
        "Discovery will be tried again",
        generation,
        now,
    );
    status.conditions.set_condition("Healthy", FALSE, "DiscoveryFailed", &text, generation, now);
    status.conditions.set_condition("Ready", FALSE, "DiscoveryFailure", &text, generation, now);
    status
}

/// What is to be done with what was found: remember it, and make Freight of the first of everything.
///
/// `known` is the project's Freight.
#[must_use]
pub fn discovered(
    warehouse: &Warehouse,
    mut found: DiscoveredArtifacts,
    known: &[Freight],
    now: Timestamp,
) -> Plan<WarehouseStatus> {
    let mut plan = Plan::default();
    let generation = warehouse.metadata.generation.unwrap_or_default();
    let mut status = warehouse.status.clone();
    found.discovered_at = Some(Time::new(now));
    if let Some(token) = warehouse.metadata.annotation(names::ANNOTATION_REFRESH) {
        token.clone_into(&mut status.last_handled_refresh);
    }
    status.observed_generation = generation;
    let set = |status: &mut WarehouseStatus, kind: &str, value: &str, reason: &str, message: &str| {
        status.conditions.set_condition(kind, value, reason, message, generation, now);
    };
    if let Err((reason, message)) = validate(&found) {
        set(&mut status, "Healthy", FALSE, reason, &message);
        set(&mut status, "Ready", FALSE, reason, &message);
        status.conditions.remove_condition("Reconciling");
        status.discovered_artifacts = Some(found);
        plan.status = Some(status);
        return plan;
    }
    let summary = summary(&found);
    if warehouse.spec.freight_creation_policy == FreightCreationPolicy::Automatic {
        match criteria(warehouse, &found) {
            Err(message) => {
                set(&mut status, "Healthy", FALSE, "CriteriaEvaluationFailed", &message);
                set(&mut status, "Ready", FALSE, "CriteriaEvaluationFailed", &message);
                status.conditions.remove_condition("Reconciling");
                status.discovered_artifacts = Some(found);
                plan.status = Some(status);
                return plan;
            }
            Ok(Some(false)) => {
                let message = "Freight creation criteria not satisfied";
                set(&mut status, "FreightCreationCriteriaSatisfied", FALSE, "CriteriaNotSatisfied", message);
                status.conditions.remove_condition("FreightCreated");
            }
            Ok(satisfied) => {
                if satisfied.is_some() {
                    let message = "Freight creation criteria satisfied";
                    set(&mut status, "FreightCreationCriteriaSatisfied", TRUE, "CriteriaSatisfied", message);
                }
                let made = freight(warehouse, &found, known, now);
                status.last_freight_id = made.name().to_owned();
                let name = made.name().to_owned();
                if known.iter().any(|it| it.name() == name) {
                    let message = format!("Freight {name:?} already exists");
                    set(&mut status, "FreightCreated", FALSE, "AlreadyExists", &message);
                } else {
                    let message = format!("Created Freight {name:?}");
                    set(&mut status, "FreightCreated", TRUE, "NewFreight", &message);
                    let note = Note::normal(
                        names::events::FREIGHT_CREATED,
                        format!("Freight created from Warehouse {:?}", warehouse.name()),
                    );
                    plan.note(annotated(note, warehouse, &made).on(made.reference()));
                    plan.push(Change::create(made.object()));
                }
            }
        }
    }
    status.conditions.remove_condition("Reconciling");
    set(&mut status, "Healthy", TRUE, "ReconciliationSucceeded", &summary);
    set(&mut status, "Ready", TRUE, "ArtifactsDiscovered", &summary);
    status.discovered_artifacts = Some(found);
    plan.status = Some(status);
    plan
}

fn annotated(mut note: Note, warehouse: &Warehouse, freight: &Freight) -> Note {
    for (key, value) in [
        ("project", warehouse.namespace()),
        ("freight-name", freight.name()),
        ("freight-alias", &freight.alias),
        ("freight-warehouse-name", warehouse.name()),
        ("actor", "controller:warehouse-controller"),
    ] {
        note.annotations.insert(format!("{}{key}", names::EVENT_PREFIX), value.to_owned());
    }
    note
}

/// The Freight of the first of everything.
#[must_use]
pub fn freight(warehouse: &Warehouse, found: &DiscoveredArtifacts, known: &[Freight], now: Timestamp) -> Freight {
    let mut out = Freight::named(warehouse.namespace(), "");
    out.origin = FreightOrigin::warehouse(warehouse.name());
    for repo in &found.git {
        out.commits.extend(repo.commits.first().map(|it| GitCommit {
            repo_url: repo.repo_url.clone(),
            id: it.id.clone(),
            branch: it.branch.clone(),
            tag: it.tag.clone(),
            message: it.subject.clone(),
            author: it.author.clone(),
            committer: it.committer.clone(),
            ..GitCommit::default()
        }));
    }
    for repo in &found.images {
        out.images.extend(repo.references.first().map(|it| Image {
            repo_url: repo.repo_url.clone(),
            tag: it.tag.clone(),
            digest: it.digest.clone(),
            annotations: it.annotations.clone(),
            ..Image::default()
        }));
    }
    for repo in &found.charts {
        out.charts.extend(repo.versions.first().map(|it| Chart {
            repo_url: repo.repo_url.clone(),
            name: repo.name.clone(),
            version: it.clone(),
            ..Chart::default()
        }));
    }
    let others: Vec<ArtifactReference> =
        found.results.iter().filter_map(|it| it.artifact_references.first().cloned()).collect();
    out.artifacts = others;
    let taken: BTreeSet<&str> = known.iter().map(|it| it.alias.as_str()).collect();
    complete_freight(&mut out, now, |it| taken.contains(it));
    out
}

fn validate(found: &DiscoveredArtifacts) -> Result<(), (&'static str, String)> {
    if found.git.is_empty() && found.images.is_empty() && found.charts.is_empty() && found.results.is_empty() {
        return Err(("MissingArtifacts", "No artifacts discovered".to_owned()));
    }
    let missing = |what: &str, url: &str| format!("No {what} discovered for repository {url:?}");
    if let Some(it) = found.git.iter().find(|it| it.commits.is_empty()) {
        return Err(("MissingCommits", missing("commits", &it.repo_url)));
    }
    if let Some(it) = found.images.iter().find(|it| it.references.is_empty()) {
        return Err(("MissingImageReferences", missing("image references", &it.repo_url)));
    }
    if let Some(it) = found.charts.iter().find(|it| it.versions.is_empty()) {
        return Err(("MissingChartVersions", missing("chart versions", &it.repo_url)));
    }
    if let Some(it) = found.results.iter().find(|it| it.artifact_references.is_empty()) {
        return Err(("MissingArtifacts", format!("No artifacts discovered for subscription {:?}", it.name)));
    }
    Ok(())
}

fn summary(found: &DiscoveredArtifacts) -> String {
    let commits: usize = found.git.iter().map(|it| it.commits.len()).sum();
    let images: usize = found.images.iter().map(|it| it.references.len()).sum();
    let charts: usize = found.charts.iter().map(|it| it.versions.len()).sum();
    let parts: Vec<String> = [(commits, "commit"), (images, "image"), (charts, "chart version")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "Discovered artifacts".to_owned() } else { format!("Discovered {}", parts.join(" and ")) }
}

/// Whether the criteria hold; `None` when there are none.
fn criteria(warehouse: &Warehouse, found: &DiscoveredArtifacts) -> Result<Option<bool>, String> {
    let Some(expression) =
        warehouse.spec.freight_creation_criteria.as_ref().map(|it| it.expression.trim()).filter(|it| !it.is_empty())
    else {
        return Ok(None);
    };
    let wrong = |it: String| format!("failed to evaluate freight creation criteria: {it}");
    let mut functions = Functions::new();
    let name = |args: &[Value], at: usize| args.get(at).and_then(Value::as_str).map(str::to_owned);
    let git = found.git.clone();
    functions.insert("commitFrom", move |args| {
        let repo = normalize_git(&name(args, 0).ok_or("commitFrom: expected a repository")?);
        let first = git.iter().find(|it| normalize_git(&it.repo_url) == repo).and_then(|it| it.commits.first());
        Ok(first.map_or(Value::Null, |it| {
            json!({"ID": it.id, "Branch": it.branch, "Tag": it.tag, "Subject": it.subject, "Author": it.author,
                "Committer": it.committer, "CreatorDate": it.creator_date})
        }))
    });
    let images = found.images.clone();
    functions.insert("imageFrom", move |args| {
        let repo = name(args, 0).ok_or("imageFrom: expected a repository")?;
        let first = images.iter().find(|it| it.repo_url == repo).and_then(|it| it.references.first());
        Ok(first.map_or(
            Value::Null,
            |it| json!({"Tag": it.tag, "Digest": it.digest, "Annotations": it.annotations, "CreatedAt": it.created_at}),
        ))
    });
    let charts = found.charts.clone();
    functions.insert("chartFrom", move |args| {
        let repo = name(args, 0).ok_or("chartFrom: expected a repository")?;
        let chart = name(args, 1).unwrap_or_default();
        let one = charts.iter().find(|it| it.repo_url == repo && (chart.is_empty() || it.name == chart));
        Ok(one
            .map_or(Value::Null, |it| json!({"RepoURL": it.repo_url, "Name": it.name, "Version": it.versions.first()})))
    });
    let results = found.results.clone();
    functions.insert("artifactFrom", move |args| {
        let wanted = name(args, 0).ok_or("artifactFrom: expected a subscription")?;
        let first = results.iter().find(|it| it.name == wanted).and_then(|it| it.artifact_references.first());
        Ok(first.map_or(Value::Null, |it| json!({"Version": it.version, "Metadata": it.metadata})))
    });
    let program =
        Program::compile(expression, &Options::with_functions(functions)).map_err(|it| wrong(it.to_string()))?;
    match program.eval(&json!({})).map_err(|it| wrong(it.to_string()))? {
        Value::Bool(it) => Ok(Some(it)),
        Value::String(text) => match argo_lang::gofloat::parse_bool(&text) {
            Some(it) => Ok(Some(it)),
            None => Err(wrong(format!("result {text:?} is not a boolean"))),
        },
        other => Err(wrong(format!("result {other} is not a boolean"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DiscoveredImage, FreightCreationCriteria, ImageDiscovery};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn warehouse() -> Warehouse {
        let mut it = Warehouse::named("p", "w");
        it.metadata.generation = Some(1);
        it.spec.subscriptions = vec![json!({"image": {"repoURL": "nginx"}})];
        it
    }

    fn found(tags: &[&str]) -> DiscoveredArtifacts {
        let reference =
            |tag: &&str| DiscoveredImage { tag: (*tag).to_owned(), digest: "sha256:1".into(), ..Default::default() };
        let images = ImageDiscovery {
            repo_url: "nginx".into(),
            references: tags.iter().map(reference).collect(),
            ..Default::default()
        };
        DiscoveredArtifacts { images: vec![images], ..DiscoveredArtifacts::default() }
    }

    fn condition(status: &WarehouseStatus, kind: &str) -> (String, String) {
        status.conditions.condition(kind).map(|it| (it.status.clone(), it.reason.clone())).unwrap_or_default()
    }

    #[test]
    fn it_is_due_for_four_reasons() {
        let mut it = warehouse();
        it.spec.interval = "1m".into();
        assert_eq!(due(&it, Duration::ZERO, at(0)), Due::Now, "never done");
        it.status.discovered_artifacts =
            Some(DiscoveredArtifacts { discovered_at: Some(Time::new(at(100))), ..Default::default() });
        it.status.observed_generation = 1;
        assert_eq!(due(&it, Duration::ZERO, at(110)), Due::At(at(160)));
        assert_eq!(due(&it, Duration::from_secs(90), at(110)), Due::At(at(190)));
        assert_eq!(due(&it, Duration::ZERO, at(160)), Due::Now, "interval over");
        it.metadata.annotations.insert(names::ANNOTATION_REFRESH.into(), "t1".into());
        assert_eq!(due(&it, Duration::ZERO, at(110)), Due::Now, "refresh");
        it.status.last_handled_refresh = "t1".into();
        it.metadata.generation = Some(2);
        assert_eq!(due(&it, Duration::ZERO, at(110)), Due::Now, "new spec");
    }

    #[test]
    fn the_first_of_everything_becomes_freight_once() {
        let mut it = warehouse();
        let plan = discovered(&it, found(&["1.2", "1.1"]), &[], at(100));
        let changes: Vec<String> = plan.changes().map(ToString::to_string).collect();
        assert_eq!(changes.len(), 1);
        let Some(Change::Create { object }) = plan.changes().next() else { panic!("no freight") };
        assert_eq!(object.text("/images/0/tag"), "1.2");
        let made: Freight = object.decode().unwrap();
        let status = plan.status.unwrap();
        assert_eq!(status.last_freight_id, made.name());
        assert_eq!(condition(&status, "FreightCreated"), ("True".into(), "NewFreight".into()));
        assert_eq!(condition(&status, "Ready"), ("True".into(), "ArtifactsDiscovered".into()));
        it.status = status;
        let again = discovered(&it, found(&["1.2", "1.1"]), &[made], at(200));
        assert_eq!(again.changes().count(), 0);
        assert_eq!(condition(&again.status.unwrap(), "FreightCreated"), ("False".into(), "AlreadyExists".into()));
    }

    #[test]
    fn nothing_found_makes_no_freight() {
        let plan = discovered(&warehouse(), found(&[]), &[], at(100));
        assert_eq!(plan.changes().count(), 0);
        assert_eq!(condition(&plan.status.unwrap(), "Healthy"), ("False".into(), "MissingImageReferences".into()));
    }

    #[test]
    fn criteria_and_policy_decide() {
        let mut it = warehouse();
        let criterion = |text: &str| Some(FreightCreationCriteria { expression: text.into(), ..Default::default() });
        it.spec.freight_creation_criteria = criterion("imageFrom('nginx').Tag == '9'");
        let plan = discovered(&it, found(&["1.2"]), &[], at(100));
        assert_eq!(plan.changes().count(), 0);
        let status = plan.status.unwrap();
        assert_eq!(
            condition(&status, "FreightCreationCriteriaSatisfied"),
            ("False".into(), "CriteriaNotSatisfied".into())
        );
        it.spec.freight_creation_criteria = criterion("imageFrom('nginx').Tag startsWith '1.'");
        assert_eq!(discovered(&it, found(&["1.2"]), &[], at(100)).changes().count(), 1);
        it.spec.freight_creation_criteria = criterion("(");
        let status = discovered(&it, found(&["1.2"]), &[], at(100)).status.unwrap();
        assert_eq!(condition(&status, "Ready").1, "CriteriaEvaluationFailed");
        it.spec.freight_creation_criteria = None;
        it.spec.freight_creation_policy = FreightCreationPolicy::Manual;
        assert_eq!(discovered(&it, found(&["1.2"]), &[], at(100)).changes().count(), 0);
    }

    #[test]
    fn a_failed_look_is_shown_and_not_reset_by_the_next() {
        let mut it = warehouse();
        it.status = begin(&it, at(1)).unwrap();
        assert_eq!(begin(&it, at(2)), None);
        it.status = failed(&it, "repository not found", at(3));
        assert_eq!(condition(&it.status, "Healthy"), ("False".into(), "DiscoveryFailed".into()));
        assert_eq!(begin(&it, at(4)), None);
        assert_eq!(failed(&it, "repository not found", at(5)), it.status);
    }
}
