//! Databases, brokers and streams.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended, unknown, verdict};
use crate::api::HealthState::{Degraded, Healthy, Progressing, Suspended, Unknown};

pub(super) const KINDS: &[Entry] = &[
    ("db.atlasgo.io", "AtlasMigration", Rule::Code(atlas_migration)),
    ("db.atlasgo.io", "AtlasSchema", Rule::Code(atlas_schema)),
    ("flink.apache.org", "FlinkDeployment", Rule::Code(flink)),
    ("kafka.banzaicloud.io", "KafkaCluster", Rule::Code(kafka_cluster)),
    ("platform.confluent.io", "Connector", Rule::Code(connector)),
    ("postgresql.cnpg.io", "Cluster", Rule::Code(cloud_native_pg)),
    ("psmdb.percona.com", "PerconaServerMongoDB", Rule::Code(percona_mongo)),
    ("pxc.percona.com", "PerconaXtraDBCluster", Rule::Code(percona_cluster)),
    ("rabbitmq.com", "RabbitmqCluster", Rule::Code(rabbit_cluster)),
    ("solr.apache.org", "SolrCloud", Rule::Code(solr)),
    ("zookeeper.pravega.io", "ZookeeperCluster", Rule::Code(zookeeper)),
];

fn atlas_migration(object: Look<'_>) -> Judged {
    atlas(object, |it| it.get("reason").is("Reconciling"))
}

fn atlas_schema(object: Look<'_>) -> Judged {
    atlas(object, |it| it.get("message").is_one(&["Reconciling", "GettingDevDB"]))
}

fn atlas(object: Look<'_>, goes_on: fn(Look<'_>) -> bool) -> Judged {
    let Some(ready) = object.condition("Ready") else { return progressing("Waiting for Atlas Operator") };
    let reason = ready.get("reason").message();
    match ready.get("status").is("True") {
        true => healthy(reason),
        false if goes_on(ready) => progressing(reason),
        false => degraded(reason),
    }
}

fn flink(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let reconciliation = status.get("reconciliationStatus");
    if reconciliation.present() {
        if reconciliation.get("success").truthy() || reconciliation.get("state").is("DEPLOYED") {
            return healthy("");
        }
        match status.get("jobManagerDeploymentStatus").str() {
            Some("DEPLOYED_NOT_READY" | "DEPLOYING") => return progressing("Waiting for deploying"),
            Some("ERROR") => return degraded(reconciliation.get("error").message()),
            _ => {}
        }
    }
    progressing("Waiting for Flink operator")
}

fn kafka_cluster(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let state = status.get("state");
    if state.is("ClusterRollingUpgrading") {
        return progressing("Kafka Cluster is Rolling Upgrading.");
    }
    let brokers = status.get("brokersState");
    if brokers.present() {
        let mut all_good = true;
        for broker in brokers.values() {
            let in_sync = broker.get("configurationState").is("ConfigInSync");
            let settled = ["GracefulUpscaleSucceeded", "GracefulDownscaleSucceeded"];
            let good = in_sync && broker.get("gracefulActionState").at("cruiseControlState")?.is_one(&settled);
            all_good &= good;
        }
        if !all_good {
            return degraded("Broker Config is out of Sync or CruiseControlState is not Ready");
        }
        let topic = status.get("cruiseControlTopicStatus");
        if topic.is("CruiseControlTopicReady") && state.is("ClusterRunning") {
            return healthy("Kafka Brokers, CruiseControl and cluster are in Healthy State.");
        }
        if (topic.absent() || topic.is("CruiseControlTopicNotReady")) && state.is("ClusterReconciling") {
            return progressing("Kafka Cluster is Reconciling.");
        }
    }
    progressing("Waiting for KafkaCluster")
}

fn connector(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let failed = status.get("failedTasksCount");
    if status.get("state").present() {
        if status.get("state").is("CREATED") && status.get("connectorState").is("RUNNING") && failed.absent() {
            return healthy("Connector running");
        }
        if status.get("state").is("ERROR") {
            let first = status.get("conditions").nth(0);
            return degraded(match first.present() {
                true => first.get("message").message(),
                false => "No conditions available".to_owned(),
            });
        }
        if failed.present() && failed.number()? > 0.0 {
            return degraded("Connector has failed tasks");
        }
    }
    progressing("Waiting for Kafka Connector")
}

fn cloud_native_pg(object: Look<'_>) -> Judged {
    if object.path("metadata.annotations").get("cnpg.io/reconciliationLoop").is("disabled") {
        return suspended("Cluster reconciliation is suspended");
    }
    let status = object.get("status");
    let reason = status.at("phaseReason")?.message();
    if status.get("conditions").absent() {
        return progressing(reason);
    }
    if let Some(hibernation) = object.condition("cnpg.io/hibernation") {
        let message = hibernation.get("message").message();
        return if hibernation.get("status").is("True") { suspended(message) } else { degraded(message) };
    }
    let Some(phase) = status.get("phase").str() else { return unknown(reason) };
    let state = match phase {
        "Cluster in healthy state" => Healthy,
        "Setting up primary"
        | "Creating a new replica"
        | "Upgrading cluster"
        | "Waiting for the instances to become active"
        | "Promoting to primary cluster" => Progressing,
        "Switchover in progress"
        | "Failing over"
        | "Upgrading Postgres major version"
        | "Cluster upgrade delayed"
        | "Waiting for user action"
        | "Primary instance is being restarted in-place"
        | "Primary instance is being restarted without a switchover"
        | "Cluster cannot execute instance online upgrade due to missing architecture binary"
        | "Online upgrade in progress"
        | "Applying configuration" => Degraded,
        "Unable to create required cluster objects"
        | "Cluster cannot proceed to reconciliation due to an unknown plugin being required"
        | "Cluster has incomplete or invalid image catalog"
        | "Cluster is unrecoverable and needs manual intervention" => Suspended,
        _ => Unknown,
    };
    verdict(state, reason)
}

fn nodes_ready(status: Look<'_>) -> Result<String, Unjudged> {
    Ok(format!("{}/{} node(s) are ready", status.get("ready").text()?, status.get("size").text()?))
}

fn percona_mongo(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return unknown("Cluster status is unknown");
    }
    let message = nodes_ready(status)?;
    // a table of states is asked with the state as its key, which must not be absent
    verdict(
        match status.get("state").str() {
            Some("initializing" | "stopping") => Progressing,
            Some("ready") => Healthy,
            Some("error") => Degraded,
            Some("paused") => Suspended,
            _ => Unknown,
        },
        message,
    )
}

fn percona_cluster(object: Look<'_>) -> Judged {
    let status = object.get("status");
    match status.get("state").str() {
        Some("initializing") => progressing(nodes_ready(status)?),
        Some("ready") => healthy(nodes_ready(status)?),
        Some("paused") => unknown("Cluster is paused"),
        Some("stopping") => degraded(format!("Cluster is stopping ({})", nodes_ready(status)?)),
        Some("error") => {
            let texts: Result<Vec<String>, Unjudged> = status.get("message").items()?.map(Look::text).collect();
            degraded(format!("Cluster is on error: {}", texts?.join(", ")))
        }
        _ => unknown(
            "Cluster status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
        ),
    }
}

fn rabbit_cluster(object: Look<'_>) -> Judged {
    let waiting = "Waiting for RabbitMQ Operator";
    if let Some(failure) = object.conditions().find(|it| it.has("ReconcileSuccess", "False")) {
        return degraded(failure.get("message").message());
    }
    let last = |kind: &str| {
        let found = object.conditions().filter(|it| it.get("type").is(kind)).last();
        found.and_then(|it| it.get("status").str()).unwrap_or_default()
    };
    match (last("ClusterAvailable"), last("AllReplicasReady")) {
        ("Unknown", _) | (_, "Unknown") => progressing("Waiting for RabbitMQ cluster readiness (conditions unknown)"),
        ("False", _) => progressing("Waiting for RabbitMQ cluster formation"),
        (_, "False") => progressing("Waiting for RabbitMQ instances ready"),
        ("True", "True") => healthy("RabbitMQ cluster ready"),
        _ => progressing(waiting),
    }
}

fn solr(object: Look<'_>) -> Judged {
    let nodes = object.path("status.solrNodes");
    if nodes.absent() {
        return progressing("Waiting for solr to exist");
    }
    if nodes.list().any(|it| !it.get("ready").truthy()) {
        return progressing("Not all replicas are ready");
    }
    healthy("Solr is ready")
}

fn zookeeper(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let ready = status.get("readyReplicas");
    if status.present() && !ready.is_number(0.0) && ready.same(status.get("replicas")) {
        return healthy("All ZK Nodes have joined the ensemble");
    }
    progressing("Waiting for ZK Nodes to join the ensemble")
}
