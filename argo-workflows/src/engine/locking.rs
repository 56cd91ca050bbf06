//! Where a walk meets locks: before a template runs, and before a workflow begins.

use argo_core::Time;

use super::{
    pass::{Halt, Pass},
    synchronization::Refused,
    template::{Call, Ready},
    vars::{How, Scope},
};
use crate::api::{NodePhase, NodeStatus, NodeSynchronizationStatus, NodeType, Synchronization, TemplateType};

impl Pass<'_> {
    /// Takes the locks that a template asks for. `false`: its node waits, or has ended.
    pub(crate) fn take_locks(&mut self, call: &Call<'_>, ready: &Ready, retries: bool) -> Result<bool, Halt> {
        let Some(wanted) = &ready.template.template.synchronization else { return Ok(true) };
        let id = self.id(&call.name);
        let waiting = self.nodes.get(&id).is_some_and(NodeStatus::is_waiting_for_lock);
        if !self.may_execute(call.on_exit) || self.is_past_deadline(call.on_exit) {
            if waiting {
                let message = match self.shutdown().filter(|_| !self.may_execute(call.on_exit)) {
                    Some(strategy) => format!("workflow shutdown with strategy: {strategy}"),
                    None => super::leaf::DEADLINE_EXCEEDED.to_owned(),
                };
                self.mark(&id, NodePhase::Failed, &message);
            }
            return Ok(!waiting);
        }
        let wanted = self.wanted(call, ready, wanted)?;
        match self.locks.acquire(&id, &wanted) {
            Ok(()) => {
                if waiting {
                    self.end_waiting(&id);
                    self.unlocked.insert(id);
                }
                Ok(true)
            }
            Err(Refused::Waiting { lock, message }) => {
                self.wait_for_lock(call, ready, retries, lock, &message)?;
                Ok(false)
            }
            Err(Refused::Error(message)) => {
                self.refuse(call, &message);
                Err(Halt::Error(message))
            }
        }
    }

    /// Takes the locks of the workflow itself.
    pub(crate) fn take_workflow_locks(&mut self, wanted: &Synchronization) -> Result<(), Refused> {
        let json = serde_json::to_value(wanted).map_err(|it| Refused::Error(it.to_string()))?;
        if !super::vars::has_tags(&json) {
            return self.locks.acquire("", wanted);
        }
        let json = self.globals.render_value(&json, How::Keep).map_err(|it| Refused::Error(it.to_string()))?;
        let wanted: Synchronization = serde_json::from_value(json).map_err(|it| Refused::Error(it.to_string()))?;
        self.locks.acquire("", &wanted)
    }

    /// The locks with their tags resolved.
    fn wanted(&self, call: &Call<'_>, ready: &Ready, wanted: &Synchronization) -> Result<Synchronization, Halt> {
        let error = |it: String| Halt::Error(it);
        let json = serde_json::to_value(wanted).map_err(|it| error(it.to_string()))?;
        if !super::vars::has_tags(&json) {
            return Ok(wanted.clone());
        }
        let local = std::rc::Rc::new(self.local_scope(call, ready, &call.name));
        let scope = Scope::inside(vec![local, self.globals.clone()]);
        let json = scope.render_value(&json, How::Keep).map_err(|it| error(it.to_string()))?;
        serde_json::from_value(json).map_err(|it| error(it.to_string()))
    }

    /// The type of the node of a template.
    pub(crate) fn node_type(ready: &Ready, retries: bool) -> NodeType {
        match ready.template.kind {
            _ if retries => NodeType::Retry,
            Some(TemplateType::Steps) => NodeType::Steps,
            Some(TemplateType::Dag) => NodeType::DAG,
            Some(TemplateType::Suspend) => NodeType::Suspend,
            Some(TemplateType::Http) => NodeType::HTTP,
            Some(TemplateType::Plugin) => NodeType::Plugin,
            _ => NodeType::Pod,
        }
    }

    fn wait_for_lock(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        retries: bool,
        lock: String,
        message: &str,
    ) -> Result<(), Halt> {
        let kind = Self::node_type(ready, retries);
        self.restless = true;
        let (id, _) = self.start(call, ready, &call.name, kind, NodePhase::Pending, call.flag)?;
        let Some(before) = self.nodes.get(&id).cloned() else { return Ok(()) };
        let next = Some(NodeSynchronizationStatus { waiting: lock });
        if before.synchronization_status != next {
            self.count(&before, -1);
            if let Some(node) = self.nodes.edit(&id) {
                node.synchronization_status = next;
            }
            if let Some(after) = self.nodes.get(&id).cloned() {
                self.count(&after, 1);
            }
        }
        self.say(&id, message);
        self.check_waiting_time(&id, &ready.template.template)
    }

    /// Fails a node that waits longer than its template allows.
    fn check_waiting_time(&mut self, id: &str, template: &crate::api::Template) -> Result<(), Halt> {
        let started = self.nodes.get(id).and_then(|it| it.started_at).map_or(self.now, Time::timestamp);
        for (field, text) in [("timeout", &template.timeout), ("pendingTimeout", &template.pending_timeout)] {
            let Some(text) = text.as_deref().filter(|it| !it.is_empty()) else { continue };
            let due = argo_core::time::after(started, super::leaf::duration(field, text).map_err(Halt::Error)?);
            if self.now >= due {
                self.mark(id, NodePhase::Failed, super::leaf::TIMED_OUT);
            } else {
                self.wake_at(due);
            }
        }
        Ok(())
    }

    fn end_waiting(&mut self, id: &str) {
        let Some(before) = self.nodes.get(id).cloned() else { return };
        self.count(&before, -1);
        if let Some(node) = self.nodes.edit(id) {
            node.synchronization_status = None;
            node.message = None;
        }
        if let Some(after) = self.nodes.get(id).cloned() {
            self.count(&after, 1);
        }
    }
}
