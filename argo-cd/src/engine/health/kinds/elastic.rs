//! Elastic: Beats and Elasticsearch clusters.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, unknown};

pub(super) const KINDS: &[Entry] = &[
    ("beat.k8s.elastic.co", "Beat", Rule::Code(beat)),
    ("elasticsearch.k8s.elastic.co", "Elasticsearch", Rule::Code(elasticsearch)),
];

const REPORT: &str = "status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues";

fn beat(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let (health, wanted, available) = (status.get("health"), status.get("expectedNodes"), status.get("availableNodes"));
    if health.absent() && wanted.absent() {
        return unknown(format!("Elastic Beat {REPORT}"));
    }
    match health.str() {
        Some("red") => degraded("Elastic Beat status is Red"),
        Some("green") => healthy("Elastic Beat status is Green"),
        Some("yellow") if available.present() && wanted.present() => progressing(format!(
            "Elastic Beat status is deploying, there is {} instance(s) on {} expected",
            available.text()?,
            wanted.text()?
        )),
        Some("yellow") | None => progressing("Elastic Beat phase is progressing"),
        Some(_) => unknown(format!("Elastic Beat {REPORT}")),
    }
}

fn elasticsearch(object: Look<'_>) -> Judged {
    const CHECK: &str = "Check the status of indices, replicas and shards";
    let status = object.get("status");
    let available = status.get("availableNodes");
    if available.present() {
        let sets = object.get("spec").at("nodeSets")?;
        if sets.absent() {
            sets.items()?.for_each(drop);
        }
        let mut sum = 0.0;
        for set in sets.values() {
            sum += set.get("count").number()?;
        }
        if available.number()? < sum {
            return progressing(format!(
                "The desired amount of availableNodes is {sum} but the current amount is {}",
                available.text()?
            ));
        }
        if available.is_number(sum) && status.get("health").present() {
            match (status.get("phase").str(), status.get("health").str()) {
                (Some("Ready"), Some("green")) => return healthy("Elasticsearch Cluster status is Green"),
                (Some("Ready"), Some("yellow")) => {
                    return progressing(format!("Elasticsearch Cluster status is Yellow. {CHECK}"));
                }
                (Some("Ready"), Some("red")) => {
                    return degraded(format!("Elasticsearch Cluster status is Red. {CHECK}"));
                }
                (Some("ApplyingChanges"), _) => return progressing("Elasticsearch phase is ApplyingChanges"),
                (Some("MigratingData"), _) => return progressing("Elasticsearch phase is MigratingData"),
                (Some("Invalid"), _) => return degraded("Elasticsearch phase is Invalid"),
                _ => {}
            }
        }
    }
    unknown(format!("Elasticsearch Cluster {REPORT}"))
}
