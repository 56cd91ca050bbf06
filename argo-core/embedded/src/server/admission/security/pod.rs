//! A pod, or the template of one, as the checks of pod security read it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::server::meta;

/// A broken check: a word for it, and what breaks it.
pub(super) struct Violation {
    pub(super) reason: String,
    pub(super) detail: String,
}

/// What is checked, by the rules of a minor version of Kubernetes.
#[derive(Clone, Copy)]
pub(super) struct Pod<'a> {
    /// With `metadata` and `spec`.
    pub(super) template: &'a Value,
    pub(super) minor: u32,
}

pub(super) type Names<'a> = Vec<&'a str>;
pub(super) type Values = BTreeSet<String>;

// === impl Pod ===

impl<'a> Pod<'a> {
    pub(super) fn list(&self, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.template.pointer(&format!("/spec/{field}")).and_then(Value::as_array).into_iter().flatten()
    }

    /// All containers, in the order in which they are named.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let pod = *self;
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |field| pod.list(field))
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let all = self.template.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
        all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(super) fn is_windows(&self) -> bool {
        meta::text(self.template, "/spec/os/name") == "windows"
    }

    /// A field of the pod's own security context.
    pub(super) fn context(&self, field: &str) -> Option<&'a Value> {
        self.template.pointer(&format!("/spec/securityContext/{field}")).filter(|it| !it.is_null())
    }

    /// Containers of which something holds.
    pub(super) fn those(&self, hold: impl Fn(&'a Value) -> bool) -> Names<'a> {
        self.containers().filter(|container| hold(container)).map(name).collect()
    }

    /// Who sets something bad: the pod, containers, or both.
    pub(super) fn setters(&self, pod: bool, containers: &Names<'_>) -> Vec<String> {
        let mut setters: Vec<String> = pod.then(|| "pod".to_owned()).into_iter().collect();
        if !containers.is_empty() {
            setters.push(named("container", containers));
        }
        setters
    }

    /// Who sets a field of the security context, its own or the pod's, to something bad.
    pub(super) fn who(&self, field: &str, is_bad: impl Fn(&Value) -> bool) -> Option<String> {
        let containers = self.those(|container| context(container, field).is_some_and(&is_bad));
        let setters = self.setters(self.context(field).is_some_and(&is_bad), &containers);
        (!setters.is_empty()).then(|| setters.join(" and "))
    }

    /// The texts that a field of the security contexts has.
    pub(super) fn values(&self, field: &str, is_bad: impl Fn(&str) -> bool) -> Values {
        let contexts = self.context(field).into_iter().chain(self.containers().filter_map(|it| context(it, field)));
        contexts.filter_map(Value::as_str).filter(|it| is_bad(it)).map(str::to_owned).collect()
    }
}

pub(super) fn name(of: &Value) -> &str {
    meta::text(of, "/name")
}

/// A field of a container's security context.
pub(super) fn context<'a>(container: &'a Value, field: &str) -> Option<&'a Value> {
    container.pointer(&format!("/securityContext/{field}")).filter(|it| !it.is_null())
}

pub(super) fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|it| format!("\"{}\"", it.as_ref())).collect();
    items.join(", ")
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn named(what: &str, names: &[&str]) -> String {
    format!("{} {}", plural(what, names.len()), quoted(names))
}

pub(super) fn plural(what: &str, count: usize) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}

pub(super) fn violation(reason: &str, detail: impl Into<String>) -> Violation {
    Violation { reason: reason.to_owned(), detail: detail.into() }
}
