//! Plain requests to a Kubernetes API on [`Object`]s.

use std::fmt::Write;

use serde_json::Value;

use super::mapper::{Mapper, MapperError};
use crate::{
    apply::kube_error,
    error::{Category, Failure},
    object::{Gvk, Object, ObjectRef},
};

/// The URL path of a resource collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub(super) String);

impl Path {
    /// The path of an object or collection, with a query.
    #[must_use]
    pub fn uri(&self, name: Option<&str>, subresource: Option<&str>, query: &[(&str, &str)]) -> String {
        let mut uri = self.0.clone();
        for part in [name, subresource].into_iter().flatten() {
            uri.push('/');
            encode(&mut uri, part);
        }
        for (i, (key, value)) in query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            encode(&mut uri, value);
        }
        uri
    }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The kind is not served.
    #[error(transparent)]
    Mapper(#[from] MapperError),
    /// The API server refused or is away.
    #[error("get {object}: {message}")]
    Api {
        /// What was asked for.
        object: Box<ObjectRef>,
        /// What the server said.
        message: String,
        /// The kind of failure.
        category: Category,
    },
}

impl Failure for ReadError {
    fn category(&self) -> Category {
        match self {
            Self::Mapper(error) => error.category(),
            Self::Api { category, .. } => *category,
        }
    }
}

/// Reads one object; `None` when it does not exist.
///
/// # Errors
/// When the kind is not served or the API server does not answer.
pub async fn get(client: &kube::Client, mapper: &Mapper, target: &ObjectRef) -> Result<Option<Object>, ReadError> {
    let path = mapper.path(&target.gvk, target.namespace.as_deref()).await?;
    match read(client, &path.uri(Some(&target.name), None, &[])).await {
        Ok(value) => Ok(Some(Object::from_value(value))),
        Err((Category::NotFound, _)) => Ok(None),
        Err((category, message)) => Err(ReadError::Api { object: Box::new(target.clone()), message, category }),
    }
}

/// Lists objects of a kind, in one namespace or everywhere, whole pages until the end.
///
/// # Errors
/// When the kind is not served or the API server does not answer.
pub async fn list(
    client: &kube::Client,
    mapper: &Mapper,
    gvk: &Gvk,
    namespace: Option<&str>,
    label_selector: Option<&str>,
) -> Result<Vec<Object>, ReadError> {
    let path = mapper.path(gvk, namespace).await?;
    let mut objects = Vec::new();
    let mut token = String::new();
    loop {
        let mut query = vec![("limit", "500")];
        if let Some(selector) = label_selector {
            query.push(("labelSelector", selector));
        }
        if !token.is_empty() {
            query.push(("continue", &token));
        }
        let mut page = read(client, &path.uri(None, None, &query)).await.map_err(|(category, message)| {
            ReadError::Api { object: Box::new(ObjectRef::new(gvk.clone(), namespace, "")), message, category }
        })?;
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            objects.extend(items.into_iter().map(|item| typed(item, gvk)));
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str).filter(|it| !it.is_empty()) {
            Some(next) => token = next.to_owned(),
            None => return Ok(objects),
        }
    }
}

/// Items of a list do not repeat their kind.
pub(super) fn typed(item: Value, gvk: &Gvk) -> Object {
    let mut object = Object::from_value(item);
    object.set(&["apiVersion"], gvk.api_version());
    object.set(&["kind"], gvk.kind.clone());
    object
}

async fn read(client: &kube::Client, uri: &str) -> Result<Value, (Category, String)> {
    let request = http::Request::get(uri)
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|it| (Category::Invalid, it.to_string()))?;
    client.request::<Value>(request).await.map_err(|error| {
        let (category, message, _) = kube_error(&error);
        (category, message)
    })
}
