//! containerSet: a node for every container, under the node of their pod.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    pass::{NewNode, Pass},
    step::{ContainerResult, StepResult},
    template::Call,
};
use crate::api::{NodeFlag, NodePhase, NodeStatus, NodeType, Template};

/// Exit code of the executor's own failures.
const EXECUTOR_FAILED: i32 = 64;

impl Pass<'_> {
    /// Makes the nodes of the containers of the pod node `id`, with an edge from each to those that wait for it.
    pub(crate) fn create_containers(
        &mut self,
        call: &Call<'_>,
        template: &Template,
        id: &str,
        name: &str,
        flag: Option<NodeFlag>,
    ) {
        let set = template.container_set.as_ref();
        let Some(containers) = set.and_then(|it| it.get("containers")).and_then(Value::as_array) else { return };
        let text = |it: &Value, field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names: Vec<String> = containers.iter().map(|it| text(it, "name")).collect();
        for container in &names {
            let new = NewNode {
                kind: NodeType::Container,
                phase: NodePhase::Pending,
                flag,
                boundary: Some(id.to_owned()),
                ..self.node_of(call, &call.origin.clone())
            };
            self.create(&format!("{name}.{container}"), new);
        }
        for (it, container) in containers.iter().zip(&names) {
            let child = self.id(&format!("{name}.{container}"));
            let before = it.get("dependencies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if before.is_empty() {
                self.link(id, &child);
            }
            for dependency in before.iter().filter_map(Value::as_str) {
                let parent = self.id(&format!("{name}.{dependency}"));
                self.link(&parent, &child);
            }
        }
    }

    /// The nodes of the containers of a pod node.
    fn containers(&self, id: &str) -> Vec<NodeStatus> {
        let mut found: BTreeMap<String, NodeStatus> = BTreeMap::new();
        let mut open: Vec<String> = self.nodes.get(id).map(|it| it.children.clone()).unwrap_or_default();
        while let Some(next) = open.pop() {
            let Some(node) = self.nodes.get(&next) else { continue };
            let inside = node.kind == NodeType::Container && node.boundary_id.as_deref() == Some(id);
            if inside && !found.contains_key(&next) {
                open.extend(node.children.iter().cloned());
                found.insert(next, node.clone());
            }
        }
        found.into_values().collect()
    }

    /// The containers of a pod that runs.
    pub(crate) fn run_containers(&mut self, id: &str) {
        for container in self.containers(id) {
            self.mark(&container.id, NodePhase::Running, "");
        }
    }

    /// Ends the nodes of the containers as they ended; those of whom nothing is known as their pod did.
    pub(crate) fn finish_containers(&mut self, id: &str, result: &StepResult) {
        for container in self.containers(id) {
            let (phase, message) = match result.containers.get(&container.display_name) {
                Some(ContainerResult { exit_code: Some(0), .. }) => (NodePhase::Succeeded, ""),
                Some(ContainerResult { exit_code: Some(EXECUTOR_FAILED), message }) => {
                    (NodePhase::Error, message.as_str())
                }
                Some(ContainerResult { exit_code: Some(_), message }) => (NodePhase::Failed, message.as_str()),
                _ if result.phase == NodePhase::Succeeded => (NodePhase::Succeeded, ""),
                _ => (NodePhase::Failed, "Pod Failed whilst container running"),
            };
            self.mark(&container.id, phase, message);
        }
    }

    /// Ends the nodes of the containers of a pod that is gone or stopped.
    pub(crate) fn lose_containers(&mut self, id: &str, phase: NodePhase, message: &str) {
        for container in self.containers(id) {
            self.mark(&container.id, phase, message);
        }
    }
}
