//! What the engine sees of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::{Gvk, Object, ObjectRef};

use super::tracking::Tracking;

/// The live objects of the kinds that were observed. Reading it twice in a pass gives the same.
pub trait LiveView: Send + Sync {
    /// One object, in the version asked for.
    fn get(&self, reference: &ObjectRef) -> Option<Arc<Object>>;

    /// The objects of a kind that are tracked to an Application and nobody's part, in order of namespace and name.
    fn tracked(&self, gvk: &Gvk, instance: &str) -> Vec<Arc<Object>>;

    /// The objects of a kind in a namespace, in order of their names.
    fn in_namespace(&self, gvk: &Gvk, namespace: &str) -> Vec<Arc<Object>>;

    /// The objects of a kind, in order of namespace and name.
    fn all(&self, gvk: &Gvk) -> Vec<Arc<Object>>;

    /// Whether an object that this view gave is whole, but for the owners of its fields. Others lack what only a comparison
    /// reads.
    fn is_whole(&self, _object: &Object) -> bool {
        true
    }

    /// The objects of a kind that name `uid` among their owners, in order of namespace and name.
    fn owned_by(&self, gvk: &Gvk, uid: &str) -> Vec<Arc<Object>>;
}

/// What is known of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindScope {
    /// Its objects live in namespaces.
    Namespaced,
    /// Its objects belong to the cluster.
    Cluster,
    /// The API server does not serve it.
    NotServed,
}

/// Scopes by kind.
pub type Kinds = BTreeMap<Gvk, KindScope>;

/// Objects as a value, for tests and previews.
#[derive(Debug, Clone, Default)]
pub struct MemoryLive {
    tracking: Tracking,
    objects: BTreeMap<(Gvk, Option<String>, String), Arc<Object>>,
}

impl MemoryLive {
    /// Read by another method of tracking than the annotation.
    #[must_use]
    pub fn tracked_by(mut self, tracking: Tracking) -> Self {
        self.tracking = tracking;
        self
    }

    /// Puts an object, in place of an earlier one.
    pub fn put(&mut self, object: Object) {
        let it = object.reference();
        self.objects.insert((it.gvk, it.namespace, it.name), Arc::new(object));
    }

    /// Takes an object away.
    pub fn remove(&mut self, it: &ObjectRef) -> Option<Arc<Object>> {
        self.objects.remove(&(it.gvk.clone(), it.namespace.clone(), it.name.clone()))
    }

    /// All objects, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// The kinds that are there.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Gvk> {
        self.objects.keys().map(|(gvk, ..)| gvk.clone()).collect()
    }

    fn of_kind<'a>(&'a self, gvk: &'a Gvk) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects.iter().filter(move |((it, ..), _)| it == gvk).map(|(_, it)| it)
    }
}

impl LiveView for MemoryLive {
    fn get(&self, it: &ObjectRef) -> Option<Arc<Object>> {
        self.objects.get(&(it.gvk.clone(), it.namespace.clone(), it.name.clone())).cloned()
    }

    fn tracked(&self, gvk: &Gvk, instance: &str) -> Vec<Arc<Object>> {
        self.of_kind(gvk).filter(|it| self.tracking.root_of(it).as_deref() == Some(instance)).cloned().collect()
    }

    fn in_namespace(&self, gvk: &Gvk, namespace: &str) -> Vec<Arc<Object>> {
        self.of_kind(gvk).filter(|it| it.namespace() == Some(namespace)).cloned().collect()
    }

    fn all(&self, gvk: &Gvk) -> Vec<Arc<Object>> {
        self.of_kind(gvk).cloned().collect()
    }

    fn owned_by(&self, gvk: &Gvk, uid: &str) -> Vec<Arc<Object>> {
        self.of_kind(gvk).filter(|it| it.owner_references().iter().any(|it| it.uid == uid)).cloned().collect()
    }
}
