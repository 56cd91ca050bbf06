//! Fields of custom kinds that hold Kubernetes' own types (`resource.customizations.knownTypeFields`): quantities,
//! durations, pods. Both sides of a comparison are brought into one spelling.

use serde_json::Value;

use super::normalize;

/// Whether a type's spelling is known: quantities, durations and everything of the core group.
#[must_use]
pub fn is_known(kind: &str) -> bool {
    matches!(kind, "core/Quantity" | "meta/v1/Duration")
        || kind.strip_prefix("core/v1/").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_uppercase()))
}

/// Writes the field at `path` (by dots, through lists) in the spelling of a type. What is no value of the type stays.
pub fn write(object: &mut Value, path: &str, kind: &str) {
    if is_known(kind) {
        let path: Vec<&str> = path.split('.').collect();
        walk(object, &path, kind);
    }
}

fn walk(value: &mut Value, path: &[&str], kind: &str) {
    match (value, path) {
        (Value::Array(items), _) => items.iter_mut().for_each(|it| walk(it, path, kind)),
        (Value::Object(map), [first, rest @ ..]) => {
            if let Some(next) = map.get_mut(*first) {
                walk(next, rest, kind);
            }
        }
        (value, []) => spell(value, kind),
        _ => {}
    }
}

fn spell(value: &mut Value, kind: &str) {
    match kind {
        "core/Quantity" => {
            if let Some(text) = normalize::quantity(value) {
                *value = text.into();
            }
        }
        "meta/v1/Duration" => {
            let text = value.as_str().map(argo_lang::duration::parse);
            if let Some(Ok(duration)) = text {
                *value = argo_lang::duration::format(duration).into();
            }
        }
        "core/v1/ResourceList" => normalize::part(value, "limits"),
        _ => normalize::part(value, ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(mut value: Value, path: &str, kind: &str) -> Value {
        write(&mut value, path, kind);
        value
    }

    #[test]
    fn spellings_of_one_value_become_one() {
        let same = |a: Value, b: Value, kind: &str| {
            let under = |it: Value| written(json!({"spec": {"list": [{"field": it}]}}), "spec.list.field", kind);
            assert_eq!(under(a), under(b), "{kind}");
        };
        same(json!("1000m"), json!(1), "core/Quantity");
        same(json!("60s"), json!("1m"), "meta/v1/Duration");
        same(json!({"cpu": "0.1"}), json!({"cpu": "100m"}), "core/v1/ResourceList");
        let pod = |cpu: &str, extra: Value| json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}, "env": extra}]});
        same(pod("1", json!([])), pod("1000m", Value::Null), "core/v1/PodSpec");
    }

    #[test]
    fn other_types_and_values_of_none_stay() {
        let object = json!({"spec": {"field": "soon", "map": {}}});
        assert_eq!(written(object.clone(), "spec.field", "apps/v1/Deployment"), object);
        assert_eq!(written(object.clone(), "spec.field", "meta/v1/Duration"), object);
        assert_eq!(written(object.clone(), "spec.nowhere.at.all", "core/Quantity"), object);
        assert!(is_known("core/v1/PodSpec") && !is_known("core/v1/") && !is_known("example.com/Type"));
    }
}
