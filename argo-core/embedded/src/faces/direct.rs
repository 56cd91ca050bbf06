//! The direct face: calls on values, without HTTP. For simulators, seeding and tests that look behind the curtain.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::server::{ApiError, Caller, ListAnswer, MASTERS, Outcome, Query, RawRequest, Server, WatchItem, Watcher};
use crate::session::{ClientOptions, Session};
use crate::store::GroupResource;

/// Calls on one cluster by one writer. Resources are named as in `pods` and `deployments.apps`; an empty namespace means none (or all, for lists).
///
/// Requests show up in the journal under the writer's name; fault rules do not touch them.
#[derive(Clone, Debug)]
pub struct Direct {
    server: Arc<Server>,
    caller: Caller,
}

/// Objects and the revision they were read at.
#[derive(Clone, Debug)]
pub struct List {
    /// The objects in order of namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The revision of the store.
    pub revision: u64,
}

/// Which objects of a collection are meant; empty selectors mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// A label selector: `app=web,tier in (a,b)`.
    pub labels: String,
    /// A field selector: `metadata.name=x`.
    pub fields: String,
}

/// How an object is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteParams {
    /// Seconds of grace; the object's own if `None`.
    pub grace: Option<i64>,
    /// `Background`, `Foreground` or `Orphan`.
    pub propagation: Option<String>,
    /// Only the object with this uid.
    pub uid: Option<String>,
}

/// What a watch saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// The object is new to the watch.
    Added,
    /// It changed.
    Modified,
    /// It is gone, or left the selection.
    Deleted,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// What happened.
    pub kind: WatchKind,
    /// The object; for deletions its last state.
    pub object: Arc<Value>,
}

/// A running watch of the direct face.
#[derive(Debug)]
pub struct Watch(Watcher);

// === impl Direct ===

impl Direct {
    pub(crate) fn new(server: Arc<Server>, writer: &str) -> Self {
        let caller = Caller {
            client: writer.to_owned(),
            user: format!("system:{writer}"),
            groups: vec![MASTERS.to_owned()],
            ..Caller::default()
        };
        Self { server, caller }
    }

    /// Reads one object.
    ///
    /// # Errors
    /// `NotFound` for the object or the resource.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, ApiError> {
        self.object(self.request(http::Method::GET, self.path(resource, namespace, name)?))
    }

    /// Reads many objects.
    ///
    /// # Errors
    /// `NotFound` for the resource, `BadRequest` for a bad selector.
    pub fn list(&self, resource: &str, namespace: &str, filter: &ListFilter) -> Result<List, ApiError> {
        let mut request = self.request(http::Method::GET, self.path(resource, namespace, "")?);
        filter.write(&mut request.query);
        match self.server.call(&request)? {
            Outcome::List(ListAnswer { items, revision, .. }) => Ok(List { items, revision }),
            _ => Err(ApiError::internal("not a list")),
        }
    }

    /// Creates an object at the place its apiVersion, kind and metadata name.
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        let path = self.path_of(&object, false)?;
        self.object(RawRequest { object: Some(object), ..self.request(http::Method::POST, path) })
    }

    /// Replaces an object; its resourceVersion, if set, must be the stored one.
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn update(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        let path = self.path_of(&object, true)?;
        self.object(RawRequest { object: Some(object), ..self.request(http::Method::PUT, path) })
    }

    /// Replaces the status of an object.
    ///
    /// # Errors
    /// As kube-apiserver; `NotFound` if the resource has no status subresource.
    pub fn update_status(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        let path = self.path_of(&object, true)? + "/status";
        self.object(RawRequest { object: Some(object), ..self.request(http::Method::PUT, path) })
    }

    /// Merges a JSON merge patch into an object, or into a subresource named behind a slash: `pods/status`.
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn merge_patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Arc<Value>, ApiError> {
        self.patch("application/merge-patch+json", resource, namespace, name, patch)
    }

    /// Applies a JSON patch, as [`Direct::merge_patch`].
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn json_patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Arc<Value>, ApiError> {
        self.patch("application/json-patch+json", resource, namespace, name, patch)
    }

    /// Applies an object on the server side, as this writer and by force.
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn apply(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        let path = self.path_of(&object, true)?;
        let mut request = RawRequest {
            object: Some(object),
            content_type: "application/apply-patch+yaml".to_owned(),
            ..self.request(http::Method::PATCH, path)
        };
        request.query.set("fieldManager", self.caller.client.as_str());
        request.query.set("force", "true");
        self.object(request)
    }

    /// Deletes an object, or marks it for deletion.
    ///
    /// # Errors
    /// As kube-apiserver.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str, params: &DeleteParams) -> Result<(), ApiError> {
        let mut body = json!({});
        if let Some(grace) = params.grace {
            body["gracePeriodSeconds"] = Value::from(grace);
        }
        if let Some(propagation) = &params.propagation {
            body["propagationPolicy"] = Value::from(propagation.as_str());
        }
        if let Some(uid) = &params.uid {
            body["preconditions"] = json!({ "uid": uid });
        }
        let request = RawRequest {
            object: Some(body),
            ..self.request(http::Method::DELETE, self.path(resource, namespace, name)?)
        };
        self.server.call(&request).map(|_| ())
    }

    /// Follows the changes of a resource after `revision`; from `None` on, everything there is comes first as added.
    ///
    /// # Errors
    /// `NotFound` for the resource, `BadRequest` for a bad selector.
    pub fn watch(
        &self,
        resource: &str,
        namespace: &str,
        filter: &ListFilter,
        revision: Option<u64>,
    ) -> Result<Watch, ApiError> {
        let mut request = self.request(http::Method::GET, self.path(resource, namespace, "")?);
        filter.write(&mut request.query);
        request.query.set("watch", "true");
        if let Some(revision) = revision {
            request.query.set("resourceVersion", revision.to_string());
        }
        Ok(Watch(self.server.watch(&request, Session::new(&ClientOptions::named(self.caller.client.as_str())))?))
    }

    /// All served resources that can be listed, as `pods`, `deployments.apps`; whether they are namespaced.
    pub fn resources(&self) -> Vec<(String, bool)> {
        let registry = self.server.state.lock().registry.clone();
        registry
            .iter()
            .filter(|def| !def.review && def.served == def.stored)
            .map(|def| (def.served.to_string(), def.namespaced))
            .collect()
    }

    /// The resource that holds objects of an apiVersion and kind, as `deployments.apps`.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let registry = self.server.state.lock().registry.clone();
        registry.by_kind(group, version, kind).map(|(def, _)| def.served.to_string())
    }

    fn patch(
        &self,
        media: &str,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Arc<Value>, ApiError> {
        let (resource, subresource) =
            resource.split_once('/').map_or((resource, None), |(resource, sub)| (resource, Some(sub)));
        let mut path = self.path(resource, namespace, name)?;
        if let Some(subresource) = subresource {
            path = format!("{path}/{subresource}");
        }
        self.object(RawRequest {
            object: Some(patch),
            content_type: media.to_owned(),
            ..self.request(http::Method::PATCH, path)
        })
    }

    fn object(&self, request: RawRequest) -> Result<Arc<Value>, ApiError> {
        match self.server.call(&request)? {
            Outcome::Object(_, object) => Ok(object),
            Outcome::Json(_, value) => Ok(Arc::new(value)),
            _ => Err(ApiError::internal("not an object")),
        }
    }

    fn request(&self, method: http::Method, path: String) -> RawRequest {
        RawRequest { method, path, caller: self.caller.clone(), ..RawRequest::default() }
    }

    fn path(&self, resource: &str, namespace: &str, name: &str) -> Result<String, ApiError> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let registry = self.server.state.lock().registry.clone();
        let def = registry.resource(&GroupResource::new(group, plural)).ok_or_else(ApiError::no_such_path)?;
        Ok(path(
            &def.api_version(0),
            plural,
            def.namespaced.then_some(namespace).filter(|namespace| !namespace.is_empty()),
            name,
        ))
    }

    fn path_of(&self, object: &Value, named: bool) -> Result<String, ApiError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let registry = self.server.state.lock().registry.clone();
        let (def, _) = registry.by_kind(group, version, kind).ok_or_else(|| {
            ApiError::new(404, "NotFound", format!("no matches for kind {kind:?} in version {api_version:?}"))
        })?;
        let namespace = match text("/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        Ok(path(
            api_version,
            def.resource(),
            def.namespaced.then_some(namespace),
            if named { text("/metadata/name") } else { "" },
        ))
    }
}

fn path(api_version: &str, plural: &str, namespace: Option<&str>, name: &str) -> String {
    let escape =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut path =
        if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
    if let Some(namespace) = namespace {
        path.push_str(&format!("/namespaces/{}", escape(namespace)));
    }
    path.push_str(&format!("/{plural}"));
    if !name.is_empty() {
        path.push_str(&format!("/{}", escape(name)));
    }
    path
}

// === impl ListFilter ===

impl ListFilter {
    /// By label selector.
    pub fn labels(selector: impl Into<String>) -> Self {
        Self { labels: selector.into(), ..Self::default() }
    }

    fn write(&self, query: &mut Query) {
        if !self.labels.is_empty() {
            query.set("labelSelector", self.labels.as_str());
        }
        if !self.fields.is_empty() {
            query.set("fieldSelector", self.fields.as_str());
        }
    }
}

// === impl Watch ===

impl Watch {
    /// Waits for the next change.
    ///
    /// # Errors
    /// `Expired` if the log does not reach back to the revision asked for: list again. `None` when the watch was cut.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, ApiError>> {
        loop {
            let WatchItem { kind, object, .. } = self.0.next().await?;
            let kind = match kind {
                "ADDED" => WatchKind::Added,
                "MODIFIED" => WatchKind::Modified,
                "DELETED" => WatchKind::Deleted,
                "ERROR" => {
                    let message = object.get("message").and_then(Value::as_str).unwrap_or_default();
                    return Some(Err(ApiError::expired(message)));
                }
                _ => continue,
            };
            return Some(Ok(WatchEvent { kind, object }));
        }
    }
}
