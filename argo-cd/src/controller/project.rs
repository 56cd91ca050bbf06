//! The project of Applications that name none.

use std::time::Duration;

use argo_core::{
    Category, Change, Object,
    runtime::{Backoff, Context, Shutdown},
};

use crate::engine::project::default_project;

/// Longest wait before the project is tried again.
const CAP: Duration = Duration::from_secs(30);

/// Makes the default project when it is missing, as upstream does when it starts.
pub(super) async fn ensure_default(context: &Context, namespace: &str, stop: &Shutdown) {
    let Ok(object) = Object::encode(&default_project(namespace)) else { return };
    let backoff = Backoff { base: Duration::from_millis(100), cap: CAP };
    let mut failures = 0;
    loop {
        let change = Change::create(object.clone());
        let error = match context.get(&object.reference()).await {
            Ok(Some(_)) => return,
            Ok(None) => match context.applier().apply(&change).await {
                Ok(_) => return,
                Err(error) if error.category == Category::AlreadyExists => return,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::debug!(error, "the default project is not there yet");
        let delay = backoff.delay(failures);
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.clock().sleep(delay) => {}
        }
    }
}
