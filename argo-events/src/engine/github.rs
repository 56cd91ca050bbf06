//! Deliveries of GitHub: whether they are signed, and the payload made of them.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::api::GithubConfig;

/// Header with the HMAC-SHA256 of the body.
pub const SIGNATURE_256: &str = "x-hub-signature-256";
/// Header with the HMAC-SHA1 of the body, for old senders.
pub const SIGNATURE_1: &str = "x-hub-signature";
/// Header with the event's name, which also stands in the payload.
pub const EVENT: &str = "X-GitHub-Event";
/// Header with the delivery's id, which also stands in the payload.
pub const DELIVERY: &str = "X-GitHub-Delivery";

/// A delivery that is refused, with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// No signature where one is needed.
    #[error("missing signature")]
    Unsigned,
    /// A signature that is not `sha256=…` or `sha1=…` in hexadecimal digits.
    #[error("error parsing signature")]
    Malformed,
    /// Another secret, or another body.
    #[error("payload signature check failed")]
    Mismatch,
    /// Neither JSON nor a form.
    #[error("webhook request has unsupported Content-Type {0:?}")]
    ContentType(String),
    /// The body is not a JSON object.
    #[error("failed to parse the payload: {0}")]
    Body(String),
}

/// Checks that the GitHub configuration can work.
///
/// # Errors
/// Upstream's words for what is missing.
pub fn validate(config: &GithubConfig) -> Result<(), String> {
    let repositories = !config.repositories.is_empty() || (!config.owner.is_empty() && !config.repository.is_empty());
    if repositories != config.organizations.is_empty() {
        return Err("either repositories or organizations is required".to_owned());
    }
    if (config.api_token.is_some() || config.github_app.is_some()) && config.events.is_empty() {
        return Err("events must be defined to create a github webhook".to_owned());
    }
    if config.github_base_url.is_empty() != config.github_upload_url.is_empty() {
        return Err("githubBaseURL and githubUploadURL must be given together".to_owned());
    }
    match &config.webhook {
        Some(_) => Ok(()),
        None => Err("webhook can't be empty".to_owned()),
    }
}

/// Checks the signature of a body, in time that does not depend on where a signature goes wrong.
///
/// # Errors
/// When it is missing, malformed, or of another secret or body.
pub fn verify(secret: &[u8], headers: &BTreeMap<String, Vec<String>>, body: &[u8]) -> Result<(), DeliveryError> {
    let header =
        |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|it| it.1.first());
    let decode = |text: &str| hex::decode(text).map_err(|_| DeliveryError::Malformed);
    let signature = header(SIGNATURE_256).or_else(|| header(SIGNATURE_1)).ok_or(DeliveryError::Unsigned)?;
    let matches = match signature.split_once('=') {
        Some(("sha256", digits)) => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| DeliveryError::Mismatch)?;
            mac.update(body);
            mac.verify_slice(&decode(digits)?).is_ok()
        }
        Some(("sha1", digits)) => {
            let mut mac = Hmac::<Sha1>::new_from_slice(secret).map_err(|_| DeliveryError::Mismatch)?;
            mac.update(body);
            mac.verify_slice(&decode(digits)?).is_ok()
        }
        _ => return Err(DeliveryError::Malformed),
    };
    if matches { Ok(()) } else { Err(DeliveryError::Mismatch) }
}

/// The JSON in a delivery's body, whose content type says how it is wrapped; plus event and delivery id.
///
/// # Errors
/// When the content type is neither of GitHub's two or the JSON is not an object.
pub fn body(headers: &BTreeMap<String, Vec<String>>, body: &[u8]) -> Result<Value, DeliveryError> {
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|it| it.1.first());
        found.map(String::as_str).unwrap_or_default()
    };
    let content_type = header("content-type");
    let json = match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => serde_json::from_slice::<Map<String, Value>>(body),
        "application/x-www-form-urlencoded" => {
            let form = super::text::parse_form(body);
            let payload = form.get("payload").and_then(|it| it.first()).map(String::as_str).unwrap_or_default();
            serde_json::from_str(payload)
        }
        _ => return Err(DeliveryError::ContentType(content_type.chars().take(100).collect())),
    };
    let mut json = json.map_err(|it| DeliveryError::Body(it.to_string()))?;
    for name in [EVENT, DELIVERY] {
        json.insert(name.to_owned(), header(name).into());
    }
    Ok(Value::Object(json))
}

/// The event's payload.
#[must_use]
pub fn payload(headers: &BTreeMap<String, Vec<String>>, body: Value, metadata: &BTreeMap<String, String>) -> Value {
    let mut payload = json!({"headers": headers, "body": body});
    if !metadata.is_empty() {
        payload["metadata"] = json!(metadata);
    }
    payload
}

/// The id of a delivery's event: the same when GitHub, or whoever stands between, sends it again
/// because an answer got lost. `None` for senders that give no delivery id.
#[must_use]
pub fn event_id(namespace: &str, source: &str, event: &str, body: &Value) -> Option<String> {
    let delivery = body.get(DELIVERY)?.as_str().filter(|it| !it.is_empty())?;
    let digest = Sha256::digest(format!("github\n{namespace}\n{source}\n{event}\n{delivery}"));
    Some(hex::encode(&digest[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        list.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect()
    }

    #[test]
    fn signatures_of_the_documentation_verify() {
        // The example of GitHub's own documentation.
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = headers(&[("X-Hub-Signature-256", signature)]);
        assert_eq!(verify(b"It's a Secret to Everybody", &headers, b"Hello, World!"), Ok(()));
        assert_eq!(verify(b"another", &headers, b"Hello, World!"), Err(DeliveryError::Mismatch));
        assert_eq!(verify(b"It's a Secret to Everybody", &headers, b"Hello, World?"), Err(DeliveryError::Mismatch));
    }

    #[test]
    fn missing_and_malformed_signatures_are_told_apart() {
        assert_eq!(verify(b"s", &headers(&[]), b""), Err(DeliveryError::Unsigned));
        for bad in ["", "sha256", "md5=00", "sha256=zz"] {
            let headers = headers(&[("X-Hub-Signature-256", bad)]);
            assert_eq!(verify(b"s", &headers, b""), Err(DeliveryError::Malformed), "{bad}");
        }
        let short = headers(&[("X-Hub-Signature-256", "sha256=00")]);
        assert_eq!(verify(b"s", &short, b""), Err(DeliveryError::Mismatch));
    }

    #[test]
    fn bodies_come_as_json_or_as_a_form() {
        let base = [("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "d1")];
        let json = headers(&[base[0], base[1], ("Content-Type", "application/json; charset=utf-8")]);
        let got = body(&json, br#"{"ref":"main"}"#).unwrap();
        assert_eq!(got, json!({"ref": "main", "X-GitHub-Event": "push", "X-GitHub-Delivery": "d1"}));
        let form = headers(&[base[0], base[1], ("Content-Type", "application/x-www-form-urlencoded")]);
        assert_eq!(body(&form, b"payload=%7B%22ref%22%3A%22main%22%7D").unwrap(), got);
        assert!(matches!(body(&json, b"[1]"), Err(DeliveryError::Body(_))));
        assert!(matches!(body(&headers(&[]), b"{}"), Err(DeliveryError::ContentType(_))));
    }

    #[test]
    fn a_delivery_that_is_sent_again_has_the_same_id() {
        let body = json!({"X-GitHub-Delivery": "d1"});
        let id = event_id("n", "gh", "push", &body).unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(event_id("n", "gh", "push", &body).unwrap(), id);
        assert_ne!(event_id("n", "gh", "other", &body).unwrap(), id);
        assert_eq!(event_id("n", "gh", "push", &json!({"X-GitHub-Delivery": ""})), None);
    }
}
