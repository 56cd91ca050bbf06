//! Artifacts of processes, deleted in the background of this one.

use super::ProcessExecutor;
use crate::{
    engine::{GarbageRequest, GarbageResult, GarbageState},
    exec::garbage,
    executor::WorkflowId,
};

impl ProcessExecutor {
    /// Deletes what a request names, once. A process that starts again is asked again: deleting what is gone
    /// is done.
    pub(super) fn delete_artifacts(&self, request: &GarbageRequest) {
        let workflow = WorkflowId { key: request.key(), uid: request.workflow_uid.clone() };
        {
            let mut state = self.lock();
            let known = state.garbage.entry(workflow.clone()).or_default();
            if known.contains_key(&request.name) {
                return;
            }
            known.insert(request.name.clone(), GarbageState::Running);
        }
        let (this, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            let config = &this.0.config;
            let repository = config.repository.as_ref().map(|it| &it.location).or(request.repository.as_ref());
            let nodes = garbage::delete(&request.spec, repository, &config.drivers).await;
            let wake = {
                let mut state = this.lock();
                let known = state.garbage.entry(workflow.clone()).or_default();
                let result = GarbageResult { failed: false, nodes };
                known.insert(request.name.clone(), GarbageState::Finished(result));
                state.wake.clone()
            };
            if let Some(wake) = wake {
                wake(&workflow.key);
            }
        });
    }
}
