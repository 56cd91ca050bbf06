//! Kinds that are what the first of their conditions says that matches.

use super::{
    Entry,
    shape::{Is, On, Rule, Say, any, because, on},
};
use crate::api::HealthState::{Degraded, Healthy, Progressing, Suspended, Unknown};

/// Ready or not, each with the condition's message.
const READY: &[On] = &[on("Ready", "False", Degraded, Say::Message), on("Ready", "True", Healthy, Say::Message)];
const SYNCED: &[On] = &[on("Synced", "False", Degraded, Say::Message), on("Synced", "True", Healthy, Say::Message)];
const STRIMZI: &[On] = &[on("NotReady", "True", Degraded, Say::Message), on("Ready", "True", Healthy, Say::Text(""))];

const fn by(passes: &'static [&'static [On]], waiting: &'static str) -> Rule {
    Rule::Conditions { passes, otherwise: (Progressing, waiting) }
}

const CORALOGIX: &[On] = &[
    on("RemoteSynced", "True", Healthy, Say::Text("Resource is ready")),
    on("RemoteSynced", "False", Degraded, Say::Message),
];

macro_rules! rabbit {
    ($kind:literal, $word:literal) => {
        (
            "rabbitmq.com",
            $kind,
            Rule::Conditions {
                passes: &[&[
                    because(
                        "Ready",
                        Is::Equal("True"),
                        Is::Equal("SuccessfulCreateOrUpdate"),
                        Healthy,
                        Say::Text(concat!("RabbitMQ ", $word, " ready")),
                    ),
                    because(
                        "Ready",
                        Is::Equal("False"),
                        Is::Equal("FailedCreateOrUpdate"),
                        Degraded,
                        Say::Text(concat!("RabbitMQ ", $word, " failed to be created or updated")),
                    ),
                ]],
                otherwise: (Unknown, concat!("RabbitMQ ", $word, " status is unknown")),
            },
        )
    };
}

pub(super) const KINDS: &[Entry] = &[
    (
        "addons.cluster.x-k8s.io",
        "ClusterResourceSet",
        by(
            &[&[
                on("ResourcesApplied", "True", Healthy, Say::Text("cluster resource set is applied")),
                on("ResourcesApplied", "False", Degraded, Say::Message),
            ]],
            "Initializing cluster resource set",
        ),
    ),
    (
        "argoproj.io",
        "ApplicationSet",
        by(
            &[
                &[on("ErrorOccurred", "True", Degraded, Say::Message)],
                &[on("ResourcesUpToDate", "False", Degraded, Say::Message)],
                &[on("RolloutProgressing", "True", Progressing, Say::Message)],
                &[on("ResourcesUpToDate", "True", Healthy, Say::Message)],
            ],
            "Waiting for the status to be reported",
        ),
    ),
    (
        "argoproj.io",
        "CronWorkflow",
        Rule::Conditions {
            passes: &[&[
                on("SpecError", "True", Degraded, Say::Message),
                on("SubmissionError", "True", Degraded, Say::Message),
                on("Completed", "True", Healthy, Say::Message),
            ]],
            otherwise: (Healthy, "CronWorkflow is healthy."),
        },
    ),
    (
        "argoproj.io",
        "EventBus",
        by(
            &[&[
                on("Deployed", "False", Degraded, Say::MessageOrReason),
                on("Deployed", "True", Healthy, Say::MessageOrReason),
            ]],
            "Waiting for initialization",
        ),
    ),
    ("bitnami.com", "SealedSecret", by(&[SYNCED], "Waiting for Sealed Secret to be decrypted")),
    ("camel.apache.org", "Integration", by(&[READY], "Waiting for Integration")),
    (
        "cert-manager.io",
        "Certificate",
        by(&[&[on("Issuing", "True", Progressing, Say::Message)], READY], "Waiting for certificate"),
    ),
    ("cert-manager.io", "ClusterIssuer", by(&[READY], "Initializing ClusterIssuer")),
    ("cert-manager.io", "Issuer", by(&[READY], "Initializing issuer")),
    ("certmanager.k8s.io", "Issuer", by(&[READY], "Initializing issuer")),
    ("certmanager.k8s.io", "Certificate", by(&[READY], "Waiting for certificate")),
    ("coralogix.com", "Alert", by(&[CORALOGIX], "Waiting for status to be updated")),
    ("coralogix.com", "RecordingRuleGroupSet", by(&[CORALOGIX], "Waiting for status to be updated")),
    ("external-secrets.io", "ClusterSecretStore", by(&[READY], "Waiting for ClusterSecretStore")),
    ("external-secrets.io", "ExternalSecret", by(&[READY], "Waiting for ExternalSecret")),
    ("external-secrets.io", "PushSecret", by(&[READY], "Waiting for PushSecret")),
    ("external-secrets.io", "SecretStore", by(&[READY], "Waiting for SecretStore")),
    (
        "grafana-org-operator.kubitus-project.gitlab.io",
        "*",
        by(
            &[&[
                on("Ready", "False", Degraded, Say::Message),
                on("Ready", "True", Healthy, Say::Message),
                any("Ready", Progressing, Say::Message),
            ]],
            "Waiting ...",
        ),
    ),
    (
        "kafka.strimzi.io",
        "Kafka",
        by(
            &[&[
                because("NotReady", Is::Equal("True"), Is::Not("Creating"), Degraded, Say::Message),
                on("Ready", "True", Healthy, Say::Text("")),
            ]],
            "Waiting for Kafka Cluster",
        ),
    ),
    ("kafka.strimzi.io", "KafkaBridge", by(&[STRIMZI], "Waiting for KafkaBridge")),
    ("kafka.strimzi.io", "KafkaConnect", by(&[STRIMZI], "Waiting for Kafka Connect")),
    ("kafka.strimzi.io", "KafkaConnector", by(&[STRIMZI], "Waiting for KafkaConnector")),
    ("kafka.strimzi.io", "KafkaTopic", by(&[STRIMZI], "Waiting for Kafka Topic")),
    ("kafka.strimzi.io", "KafkaUser", by(&[STRIMZI], "Waiting for Kafka User")),
    (
        "karpenter.k8s.aws",
        "EC2NodeClass",
        by(
            &[&[
                on("Ready", "False", Degraded, Say::Message),
                on("Ready", "True", Healthy, Say::Text("EC2NodeClass is ready")),
            ]],
            "Waiting for EC2NodeClass to be ready",
        ),
    ),
    ("karpenter.sh", "NodePool", by(&[READY], "Waiting for NodePool to be ready")),
    (
        "kiali.io",
        "Kiali",
        by(
            &[&[
                on("Successful", "True", Healthy, Say::Message),
                on("Failure", "True", Degraded, Say::Message),
                because("Running", Is::Any, Is::Equal("Running"), Progressing, Say::Message),
            ]],
            "Waiting for Kiali",
        ),
    ),
    ("onepassword.com", "OnePasswordItem", by(&[READY], "Waiting for controller to report status")),
    (
        "operator.openshift.io",
        "IngressController",
        by(
            &[&[
                on("Degraded", "True", Degraded, Say::Message),
                on("DeploymentReplicasAllAvailable", "False", Progressing, Say::Message),
                on("Progressing", "True", Progressing, Say::Reason),
                on("Available", "True", Healthy, Say::Text("IngressController is available")),
            ]],
            "Status of IngressController is not known yet",
        ),
    ),
    rabbit!("Binding", "binding"),
    rabbit!("Exchange", "exchange"),
    rabbit!("Permission", "permission"),
    rabbit!("Policy", "policy"),
    rabbit!("Queue", "queue"),
    rabbit!("Shovel", "shovel"),
    rabbit!("User", "user"),
    rabbit!("Vhost", "vhost"),
    (
        "capabilities.3scale.net",
        "ActiveDoc",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale ActiveDoc is ready")),
                on("Invalid", "True", Degraded, Say::MessageOr("3scale ActiveDoc configuration is invalid")),
                on("Orphan", "True", Degraded, Say::MessageOr("3scale ActiveDoc references non-existing resources")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale ActiveDoc synchronization failed")),
            ]],
            "Waiting for 3scale ActiveDoc status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "ApplicationAuth",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale ApplicationAuth is ready")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale ApplicationAuth failed")),
            ]],
            "Waiting for 3scale ApplicationAuth status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "Backend",
        by(
            &[&[
                on("Synced", "True", Healthy, Say::Text("3scale Backend is synced")),
                on("Invalid", "True", Degraded, Say::MessageOr("3scale Backend configuration is invalid")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale Backend synchronization failed")),
            ]],
            "Waiting for 3scale Backend status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "CustomPolicyDefinition",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale CustomPolicyDefinition is ready")),
                on(
                    "Invalid",
                    "True",
                    Degraded,
                    Say::MessageOr("3scale CustomPolicyDefinition configuration is invalid"),
                ),
                on("Failed", "True", Degraded, Say::MessageOr("3scale CustomPolicyDefinition synchronization failed")),
            ]],
            "Waiting for 3scale CustomPolicyDefinition status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "DeveloperAccount",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale DeveloperAccount is ready")),
                on("Invalid", "True", Degraded, Say::MessageOr("3scale DeveloperAccount configuration is invalid")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale DeveloperAccount synchronization failed")),
                on("Waiting", "True", Suspended, Say::MessageOr("3scale DeveloperAccount is waiting for approval")),
            ]],
            "Waiting for 3scale DeveloperAccount status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "OpenAPI",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale OpenAPI is ready")),
                on("Invalid", "True", Degraded, Say::MessageOr("3scale OpenAPI configuration is invalid")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale OpenAPI reconciliation failed")),
            ]],
            "Waiting for 3scale OpenAPI status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "Product",
        by(
            &[&[
                on("Synced", "True", Healthy, Say::Text("3scale Product is synced")),
                on("Invalid", "True", Degraded, Say::MessageOr("3scale Product configuration is invalid")),
                on("Orphan", "True", Degraded, Say::MessageOr("3scale Product references non-existing resources")),
                on("Failed", "True", Degraded, Say::MessageOr("3scale Product synchronization failed")),
            ]],
            "Waiting for 3scale Product status...",
        ),
    ),
    (
        "capabilities.3scale.net",
        "ProxyConfigPromote",
        by(
            &[&[
                on("Ready", "True", Healthy, Say::Text("3scale ProxyConfigPromote is ready")),
                on("In-progress", "True", Progressing, Say::MessageOr("3scale ProxyConfigPromote is in progress")),
                on("Failed", "True", Degraded, Say::MessageOr("3cale ProxyConfigPromote failed")),
            ]],
            "Waiting for 3scale ProxyConfigPromote status...",
        ),
    ),
];
