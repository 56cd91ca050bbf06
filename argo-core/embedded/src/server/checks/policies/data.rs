//! ConfigMaps and Secrets: keys, sizes, what typed secrets hold.

use base64::Engine;
use serde_json::Value;

use super::super::super::names;
use super::super::place::Place;

/// The most bytes of data in a ConfigMap or Secret.
const LIMIT: usize = 1024 * 1024;

fn frozen(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(live) = live.filter(|live| live.at("immutable").flag()) else { return };
    if !object.at("immutable").flag() {
        object.at("immutable").forbidden(WHY);
    }
    for field in ["data", "binaryData"] {
        if object.at(field).value() != live.at(field).value() {
            object.at(field).forbidden(WHY);
        }
    }
}

pub(in super::super) fn config_map(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    frozen(object, live);
    let (data, binary) = (object.at("data"), object.at("binaryData"));
    let mut size = 0;
    for (key, value) in data.entries() {
        value.wrongs(key, names::config_key_problems(key));
        if binary.key(key).is_set() {
            value.wrong(key, "duplicate of key present in binaryData");
        }
        size += value.text().len();
    }
    for (key, value) in binary.entries() {
        value.wrongs(key, names::config_key_problems(key));
        size += decoded_size(value.text());
    }
    if size > LIMIT {
        object.elsewhere(object.value(), "[]").too_long(LIMIT);
    }
}

fn decoded_size(text: &str) -> usize {
    let padding = text.len() - text.trim_end_matches('=').len();
    (text.len() / 4 * 3).saturating_sub(padding)
}

pub(in super::super) fn secret(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    if let Some(live) = live {
        object.at("type").immutable(&live.at("type"));
    }
    frozen(object, live);
    let data = object.at("data");
    let mut size = 0;
    for (key, value) in data.entries() {
        value.wrongs(key, names::config_key_problems(key));
        size += decoded_size(value.text());
    }
    if size > LIMIT {
        data.too_long(LIMIT);
    }
    let needed = |keys: &[&str]| {
        for key in keys {
            if !data.key(key).is_set() {
                data.key(key).required("");
            }
        }
    };
    match object.at("type").text() {
        "kubernetes.io/service-account-token" => {
            let annotations = object.at("metadata.annotations");
            let name = annotations.key("kubernetes.io/service-account.name");
            if name.is_empty() {
                name.required("");
            }
        }
        "kubernetes.io/dockercfg" => docker(&data.key(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => docker(&data.key(".dockerconfigjson")),
        "kubernetes.io/basic-auth" if !data.key("username").is_set() && !data.key("password").is_set() => {
            needed(&["username", "password"]);
        }
        "kubernetes.io/ssh-auth" if data.key("ssh-privatekey").is_empty() => data.key("ssh-privatekey").required(""),
        "kubernetes.io/tls" => needed(&["tls.crt", "tls.key"]),
        _ => {}
    }
}

/// The configuration of a registry client is an object; what it says is nobody's business.
fn docker(place: &Place<'_, '_>) {
    if !place.is_set() {
        return place.required("");
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(place.text()).unwrap_or_default();
    let why = match argo_lang::gojson::parse(&String::from_utf8_lossy(&bytes)) {
        Err(why) => Some(why),
        Ok(Value::Object(_) | Value::Null) => None,
        Ok(other) => {
            let kind = kind(&other);
            Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
    };
    if let Some(why) = why {
        place.wrong("<secret contents redacted>", &why);
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    }
}
