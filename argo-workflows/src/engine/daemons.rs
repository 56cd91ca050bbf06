//! Daemons: done for whoever waits once they are ready, ended with the steps or dag that they are in.

use super::{
    pass::Pass,
    step::{Effect, LiveStep, StepState},
};
use crate::api::{NodePhase, NodeStatus, NodeType};

impl Pass<'_> {
    /// Takes in what is known of a step that runs.
    pub(crate) fn live(&mut self, id: &str, live: &LiveStep) {
        let Some(node) = self.nodes.get(id) else { return };
        let same = |new: &Option<String>, old: &Option<String>| new.is_none() || new == old;
        let is_known = same(&live.host, &node.host_node_name)
            && same(&live.progress, &node.progress)
            && same(&live.message, &node.message);
        if is_known && node.phase() == NodePhase::Running && !self.compiled.has_daemons {
            return;
        }
        let node = node.clone();
        let is_daemon = self.compiled.has_daemons
            && (node.is_daemoned() || self.template_of(&node).is_ok_and(|(_, it)| it.template.daemon == Some(true)));
        if is_daemon && !live.ready && !node.is_daemoned() {
            // It is done when it is ready, and not before.
            return;
        }
        if node.phase() == NodePhase::Pending {
            self.say(id, "");
            self.mark(id, NodePhase::Running, "");
            self.run_containers(id);
        }
        let mut next = self.nodes.get(id).cloned().unwrap_or(node);
        let before = next.clone();
        if is_daemon {
            next.daemoned = Some(true);
            next.pod_ip = live.pod_ip.clone().or(next.pod_ip);
        }
        next.host_node_name = live.host.clone().or(next.host_node_name);
        next.restarting_pod_uid = None;
        next.progress = live.progress.clone().or(next.progress);
        next.message = live.message.clone().or(next.message);
        if next != before
            && let Some(node) = self.nodes.edit(id)
        {
            *node = next;
        }
        if is_daemon && !before.is_daemoned() {
            // Whoever waits for it goes on, and so may the next holder of its locks.
            self.locks.release(id);
        }
    }

    /// A daemon is over by itself: its Retry node, if it has one, is under way again.
    pub(crate) fn daemon_ended(&mut self, node: &NodeStatus) {
        if let Some(node) = self.nodes.edit(&node.id) {
            node.daemoned = None;
        }
        let Some((parent, _)) = node.name.rsplit_once('(').filter(|_| node.is_retried()) else { return };
        let parent = self.id(parent);
        if self.nodes.get(&parent).is_some_and(|it| it.kind == NodeType::Retry && it.is_daemoned())
            && let Some(retry) = self.nodes.edit(&parent)
        {
            retry.daemoned = None;
            retry.pod_ip = None;
        }
    }

    /// Whether a daemon is up.
    pub(crate) fn has_daemons(&self) -> bool {
        self.compiled.has_daemons && !self.ledger.daemons(&self.nodes).is_empty()
    }

    /// Ends the daemons directly inside the node `boundary`; all of them where it is `None`.
    pub(crate) fn kill_daemons(&mut self, boundary: Option<&str>) {
        if !self.compiled.has_daemons {
            return;
        }
        let known = self.ledger.daemons(&self.nodes);
        let inside =
            |it: &&NodeStatus| it.is_daemoned() && (boundary.is_none() || it.boundary_id.as_deref() == boundary);
        let ids: Vec<(String, NodeType)> = known
            .iter()
            .filter_map(|it| self.nodes.get(it))
            .filter(inside)
            .map(|it| (it.id.clone(), it.kind.clone()))
            .collect();
        for (id, kind) in ids {
            if let Some(node) = self.nodes.edit(&id) {
                node.daemoned = None;
            }
            self.mark(&id, NodePhase::Succeeded, "");
            self.lose_containers(&id, NodePhase::Succeeded, "");
            if kind == NodeType::Pod && self.world.steps.get(&id).is_some_and(StepState::is_active) {
                self.effects.push(Effect::Stop { node_id: id });
            }
        }
    }
}
