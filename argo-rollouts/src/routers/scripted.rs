//! A router that remembers.

use std::sync::Mutex;

use argo_core::BoxFailure;

use super::{Objects, RouteRequest, TrafficRouter, Verdict};

/// Routes nothing and remembers every weight it was asked for, in order; for tests.
#[derive(Debug, Default)]
pub struct Scripted {
    weights: Mutex<Vec<i64>>,
}

impl Scripted {
    /// The weights so far; a repeat of the last one is left out.
    #[must_use]
    pub fn weights(&self) -> Vec<i64> {
        self.weights.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl TrafficRouter for Scripted {
    async fn set_weight(&self, request: &RouteRequest<'_>) -> Result<(), BoxFailure> {
        let mut weights = self.weights.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if weights.last() != Some(&request.traffic.weight) {
            weights.push(request.traffic.weight);
        }
        Ok(())
    }

    async fn verify_weight(&self, request: &RouteRequest<'_>, _: &dyn Objects) -> Result<Verdict, BoxFailure> {
        let weights = self.weights.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok((weights.last() == Some(&request.traffic.weight)).into())
    }
}
