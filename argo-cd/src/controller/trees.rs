//! Resource trees, for those who show them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use argo_core::ObjectKey;

use crate::api::ApplicationTree;

/// The resource tree of every Application, as its last pass saw it; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Trees(Arc<RwLock<BTreeMap<ObjectKey, Arc<ApplicationTree>>>>);

impl Trees {
    /// The tree of an Application; absent until it was compared.
    #[must_use]
    pub fn get(&self, application: &ObjectKey) -> Option<Arc<ApplicationTree>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(application).cloned()
    }

    pub(super) fn put(&self, application: &ObjectKey, tree: Option<&ApplicationTree>) {
        let Some(tree) = tree else { return };
        if self.get(application).is_some_and(|it| *it == *tree) {
            return;
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(application.clone(), Arc::new(tree.clone()));
    }

    pub(super) fn remove(&self, application: &ObjectKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(application);
    }
}
