//! Environment variables, and the fields and amounts they may show.

use super::super::super::names;
use super::super::place::Place;

/// Fields of the pod that a variable may show.
const VARIABLE_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of the pod that a file may hold.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields that have a name at all.
const KNOWN_FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const AMOUNTS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// The variables of a container, one by one and in whole maps.
pub(super) fn check(container: &Place<'_, '_>) {
    for variable in container.at("env").items() {
        let name = variable.at("name");
        if name.is_empty() {
            name.required("");
        } else {
            name.each(names::variable_problems(name.text()));
        }
        if variable.has("valueFrom") {
            value_from(&variable.at("valueFrom"), !variable.at("value").is_empty());
        }
    }
    let all = container.at("envFrom");
    for source in all.items() {
        let prefix = source.at("prefix");
        if !prefix.is_empty() {
            prefix.each(names::variable_problems(prefix.text()));
        }
        let mut sources = 0;
        for field in ["configMapRef", "secretRef"] {
            let reference = source.at(field);
            if reference.is_set() {
                sources += 1;
                let name = reference.at("name");
                if name.is_empty() {
                    name.required("");
                } else {
                    // Names of what is made with a prefix may end in a dash.
                    name.each(names::subdomain_problems(&masked(name.text())));
                }
            }
        }
        match sources {
            0 => all.wrong("", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => all.wrong("", "may not have more than one field specified at a time"),
        }
    }
}

fn masked(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(stem) => format!("{stem}a"),
        None => text.to_owned(),
    }
}

fn value_from(source: &Place<'_, '_>, has_value: bool) {
    let mut sources = 0;
    let mut given = |field: &'static str| {
        let is_set = source.has(field);
        sources += usize::from(is_set);
        is_set
    };
    if given("fieldRef") {
        field_reference(&source.at("fieldRef"), &VARIABLE_FIELDS);
    }
    if given("resourceFieldRef") {
        resource_reference(&source.at("resourceFieldRef"), false);
    }
    for field in ["configMapKeyRef", "secretKeyRef"] {
        if given(field) {
            let reference = source.at(field);
            reference.at("name").subdomain();
            let key = reference.at("key");
            if key.is_empty() {
                key.required("");
            } else {
                key.each(names::config_key_problems(key.text()));
            }
        }
    }
    if sources == 0 {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        source.wrong("", why);
    } else if has_value {
        source.wrong("", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        source.wrong("", "may not have more than one field specified at a time");
    }
}

/// A reference to a field of the pod: one of `fields`, or one label or annotation.
pub(super) fn field_reference(reference: &Place<'_, '_>, fields: &[&str]) {
    let (version, path) = (reference.at("apiVersion"), reference.at("fieldPath"));
    if version.is_empty() {
        return version.required("");
    }
    if path.is_empty() {
        return path.required("");
    }
    let wrong = |why: String| path.invalid_text(&format!("error converting fieldPath: {why}"));
    if version.text() != "v1" {
        return wrong(format!("unsupported pod version: {}", version.text()));
    }
    let text = path.text();
    if let Some((map, key)) = subscript(text) {
        match map {
            "metadata.annotations" => {
                let key = key.to_lowercase();
                reference.wrongs(&key, names::qualified_name_problems(&key));
            }
            "metadata.labels" => reference.wrongs(key, names::qualified_name_problems(key)),
            _ => wrong(format!("field label does not support subscript: {text}")),
        }
        return;
    }
    let text = if text == "spec.host" { "spec.nodeName" } else { text };
    if !KNOWN_FIELDS.contains(&text) {
        return wrong(format!("field label not supported: {text}"));
    }
    if !fields.contains(&text) {
        path.unsupported(text, fields);
    }
}

/// `metadata.labels['key']`
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    (!map.is_empty()).then_some((map, key))
}

/// A reference to an amount of a container.
pub(super) fn resource_reference(reference: &Place<'_, '_>, in_file: bool) {
    let resource = reference.at("resource");
    let name = resource.text();
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| name.starts_with(prefix));
    if in_file && reference.at("containerName").is_empty() {
        reference.at("containerName").required("");
    } else if resource.is_empty() {
        resource.required("");
    } else if !AMOUNTS.contains(&name) && !huge {
        resource.unsupported(name, &AMOUNTS);
    }
    let divisor = reference.at("divisor");
    let Some(amount) = divisor.quantity().filter(|amount| !amount.is_zero()) else { return };
    let text = amount.to_string();
    let (allowed, of): (&[&str], &str) = match name {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (&BYTES, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (&BYTES, "local ephemeral storage"),
        _ if huge => (&BYTES, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&text.as_str()) {
        let list = if of == "cpu" { "1m and 1".to_owned() } else { allowed.join(", ") };
        divisor.wrong(name, &format!("only divisor's values {list} are supported with the {of} resource"));
    }
}

/// The name of a resource anywhere: qualified, or one of the known ones.
pub(in super::super) fn resource_name(place: &Place<'_, '_>, name: &str) -> bool {
    let problems = names::qualified_name_problems(name);
    let bad = !problems.is_empty();
    place.wrongs(name, problems);
    if bad {
        return false;
    }
    if !name.contains('/') && !super::resources::is_standard(name) {
        place.wrong(name, "must be a standard resource type or fully qualified");
        return false;
    }
    true
}
