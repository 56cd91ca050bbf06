//! What is said of each kind before it is ready.

use super::Look;

pub(super) struct Words {
    pub(super) ready: &'static [&'static str],
    pub(super) deletion: &'static str,
    /// Finalizer, what it waits for, what removing it by hand risks.
    pub(super) finalizers: &'static [(&'static str, &'static str, &'static str)],
    pub(super) initial: &'static str,
    /// The kind within a sentence.
    pub(super) name: &'static str,
    pub(super) failed: &'static str,
    pub(super) not_ready: &'static str,
    pub(super) unknown: Option<&'static str>,
    pub(super) missing: &'static str,
}

impl Words {
    pub(super) fn deleting(&self, finalizers: Look<'_>) -> String {
        let mut text = self.deletion.to_owned();
        for finalizer in finalizers.list() {
            if let Some((name, wait, risk)) = self.finalizers.iter().find(|it| finalizer.is(it.0)) {
                text = format!("{text} {name}: {wait} Risk if removed manually: {risk}");
            }
        }
        text
    }
}

pub(super) const ARGO_COMMIT_STATUS: Words = Words {
    ready: &["Ready"],
    deletion: "Argo CD commit status is being deleted",
    finalizers: &[],
    initial: "Initializing Argo CD commit status",
    name: "Argo CD commit status",
    failed: "Argo CD commit status reconciliation failed",
    not_ready: "Argo CD commit status reconciliation failed",
    unknown: None,
    missing: "Argo CD commit status is not ready yet",
};

pub(super) const TRANSFER_POLICY: Words = Words {
    deletion: "Change transfer policy is being deleted.",
    finalizers: &[(
        "changetransferpolicy.promoter.argoproj.io/finalizer",
        "Waiting to clear related PullRequest finalizers and finish cleanup before this policy is removed.",
        "The 'changetransferpolicy.promoter.argoproj.io/pullrequest-finalizer' finalizer may not be cleaned up from PullRequests owned by this ChangeTransferPolicy.",
    )],
    initial: "Initializing change transfer policy",
    name: "change transfer policy",
    failed: "Change transfer policy reconciliation failed",
    not_ready: "Change transfer policy reconciliation failed",
    missing: "Change transfer policy is not ready yet",
    ..ARGO_COMMIT_STATUS
};

pub(super) const COMMIT_STATUS: Words = Words {
    deletion: "Commit status is being deleted",
    initial: "Initializing commit status",
    name: "commit status",
    failed: "Commit status reconciliation failed",
    not_ready: "Commit status reconciliation failed",
    missing: "Commit status is not ready yet",
    ..ARGO_COMMIT_STATUS
};

pub(super) const STRATEGY: Words = Words {
    deletion: "Promotion strategy is being deleted",
    initial: "Initializing promotion strategy",
    name: "promotion strategy",
    failed: "Promotion strategy reconciliation failed",
    not_ready: "Promotion strategy reconciliation failed",
    missing: "Promotion strategy is not ready yet",
    ..ARGO_COMMIT_STATUS
};

pub(super) const PULL_REQUEST: Words = Words {
    ready: &["Reconciled", "Ready"],
    deletion: "Pull request is being deleted.",
    finalizers: &[
        (
            "pullrequest.promoter.argoproj.io/finalizer",
            "Waiting for SCM closure or reconciliation of the pull request.",
            "the real PR can stay open after the CR is gone.",
        ),
        (
            "changetransferpolicy.promoter.argoproj.io/pullrequest-finalizer",
            "Waiting for the ChangeTransferPolicy to observe PR identity and state.",
            "promotion status or history can be wrong or racy.",
        ),
    ],
    initial: "Initializing pull request",
    name: "pull request",
    failed: "Pull request reconciliation failed",
    not_ready: "Pull request reconciliation failed",
    unknown: None,
    missing: "Pull request is not ready yet",
};

pub(super) const CLUSTER_SCM_PROVIDER: Words = Words {
    deletion: "ClusterScmProvider is being deleted.",
    finalizers: &[(
        "clusterscmprovider.promoter.argoproj.io/finalizer",
        "Waiting until no GitRepository still references this cluster-wide SCM provider.",
        "GitRepository objects can reference a provider that no longer exists.",
    )],
    initial: "Initializing cluster SCM provider",
    name: "ClusterScmProvider",
    failed: "Cluster SCM provider validation failed",
    not_ready: "Cluster SCM provider not ready",
    unknown: Some("Cluster SCM provider readiness unknown"),
    missing: "ClusterScmProvider Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};

pub(super) const SCM_PROVIDER: Words = Words {
    deletion: "ScmProvider is being deleted.",
    finalizers: &[(
        "scmprovider.promoter.argoproj.io/finalizer",
        "Waiting until no GitRepository in this namespace still references this provider.",
        "GitRepository objects can reference a provider that no longer exists.",
    )],
    initial: "Initializing SCM provider",
    name: "ScmProvider",
    failed: "SCM provider validation failed",
    not_ready: "SCM provider not ready",
    unknown: Some("SCM provider readiness unknown"),
    missing: "ScmProvider Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};

pub(super) const GIT_REPOSITORY: Words = Words {
    deletion: "GitRepository is being deleted.",
    finalizers: &[(
        "gitrepository.promoter.argoproj.io/finalizer",
        "Waiting until no non-deleting PullRequests still reference this repository.",
        "repository metadata may be removed while promotions still depend on it.",
    )],
    initial: "Initializing Git repository",
    name: "GitRepository",
    failed: "Git repository validation failed",
    not_ready: "Git repository not ready",
    unknown: Some("Git repository readiness unknown"),
    missing: "GitRepository Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};

pub(super) const GIT_COMMIT_STATUS: Words = Words {
    deletion: "GitCommitStatus is being deleted",
    initial: "Initializing git commit validation",
    name: "GitCommitStatus",
    failed: "Git commit validation failed",
    not_ready: "Git commit validation not ready",
    unknown: Some("Git commit validation status unknown"),
    missing: "GitCommitStatus Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};

pub(super) const TIMED_COMMIT_STATUS: Words = Words {
    deletion: "TimedCommitStatus is being deleted",
    initial: "Initializing timed commit gate",
    name: "TimedCommitStatus",
    failed: "Timed commit gate failed",
    not_ready: "Timed commit gate not ready",
    unknown: Some("Timed commit gate status unknown"),
    missing: "TimedCommitStatus Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};

pub(super) const WEB_REQUEST_COMMIT_STATUS: Words = Words {
    deletion: "WebRequestCommitStatus is being deleted",
    initial: "Initializing web request commit validation",
    name: "WebRequestCommitStatus",
    failed: "Web request commit validation failed",
    not_ready: "Web request commit validation not ready",
    unknown: Some("Web request commit validation unknown"),
    missing: "WebRequestCommitStatus Ready condition is missing",
    ..ARGO_COMMIT_STATUS
};
