//! Classic Crossplane's AWS kinds: synced with the cloud, and ready there.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("cloudfront.aws.crossplane.io", "Distribution", Rule::Named("distribution", managed)),
    ("iam.aws.crossplane.io", "Policy", Rule::Named("Policy", managed)),
    ("iam.aws.crossplane.io", "Role", Rule::Named("Role", managed)),
    ("iam.aws.crossplane.io", "RolePolicyAttachment", Rule::Named("RolePolicyAttachment", managed)),
    ("rds.aws.crossplane.io", "DBCluster", Rule::Named("DBCluster", managed)),
    ("rds.aws.crossplane.io", "DBInstance", Rule::Named("DBInstance", managed)),
    ("route53.aws.crossplane.io", "ResourceRecordSet", Rule::Named("resourcrecordset", managed)),
    ("s3.aws.crossplane.io", "Bucket", Rule::Named("Bucket", managed)),
];

fn managed(object: Look<'_>, name: &'static str) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing(format!("Waiting for {name} to be created"));
    }
    let (mut ready, mut synced, mut paused) = (false, false, None);
    let (mut ready_reason, mut failure) = (String::new(), String::new());
    for condition in object.conditions() {
        let reason = condition.get("reason");
        let holds = condition.get("status").is("True");
        if condition.get("type").is("Ready") {
            (ready, ready_reason) = (holds, reason.message());
        } else if condition.get("type").is("Synced") {
            synced = holds;
            if reason.is("ReconcileError") {
                failure = condition.get("message").message();
            } else if reason.is("ReconcilePaused") {
                paused = Some(reason.message());
            }
        }
    }
    match (ready, synced, paused) {
        (true, true, _) => healthy(ready_reason),
        (_, false, Some(reason)) => suspended(reason),
        (false, true, None) => progressing(format!("Waiting for {name} to be available")),
        _ => degraded(failure),
    }
}
