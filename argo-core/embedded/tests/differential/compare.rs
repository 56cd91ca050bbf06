//! What two answers have in common.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

/// An answer without what no two runs share: uids, times, revisions, addresses, the name of the namespace.
pub(crate) fn normal(answer: &Value, namespace: &str) -> Value {
    static RULES: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        [
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
            (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
            (r#""resourceVersion":"\d+""#, r#""resourceVersion":"<rv>""#),
            (r#"resourceVersion\\":\\"\d+\\""#, r#"resourceVersion\":\"<rv>\""#),
            (r"ResourceVersion in object meta: \d+", "ResourceVersion in object meta: <rv>"),
            (r"10\.96\.\d+\.\d+", "<ip>"),
            (r"ResourceVersion in record \(\d+\)", "ResourceVersion in record (<rv>)"),
            // The whole patched object, whose fields the real one writes in the order of its Go types.
            (r#"patch: Invalid value: \\".*?\}\\": "#, "patch: Invalid value: <object>: "),
            (r#""message":"Invalid value: \\"\{.*?\}\\": "#, r#""message":"Invalid value: <object>: "#),
            (r#""\d+m?\d*s""#, r#""<age>""#),
            (r#"resourceVersion: \\"\d+\\""#, "resourceVersion: <rv>"),
            (r#""continue":"[^"]+""#, r#""continue":"<token>""#),
            (r"x{1000,}", "<fill>"),
            // Of the range that ports are chosen from, by chance.
            (r#""(nodePort|healthCheckNodePort)":3\d{4}"#, r#""${1}":"<port>""#),
        ]
        .into_iter()
        .map(|(pattern, replacement)| (Regex::new(pattern).expect("a pattern"), replacement))
        .collect()
    });
    let text = answer.to_string().replace(namespace, "$NS");
    let text = rules.iter().fold(text, |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned());
    let mut value: Value = serde_json::from_str(&text).expect("still JSON");
    tidy(&mut value);
    value
}

/// Managed fields are sorted by times of whole seconds, so their order depends on how fast the machine was. Descriptions of columns are prose of
/// the real server; nulls and absent fields mean the same; causes come in any order, some of them twice, and so do rules.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(causes) = fields.get_mut("causes").and_then(Value::as_array_mut) {
                causes.sort_by_key(Value::to_string);
                causes.dedup();
            }
            if let Some(message) = fields.get_mut("message")
                && let Some((head, list)) =
                    message.as_str().and_then(|text| text.strip_suffix(']')?.split_once(" is invalid: ["))
            {
                let parts: BTreeSet<&str> = list.split(", ").collect();
                let parts: Vec<&str> = parts.into_iter().collect();
                *message = Value::from(format!("{head} is invalid: [{}]", parts.join(", ")));
            }
            if let Some(managers) = fields.get_mut("managedFields").and_then(Value::as_array_mut) {
                managers.sort_by_key(|it| ["manager", "operation", "subresource"].map(|field| it[field].to_string()));
            }
            for rules in ["resourceRules", "nonResourceRules"] {
                if let Some(rules) = fields.get_mut(rules).and_then(Value::as_array_mut) {
                    rules.sort_by_key(Value::to_string);
                }
            }
            fields.retain(|field, value| !value.is_null() && field != "description");
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Each difference with its path.
pub(crate) fn differences(real: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if real["code"] != here["code"] {
        for pointer in ["/code", "/body/message"] {
            let [real, here] = [real, here].map(|answer| answer.pointer(pointer).unwrap_or(&Value::Null));
            found.push(format!("{}: real {real}, here {here}", pointer.replace('/', ".")));
        }
        return found;
    }
    visit("", real, here, &mut found);
    found
}

fn visit(at: &str, real: &Value, here: &Value, found: &mut Vec<String>) {
    match (real, here) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let (left, right) = (left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null));
                visit(&format!("{at}.{key}"), left, right, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                visit(&format!("{at}[{index}]"), left, right, found);
            }
        }
        (left, right) if left != right => found.push(format!("{at}: real {left}, here {right}")),
        _ => {}
    }
}
