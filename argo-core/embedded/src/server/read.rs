//! Get and list.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::convert;
use super::selector::{FieldSelector, LabelSelector};
use super::state::State;
use super::status::ApiError;
use super::{Call, Outcome};
use crate::store::{ObjectKey, Snapshot};

/// Many objects, in the requested version.
#[derive(Debug)]
pub(crate) struct ListAnswer {
    pub(crate) items: Vec<Arc<Value>>,
    pub(crate) revision: u64,
    pub(crate) continue_token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

/// The state that a list reads, and the key it goes on behind.
enum Reading {
    Now(Option<ObjectKey>),
    Then(Snapshot, Option<ObjectKey>),
}

/// Which objects of a collection are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

// === impl Filter ===

impl Filter {
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let query = &call.request.query;
        let mut filter = Self {
            labels: LabelSelector::parse(query.get("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(
                query.get("fieldSelector").unwrap_or_default(),
                &call.def,
                call.version_def(),
            )?,
        };
        if let Some(name) = call.name {
            filter.fields = FieldSelector::parse(&format!("metadata.name={name}"), &call.def, call.version_def())?;
        }
        Ok(filter)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

// === impl State ===

impl State {
    pub(super) fn get(&self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        if let Some(version) = call.request.query.get("resourceVersion")
            && version.parse::<u64>().is_err()
        {
            return Err(bad_revision(version));
        }
        let object = self.current(call)?;
        self.check_not_future(call)?;
        Ok(Outcome::Object(200, convert::from_storage(&call.def, call.version, &object)))
    }

    pub(super) fn list(&self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        if call.request.query.get("sendInitialEvents").is_some() {
            let cause = super::Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
            return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[cause]));
        }
        let filter = Filter::of(call)?;
        let limit = call
            .request
            .query
            .number("limit")?
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok());
        let answer = match self.reading(call)? {
            Reading::Now(after) => {
                let rest = self.store.objects_after(&call.def.stored, call.namespace, after);
                page(call, &filter, self.store.revision(), rest, limit)
            }
            Reading::Then(snapshot, after) => {
                page(call, &filter, snapshot.revision, snapshot.after(after.as_ref()), limit)
            }
        };
        Ok(Outcome::List(answer))
    }

    /// The list as it was before the latest change of the resource: what a cache that lags behind would answer.
    pub(crate) fn dispatch_stale(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        if !matches!(call.verb, super::Verb::List | super::Verb::Get) || call.subresource.is_some() {
            return self.dispatch(call);
        }
        let events =
            self.store.events_since(&call.def.stored, self.store.revision().saturating_sub(1)).unwrap_or_default();
        let last = events.last().map(|event| event.revision).or_else(|| {
            let mut revision = self.store.revision();
            while revision > 0 {
                match self.store.events_since(&call.def.stored, revision - 1) {
                    Ok(events) if !events.is_empty() => return events.first().map(|event| event.revision),
                    Ok(_) => revision -= 1,
                    Err(_) => return None,
                }
            }
            None
        });
        let Some(last) = last else { return self.dispatch(call) };
        let snapshot = self
            .store
            .snapshot_at(&call.def.stored, call.namespace, last - 1)
            .map_err(|error| ApiError::from_store(error, &call.def.served))?;
        match call.name {
            Some(name) => {
                let key = ObjectKey::new(call.namespace, name);
                let object = snapshot
                    .items
                    .into_iter()
                    .find(|(at, _)| *at == key)
                    .ok_or_else(|| ApiError::not_found(&call.def.served, name))?
                    .1;
                Ok(Outcome::Object(200, convert::from_storage(&call.def, call.version, &object)))
            }
            None => Ok(Outcome::List(page(call, &Filter::of(call)?, snapshot.revision, snapshot.after(None), None))),
        }
    }

    /// The state a list reads: now, or the exact revision that a continue token or `resourceVersionMatch=Exact` names.
    fn reading(&self, call: &Call<'_>) -> Result<Reading, ApiError> {
        let query = &call.request.query;
        let version = query.get("resourceVersion");
        let matching = query.get("resourceVersionMatch");
        let invalid = |message: &str| {
            ApiError::invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                &[super::Cause::forbidden("resourceVersionMatch", message)],
            )
        };
        if let Some(token) = query.get("continue") {
            if matching.is_some() {
                let mut whys = vec!["resourceVersionMatch is forbidden when continue is provided"];
                if version.is_none() {
                    whys.push("resourceVersionMatch is forbidden unless resourceVersion is provided");
                }
                let causes: Vec<_> =
                    whys.iter().map(|why| super::Cause::forbidden("resourceVersionMatch", why)).collect();
                return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &causes));
            }
            if version.is_some_and(|version| version != "0") {
                return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
            }
            let (revision, after) = decode_token(token).ok_or_else(|| {
                ApiError::bad_request("invalid continue token: continue key is not valid: illegal base64 data")
            })?;
            let Some(revision) = revision else { return Ok(Reading::Now(Some(after))) };
            let snapshot = self.store.snapshot_at(&call.def.stored, call.namespace, revision).map_err(|_| {
                let mut error = ApiError::expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
                );
                error.details = Some(Box::new(json!({ "continue": encode_inconsistent(&after) })));
                error
            })?;
            return Ok(Reading::Then(snapshot, Some(after)));
        }
        let Some(version) = version else {
            if matching.is_some() {
                return Err(invalid("resourceVersionMatch is forbidden unless resourceVersion is provided"));
            }
            return Ok(Reading::Now(None));
        };
        let revision: u64 = version.parse().map_err(|_| {
            ApiError::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}: invalid syntax"
            ))
        })?;
        self.check_not_future(call)?;
        match matching {
            Some("Exact") if revision == 0 => {
                Err(invalid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
            }
            Some("Exact") => {
                let snapshot = self
                    .store
                    .snapshot_at(&call.def.stored, call.namespace, revision)
                    .map_err(|_| ApiError::expired("The resourceVersion for the provided list is too old."))?;
                Ok(Reading::Then(snapshot, None))
            }
            None | Some("NotOlderThan") => Ok(Reading::Now(None)),
            Some(other) => Err(ApiError::invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                &[super::Cause::not_supported(
                    "resourceVersionMatch",
                    &Value::from(other),
                    &["Exact".to_owned(), "NotOlderThan".to_owned(), String::new()],
                )],
            )),
        }
    }

    /// A reader that asks for a revision that is still to come is told to try again.
    pub(super) fn check_not_future(&self, call: &Call<'_>) -> Result<(), ApiError> {
        let Some(version) = call.request.query.get("resourceVersion") else { return Ok(()) };
        let current = self.store.revision();
        match version.parse::<u64>() {
            Ok(wanted) if wanted > current => {
                let mut error =
                    ApiError::new(504, "Timeout", format!("Too large resource version: {wanted}, current: {current}"));
                error.details = Some(Box::new(json!({
                    "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
                    "retryAfterSeconds": 1,
                })));
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a revision that is no number.
pub(super) fn bad_revision(version: &str) -> ApiError {
    let why = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
    ApiError::new(500, "", format!("resourceVersion: Invalid value: {version:?}: {why}"))
}

/// Up to `limit` of the objects that match, in order.
fn page<'a>(
    call: &Call<'_>,
    filter: &Filter,
    revision: u64,
    rest: impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)>,
    limit: Option<usize>,
) -> ListAnswer {
    let mut items = Vec::new();
    let mut last = None;
    let mut rest = rest.peekable();
    while limit.is_none_or(|limit| items.len() < limit) {
        let Some((key, object)) = rest.next() else { break };
        let object = convert::from_storage(&call.def, call.version, object);
        if filter.matches(&object) {
            items.push(object);
        }
        last = Some(key);
    }
    let more = rest.peek().is_some();
    let remaining = (more && filter.is_empty()).then(|| rest.count());
    let continue_token = match (more, last) {
        (true, Some(key)) => Some(encode_token(revision, key)),
        _ => None,
    };
    ListAnswer { items, revision, continue_token, remaining }
}

impl Snapshot {
    fn after(&self, after: Option<&ObjectKey>) -> impl Iterator<Item = (&ObjectKey, &Arc<Value>)> {
        let start = after.map_or(0, |after| self.items.partition_point(|(key, _)| key <= after));
        self.items[start..].iter().map(|(key, object)| (key, object))
    }
}

pub(super) fn encode_token(revision: u64, key: &ObjectKey) -> String {
    URL_SAFE_NO_PAD.encode(
        json!({ "v": "meta.k8s.io/v1", "rv": revision, "start": format!("{}/{}", key.namespace, key.name) })
            .to_string(),
    )
}

fn encode_inconsistent(key: &ObjectKey) -> String {
    URL_SAFE_NO_PAD.encode(
        json!({ "v": "meta.k8s.io/v1", "rv": -1, "start": format!("{}/{}", key.namespace, key.name) }).to_string(),
    )
}

fn decode_token(token: &str) -> Option<(Option<u64>, ObjectKey)> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (namespace, name) = value.get("start")?.as_str()?.split_once('/')?;
    let revision = value.get("rv")?.as_i64()?;
    Some((u64::try_from(revision).ok(), ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() }))
}
