//! Names of managed objects.

use std::fmt;

use argo_core::{Gvk, Object, ObjectRef};

/// Group, kind, namespace and name: what targets and live objects are paired by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// Group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ResourceKey {
    /// Of an object.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let gvk = object.gvk();
        Self {
            group: gvk.group,
            kind: gvk.kind,
            namespace: object.namespace().unwrap_or_default().to_owned(),
            name: object.name().to_owned(),
        }
    }

    /// As a reference in a version.
    #[must_use]
    pub fn reference(&self, version: &str) -> ObjectRef {
        let namespace = (!self.namespace.is_empty()).then_some(self.namespace.as_str());
        ObjectRef::new(Gvk::new(&self.group, version, &self.kind), namespace, &self.name)
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}
