//! Quantities, and what pods ask for.

use serde_json::Value;

use crate::simulator::read::list;

/// What a pod asks for, in thousandths.
pub(super) fn requests(pod: &Value, resource: &str) -> i128 {
    let of = |container: &Value| {
        container.pointer(&format!("/resources/requests/{resource}")).and_then(quantity).unwrap_or(0)
    };
    let main: i128 = list(pod, "/spec/containers").iter().map(of).sum();
    let init = list(pod, "/spec/initContainers").iter().map(of).max().unwrap_or(0);
    main.max(init)
}

/// A Kubernetes quantity in thousandths.
pub(in crate::simulator) fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::Number(number) => return number.as_i64().map(|it| i128::from(it) * 1000),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut thousandths: i128 = whole.parse::<i64>().ok().map(i128::from)? * 1000;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    thousandths += digits.parse::<i128>().ok()?;
    let factor: i128 = match suffix {
        "" => 1,
        "m" => return Some(thousandths / 1000),
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    Some(thousandths * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_in_thousandths() {
        for (text, thousandths) in [("1", 1000), ("100m", 100), ("0.5", 500), ("1Ki", 1_024_000), ("2k", 2_000_000)] {
            assert_eq!(quantity(&json!(text)), Some(thousandths), "{text}");
        }
        assert_eq!(quantity(&json!("nonsense")), None);
    }
}
