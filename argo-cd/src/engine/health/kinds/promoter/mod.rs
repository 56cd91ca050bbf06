//! GitOps Promoter. Every kind is deleted, observed and ready in the same way; what comes then differs.

mod commits;
mod gates;
mod words;

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule};
use words::Words;

const GROUP: &str = "promoter.argoproj.io";

pub(super) const KINDS: &[Entry] = &[
    (GROUP, "ArgoCDCommitStatus", Rule::Code(argo_commit_status)),
    (GROUP, "ChangeTransferPolicy", Rule::Code(commits::transfer_policy)),
    (GROUP, "ClusterScmProvider", Rule::Code(cluster_scm_provider)),
    (GROUP, "CommitStatus", Rule::Code(commit_status)),
    (GROUP, "GitCommitStatus", Rule::Code(gates::git)),
    (GROUP, "GitRepository", Rule::Code(git_repository)),
    (GROUP, "PromotionStrategy", Rule::Code(commits::strategy)),
    (GROUP, "PullRequest", Rule::Code(pull_request)),
    (GROUP, "ScmProvider", Rule::Code(scm_provider)),
    (GROUP, "TimedCommitStatus", Rule::Code(gates::timed)),
    (GROUP, "WebRequestCommitStatus", Rule::Code(gates::web_request)),
];

/// The verdict before readiness; `None` when the object is ready.
fn unready(object: Look<'_>, words: &Words) -> Result<Option<crate::api::ResourceHealth>, Unjudged> {
    let metadata = object.get("metadata");
    if metadata.at("deletionTimestamp")?.truthy() {
        return progressing(words.deleting(metadata.get("finalizers"))).map(Some);
    }
    if !object.get("status").truthy() {
        return progressing(words.initial).map(Some);
    }
    let mut told = false;
    for condition in object.conditions().filter(|it| it.get("type").is_one(words.ready)) {
        told = true;
        let (observed, generation) = (condition.get("observedGeneration"), metadata.get("generation"));
        if observed.truthy() && generation.truthy() && !observed.same(generation) {
            return progressing(format!("Waiting for {} spec update to be observed", words.name)).map(Some);
        }
        let reason = condition.get("reason").or("Unknown");
        let message = condition.get("message");
        match (condition.get("status").str(), words.unknown) {
            (Some("False"), _) if reason == "ReconciliationError" => {
                return degraded(format!("{}: {}", words.failed, message.or("Unknown error"))).map(Some);
            }
            (Some("False"), _) => {
                let message = message.or("Unknown error");
                return degraded(format!("{} ({reason}): {message}", words.not_ready)).map(Some);
            }
            (Some("Unknown"), Some(unknown)) => {
                return progressing(format!("{unknown} ({reason}): {}", message.or("Unknown"))).map(Some);
            }
            _ => {}
        }
    }
    if told { Ok(None) } else { progressing(words.missing).map(Some) }
}

fn argo_commit_status(object: Look<'_>) -> Judged {
    if let Some(verdict) = unready(object, &words::ARGO_COMMIT_STATUS)? {
        return Ok(verdict);
    }
    match object.path("status.applicationsSelected").length() {
        0 => degraded("Argo CD commit status has no applications configured"),
        count => healthy(format!("Argo CD commit status is healthy and is tracking {count} applications")),
    }
}

fn commit_status(object: Look<'_>) -> Judged {
    if let Some(verdict) = unready(object, &words::COMMIT_STATUS)? {
        return Ok(verdict);
    }
    let (sha, phase) = (object.path("status.sha"), object.path("status.phase"));
    if !sha.truthy() || !phase.truthy() {
        return healthy("Commit status is healthy");
    }
    healthy(format!("Commit status for commit {} reports {}", sha.text()?, phase.text()?))
}

fn pull_request(object: Look<'_>) -> Judged {
    if let Some(verdict) = unready(object, &words::PULL_REQUEST)? {
        return Ok(verdict);
    }
    let (id, state) = (object.path("status.id"), object.path("status.state"));
    if !id.truthy() || !state.truthy() {
        return healthy("Pull request is healthy");
    }
    healthy(format!("Pull request is {} as PR {}", state.text()?, id.text()?))
}

fn cluster_scm_provider(object: Look<'_>) -> Judged {
    unready(object, &words::CLUSTER_SCM_PROVIDER)?.map_or_else(|| healthy("Cluster SCM provider is ready"), Ok)
}

fn scm_provider(object: Look<'_>) -> Judged {
    unready(object, &words::SCM_PROVIDER)?.map_or_else(|| healthy("SCM provider is ready"), Ok)
}

fn git_repository(object: Look<'_>) -> Judged {
    unready(object, &words::GIT_REPOSITORY)?.map_or_else(|| healthy("Git repository is ready"), Ok)
}
