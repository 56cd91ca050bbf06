//! What a cache holds.

use std::{fmt, sync::Arc};

use crate::{
    object::{Gvk, Object},
    resource::Resource,
};

/// What a cache holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// The kind.
    pub gvk: Gvk,
    /// One namespace; absent for all.
    pub namespace: Option<String>,
    /// Label selector in Kubernetes' text form.
    pub labels: Option<String>,
    /// Field selector in Kubernetes' text form.
    pub fields: Option<String>,
    /// What is left out of the objects.
    pub trim: Option<Trim>,
}

/// Leaves out of objects what the readers of a cache never read, `managedFields` among it, before they are kept. Identity
/// stays: names, versions, owners. Two trims of one name are taken for the same.
#[derive(Clone)]
pub struct Trim {
    name: Arc<str>,
    leave_out: Arc<dyn Fn(&mut Object) + Send + Sync>,
}

impl Trim {
    /// A trim; `name` says everything that `leave_out` depends on.
    pub fn new(name: impl Into<Arc<str>>, leave_out: impl Fn(&mut Object) + Send + Sync + 'static) -> Self {
        Self { name: name.into(), leave_out: Arc::new(leave_out) }
    }

    /// Leaves it out.
    pub fn apply(&self, object: &mut Object) {
        (self.leave_out)(object);
    }
}

impl fmt::Debug for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trim").field(&self.name).finish()
    }
}

impl PartialEq for Trim {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Trim {}

impl PartialOrd for Trim {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Trim {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl Query {
    /// Every object of a kind in `namespace`, or everywhere.
    #[must_use]
    pub fn of(gvk: Gvk, namespace: Option<&str>) -> Self {
        Self { gvk, namespace: namespace.map(str::to_owned), labels: None, fields: None, trim: None }
    }

    /// Every object of a wire type in `namespace`, or everywhere.
    #[must_use]
    pub fn resource<R: Resource>(namespace: Option<&str>) -> Self {
        Self::of(R::gvk(), namespace)
    }

    /// Only those that match a label selector.
    #[must_use]
    pub fn labelled(mut self, selector: impl Into<String>) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// Only those that match a field selector.
    #[must_use]
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }

    /// Without what `trim` leaves out. A trimmed cache is shared with those who leave out the same.
    #[must_use]
    pub fn trimmed(mut self, trim: Trim) -> Self {
        self.trim = Some(trim);
        self
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.gvk, self.namespace.as_deref().unwrap_or("all namespaces"))?;
        if let Some(labels) = &self.labels {
            write!(f, " with {labels}")?;
        }
        match &self.trim {
            Some(trim) => write!(f, " ({})", trim.name),
            None => Ok(()),
        }
    }
}
