//! Kinds that are what one word of their status says.

use super::{
    Entry, Judged, Look,
    shape::{Rule, Say},
};
use crate::api::HealthState::{Degraded, Healthy, Missing, Progressing, Unknown};

/// Any phase that is not in the table counts as none.
macro_rules! phase {
    ($path:expr, $cases:expr, $state:ident, $waiting:expr) => {
        Rule::Phase {
            path: $path,
            cases: $cases,
            absent: ($state, Say::Text($waiting)),
            other: ($state, Say::Text($waiting)),
        }
    };
}

macro_rules! confluent {
    ($kind:literal) => {
        (
            "platform.confluent.io",
            $kind,
            phase!(
                &["status", "phase"],
                &[
                    (&["RUNNING"], Healthy, Say::Text(concat!($kind, " running"))),
                    (&["PROVISIONING"], Progressing, Say::Text(concat!($kind, " provisioning"))),
                ],
                Progressing,
                concat!("Waiting for ", $kind)
            ),
        )
    };
}

macro_rules! humio {
    ($kind:literal) => {
        (
            "core.humio.com",
            $kind,
            phase!(
                &["status", "state"],
                &[
                    (&["Exists"], Healthy, Say::Text("Component state: Exists.")),
                    (&["NotFound"], Missing, Say::Text("Component state: NotFound.")),
                    (&["ConfigError"], Degraded, Say::Text("Component state: ConfigError.")),
                    (&["Unknown"], Unknown, Say::Text("Component state: Unknown.")),
                ],
                Progressing,
                "Update in progress"
            ),
        )
    };
}

macro_rules! clickhouse {
    ($group:literal, $kind:literal, $name:literal) => {
        (
            $group,
            $kind,
            Rule::Phase {
                path: &["status", "status"],
                cases: &[
                    (&["Completed"], Healthy, Say::Text(concat!($name, " installation completed successfully"))),
                    (&["InProgress"], Progressing, Say::Text(concat!($name, " installation in progress"))),
                ],
                absent: (Progressing, Say::Text(concat!($name, " status not yet available"))),
                other: (Degraded, Say::After(concat!($name, " status: "))),
            },
        )
    };
}

macro_rules! astra {
    ($kind:literal) => {
        (
            "astra.netapp.io",
            $kind,
            Rule::Phase {
                path: &["status", "state"],
                cases: &[
                    (&["Completed"], Healthy, Say::Kind(" Completed")),
                    (&["Running"], Progressing, Say::Kind(" Running")),
                ],
                absent: (Progressing, Say::Text("No status available")),
                other: (Degraded, Say::Value),
            },
        )
    };
}

pub(super) const KINDS: &[Entry] = &[
    (
        "acid.zalan.do",
        "postgresql",
        Rule::Phase {
            path: &["status", "PostgresClusterStatus"],
            cases: &[(&["Running"], Healthy, Say::Value), (&["Creating", "Updating"], Progressing, Say::Value)],
            absent: (Progressing, Say::Text("Waiting for postgres cluster status...")),
            other: (Degraded, Say::Value),
        },
    ),
    (
        "astra.netapp.io",
        "AppVault",
        phase!(
            &["status", "state"],
            &[
                (&["available", "Available"], Healthy, Say::Kind(" Available")),
                (&["failed", "Failed"], Degraded, Say::Kind(" Failed")),
            ],
            Progressing,
            "No status available"
        ),
    ),
    astra!("Backup"),
    astra!("ExecHooksRun"),
    astra!("ResourceBackup"),
    astra!("ResticVolumeBackup"),
    astra!("Snapshot"),
    clickhouse!("clickhouse-keeper.altinity.com", "ClickHouseKeeperInstallation", "ClickHouseKeeper"),
    clickhouse!("clickhouse.altinity.com", "ClickHouseInstallation", "ClickHouse"),
    (
        "core.gardener.cloud",
        "Shoot",
        phase!(
            &["metadata", "labels", "shoot.gardener.cloud/status"],
            &[
                (&["healthy"], Healthy, Say::Text("Component state: Healthy")),
                (&["progressing"], Progressing, Say::Text("Component state: Update in progress")),
                (&["unhealthy"], Degraded, Say::Text("Component state: Unhealthy")),
                (&["unknown"], Unknown, Say::Text("Component state: Unknown")),
            ],
            Progressing,
            "Update in progress"
        ),
    ),
    humio!("HumioAction"),
    humio!("HumioAlert"),
    humio!("HumioIngestToken"),
    humio!("HumioParser"),
    humio!("HumioRepository"),
    humio!("HumioView"),
    (
        "jaegertracing.io",
        "Jaeger",
        phase!(
            &["status", "phase"],
            &[
                (&["Running"], Healthy, Say::Text("Jaeger is Running")),
                (&["Failed"], Degraded, Say::Text("Jaeger Failed For Some Reason")),
            ],
            Progressing,
            "Waiting for Jaeger"
        ),
    ),
    (
        "logstash.k8s.elastic.co",
        "Logstash",
        phase!(
            &["status", "health"],
            &[
                (&["green"], Healthy, Say::Text("Logstash status is Green")),
                (&["yellow"], Progressing, Say::Text("Logstash status is Yellow")),
                (&["red"], Degraded, Say::Text("Logstash status is Red")),
            ],
            Progressing,
            "Waiting for Logstash"
        ),
    ),
    (
        "minio.min.io",
        "Tenant",
        Rule::Phase {
            path: &["status", "currentState"],
            cases: &[
                (&["Initialized"], Healthy, Say::Value),
                (
                    &[
                        "Statefulset not controlled by operator",
                        "Another MinIO Tenant already exists in the namespace",
                        "Tenant credentials are not set properly",
                        "Different versions across MinIO Pools",
                        "Pool Decommissioning Not Allowed",
                    ],
                    Degraded,
                    Say::Value,
                ),
            ],
            absent: (Progressing, Say::Text("No status info available")),
            other: (Progressing, Say::Value),
        },
    ),
    confluent!("Connect"),
    confluent!("ControlCenter"),
    confluent!("Kafka"),
    confluent!("KsqlDB"),
    confluent!("SchemaRegistry"),
    confluent!("Zookeeper"),
    (
        "trident.netapp.io",
        "TridentOrchestrator",
        phase!(
            &["status", "status"],
            &[(&["Installed"], Healthy, Say::Status), (&["Failed", "Error"], Degraded, Say::Status)],
            Progressing,
            "Waiting for trident installation"
        ),
    ),
    ("core.humio.com", "HumioCluster", Rule::Code(humio_cluster)),
];

const HUMIO_CLUSTER: Rule = phase!(
    &["status", "state"],
    &[
        (&["Running"], Healthy, Say::StatusOr("Cluster is in a healthy running state")),
        (&["Restarting"], Progressing, Say::StatusOr("Cluster pods are being restarted")),
        (&["Upgrading"], Progressing, Say::StatusOr("Cluster pods are being upgraded")),
        (
            &["ConfigError"],
            Degraded,
            Say::StatusOr("User-provided cluster specification resulted in a configuration error"),
        ),
        (&["Pending"], Progressing, Say::StatusOr("Cluster is waiting on resources to be provisioned")),
        (&["Unknown"], Unknown, Say::StatusOr("Component state: Unknown.")),
    ],
    Progressing,
    "Update in progress"
);

fn humio_cluster(object: Look<'_>) -> Judged {
    object.get("status").at("state")?;
    HUMIO_CLUSTER.judge(object)
}
