//! Argo CD Applications: what a promotion makes of them, and how healthy they are.
//!
//! Applications are read and patched as they are on the wire; only what is touched is understood.

use argo_core::{Change, Gvk, Object, Timestamp, time};
use serde_json::{Map, Value, json};

use crate::api::{Health, HealthState, names};

/// Group, version and kind of an Application.
#[must_use]
pub fn application() -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", "Application")
}

/// Argo CD's refresh annotation.
pub const ANNOTATION_REFRESH: &str = "argocd.argoproj.io/refresh";
/// Argo CD's own user name for operations that a promotion starts.
pub const INITIATOR: &str = "kargo-controller";

/// Whether a Stage may change an Application: its annotation names `project:stage`. Patterns are refused.
#[must_use]
pub fn is_authorized(app: &Object, project: &str, stage: &str) -> bool {
    let list = app.annotation(names::ANNOTATION_AUTHORIZED_STAGE).unwrap_or_default();
    let wanted = format!("{project}:{stage}");
    list.split(',').map(str::trim).any(|it| !it.contains('*') && it == wanted)
}

/// The `(project, stage)` pairs that may change an Application.
pub fn authorized_stages(app: &Object) -> impl Iterator<Item = (&str, &str)> {
    let list = app.annotation(names::ANNOTATION_AUTHORIZED_STAGE).unwrap_or_default();
    list.split(',').filter_map(|it| it.trim().split_once(':'))
}

/// How one source of an Application is to be changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceUpdate {
    /// Which source.
    pub repo_url: String,
    /// Which source, for charts.
    pub chart: String,
    /// The revision that must have been synced.
    pub desired_revision: String,
    /// Writes the desired revision into the source.
    pub update_target_revision: bool,
    /// Images to set: `[=]newName[:tag|@digest]` by repository.
    pub kustomize_images: Vec<(String, String)>,
    /// Helm parameters to set.
    pub helm_parameters: Vec<(String, String)>,
}

/// What an Application must do for a promotion.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Start this one: a patch on the Application.
    Start(Box<Change>),
    /// Wait for one that is under way.
    Wait(String),
    /// Ours ended well.
    Succeeded,
    /// Ours ended badly.
    Failed(String),
}

/// An Application that can not be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no source of Argo CD Application {application:?} matches update with repoURL {repo_url:?}{chart}")]
pub struct SourceMismatch {
    /// The Application.
    pub application: String,
    /// The repository asked for.
    pub repo_url: String,
    /// The chart asked for, with words around it.
    pub chart: String,
}

/// Who starts an operation and why.
#[derive(Debug, Clone, Copy)]
pub struct Initiator<'a> {
    /// Name of the Promotion.
    pub promotion: &'a str,
    /// The user it was made by; empty when automatic.
    pub actor: &'a str,
}

/// Decides what to do about one Application.
///
/// # Errors
/// When a source that is to be changed is not there.
pub fn operate(app: &Object, updates: &[SourceUpdate], by: Initiator<'_>) -> Result<Operation, SourceMismatch> {
    let sources = updated_sources(app, updates)?;
    let start = || Operation::Start(Box::new(start(app, sources.clone(), by)));
    // Asked for and not taken up yet: ours is under way, another's goes first.
    if let Some(requested) = app.get("operation").filter(|it| !it.is_null()) {
        let whose = if is_ours(requested, by.promotion) { "requested" } else { "another operation is pending" };
        return Ok(Operation::Wait(format!("Argo CD Application {}: operation {whose}", app.key())));
    }
    let Some(state) = app.pointer("/status/operationState").filter(|it| it.is_object()) else {
        return Ok(start());
    };
    let phase = state.get("phase").and_then(Value::as_str).unwrap_or_default();
    let completed = matches!(phase, "Succeeded" | "Failed" | "Error");
    if !state.get("operation").is_some_and(|it| is_ours(it, by.promotion)) {
        if completed {
            return Ok(start());
        }
        return Ok(Operation::Wait(format!("Argo CD Application {}: waiting for another operation to end", app.key())));
    }
    if !completed {
        return Ok(Operation::Wait(format!("Argo CD Application {}: operation is {phase}", app.key())));
    }
    if phase != "Succeeded" {
        let message = state.get("message").and_then(Value::as_str).unwrap_or_default();
        let text = format!("Argo CD Application {} operation completed with status {phase}: {message}", app.key());
        return Ok(Operation::Failed(crate::api::bounded(&text)));
    }
    let Some(result) = state.get("syncResult").filter(|it| it.is_object()) else {
        return Ok(start());
    };
    let desired = desired_revisions(app, updates);
    if mismatch(&desired, &revisions(result)) { Ok(start()) } else { Ok(Operation::Succeeded) }
}

fn is_ours(operation: &Value, promotion: &str) -> bool {
    let info = operation.get("info").and_then(Value::as_array);
    info.into_iter().flatten().any(|it| it["name"] == names::ANNOTATION_PROMOTION && it["value"] == promotion)
}

/// The sources of an Application: `sources`, or the one `source`.
#[must_use]
pub fn sources(app: &Object) -> Vec<Value> {
    match app.pointer("/spec/sources").and_then(Value::as_array) {
        Some(list) if !list.is_empty() => list.clone(),
        _ => app.pointer("/spec/source").filter(|it| it.is_object()).cloned().into_iter().collect(),
    }
}

fn field<'a>(source: &'a Value, name: &str) -> &'a str {
    source.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_for(update: &SourceUpdate, source: &Value) -> bool {
    let (wanted, found) = (&update.repo_url, field(source, "repoURL"));
    let same = if update.chart.is_empty() {
        super::urls::normalize_git(wanted) == super::urls::normalize_git(found)
    } else {
        super::urls::normalize_chart(wanted) == super::urls::normalize_chart(found)
    };
    same && field(source, "chart") == update.chart
}

/// The revision wanted of each source, empty where any will do.
#[must_use]
pub fn desired_revisions(app: &Object, updates: &[SourceUpdate]) -> Vec<String> {
    let of = |source: &Value| updates.iter().find(|it| is_for(it, source)).map(|it| it.desired_revision.clone());
    sources(app).iter().map(|it| of(it).unwrap_or_default()).collect()
}

/// Changed sources, with whether there were several; `None` when nothing changes.
fn updated_sources(app: &Object, updates: &[SourceUpdate]) -> Result<Option<Vec<Value>>, SourceMismatch> {
    let before = sources(app);
    let mut after = before.clone();
    for update in updates {
        let Some(source) = after.iter_mut().find(|it| is_for(update, it)) else {
            let chart = if update.chart.is_empty() { String::new() } else { format!(" and chart {:?}", update.chart) };
            let application = app.key().to_string();
            return Err(SourceMismatch { application, repo_url: update.repo_url.clone(), chart });
        };
        if update.update_target_revision && !update.desired_revision.is_empty() {
            source["targetRevision"] = json!(update.desired_revision);
        }
        for (repository, image) in &update.kustomize_images {
            set_kustomize_image(source, repository, image);
        }
        for (name, value) in &update.helm_parameters {
            set_helm_parameter(source, name, value);
        }
    }
    Ok((before != after).then_some(after))
}

fn set_kustomize_image(source: &mut Value, repository: &str, image: &str) {
    let mut images: Vec<String> = source
        .pointer("/kustomize/images")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |it| it.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let name = |entry: &str| -> String {
        let head = entry.split_once('=').map_or(entry, |(head, _)| head);
        head.split(['@'])
            .next()
            .and_then(|it| it.rsplit_once(':').map(|(a, _)| a.to_owned()).or_else(|| Some(it.to_owned())))
            .unwrap_or_default()
    };
    match images.iter_mut().find(|it| name(it) == repository) {
        Some(found) => image.clone_into(found),
        None => images.push(image.to_owned()),
    }
    if !source["kustomize"].is_object() {
        source["kustomize"] = json!({});
    }
    source["kustomize"]["images"] = json!(images);
}

fn set_helm_parameter(source: &mut Value, name: &str, value: &str) {
    if !source["helm"].is_object() {
        source["helm"] = json!({});
    }
    let list = source["helm"].get("parameters").and_then(Value::as_array).cloned();
    let mut parameters = list.unwrap_or_default();
    match parameters.iter_mut().find(|it| it["name"] == name) {
        Some(found) => found["value"] = json!(value),
        None => parameters.push(json!({"name": name, "value": value})),
    }
    source["helm"]["parameters"] = json!(parameters);
}

/// One patch: hard refresh, changed sources, the operation, and the state of the one before removed.
fn start(app: &Object, changed: Option<Vec<Value>>, by: Initiator<'_>) -> Change {
    let several = app.pointer("/spec/sources").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    let now = changed.clone().unwrap_or_else(|| sources(app));
    let revisions: Vec<&str> = now.iter().map(|it| field(it, "targetRevision")).collect();
    let mut sync = Map::new();
    if several {
        sync.insert("revisions".into(), json!(revisions));
        sync.insert("sources".into(), json!(now));
    } else {
        sync.insert("revision".into(), json!(revisions.first().copied().unwrap_or_default()));
    }
    if let Some(options) = app.pointer("/spec/syncPolicy/syncOptions").filter(|it| !it.is_null()) {
        sync.insert("syncOptions".into(), options.clone());
    }
    let (username, automated) = if by.actor.is_empty() { (INITIATOR, true) } else { (by.actor, false) };
    let mut initiated_by = json!({"username": username});
    if automated {
        initiated_by["automated"] = json!(true);
    }
    let mut operation = json!({
        "initiatedBy": initiated_by,
        "info": [
            {"name": "Reason", "value": "Promotion triggered a sync of this Application resource."},
            {"name": names::ANNOTATION_PROMOTION, "value": by.promotion},
        ],
        "sync": sync,
    });
    if let Some(retry) = app.pointer("/spec/syncPolicy/retry").filter(|it| !it.is_null()) {
        operation["retry"] = retry.clone();
    }
    let mut patch = json!({
        "metadata": {"annotations": {ANNOTATION_REFRESH: "hard"}},
        "operation": operation,
        "status": {"operationState": null},
    });
    if let Some(changed) = changed {
        if several {
            patch["spec"] = json!({"sources": changed});
        } else {
            patch["spec"] = json!({"source": changed.first()});
        }
    }
    let version = app.resource_version();
    Change::Patch {
        target: app.reference(),
        patch: argo_core::Patch::merge(patch),
        subresource: None,
        resource_version: (!version.is_empty()).then(|| version.to_owned()),
    }
}

fn revisions(sync: &Value) -> Vec<String> {
    match sync.get("revisions").and_then(Value::as_array) {
        Some(list) if !list.is_empty() => list.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect(),
        _ => vec![field(sync, "revision").to_owned()],
    }
}

fn mismatch(desired: &[String], found: &[String]) -> bool {
    desired.iter().enumerate().any(|(index, wanted)| !wanted.is_empty() && found.get(index) != Some(wanted))
}

/// An Application as a health check names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthTarget {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The revision wanted of each source, empty where any will do.
    pub desired_revisions: Vec<String>,
}

/// Reads the config of a health check of kind `argocd-update`.
#[must_use]
pub fn health_targets(config: &Value) -> Vec<HealthTarget> {
    let apps = config.get("apps").and_then(Value::as_array);
    let target = |it: &Value| HealthTarget {
        namespace: field(it, "namespace").to_owned(),
        name: field(it, "name").to_owned(),
        desired_revisions: it
            .get("desiredRevisions")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |it| it.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()),
    };
    apps.into_iter().flatten().map(target).collect()
}

/// How one Application is; the second value asks for a hard refresh of it.
#[must_use]
pub fn application_health(
    target: &HealthTarget,
    app: Option<&Object>,
    now: Timestamp,
) -> (HealthState, Option<String>, bool) {
    let label = format!("Argo CD Application {:?} in namespace {:?}", target.name, target.namespace);
    let Some(app) = app else {
        return (HealthState::Unknown, Some(format!("unable to find {label}")), false);
    };
    for condition in app.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten() {
        let kind = field(condition, "type");
        if matches!(kind, "ComparisonError" | "InvalidSpecError") {
            let issue = format!("{label} has {kind:?} condition: {}", field(condition, "message"));
            return (HealthState::Unhealthy, Some(crate::api::bounded(&issue)), false);
        }
    }
    let finished = time::parse(app.text("/status/operationState/finishedAt")).ok();
    let reconciled = time::parse(app.text("/status/reconciledAt")).ok();
    if finished.is_some_and(|it| reconciled.is_none_or(|seen| seen < it)) {
        let refreshing = app.annotation(ANNOTATION_REFRESH).is_some();
        let recent = finished.is_some_and(|it| time::between(it, now).as_secs() < 10);
        let issue = format!("last operation of {label} completed; waiting for its status to be observed");
        return (HealthState::Unknown, Some(issue), !refreshing && !recent);
    }
    let found = app.pointer("/status/sync").map(revisions).unwrap_or_default();
    if mismatch(&target.desired_revisions, &found) {
        let phase = app.text("/status/operationState/phase");
        if matches!(phase, "Running" | "Terminating") || app.get("operation").is_some() {
            return (HealthState::Unknown, Some(format!("{label} is being synced")), false);
        }
        let issue = format!(
            "{label} is out of sync: wanted revision(s) {:?}, found {found:?}",
            target.desired_revisions.join(", ")
        );
        return (HealthState::Unhealthy, Some(issue), false);
    }
    match app.text("/status/health/status") {
        "Healthy" => (HealthState::Healthy, None, false),
        status @ ("Progressing" | "Suspended" | "") => {
            let word = if status.is_empty() { "unknown yet" } else { status };
            (HealthState::Progressing, Some(format!("{label} has health state {word:?}")), false)
        }
        status => (HealthState::Unhealthy, Some(format!("{label} has health state {status:?}")), false),
    }
}

/// What a health check found, for people and the UI, without timestamps that change by themselves.
#[must_use]
pub fn health_output(target: &HealthTarget, app: Option<&Object>) -> Value {
    let at = |pointer: &str| app.and_then(|it| it.pointer(pointer)).cloned();
    let mut out = json!({"name": target.name, "namespace": target.namespace});
    let health = at("/status/health/status").map(|status| {
        let mut health = json!({"status": status});
        if let Some(message) = at("/status/health/message") {
            health["message"] = message;
        }
        health
    });
    let sync = at("/status/sync/status").map(|status| {
        let mut sync = json!({"status": status});
        for name in ["revision", "revisions"] {
            if let Some(value) = at(&format!("/status/sync/{name}")) {
                sync[name] = value;
            }
        }
        sync
    });
    for (name, value) in [("health", health), ("sync", sync)] {
        if let Some(value) = value {
            out[name] = value;
        }
    }
    out
}

/// The worst of two.
pub fn merge_health(into: &mut Health, other: Health) {
    into.status = into.status.max(other.status);
    into.issues.extend(other.issues);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(extra: Value) -> Object {
        let mut base = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd", "resourceVersion": "5",
                "annotations": {"kargo.akuity.io/authorized-stage": "p:dev, p:eu"}},
            "spec": {"source": {"repoURL": "https://h/a.git", "targetRevision": "main"},
                "syncPolicy": {"syncOptions": ["A=b"], "retry": {"limit": 3}}},
        });
        argo_merge::merge_patch::apply(&mut base, &extra);
        Object::from_value(base)
    }

    const BY: Initiator<'static> = Initiator { promotion: "promo", actor: "" };

    fn state(phase: &str, promotion: &str, revision: &str) -> Value {
        json!({"status": {"operationState": {"phase": phase, "message": "why",
            "operation": {"info": [{"name": "kargo.akuity.io/promotion", "value": promotion}]},
            "syncResult": {"revision": revision}}}})
    }

    #[test]
    fn only_named_stages_are_authorized() {
        assert!(is_authorized(&app(json!({})), "p", "eu"));
        assert!(!is_authorized(&app(json!({})), "p", "prod"));
        let star = app(json!({"metadata": {"annotations": {"kargo.akuity.io/authorized-stage": "p:*"}}}));
        assert!(!is_authorized(&star, "p", "*"));
    }

    #[test]
    fn an_operation_is_started_once_and_waited_for() {
        let Operation::Start(change) = operate(&app(json!({})), &[], BY).unwrap() else { panic!("no start") };
        let Change::Patch { patch, resource_version, .. } = *change else { panic!("no patch") };
        assert_eq!(resource_version.as_deref(), Some("5"));
        assert_eq!(
            patch.body,
            json!({
                "metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}},
                "operation": {
                    "initiatedBy": {"username": "kargo-controller", "automated": true},
                    "info": [{"name": "Reason", "value": "Promotion triggered a sync of this Application resource."},
                        {"name": "kargo.akuity.io/promotion", "value": "promo"}],
                    "sync": {"revision": "main", "syncOptions": ["A=b"]},
                    "retry": {"limit": 3},
                },
                "status": {"operationState": null},
            })
        );
        let asked = app(json!({"operation": patch.body["operation"]}));
        assert!(matches!(operate(&asked, &[], BY).unwrap(), Operation::Wait(_)), "not asked for twice");
        assert!(matches!(operate(&app(state("Running", "promo", "")), &[], BY).unwrap(), Operation::Wait(_)));
        assert!(matches!(operate(&app(state("Running", "other", "")), &[], BY).unwrap(), Operation::Wait(_)));
        assert!(matches!(operate(&app(state("Succeeded", "other", "x")), &[], BY).unwrap(), Operation::Start(_)));
        assert_eq!(operate(&app(state("Succeeded", "promo", "x")), &[], BY).unwrap(), Operation::Succeeded);
        let Operation::Failed(text) = operate(&app(state("Failed", "promo", "x")), &[], BY).unwrap() else {
            panic!("not failed")
        };
        assert!(text.ends_with("completed with status Failed: why"), "{text}");
    }

    #[test]
    fn the_wrong_revision_is_synced_again() {
        let update =
            SourceUpdate { repo_url: "https://h/a".into(), desired_revision: "c1".into(), ..Default::default() };
        let again = operate(&app(state("Succeeded", "promo", "c0")), std::slice::from_ref(&update), BY).unwrap();
        assert!(matches!(again, Operation::Start(_)));
        let done = operate(&app(state("Succeeded", "promo", "c1")), &[update], BY).unwrap();
        assert_eq!(done, Operation::Succeeded);
        let stray = SourceUpdate { repo_url: "https://h/x".into(), ..Default::default() };
        assert!(operate(&app(json!({})), &[stray], BY).unwrap_err().to_string().contains("https://h/x"));
    }

    #[test]
    fn sources_are_changed_in_place() {
        let update = SourceUpdate {
            repo_url: "https://h/a".into(),
            desired_revision: "v2".into(),
            update_target_revision: true,
            kustomize_images: vec![("nginx".into(), "nginx:2".into())],
            helm_parameters: vec![("image.tag".into(), "2".into())],
            ..Default::default()
        };
        let live = app(json!({"spec": {"source": {"kustomize": {"images": ["nginx:1", "redis:1"]},
            "helm": {"parameters": [{"name": "image.tag", "value": "1", "forceString": true}]}}}}));
        let Operation::Start(change) = operate(&live, &[update], BY).unwrap() else { panic!("no start") };
        let Change::Patch { patch, .. } = *change else { panic!("no patch") };
        let source = &patch.body["spec"]["source"];
        assert_eq!(source["targetRevision"], "v2");
        assert_eq!(source["kustomize"]["images"], json!(["nginx:2", "redis:1"]));
        assert_eq!(source["helm"]["parameters"], json!([{"name": "image.tag", "value": "2", "forceString": true}]));
        assert_eq!(patch.body["operation"]["sync"]["revision"], "v2");
    }

    #[test]
    fn health_follows_conditions_revisions_and_status() {
        let target =
            HealthTarget { namespace: "argocd".into(), name: "web".into(), desired_revisions: vec!["c1".into()] };
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let check = |extra: Value| application_health(&target, Some(&app(extra)), now).0;
        let synced = |health: &str| json!({"status": {"sync": {"revision": "c1"}, "health": {"status": health}}});
        assert_eq!(check(synced("Healthy")), HealthState::Healthy);
        assert_eq!(check(synced("Suspended")), HealthState::Progressing);
        assert_eq!(check(synced("Degraded")), HealthState::Unhealthy);
        assert_eq!(check(json!({"status": {"sync": {"revision": "c0"}}})), HealthState::Unhealthy);
        let midway = json!({"status": {"sync": {"revision": "c0"}, "operationState": {"phase": "Running"}}});
        assert_eq!(check(midway), HealthState::Unknown);
        let broken = json!({"status": {"conditions": [{"type": "ComparisonError", "message": "x"}]}});
        assert_eq!(check(broken), HealthState::Unhealthy);
        assert_eq!(application_health(&target, None, now).0, HealthState::Unknown);
        let stale = json!({"status": {"operationState": {"finishedAt": "2026-01-01T00:30:00Z"},
            "reconciledAt": "2026-01-01T00:29:00Z", "health": {"status": "Healthy"}}});
        let (state, _, refresh) = application_health(&target, Some(&app(stale)), now);
        assert_eq!((state, refresh), (HealthState::Unknown, true));
    }
}
