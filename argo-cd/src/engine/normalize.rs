//! One form for what the API server writes in several.
//!
//! The API server decodes built-in kinds into typed structs and encodes them again: empty members vanish, quantities get
//! their shortest form. Both sides of a comparison go through the same here, so that spelling is no difference.

use serde_json::{Map, Number, Value};

use argo_core::Object;

/// Deepest nesting that is looked at.
const MAX_DEPTH: usize = 64;

/// Members that are left out when false: plain booleans with `omitempty`.
const OMITTED_WHEN_FALSE: [&str; 10] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
    "paused",
    "publishNotReadyAddresses",
    "unschedulable",
];

/// Maps whose values are quantities.
const QUANTITY_MAPS: [&str; 9] =
    ["limits", "requests", "capacity", "allocatable", "hard", "used", "default", "defaultRequest", "max"];
/// Members that are quantities.
const QUANTITIES: [&str; 5] = ["sizeLimit", "storage", "averageValue", "divisor", "maxLimitRequestRatio"];

/// Brings an object into the form that comparisons use.
pub fn normalize(value: &mut Value, builtin: bool) {
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("creationTimestamp");
        meta.remove("managedFields");
    }
    if value.get("kind").and_then(Value::as_str) == Some("Secret")
        && value.get("apiVersion").and_then(Value::as_str) == Some("v1")
    {
        secret_data(value);
    }
    rules(value);
    endpoints(value);
    if builtin {
        network_policy(value);
        canonical(value, "", 0);
        drop_empty(value, 0);
    } else {
        numbers(value, 0);
    }
}

/// Removes members that are null: absent and null mean the same to the API server.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, it| !it.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// `stringData` of a Secret goes into `data`, as base64; null values become empty.
pub fn secret_data(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    let texts = map.remove("stringData");
    if let Some(Value::Object(texts)) = texts {
        let data = map.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if !data.is_object() {
            *data = Value::Object(Map::new());
        }
        for (key, text) in texts {
            let text = text.as_str().unwrap_or_default();
            if let Some(data) = data.as_object_mut() {
                data.insert(key, base64(text.as_bytes()).into());
            }
        }
    }
    for it in map.get_mut("data").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if it.is_null() {
            *it = "".into();
        }
    }
}

/// Standard base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            if i <= chunk.len() {
                let index = (bits >> (18 - 6 * i)) & 63;
                text.push(char::from(ALPHABET[usize::try_from(index).unwrap_or_default()]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Roles without rules, and rules that are aggregated from elsewhere.
fn rules(value: &mut Value) {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let rbac = value.get("apiVersion").and_then(Value::as_str).is_some_and(|it| it.starts_with("rbac.authorization"));
    if !rbac || !matches!(kind, "Role" | "ClusterRole") {
        return;
    }
    if value.get("rules").and_then(Value::as_array).is_some_and(Vec::is_empty)
        && let Some(map) = value.as_object_mut()
    {
        map.remove("rules");
    }
}

/// Leaves out the rules of a role that is put together from others.
pub fn aggregated(value: &mut Value) {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let rbac = value.get("apiVersion").and_then(Value::as_str).is_some_and(|it| it.starts_with("rbac.authorization"));
    if rbac
        && matches!(kind, "Role" | "ClusterRole")
        && value.get("aggregationRule").is_some_and(Value::is_object)
        && let Some(map) = value.as_object_mut()
    {
        map.remove("rules");
    }
}

/// Endpoints name their protocol, and their subsets, addresses and ports have no order.
fn endpoints(value: &mut Value) {
    let is = |field: &str, text: &str| value.get(field).and_then(Value::as_str) == Some(text);
    if !is("kind", "Endpoints") || !is("apiVersion", "v1") {
        return;
    }
    let Some(subsets) = value.get_mut("subsets").and_then(Value::as_array_mut) else { return };
    for subset in subsets.iter_mut() {
        for port in subset.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.entry("protocol").or_insert_with(|| "TCP".into());
            }
        }
        for list in ["addresses", "notReadyAddresses", "ports"] {
            if let Some(list) = subset.get_mut(list).and_then(Value::as_array_mut) {
                list.sort_by_cached_key(Value::to_string);
            }
        }
    }
    subsets.sort_by_cached_key(Value::to_string);
}

/// A part of an object in the form that comparisons use for built-in kinds.
pub(crate) fn part(value: &mut Value, name: &str) {
    canonical(value, name, 0);
    drop_empty(value, 0);
}

/// Ports of network policies are TCP when they do not say.
fn network_policy(value: &mut Value) {
    if value.get("kind").and_then(Value::as_str) != Some("NetworkPolicy") {
        return;
    }
    for direction in ["ingress", "egress"] {
        let rules = value.pointer_mut(&format!("/spec/{direction}")).and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(port) = port.as_object_mut() {
                    port.entry("protocol").or_insert_with(|| "TCP".into());
                }
            }
        }
    }
}

fn numbers(value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Object(map) => map.values_mut().for_each(|it| numbers(it, depth + 1)),
        Value::Array(list) => list.iter_mut().for_each(|it| numbers(it, depth + 1)),
        _ => {}
    }
}

/// A float without a fraction as an integer: JSON does not tell them apart.
fn whole(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return None;
    }
    let float = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15)?;
    #[allow(clippy::cast_possible_truncation, reason = "whole and within the bounds checked above")]
    Some(Number::from(float as i64))
}

fn canonical(value: &mut Value, name: &str, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Object(map) => {
            let quantities = QUANTITY_MAPS.contains(&name);
            for (key, it) in map.iter_mut() {
                let scalar = !it.is_object() && !it.is_array();
                if scalar && (quantities || QUANTITIES.contains(&key.as_str())) {
                    if let Some(text) = quantity(it) {
                        *it = text.into();
                    }
                } else {
                    canonical(it, key, depth + 1);
                }
            }
        }
        Value::Array(list) => {
            for it in list.iter_mut() {
                canonical(it, name, depth + 1);
                if name == "env"
                    && let Some(entry) = it.as_object_mut()
                    && entry.get("value").and_then(Value::as_str) == Some("")
                {
                    entry.remove("value");
                }
            }
        }
        _ => {}
    }
}

/// Removes empty maps and lists, and booleans that are left out when false. Data of ConfigMaps and Secrets, labels and
/// annotations hold texts, which stay.
fn drop_empty(value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(|it| drop_empty(it, depth + 1));
            map.retain(|key, it| match it {
                Value::Null => false,
                Value::Object(inner) => !inner.is_empty(),
                Value::Array(inner) => !inner.is_empty(),
                Value::Bool(false) => !OMITTED_WHEN_FALSE.contains(&key.as_str()),
                _ => true,
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|it| drop_empty(it, depth + 1)),
        _ => {}
    }
}

/// A quantity as an exact number: `1000m` and `1`, `1Gi` and `1024Mi` give the same text. `None` when it is none.
#[must_use]
pub fn quantity(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (mut digits, mut suffix) = text.split_at(end);
    let mut exponent = 0_i32;
    let binary = match suffix {
        "Ki" => 1,
        "Mi" => 2,
        "Gi" => 3,
        "Ti" => 4,
        "Pi" => 5,
        "Ei" => 6,
        _ => 0,
    };
    if binary == 0 {
        exponent = match suffix {
            "n" => -9,
            "u" => -6,
            "m" => -3,
            "" => 0,
            "k" => 3,
            "M" => 6,
            "G" => 9,
            "T" => 12,
            "P" => 15,
            "E" => 18,
            _ => suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|it: &i32| it.abs() <= 30)?,
        };
    }
    suffix = "";
    let negative = digits.starts_with('-');
    digits = digits.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, suffix));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mantissa = mantissa.checked_mul(1024_i128.checked_pow(binary)?)?;
    let exponent = exponent - i32::try_from(fraction.len()).ok()?;
    Some(decimal(mantissa, exponent, negative))
}

/// `mantissa·10^exponent` in one form.
fn decimal(mut mantissa: i128, mut exponent: i32, negative: bool) -> String {
    if mantissa == 0 {
        return "0".to_owned();
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    let sign = if negative { "-" } else { "" };
    format!("{sign}{mantissa}e{exponent}")
}

/// Images of the containers of an object: of a pod, or of anything with a pod template.
#[must_use]
pub fn images(object: &Object) -> Vec<String> {
    let spec = match object.text("/kind") {
        "Pod" => object.pointer("/spec"),
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => object.pointer("/spec/template/spec"),
    };
    let mut images = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in spec.and_then(|it| it.get(list)).and_then(Value::as_array).into_iter().flatten() {
            if let Some(image) = container.get("image").and_then(Value::as_str)
                && !images.iter().any(|it| it == image)
            {
                images.push(image.to_owned());
            }
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_compare_by_what_they_mean() {
        let same = |a: Value, b: Value| assert_eq!(quantity(&a), quantity(&b), "{a} {b}");
        same(json!("1000m"), json!(1));
        same(json!("0.5"), json!("500m"));
        same(json!("1Gi"), json!("1024Mi"));
        same(json!("1e3"), json!("1k"));
        same(json!("0"), json!("0Mi"));
        same(json!("1.5Gi"), json!("1536Mi"));
        assert_ne!(quantity(&json!("1G")), quantity(&json!("1Gi")));
        assert_eq!(quantity(&json!("lots")), None);
        assert_eq!(quantity(&json!("1e9999")), None);
    }

    #[test]
    fn base64_is_padded() {
        let texts = ["", "a", "ab", "abc", "hunter2"].map(|it| base64(it.as_bytes()));
        assert_eq!(texts, ["", "YQ==", "YWI=", "YWJj", "aHVudGVyMg=="]);
    }

    #[test]
    fn what_the_api_server_leaves_out_is_no_difference() {
        let mut a = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": null, "annotations": {}},
            "spec": {"hostNetwork": false, "volumes": [], "containers": [{"name": "a", "resources": {},
                "env": [{"name": "E", "value": ""}], "command": null}]}});
        let mut b = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {},
            "spec": {"containers": [{"name": "a", "env": [{"name": "E"}]}]}});
        normalize(&mut a, true);
        normalize(&mut b, true);
        assert_eq!(a, b);
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"empty": ""}});
        normalize(&mut map, true);
        assert_eq!(map["data"]["empty"], "", "an empty text is data");
    }

    #[test]
    fn texts_of_secrets_become_data() {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {}, "stringData": {"a": "b"},
            "data": {"c": null}});
        normalize(&mut secret, true);
        assert_eq!(secret["data"], json!({"a": "Yg==", "c": ""}));
    }
}
