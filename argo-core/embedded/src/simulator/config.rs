//! What is simulated, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::script::{Behaviour, PodScript};

/// A node of the simulated cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedNode {
    /// Its name.
    pub name: String,
    /// Labels on top of `kubernetes.io/hostname`, `os` and `arch`.
    pub labels: BTreeMap<String, String>,
    /// `spec.taints`.
    pub taints: Vec<Value>,
    /// What fits on it: `cpu`, `memory`, `pods`.
    pub allocatable: BTreeMap<String, String>,
}

/// Settings of the simulator.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatorConfig {
    /// Nodes to create at the start, where they are not there already. Default: three, with 16 CPUs, 64 GiB and 110 pods each.
    pub nodes: Vec<SimulatedNode>,
    /// What containers do. Default: no rules.
    pub script: PodScript,
    /// What a container does that no rule is about. Default: it is ready at once and runs on.
    pub default: Behaviour,
    /// How long containers run that are to come to an end (Jobs, pods that are not always restarted) and that no rule gives an exit.
    /// Default: one second.
    pub run_time: Duration,
    /// Where the containers that are processes have their directories. Default: a temporary directory, removed with the cluster.
    pub process_directory: Option<PathBuf>,
    /// Whether controllers, scheduler and kubelet record Kubernetes Events, as `kubectl describe` shows them. Default: no, for they are
    /// many writes.
    pub events: bool,
    /// Whether pods are scheduled and lived out. Default: yes. Without, they stay pending, or somebody else runs them.
    pub pods: bool,
    /// Whether Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, Services, autoscalers and disruption budgets are acted on.
    /// Default: yes.
    pub workloads: bool,
    /// Whether objects go with their owners. Default: yes.
    pub garbage_collection: bool,
}

impl SimulatedNode {
    /// A node with 16 CPUs, 64 GiB and room for 110 pods.
    pub fn new(name: impl Into<String>) -> Self {
        let allocatable = [("cpu", "16"), ("memory", "64Gi"), ("pods", "110")];
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            allocatable: allocatable.map(|(resource, amount)| (resource.to_owned(), amount.to_owned())).into(),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets how much of a resource fits.
    #[must_use]
    pub fn allocatable(mut self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        self.allocatable.insert(resource.into(), amount.into());
        self
    }

    pub(super) fn object(&self) -> Value {
        let mut labels =
            json!({"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
        for (key, value) in &self.labels {
            labels[key] = json!(value);
        }
        let mut spec = json!({});
        if !self.taints.is_empty() {
            spec["taints"] = json!(self.taints);
        }
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": labels}, "spec": spec})
    }

    pub(super) fn status(&self, now: &str) -> Value {
        let address = super::pods::host_address(&self.name);
        json!({
            "capacity": self.allocatable,
            "allocatable": self.allocatable,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": self.name}],
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "osImage": "simulated", "kernelVersion": "simulated",
                "kubeletVersion": "v1.34.0", "kubeProxyVersion": "v1.34.0", "containerRuntimeVersion": "simulated://1",
                "machineID": self.name, "systemUUID": self.name, "bootID": self.name,
            },
        })
    }
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            nodes: (1..=3).map(|number| SimulatedNode::new(format!("node-{number}"))).collect(),
            script: PodScript::new(),
            default: Behaviour::running(),
            run_time: Duration::from_secs(1),
            process_directory: None,
            events: false,
            pods: true,
            workloads: true,
            garbage_collection: true,
        }
    }
}

impl SimulatorConfig {
    /// Everything, with these rules.
    pub fn scripted(script: PodScript) -> Self {
        Self { script, ..Self::default() }
    }

    /// Garbage collection alone: for tests that have no business with workloads.
    pub fn garbage_collection_only() -> Self {
        Self { nodes: Vec::new(), pods: false, workloads: false, ..Self::default() }
    }

    /// Sets what containers do that no rule is about.
    #[must_use]
    pub fn default_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.default = behaviour;
        self
    }

    /// Records Kubernetes Events.
    #[must_use]
    pub fn events(mut self) -> Self {
        self.events = true;
        self
    }

    /// Sets the nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = SimulatedNode>) -> Self {
        self.nodes = nodes.into_iter().collect();
        self
    }
}
