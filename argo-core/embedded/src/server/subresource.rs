//! Subresources: status, scale, finalize, binding, eviction, log, token, approval.

use std::sync::Arc;

use jiff::SignedDuration;
use rand::TryRngCore;
use serde_json::{Value, json};

use super::meta::{self, at_path, set_path};
use super::request::Verb;
use super::selector::LabelSelector;
use super::state::{State, Token};
use super::status::{ApiError, Cause};
use super::write::Part;
use super::{Call, Outcome, convert};
use crate::fields::Change;
use crate::resources::ScalePaths;

// === impl State ===

impl State {
    pub(super) fn subresource(&mut self, call: &Call<'_>, subresource: &str) -> Result<Outcome, ApiError> {
        let resource = (call.def.group(), call.def.resource());
        match (subresource, call.verb) {
            ("status", verb) if call.version_def().status => match verb {
                Verb::Get => self.get(call),
                Verb::Update => self.update(call, Part::Status),
                Verb::Patch => self.patch(call, Part::Status),
                _ => Err(ApiError::method_not_allowed()),
            },
            ("scale", verb) => match call.version_def().scale.clone() {
                Some(paths) => self.scale(call, verb, &paths),
                None => Err(nothing(call)),
            },
            ("finalize", Verb::Update) if resource == ("", "namespaces") => self.update(call, Part::Finalize),
            ("approval", verb) if resource.1 == "certificatesigningrequests" => match verb {
                Verb::Get => self.get(call),
                Verb::Update => self.update(call, Part::Status),
                Verb::Patch => self.patch(call, Part::Status),
                _ => Err(ApiError::method_not_allowed()),
            },
            ("log", Verb::Get) if resource == ("", "pods") => self.log(call),
            ("eviction", Verb::Create) if resource == ("", "pods") => self.evict(call),
            ("binding", Verb::Create) if resource == ("", "pods") => self.bind(call),
            ("ephemeralcontainers", Verb::Update) if resource == ("", "pods") => self.update(call, Part::Ephemeral),
            ("ephemeralcontainers", Verb::Patch) if resource == ("", "pods") => self.patch(call, Part::Ephemeral),
            ("resize", Verb::Update) if resource == ("", "pods") => self.update(call, Part::Resize),
            ("resize", Verb::Patch) if resource == ("", "pods") => self.patch(call, Part::Resize),
            ("ephemeralcontainers" | "resize", Verb::Get) if resource == ("", "pods") => self.get(call),
            ("token", Verb::Create) if resource == ("", "serviceaccounts") => self.token(call),
            ("exec" | "attach" | "portforward", _) if resource == ("", "pods") => {
                self.open_stream(call, subresource).map(|opened| Outcome::Stream(Box::new(opened)))
            }
            ("proxy", _) if matches!(resource, ("", "pods" | "services" | "nodes")) => self.proxy(call),
            _ => Err(nothing(call)),
        }
    }

    fn scale(&mut self, call: &Call<'_>, verb: Verb, paths: &ScalePaths) -> Result<Outcome, ApiError> {
        let existing = self.current(call)?;
        let live = convert::from_storage(&call.def, call.version, &existing);
        let shown = scale_of(&live, paths);
        if verb == Verb::Get && !call.def.builtin && at_path(&live, &paths.spec).is_none() {
            let why = format!("the spec replicas field {:?} does not exist", format!(".{}", paths.spec.join(".")));
            return Err(ApiError::internal(&why));
        }
        let wanted = match verb {
            Verb::Get => return Ok(Outcome::Object(200, Arc::new(shown))),
            Verb::Update => {
                let mut scale = call.body()?;
                let (kind, version) = (meta::text(&scale, "/kind"), meta::text(&scale, "/apiVersion"));
                if !kind.is_empty() && kind != "Scale" {
                    let short = version.rsplit('/').next().unwrap_or_default();
                    return Err(ApiError::bad_request(format!(
                        "{kind} in version {short:?} cannot be handled as a Scale: converting ({short}.{kind}) to (autoscaling.Scale): unknown conversion"
                    )));
                }
                if let Err(why) = crate::schema::prune("autoscaling", "v1", "Scale", &mut scale) {
                    let message = format!("Scale in version \"v1\" cannot be handled as a Scale: {why}");
                    return Err(ApiError::bad_request(message));
                }
                let given = meta::name(&scale);
                if given != call.name_or_empty() && !given.is_empty() {
                    return Err(ApiError::bad_request(format!(
                        "the name of the object ({given}) does not match the name on the URL ({})",
                        call.name_or_empty()
                    )));
                }
                scale
            }
            Verb::Patch if super::patch::is_apply(call) => return self.apply_scale(call, &existing, paths),
            Verb::Patch => {
                let body = super::patch::patch_body(call)?;
                let mut scale = shown;
                match call.request.content_type.split(';').next().unwrap_or_default().trim() {
                    "application/json-patch+json" => {
                        argo_merge::json_patch::apply(&mut scale, &body).map_err(super::patch::json_patch_error)?;
                    }
                    _ => argo_merge::merge_patch::apply(&mut scale, &body),
                }
                if let Err(why) = crate::schema::prune("autoscaling", "v1", "Scale", &mut scale) {
                    let cause = Cause::invalid("patch", &Value::from(scale.to_string()), &why);
                    return Err(ApiError::invalid("", "", "", &[cause]));
                }
                scale
            }
            _ => return Err(ApiError::method_not_allowed()),
        };
        let version = meta::resource_version(&wanted);
        if !version.is_empty() && version != meta::resource_version(&live) {
            return Err(ApiError::stale(&call.def.served, call.name_or_empty()));
        }
        let replicas = wanted.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
        if replicas < 0 && !call.def.builtin {
            let field = format!(".{}", paths.spec.join("."));
            let cause = Cause::invalid(field, &Value::from(replicas), "should be a non-negative integer");
            return Err(ApiError::invalid(call.def.group(), &call.def.kind, call.name_or_empty(), &[cause]));
        }
        if replicas < 0 {
            let cause = Cause::invalid("spec.replicas", &Value::from(replicas), "must be greater than or equal to 0");
            return Err(ApiError::invalid("autoscaling", "Scale", call.name_or_empty(), &[cause]));
        }
        let mut object = (*live).clone();
        set_path(&mut object, &paths.spec, Value::from(replicas));
        let object = self.replace(call, &existing, object, Part::Scale, Change::Update)?;
        Ok(Outcome::Object(200, Arc::new(scale_of(&object, paths))))
    }

    /// Server-side apply of the number of replicas, owned under the subresource.
    fn apply_scale(&mut self, call: &Call<'_>, existing: &Arc<Value>, paths: &ScalePaths) -> Result<Outcome, ApiError> {
        let config = super::patch::configuration(call)?;
        let given = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or_default();
        if given("kind") != "Scale" || given("apiVersion") != "autoscaling/v1" {
            let message = format!("invalid object type: {}, Kind={}", given("apiVersion"), given("kind"));
            return Err(ApiError::bad_request(message));
        }
        let live = convert::from_storage(&call.def, call.version, existing);
        let mut whole = json!({
            "apiVersion": call.def.api_version(call.version),
            "kind": call.def.kind,
            "metadata": { "name": call.name_or_empty() },
        });
        if let Some(replicas) = config.pointer("/spec/replicas") {
            set_path(&mut whole, &paths.spec, replicas.clone());
        }
        let force = call.request.query.flag("force");
        let object = crate::fields::apply(call, Part::Scale, Some(&live), &whole, force, call.name_or_empty())?;
        let object = self.replace(call, existing, object, Part::Scale, Change::Apply)?;
        Ok(Outcome::Object(200, Arc::new(scale_of(&object, paths))))
    }

    /// Issues a token of a service account: opaque to clients, good for this cluster's HTTPS face only.
    fn token(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        self.current(call)?;
        let mut review =
            if call.request.body.is_empty() && call.request.object.is_none() { json!({}) } else { call.body()? };
        let seconds = review.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(3600);
        if !(600..=1 << 32).contains(&seconds) {
            let why = if seconds < 600 {
                "may not specify a duration less than 10 minutes"
            } else {
                "may not specify a duration larger than 2^32 seconds"
            };
            let cause = Cause::invalid("spec.expirationSeconds", &Value::from(seconds), why);
            return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[cause]));
        }
        let expires = call.now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(call.now);
        let token = secret()?;
        let user = format!("system:serviceaccount:{}:{}", call.namespace.unwrap_or_default(), call.name_or_empty());
        let given = review.pointer("/spec/audiences").and_then(Value::as_array).into_iter().flatten();
        let mut audiences: Vec<String> = given.filter_map(Value::as_str).map(str::to_owned).collect();
        if audiences.is_empty() {
            audiences.push(DEFAULT_AUDIENCE.to_owned());
            review["spec"]["audiences"] = json!(audiences);
        }
        self.tokens.insert(token.clone(), Token { user, expires, audiences });
        review["apiVersion"] = Value::from("authentication.k8s.io/v1");
        review["kind"] = Value::from("TokenRequest");
        review["spec"]["expirationSeconds"] = Value::from(seconds);
        review["status"] = json!({ "token": token, "expirationTimestamp": meta::timestamp_text(expires) });
        Ok(Outcome::Json(201, review))
    }
}

/// The answer to a subresource that is not there: of custom resources as if there were no object.
fn nothing(call: &Call<'_>) -> ApiError {
    match call.def.builtin {
        true => ApiError::no_such_path(),
        false => ApiError::not_found(&call.def.served, call.name_or_empty()),
    }
}

/// Whom tokens are for that name nobody.
const DEFAULT_AUDIENCE: &str = "https://kubernetes.default.svc";

/// A token nobody can guess: unlike uids it does not follow the seed.
fn secret() -> Result<String, ApiError> {
    let mut bytes = [0u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|_| ApiError::internal("no randomness"))?;
    Ok(hex::encode(bytes))
}

fn scale_of(object: &Value, paths: &ScalePaths) -> Value {
    let number = |path: &[String]| at_path(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut scale = json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {}, "status": { "replicas": number(&paths.status) } });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            scale["metadata"][field] = value.clone();
        }
    }
    if number(&paths.spec) != 0 {
        scale["spec"]["replicas"] = Value::from(number(&paths.spec));
    }
    let selector = match &paths.selector {
        Some(path) => at_path(object, path).and_then(Value::as_str).map(str::to_owned),
        None => object.pointer("/spec/selector").and_then(LabelSelector::from_object).map(|selector| selector.text()),
    };
    if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
        scale["status"]["selector"] = Value::from(selector);
    }
    scale
}
