//! [`Work`]: what is not a process.

use std::fmt;

use crate::engine::{StepRequest, StepResult};

/// Does steps of one type of template inside this process. A step whose process is gone is done again:
/// what it does must bear that.
#[async_trait::async_trait]
pub trait Work: Send + Sync + fmt::Debug {
    /// Does the step; dropped when nobody waits for it any more.
    async fn run(&self, step: &StepRequest) -> StepResult;
}
