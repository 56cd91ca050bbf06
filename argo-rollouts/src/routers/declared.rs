//! [`Declared`]: reads and writes for routers that only decide.

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{BoxFailure, Change, Gvk, Note, Object, ObjectRef};
use serde_json::Value;

use super::{ObjectRouter, Read, RouteError, RouteRequest, Seen, TrafficRouter};

/// Objects for a router to read and write.
#[async_trait::async_trait]
pub trait Objects: Send + Sync + fmt::Debug {
    /// One object; `None` when it does not exist.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    async fn get(&self, target: &ObjectRef) -> Result<Option<Arc<Object>>, BoxFailure>;

    /// All objects of a kind in a namespace that a label selector picks.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    async fn list(&self, gvk: &Gvk, namespace: &str, labels: &str) -> Result<Vec<Arc<Object>>, BoxFailure>;

    /// Carries out a change; returns the object as it is then.
    ///
    /// # Errors
    /// When the API server refuses.
    async fn apply(&self, change: &Change) -> Result<Option<Object>, BoxFailure>;

    /// Looks at the Rollout again after a while.
    fn look_again_after(&self, _: std::time::Duration) {}
}

/// Makes a [`TrafficRouter`] of an [`ObjectRouter`].
#[derive(Debug, Clone)]
pub struct Declared<R>(pub R);

/// How often a router may ask for more to see; more is an error of the router.
const READS: usize = 256;

impl<R: ObjectRouter> Declared<R> {
    /// Decides, with whatever has to be seen for that.
    async fn decide(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<Seen, BoxFailure> {
        let (_, seen) = with_reads(objects, |seen| self.0.route(request, seen)).await?;
        Ok(seen)
    }
}

/// Calls `decide` until it has seen all that it asks for.
async fn with_reads<T>(
    objects: &dyn Objects,
    decide: impl Fn(&mut Seen) -> Result<T, RouteError> + Send,
) -> Result<(T, Seen), BoxFailure> {
    let mut read = Seen::default();
    for _ in 0..READS {
        let mut seen = read.clone();
        let missing = match decide(&mut seen) {
            Ok(value) => return Ok((value, seen)),
            Err(RouteError::Unread(missing)) => missing,
            Err(error) => return Err(error.into()),
        };
        match &*missing {
            Read::Object(target) => read.put_read(target.clone(), objects.get(target).await?),
            Read::List(gvk, namespace, labels) => {
                let found = objects.list(gvk, namespace, labels).await?;
                read.put_list(*missing, found);
            }
        }
    }
    Err(RouteError::object("the router asks for objects without end").into())
}

#[async_trait::async_trait]
impl<R: ObjectRouter> TrafficRouter for Declared<R> {
    /// Does nothing: everything is done by [`TrafficRouter::route`], in one write per object.
    async fn set_weight(&self, _: &RouteRequest<'_>) -> Result<(), BoxFailure> {
        Ok(())
    }

    async fn route(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<Vec<Note>, BoxFailure> {
        let seen = self.decide(request, objects).await?;
        let mut versions = BTreeMap::new();
        for mut change in seen.changes() {
            let target = change.target();
            if let (Change::Patch { resource_version, .. }, Some(own)) = (&mut change, versions.get(&target)) {
                // Our own write before this one is no conflict; anybody else's is.
                *resource_version = Some(String::clone(own));
            }
            if let Some(object) = objects.apply(&change).await? {
                versions.insert(target, object.resource_version().to_owned());
            }
        }
        if let Some(delay) = seen.again() {
            objects.look_again_after(delay);
        }
        Ok(seen.notes().to_vec())
    }

    async fn routed_hashes(
        &self,
        request: &RouteRequest<'_>,
        objects: &dyn Objects,
    ) -> Result<Vec<String>, BoxFailure> {
        let (hashes, _) = with_reads(objects, |seen| self.0.routed_hashes(request, seen)).await?;
        Ok(hashes)
    }

    async fn is_in_place(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<bool, BoxFailure> {
        let seen = self.decide(request, objects).await?;
        if let Some(delay) = seen.again() {
            objects.look_again_after(delay);
        }
        Ok(seen.changes().is_empty())
    }
    fn marks(&self) -> Option<Gvk> {
        self.0.marks()
    }

    fn marked_by(&self, object: &Object) -> Vec<String> {
        self.0.marked_by(object)
    }

    fn released(&self, object: &Object, rollout: &str, settings: Option<&Value>) -> Result<Option<Object>, BoxFailure> {
        Ok(self.0.released(object, rollout, settings)?)
    }
}
