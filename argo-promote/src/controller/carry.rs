//! Carries plans out.

use argo_core::{ApplyError, Category, Change, Note, Object, ObjectKey, runtime::Context};
use serde::Serialize;
use serde_json::{Value, json};

/// Writes on behalf of one controller's work on one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier<'a> {
    pub(super) context: &'a Context,
    pub(super) controller: &'static str,
    pub(super) key: &'a ObjectKey,
}

impl Carrier<'_> {
    /// Carries out one change. What is there already was made before a crash, or is the same: names say what they hold.
    pub(super) async fn change(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        match self.context.apply(self.controller, self.key, change).await {
            Err(error) if error.category == Category::AlreadyExists && matches!(change, Change::Create { .. }) => {
                Ok(None)
            }
            other => other,
        }
    }

    /// Writes a status; the object afterwards. A conflict with somebody who left the status alone is none.
    pub(super) async fn status(&self, read: &Object, status: &impl Serialize) -> Result<Object, ApplyError> {
        let value = serde_json::to_value(status).unwrap_or_else(|_| json!({}));
        let mut base = read.clone();
        for _ in 0..4 {
            let mut to = base.clone();
            to.set(&["status"], value.clone());
            let Some(change) = Change::subresource_between(&base, &to, "status") else { return Ok(base) };
            match self.context.apply(self.controller, self.key, &change).await {
                Ok(written) => return Ok(written.unwrap_or(to)),
                Err(error) if error.category == Category::Conflict => {
                    let fresh = self.context.get(&read.reference()).await.ok().flatten();
                    match fresh.filter(|it| it.get("status") == read.get("status") && it.uid() == read.uid()) {
                        Some(fresh) => base = fresh,
                        None => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(base)
    }

    pub(super) async fn notes(&self, regarding: &Object, notes: &[Note]) {
        for note in notes {
            self.context.note(regarding, note).await;
        }
    }

    /// Shows on an object that it can not be read; nothing else of it is touched.
    pub(super) async fn undecodable(&self, read: &Object, message: &str) -> Result<(), ApplyError> {
        let now = argo_core::time::rfc3339(self.context.now());
        let condition = json!({"type": "Ready", "status": "False", "reason": "InvalidObject",
            "message": crate::api::bounded(message), "lastTransitionTime": now, "observedGeneration": read.generation()});
        let conditions = read.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let known = conditions.iter().any(|it| {
            it["type"] == "Ready" && it["reason"] == "InvalidObject" && it["message"] == condition["message"]
        });
        if known {
            return Ok(());
        }
        let mut conditions: Vec<Value> = conditions.into_iter().filter(|it| it["type"] != "Ready").collect();
        conditions.push(condition);
        let mut to = read.clone();
        to.set(&["status", "conditions"], conditions);
        if let Some(change) = Change::subresource_between(read, &to, "status") {
            self.change(&change).await?;
        }
        Ok(())
    }
}
