//! Workflows under way as the last pass left them, so that the next does not decode and compile them again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::{Object, ObjectKey};
use serde_json::Value;

use super::compressed::{self, NodesError, Packed};
use crate::{
    api::Workflow,
    engine::{Baseline, CompileError, Compiled, Ledger, References},
};

/// A workflow as it is at one version of its object.
pub(super) struct Live {
    version: String,
    pub(super) workflow: Workflow,
    pub(super) packed: Packed,
    pub(super) ledger: Ledger,
    /// The run that it is compared with, once it was looked for.
    pub(super) baseline: Option<Option<Arc<Baseline>>>,
}

/// What was compiled, and from what.
struct Entry {
    uid: String,
    spec: Value,
    is_stored: bool,
    compiled: Arc<Compiled>,
}

/// Holds nothing that could not be made again.
#[derive(Default)]
pub(super) struct Memo {
    compiled: Mutex<BTreeMap<ObjectKey, Entry>>,
    live: Mutex<BTreeMap<ObjectKey, Live>>,
}

impl Live {
    /// Reads an object.
    pub(super) fn decode(object: &Object) -> Result<Self, Undecodable> {
        let mut workflow: Workflow = object.decode().map_err(|it| Undecodable::Object(it.to_string()))?;
        let was_packed = compressed::unpack(&mut workflow).map_err(Undecodable::Nodes)?;
        let version = object.resource_version().to_owned();
        Ok(Self { version, workflow, packed: Packed::new(was_packed), ledger: Ledger::default(), baseline: None })
    }

    /// Takes in nodes (JSON) that were not in the object.
    pub(super) fn hydrate(&mut self, nodes: &str) -> Result<(), NodesError> {
        self.workflow.status.nodes = compressed::parse(nodes.as_bytes())?;
        self.packed = Packed::apart();
        Ok(())
    }

    /// Is at this version of the object from now on.
    pub(super) fn at(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }
}

/// Why an object is no workflow to work on.
pub(super) enum Undecodable {
    Object(String),
    Nodes(NodesError),
}

impl Memo {
    /// The workflow of an object as the last pass left it, if nobody wrote since. It is given back with
    /// [`Memo::keep`] where everything that was planned was done, else forgotten.
    pub(super) fn take(&self, key: &ObjectKey, object: &Object) -> Option<Live> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        (live.version == object.resource_version() && live.workflow.uid() == object.uid()).then_some(live)
    }

    pub(super) fn keep(&self, key: &ObjectKey, live: Live) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), live);
    }

    pub(super) fn compiled(
        &self,
        key: &ObjectKey,
        object: &Object,
        live: &Live,
        references: &dyn References,
    ) -> Result<Arc<Compiled>, CompileError> {
        let workflow = &live.workflow;
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let is_stored = workflow.status.stored_workflow_template_spec.is_some();
        {
            let entries = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = entries.get(key)
                && entry.uid == object.uid()
                && entry.is_stored == is_stored
                && (!live.ledger.is_fresh() || entry.spec == *spec)
            {
                return Ok(entry.compiled.clone());
            }
        }
        let compiled = Arc::new(Compiled::new(workflow, references)?);
        let entry = Entry { uid: object.uid().to_owned(), spec: spec.clone(), is_stored, compiled: compiled.clone() };
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), entry);
        Ok(compiled)
    }

    pub(super) fn forget(&self, key: &ObjectKey) {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
