//! Answers in the form the client accepts: JSON, YAML, tables, metadata only; and watch streams.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WARNING};
use http_body::Frame;
use serde_json::{Value, json};

use super::read::ListAnswer;
use super::request::RawRequest;
use super::status::ApiError;
use super::watch::{WatchItem, Watcher};
use super::{Follow, Outcome, Server, Target, table};
use crate::resources::ResourceDef;
use crate::session::Session;

/// The body of an answer: at hand, or a stream.
pub enum ResponseBody {
    /// All of it.
    Full(Option<Bytes>),
    /// Lines of a watch.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// What a client wants objects to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Yaml,
    Table,
    Metadata,
}

// === impl ResponseBody ===

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream.as_mut().poll_next(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Full(bytes) => http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Full(_)) { "ResponseBody::Full" } else { "ResponseBody::Stream" })
    }
}

/// Writes an answer. `target` names the resource of objects and lists.
pub(crate) fn respond(
    request: &RawRequest,
    target: Option<&Target>,
    answer: Result<Outcome, ApiError>,
    now: jiff::Timestamp,
) -> http::Response<ResponseBody> {
    match answer.and_then(|outcome| write(request, target, outcome, now)) {
        Ok(response) => response,
        Err(error) if error.is_plain() => {
            let end = if error.message.is_empty() { "" } else { "\n" };
            full(error.code, "text/plain; charset=utf-8", format!("{}{end}", error.message))
        }
        Err(error) => {
            let status = error.status();
            let mut response = match Form::of(&request.accept) {
                Some(Form::Yaml) => full(error.code, "application/yaml", argo_lang::yaml::to_yaml(&status)),
                _ => full(error.code, "application/json", status.to_string()),
            };
            if let Some(seconds) = error.retry_after() {
                response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from(seconds));
            }
            response
        }
    }
}

/// Adds warnings to an answer.
pub(crate) fn warn(response: &mut http::Response<ResponseBody>, warnings: &[String]) {
    for warning in warnings {
        if let Ok(value) = http::HeaderValue::from_str(&format!("299 - {warning:?}")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// Whether any form the client accepts can be served.
pub(crate) fn acceptable(request: &RawRequest) -> Result<(), ApiError> {
    // What a proxy accepts is for who answers it to say.
    if request.original.is_some() {
        return Ok(());
    }
    Form::of(&request.accept).map(|_| ()).ok_or_else(|| not_acceptable(request))
}

/// Grants a stream: the face that holds the connection finds the ticket in the answer.
pub(crate) fn switch(
    server: Arc<Server>,
    request: &RawRequest,
    opened: crate::streams::Opened,
    now: jiff::Timestamp,
) -> http::Response<ResponseBody> {
    match crate::streams::Upgrade::grant(request.upgrade.as_ref(), server, opened) {
        Ok((headers, ticket)) => {
            let mut response = http::Response::new(ResponseBody::Full(None));
            *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = headers;
            response.extensions_mut().insert(ticket);
            response
        }
        Err(error) => respond(request, None, Err(error), now),
    }
}

/// The log of a container as it grows, until the pod has ended.
pub(crate) fn follow(
    server: Arc<Server>,
    session: Session,
    (def, _): Target,
    log: Follow,
) -> http::Response<ResponseBody> {
    let waker = server.state.lock().subscribe(&def.stored);
    let lines =
        futures::stream::unfold((server, session, waker, log), |(server, session, mut waker, mut log)| async move {
            loop {
                session.check().ok()?;
                waker.borrow_and_update();
                let (text, read, running) = {
                    let state = server.state.lock();
                    let key = (log.pod.namespace.clone(), log.pod.name.clone(), log.container.clone());
                    let run = state.logs.current(&key).filter(|run| run.attempt() == log.attempt);
                    (
                        run.map_or_else(String::new, |run| run.shown(log.skip, &log.options)),
                        run.map_or(0, |run| run.text().len()),
                        state.may_print(&log.pod, &log.container, log.attempt),
                    )
                };
                if !text.is_empty() {
                    log.skip = read;
                    return Some((Bytes::from(text), (server, session, waker, log)));
                }
                if !running {
                    return None;
                }
                tokio::select! {
                    changed = waker.changed() => changed.ok()?,
                    () = session.cut() => {}
                }
            }
        });
    let mut response = http::Response::new(ResponseBody::Stream(Box::pin(lines)));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    response
}

fn write(
    request: &RawRequest,
    target: Option<&Target>,
    outcome: Outcome,
    now: jiff::Timestamp,
) -> Result<http::Response<ResponseBody>, ApiError> {
    let (code, value) = match (outcome, target) {
        (Outcome::Typed(content_type, value), _) => return Ok(full(200, content_type, value.to_string())),
        (Outcome::Raw(content_type, bytes), _) => return Ok(full(200, content_type, bytes)),
        (Outcome::Text(text), _) => return Ok(full(200, "text/plain", text)),
        (Outcome::Json(code, value), _) => match Form::of(&request.accept) {
            Some(Form::Yaml) => (code, Encoded::Yaml(value)),
            _ => (code, Encoded::Json(text_of(&value))),
        },
        (Outcome::Object(_, object), Some((def, _)))
            if request.accept.contains("as=PartialObjectMetadataList")
                && super::meta::text(&object, "/kind") == def.kind =>
        {
            let actual = format!("not a list {}", go_type(def, &def.kind));
            return Err(misfit("PartialObjectMetadataList", &actual));
        }
        (Outcome::List(_), Some((def, _)))
            if request.accept.contains("as=PartialObjectMetadata;") && request.method == http::Method::GET =>
        {
            let actual = format!("a list {}", go_type(def, &def.list_kind));
            return Err(misfit("PartialObjectMetadata", &actual));
        }
        (Outcome::Object(code, object), Some((def, version))) => {
            match Form::of(&request.accept).ok_or_else(|| not_acceptable(request))? {
                Form::Plain => (code, Encoded::Json(object_text(def, &object))),
                Form::Yaml => (code, Encoded::Yaml((*object).clone())),
                Form::Table if table::has_table(&object) => {
                    let answer =
                        ListAnswer { items: vec![object.clone()], revision: 0, continue_token: None, remaining: None };
                    let mut table = if table::is_scale(&object) {
                        table::scale(&answer, now, include_object(request))
                    } else {
                        table::render(def, *version, &answer, now, include_object(request))
                    };
                    table["metadata"] = json!({ "resourceVersion": super::meta::resource_version(&object) });
                    (code, Encoded::Json(text_of(&table)))
                }
                Form::Table => (code, Encoded::Json(text_of(&object))),
                Form::Metadata => (code, Encoded::Json(text_of(&partial(&object, true)))),
            }
        }
        (Outcome::List(answer), Some((def, version))) => {
            match Form::of(&request.accept).ok_or_else(|| not_acceptable(request))? {
                Form::Table
                    if !matches!(request.query.get("includeObject"), None | Some("None" | "Object" | "Metadata")) =>
                {
                    let given = request.query.get("includeObject").unwrap_or_default();
                    return Err(ApiError::bad_request(format!(
                        "Unable to convert to Table as requested: includeObject: Invalid value: {given:?}: must be 'Metadata', 'Object', 'None', or empty"
                    )));
                }
                Form::Table => {
                    (200, Encoded::Json(text_of(&table::render(def, *version, &answer, now, include_object(request)))))
                }
                Form::Metadata => {
                    if answer.items.is_empty() && def.builtin {
                        // The real one writes its empty Go slice so.
                        let metadata = json!({ "resourceVersion": answer.revision.to_string() });
                        let list = json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": null });
                        return Ok(full(200, "application/json", text_of(&list)));
                    }
                    let text = list_text("PartialObjectMetadataList", "meta.k8s.io/v1", &answer, |object, out| {
                        put(out, &partial(object, true));
                    });
                    (200, Encoded::Json(text))
                }
                form => {
                    let text = list_text(&def.list_kind, &def.api_version(*version), &answer, |object, out| {
                        put_item(out, def, object);
                    });
                    match form {
                        Form::Yaml => (200, Encoded::Yaml(serde_json::from_slice(&text).unwrap_or_default())),
                        _ => (200, Encoded::Json(text)),
                    }
                }
            }
        }
        _ => return Err(ApiError::internal("an answer without a target")),
    };
    Ok(match value {
        Encoded::Json(text) if pretty(request) => full(code, "application/json", indented(text)),
        Encoded::Json(text) => full(code, "application/json", text),
        Encoded::Yaml(value) => full(code, "application/yaml", argo_lang::yaml::to_yaml(&value)),
    })
}

/// Whether a person reads the answer: asked for, or by the program that asks.
fn pretty(request: &RawRequest) -> bool {
    match request.query.get("pretty") {
        Some(_) => request.query.flag("pretty"),
        None => matches!(request.caller.client.as_str(), "curl" | "Wget" | "Mozilla"),
    }
}

fn indented(text: Vec<u8>) -> Vec<u8> {
    match serde_json::from_slice::<Value>(&text).and_then(|value| serde_json::to_vec_pretty(&value)) {
        Ok(indented) => indented,
        Err(_) => text,
    }
}

enum Encoded {
    Json(Vec<u8>),
    Yaml(Value),
}

/// Writes a value in JSON.
fn put(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // Writing a value to memory cannot fail.
    let _ = serde_json::to_writer(out, value);
}

fn text_of(value: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    put(&mut text, value);
    text
}

fn object_text(def: &ResourceDef, object: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    put_object(&mut text, def, object);
    text
}

/// Writes an object: those of built-in kinds say first what they are, as typed servers encode them.
pub(super) fn put_object(out: &mut Vec<u8>, def: &ResourceDef, object: &Value) {
    match (object.get("kind"), object.get("apiVersion")) {
        (Some(kind), Some(version)) if def.builtin => {
            out.extend_from_slice(b"{\"kind\":");
            put(out, kind);
            out.extend_from_slice(b",\"apiVersion\":");
            put(out, version);
            put_fields(out, object, false);
        }
        _ => put(out, object),
    }
}

/// Writes an item of a list: those of built-in kinds go without apiVersion and kind, as typed servers encode them.
fn put_item(out: &mut Vec<u8>, def: &ResourceDef, object: &Value) {
    if !def.builtin || !object.is_object() {
        return put(out, object);
    }
    out.push(b'{');
    put_fields(out, object, true);
}

/// Writes the fields of an object but for apiVersion and kind, to its end.
fn put_fields(out: &mut Vec<u8>, object: &Value, mut first: bool) {
    let fields = object.as_object().into_iter().flatten();
    for (field, value) in fields.filter(|(field, _)| !matches!(field.as_str(), "apiVersion" | "kind")) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        put(out, field);
        out.push(b':');
        put(out, value);
    }
    out.push(b'}');
}

/// A list in text, without another copy of its items.
fn list_text(kind: &str, api_version: &str, answer: &ListAnswer, put_item: impl Fn(&Value, &mut Vec<u8>)) -> Vec<u8> {
    let mut metadata = json!({ "resourceVersion": answer.revision.to_string() });
    if let Some(token) = &answer.continue_token {
        metadata["continue"] = Value::from(token.as_str());
    } else if api_version.contains('.') && !api_version.contains(".k8s.io/") {
        // Lists of custom resources always carry the field.
        metadata["continue"] = Value::from("");
    }
    if let Some(remaining) = answer.remaining {
        metadata["remainingItemCount"] = Value::from(remaining);
    }
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        Value::from(kind),
        Value::from(api_version),
    );
    let mut text = Vec::with_capacity(head.len() + 512 * answer.items.len());
    text.extend_from_slice(head.as_bytes());
    for (number, object) in answer.items.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        put_item(object, &mut text);
    }
    text.extend_from_slice(b"]}");
    text
}

fn partial(object: &Value, typed: bool) -> Value {
    let mut partial = json!({ "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})) });
    if typed {
        partial["kind"] = Value::from("PartialObjectMetadata");
        partial["apiVersion"] = Value::from("meta.k8s.io/v1");
    }
    partial
}

fn include_object(request: &RawRequest) -> table::Include {
    match request.query.get("includeObject") {
        Some("None") => table::Include::None,
        Some("Object") => table::Include::Object,
        _ => table::Include::Metadata,
    }
}

/// A watch as newline-delimited JSON.
pub(crate) fn stream(request: &RawRequest, target: &Target, watcher: Watcher) -> http::Response<ResponseBody> {
    let Some(form) = Form::of(&request.accept) else {
        return respond(request, None, Err(not_acceptable(request)), watcher.now());
    };
    let (def, version) = target.clone();
    let include = include_object(request);
    let lines = futures::stream::unfold((watcher, true), move |(mut watcher, first)| {
        let def = def.clone();
        async move {
            let item = watcher.next().await?;
            if matches!(form, Form::Plain | Form::Yaml) {
                return Some((item.line(&def), (watcher, false)));
            }
            let object = shape(form, &def, version, &item, include, first, watcher.now());
            let line = format!("{{\"type\":\"{}\",\"object\":{object}}}\n", item.kind);
            Some((Bytes::from(line), (watcher, false)))
        }
    });
    let mut response = http::Response::new(ResponseBody::Stream(Box::pin(lines)));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn shape(
    form: Form,
    def: &ResourceDef,
    version: usize,
    item: &WatchItem,
    include: table::Include,
    first: bool,
    now: jiff::Timestamp,
) -> String {
    match form {
        _ if item.kind == "ERROR" => item.object.to_string(),
        Form::Metadata => partial(&item.object, true).to_string(),
        Form::Table => {
            let bookmark = item.kind == "BOOKMARK";
            let answer = ListAnswer {
                items: if bookmark { Vec::new() } else { vec![item.object.clone()] },
                revision: 0,
                continue_token: None,
                remaining: None,
            };
            let mut table = table::render(def, version, &answer, now, include);
            table["metadata"] = json!({ "resourceVersion": super::meta::resource_version(&item.object) });
            if !first && let Some(root) = table.as_object_mut() {
                root.insert("columnDefinitions".to_owned(), Value::Null);
            }
            if bookmark {
                // The row carries the metadata of the bookmark: its annotations matter.
                table["rows"] = json!([{ "cells": [], "object": partial(&item.object, true) }]);
            }
            table.to_string()
        }
        // Sent as the shared text.
        Form::Plain | Form::Yaml => item.object.to_string(),
    }
}

fn not_acceptable(request: &RawRequest) -> ApiError {
    if request.accept.contains("as=") {
        let message = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        return ApiError::new(406, "NotAcceptable", message);
    }
    let many = super::Path::parse(&request.path).is_some_and(|path| path.name.is_none());
    let streams = if many && request.method == http::Method::GET {
        ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    } else {
        ""
    };
    ApiError {
        details: Some(Box::new(json!({}))),
        ..ApiError::new(
            406,
            "NotAcceptable",
            format!(
                "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf{streams}"
            ),
        )
    }
}

/// A form of lists was asked for where there is one object, or the other way round.
fn misfit(wanted: &str, actual: &str) -> ApiError {
    ApiError::new(406, "NotAcceptable", format!("you requested {wanted}, but the requested object is {actual}"))
}

/// The Go type of a kind, as messages name it.
fn go_type(def: &ResourceDef, kind: &str) -> String {
    match def.builtin {
        true => {
            let package = def.group().split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
            format!("(*{package}.{kind})")
        }
        false => "(*unstructured.Unstructured)".to_owned(),
    }
}

fn full(code: u16, content_type: &'static str, text: impl Into<Bytes>) -> http::Response<ResponseBody> {
    let text = text.into();
    let mut response = http::Response::new(ResponseBody::Full((!text.is_empty()).then_some(text)));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

// === impl Form ===

impl Form {
    /// The first form of an Accept header that can be served.
    fn of(accept: &str) -> Option<Self> {
        if accept.trim().is_empty() {
            return Some(Self::Plain);
        }
        accept.split(',').find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let media = parts.next()?;
            let parameter =
                |name: &str| item.split(';').map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let base = match media {
                "application/json" | "*/*" => Self::Plain,
                "application/yaml" => Self::Yaml,
                _ => return None,
            };
            match (parameter("as"), parameter("g")) {
                (None, _) => Some(base),
                (Some("Table"), Some("meta.k8s.io")) if parameter("v") == Some("v1") => Some(Self::Table),
                (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("meta.k8s.io"))
                    if parameter("v") == Some("v1") =>
                {
                    Some(Self::Metadata)
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_servable_form_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(Form::of(kubectl), Some(Form::Table));
        assert_eq!(Form::of("application/vnd.kubernetes.protobuf, application/json"), Some(Form::Plain));
        assert_eq!(Form::of("application/vnd.kubernetes.protobuf"), None);
        assert_eq!(Form::of("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Some(Form::Metadata));
    }
}
