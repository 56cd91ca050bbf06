//! Rules of roles: what they allow, and what one set of them lacks of another. Upstream: `component-helpers/auth/rbac/validation`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::server::status::go_quoted;

/// A rule of a Role or ClusterRole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) verbs: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) urls: Vec<String>,
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// A path that is no resource; empty for resources.
    pub(crate) path: String,
}

/// The rules of an object's `rules`.
pub(super) fn of(object: &Value) -> Vec<Rule> {
    object.get("rules").and_then(Value::as_array).into_iter().flatten().map(Rule::of).collect()
}

/// The parts of the wanted rules that those held do not cover, as texts in order: what a user would gain.
pub(super) fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<String> {
    let lacking: Vec<Rule> =
        wanted.iter().flat_map(Rule::parts).filter(|part| !held.iter().any(|rule| rule.covers(part))).collect();
    // Those of one resource are told in one line.
    let mut lines: BTreeSet<String> = BTreeSet::new();
    let mut joined: BTreeMap<(String, String, Vec<String>), Rule> = BTreeMap::new();
    for part in lacking {
        if part.urls.is_empty() {
            let key = (part.groups.concat(), part.resources.concat(), part.names.clone());
            match joined.get_mut(&key) {
                Some(rule) => rule.verbs.extend(part.verbs),
                None => {
                    joined.insert(key, part);
                }
            }
        } else {
            lines.insert(part.text());
        }
    }
    lines.extend(joined.values().map(Rule::text));
    lines.into_iter().collect()
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|it| it == item)
}

fn matches(list: &[String], item: &str) -> bool {
    has(list, "*") || has(list, item)
}

/// Whether a pattern of paths covers another, or a path.
fn url_covers(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*'))
}

// === impl Rule ===

impl Rule {
    pub(super) fn of(rule: &Value) -> Self {
        let list = |field: &str| {
            let items = rule.get(field).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
        }
    }

    /// Whether it allows a request.
    pub(super) fn allows(&self, wanted: &Attributes) -> bool {
        if !matches(&self.verbs, &wanted.verb) {
            return false;
        }
        if !wanted.path.is_empty() {
            return self.urls.iter().any(|pattern| url_covers(pattern, &wanted.path));
        }
        matches(&self.groups, &wanted.group)
            && self.allows_resource(&wanted.resource, &wanted.subresource)
            && (self.names.is_empty() || has(&self.names, &wanted.name))
    }

    fn allows_resource(&self, resource: &str, subresource: &str) -> bool {
        if subresource.is_empty() {
            return matches(&self.resources, resource);
        }
        matches(&self.resources, &format!("{resource}/{subresource}"))
            || has(&self.resources, &format!("*/{subresource}"))
    }

    /// One rule for each verb of each resource or path.
    fn parts(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let names: Vec<Vec<String>> =
            if self.names.is_empty() { vec![Vec::new()] } else { self.names.iter().map(one).collect() };
        let mut parts = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    parts.extend(names.iter().map(|names| Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        names: names.clone(),
                        urls: Vec::new(),
                    }));
                }
            }
        }
        for url in &self.urls {
            parts.extend(self.verbs.iter().map(|verb| Self { verbs: one(verb), urls: one(url), ..Self::default() }));
        }
        parts
    }

    /// Whether it covers a part of another.
    fn covers(&self, part: &Self) -> bool {
        let all = |held: &[String], wanted: &[String]| has(held, "*") || wanted.iter().all(|it| has(held, it));
        let resource = |wanted: &String| {
            has(&self.resources, wanted)
                || wanted.split_once('/').is_some_and(|(_, sub)| has(&self.resources, &format!("*/{sub}")))
        };
        all(&self.verbs, &part.verbs)
            && all(&self.groups, &part.groups)
            && (has(&self.resources, "*") || part.resources.iter().all(resource))
            && (self.names.is_empty() || !part.names.is_empty() && part.names.iter().all(|name| has(&self.names, name)))
            && part.urls.iter().all(|url| self.urls.iter().any(|pattern| url_covers(pattern, url)))
    }

    /// As the real server shows a rule that is not held.
    fn text(&self) -> String {
        let parts = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// A list of texts as Go's `%q` shows it.
pub(super) fn quoted(list: &[String]) -> String {
    let texts: Vec<String> = list.iter().map(|text| go_quoted(text)).collect();
    format!("[{}]", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules(value: &Value) -> Vec<Rule> {
        of(&json!({ "rules": value }))
    }

    #[test]
    fn what_is_missing_is_told_by_resource() {
        let held = rules(&json!([
            { "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] },
            { "apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["*"] },
            { "nonResourceURLs": ["/healthz/*"], "verbs": ["get"] },
        ]));
        let wanted = rules(&json!([
            { "apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["update"] },
            { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a", "b"], "verbs": ["get"] },
            { "nonResourceURLs": ["/healthz/etcd", "/metrics"], "verbs": ["get", "post"] },
        ]));
        assert_eq!(
            missing(&held, &wanted),
            [
                "{APIGroups:[\"\"], Resources:[\"configmaps\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}",
                "{APIGroups:[\"\"], Resources:[\"configmaps\"], ResourceNames:[\"b\"], Verbs:[\"get\"]}",
                "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"watch\"]}",
                "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\" \"watch\"]}",
                "{NonResourceURLs:[\"/healthz/etcd\"], Verbs:[\"post\"]}",
                "{NonResourceURLs:[\"/metrics\"], Verbs:[\"get\"]}",
                "{NonResourceURLs:[\"/metrics\"], Verbs:[\"post\"]}",
            ]
        );
    }

    fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(proptest::sample::select(words).prop_map(str::to_owned), 1..3)
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let names = prop_oneof![Just(Vec::new()), words(&["x", "y"])];
        (words(&["get", "list", "*"]), words(&["", "apps", "*"]), words(&["pods", "pods/log", "*/log", "*"]), names)
            .prop_map(|(verbs, groups, resources, names)| Rule { verbs, groups, resources, names, urls: Vec::new() })
    }

    proptest! {
        /// Who misses nothing of a set of rules may do everything that it allows.
        #[test]
        fn nothing_is_gained_by_rules_that_are_covered(
            held in proptest::collection::vec(any_rule(), 0..4),
            wanted in proptest::collection::vec(any_rule(), 0..3),
        ) {
            prop_assert!(missing(&wanted, &wanted).is_empty());
            if missing(&held, &wanted).is_empty() {
                for verb in ["get", "list"] {
                    for group in ["", "apps"] {
                        for (subresource, name) in [("", "x"), ("log", "y"), ("log", "")] {
                            let act = Attributes {
                                verb: verb.into(), group: group.into(), resource: "pods".into(),
                                subresource: subresource.into(), name: name.into(), ..Attributes::default()
                            };
                            let by = |rules: &[Rule]| rules.iter().any(|rule| rule.allows(&act));
                            prop_assert!(!by(&wanted) || by(&held), "{act:?}");
                        }
                    }
                }
            }
        }
    }
}
