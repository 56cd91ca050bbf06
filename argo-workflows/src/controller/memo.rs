//! Compiled specs of the workflows under way, so that a pass does not compile again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::{Object, ObjectKey};
use serde_json::Value;

use crate::{
    api::Workflow,
    engine::{CompileError, Compiled, References},
};

/// What was compiled, and from what.
struct Entry {
    uid: String,
    spec: Value,
    is_stored: bool,
    compiled: Arc<Compiled>,
}

/// Holds nothing that could not be made again.
#[derive(Default)]
pub(super) struct Memo(Mutex<BTreeMap<ObjectKey, Entry>>);

impl Memo {
    pub(super) fn compiled(
        &self,
        key: &ObjectKey,
        object: &Object,
        workflow: &Workflow,
        references: &dyn References,
    ) -> Result<Arc<Compiled>, CompileError> {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let is_stored = workflow.status.stored_workflow_template_spec.is_some();
        {
            let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = entries.get(key)
                && entry.uid == object.uid()
                && entry.is_stored == is_stored
                && entry.spec == *spec
            {
                return Ok(entry.compiled.clone());
            }
        }
        let compiled = Arc::new(Compiled::new(workflow, references)?);
        let entry = Entry { uid: object.uid().to_owned(), spec: spec.clone(), is_stored, compiled: compiled.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), entry);
        Ok(compiled)
    }

    pub(super) fn forget(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
