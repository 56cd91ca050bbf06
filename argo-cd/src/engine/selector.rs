//! Label selectors, as `metav1.LabelSelector` reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels to match; an empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels with exactly these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements; all must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// For `In` and `NotIn`.
    pub values: Vec<String>,
}

impl Selector {
    /// Whether labels match; an operator that is none matches nothing.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|it| it.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|it| self.values.contains(it)),
            "NotIn" => value.is_none_or(|it| !self.values.contains(it)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_is_read_and_unknown_ones_match_nothing() {
        let labels: BTreeMap<String, String> = [("team".into(), "a".into()), ("tier".into(), "1".into())].into();
        let is = |json: serde_json::Value| serde_json::from_value::<Selector>(json).unwrap().matches(&labels);
        let one = |operator: &str, key: &str, values: &[&str]| {
            is(json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}))
        };
        assert!(is(json!({})));
        assert!(is(json!({"matchLabels": {"team": "a"}})) && !is(json!({"matchLabels": {"team": "b"}})));
        assert!(one("In", "team", &["b", "a"]) && !one("In", "x", &["a"]));
        assert!(one("NotIn", "team", &["b"]) && one("NotIn", "x", &["a"]) && !one("NotIn", "tier", &["1"]));
        assert!(one("Exists", "tier", &[]) && one("DoesNotExist", "x", &[]) && !one("DoesNotExist", "tier", &[]));
        assert!(!one("Near", "tier", &[]));
    }
}
