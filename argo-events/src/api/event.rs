//! [`Event`]: the CloudEvent that crosses the bus.

use std::{borrow::Cow, collections::BTreeMap};

use argo_core::{Timestamp, time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A CloudEvent 1.0. On the bus it is structured JSON with the payload in `data_base64`, attribute
/// for attribute as upstream writes it; readers accept `data` as well.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique per source; 32 hexadecimal digits unless the source gives another.
    pub id: String,
    /// Name of the EventSource object.
    pub source: String,
    /// `1.0`.
    pub spec_version: String,
    /// Type of the source: `webhook`, `github`, …
    pub kind: String,
    /// Name of the event in the EventSource.
    pub subject: String,
    /// `application/json`.
    pub data_content_type: String,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The payload.
    pub data: Vec<u8>,
    /// Extension attributes.
    pub extensions: BTreeMap<String, Value>,
}

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not JSON, or not of the form.
    #[error("not a CloudEvent: {0}")]
    Json(#[from] serde_json::Error),
    /// `data_base64` does not decode.
    #[error("not a CloudEvent: data_base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// An attribute that must be there is blank.
    #[error("not a CloudEvent: attribute {0} is missing")]
    Blank(&'static str),
    /// `time` is no RFC 3339 time.
    #[error("not a CloudEvent: time: {0}")]
    Time(#[from] jiff::Error),
    /// The payload is neither JSON nor YAML.
    #[error("the payload is not {content_type}: {message}")]
    Payload {
        /// The content type it should have.
        content_type: String,
        /// What was wrong.
        message: String,
    },
}

#[derive(Serialize)]
struct Out<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    data_base64: String,
    #[serde(flatten)]
    extensions: &'a BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(default)]
struct In {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    datacontenttype: String,
    time: Option<String>,
    data_base64: Option<String>,
    data: Option<Value>,
    #[serde(flatten)]
    extensions: BTreeMap<String, Value>,
}

impl Default for In {
    fn default() -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: String::new(),
            source: String::new(),
            kind: String::new(),
            subject: String::new(),
            datacontenttype: String::new(),
            time: None,
            data_base64: None,
            data: None,
            extensions: BTreeMap::new(),
        }
    }
}

impl Event {
    /// An event with a JSON payload.
    #[must_use]
    pub fn new(id: &str, source: &str, subject: &str, kind: &str, time: Timestamp, data: &Value) -> Self {
        Self {
            id: id.to_owned(),
            source: source.to_owned(),
            spec_version: "1.0".to_owned(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data_content_type: "application/json".to_owned(),
            time: Some(time),
            data: data.to_string().into_bytes(),
            extensions: BTreeMap::new(),
        }
    }

    /// The structured JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let out = Out {
            specversion: &self.spec_version,
            id: &self.id,
            source: &self.source,
            kind: &self.kind,
            subject: &self.subject,
            datacontenttype: &self.data_content_type,
            time: self.time.map(|it| it.to_string()),
            data_base64: STANDARD.encode(&self.data),
            extensions: &self.extensions,
        };
        // Only strings and JSON values: encoding them can not fail.
        serde_json::to_string(&out).unwrap_or_default()
    }

    /// Reads the structured JSON form.
    ///
    /// # Errors
    /// When it is not JSON, or id, source or type are blank, or payload or time do not decode.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        let it: In = serde_json::from_slice(json)?;
        for (name, value) in [("id", &it.id), ("source", &it.source), ("type", &it.kind)] {
            if value.trim().is_empty() {
                return Err(EventError::Blank(name));
            }
        }
        let data = match (it.data_base64, it.data) {
            (Some(text), _) => STANDARD.decode(text)?,
            (None, Some(value)) => value.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        Ok(Self {
            id: it.id,
            source: it.source,
            spec_version: it.specversion,
            kind: it.kind,
            subject: it.subject,
            data_content_type: it.datacontenttype,
            time: it.time.map(|text| text.parse()).transpose()?,
            data,
            extensions: it.extensions,
        })
    }

    /// The attributes as parameters see them: the time in whole seconds.
    #[must_use]
    pub fn context_json(&self) -> Value {
        let mut context = json!({
            "id": self.id, "source": self.source, "specversion": self.spec_version, "type": self.kind,
            "datacontenttype": self.data_content_type, "subject": self.subject,
        });
        if let Some(at) = self.time {
            context["time"] = time::rfc3339(at).into();
        }
        context
    }

    /// Context and payload in one JSON text, as a parameter without key or template gets it.
    #[must_use]
    pub fn whole_json(&self) -> String {
        json!({"context": self.context_json(), "data": STANDARD.encode(&self.data)}).to_string()
    }

    /// The payload as JSON text: converted when the content type says YAML.
    ///
    /// # Errors
    /// When the payload is not what the content type says.
    pub fn payload_json(&self) -> Result<Cow<'_, str>, EventError> {
        let fail = |message: String| EventError::Payload { content_type: self.data_content_type.clone(), message };
        let text = std::str::from_utf8(&self.data).map_err(|it| fail(it.to_string()))?;
        if self.data_content_type == "application/yaml" {
            let value = argo_lang::yaml::decode(text).map_err(|it| fail(it.to_string()))?;
            return Ok(Cow::Owned(value.to_string()));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|it| fail(it.to_string()))?;
        Ok(Cow::Borrowed(text))
    }

    /// The payload as a value; null when it is empty or not JSON.
    #[must_use]
    pub fn payload(&self) -> Value {
        self.payload_json().ok().and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Event {
    /// Without the payload: it may hold anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({} {}/{} {}, {} bytes)", self.id, self.source, self.subject, self.kind, self.data.len())
    }
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.to_json()).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(value.to_string().as_bytes()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_upstreams() {
        let at: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        let event = Event::new("ab", "gh", "push", "github", at, &json!({"a": 1}));
        assert_eq!(
            event.to_json(),
            concat!(
                r#"{"specversion":"1.0","id":"ab","source":"gh","type":"github","subject":"push","#,
                r#""datacontenttype":"application/json","time":"2026-01-02T03:04:05.000006Z","data_base64":"eyJhIjoxfQ=="}"#
            )
        );
        assert_eq!(Event::from_json(event.to_json().as_bytes()).unwrap(), event);
    }

    #[test]
    fn plain_data_is_read_too_and_blanks_are_refused() {
        let event = Event::from_json(br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"x":2}}"#);
        assert_eq!(event.unwrap().payload(), json!({"x": 2}));
        let blank = Event::from_json(br#"{"specversion":"1.0","id":" ","source":"s","type":"t"}"#);
        assert!(matches!(blank, Err(EventError::Blank("id"))));
        assert!(Event::from_json(b"nonsense").is_err());
    }

    #[test]
    fn debug_output_does_not_show_the_payload() {
        let event = Event::new("1", "s", "e", "t", Timestamp::UNIX_EPOCH, &json!("hunter2"));
        assert!(!format!("{event:?}").contains("hunter2"));
    }
}
