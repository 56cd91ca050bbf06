//! Rules that header steps add to a route.

use std::collections::BTreeSet;

use argo_core::Object;
use serde_json::{Value, json};

use super::{Kind, backends};
use crate::{
    api::SetHeaderRoute,
    routers::{RouteError, RouteRequest, json as at},
};

/// Whether a rule was added by a header step: by its name (`route`, or `route-1`… where the route has
/// several rules), or as it leads to the canary alone. With `headers` such a rule without a name
/// must match those headers too.
pub(super) fn is_managed(rule: &Value, managed: &BTreeSet<&str>, canary: &str, headers: Option<&[Value]>) -> bool {
    let name = at::text(rule, "name");
    let numbered = name.rsplit_once('-').filter(|(_, it)| it.parse::<u32>().is_ok()).map(|(base, _)| base);
    if !name.is_empty() && (managed.contains(name) || numbered.is_some_and(|it| managed.contains(it))) {
        return true;
    }
    let mut refs = backends(rule);
    if refs.next().is_none_or(|it| at::text(it, "name") != canary) || refs.next().is_some() {
        return false;
    }
    let Some(headers) = headers else { return true };
    let mut matches = rule.get("matches").and_then(Value::as_array).into_iter().flatten();
    matches.any(|it| {
        let own = it.get("headers").and_then(Value::as_array);
        let has = |name: &str| own.into_iter().flatten().any(|it| at::text(it, "name") == name);
        headers.iter().all(|it| has(at::text(it, "name")))
    })
}

/// Takes away every rule of a header step.
pub(super) fn remove_all(object: &mut Object, request: &RouteRequest<'_>) {
    let managed: BTreeSet<&str> = request.routing().into_iter().flat_map(|it| it.managed_names()).collect();
    let canary = request.services(false).1;
    if let Some(rules) = at::list_mut(object, "/spec/rules") {
        rules.retain(|it| !is_managed(it, &managed, canary, None));
    }
}

/// Adds, for every rule that leads to both Services, one that leads requests with these headers to
/// the canary.
pub(super) fn set(
    object: &mut Object,
    request: &RouteRequest<'_>,
    kind: Kind,
    step: &SetHeaderRoute,
) -> Result<(), RouteError> {
    let Some(matches) = step.wanted() else {
        remove_all(object, request);
        return Ok(());
    };
    let mut headers = Vec::with_capacity(matches.len());
    for it in matches {
        let value = it.header_value.clone().unwrap_or_default();
        let (kind, value) = if !value.exact.is_empty() {
            ("Exact", value.exact)
        } else if !value.prefix.is_empty() {
            ("RegularExpression", format!("{}.*", value.prefix))
        } else if !value.regex.is_empty() {
            ("RegularExpression", value.regex)
        } else {
            return Err(RouteError::object("invalid header match type"));
        };
        headers.push(json!({"name": it.header_name, "type": kind, "value": value}));
    }
    let (stable, canary) = request.services(false);
    let Some(rules) = at::list_mut(object, "/spec/rules") else { return Err(kind.backend_missing()) };
    let leads = |rule: &Value, name: &str| backends(rule).any(|it| at::text(it, "name") == name);
    let sources: Vec<Value> = rules.iter().filter(|it| leads(it, canary) && leads(it, stable)).cloned().collect();
    if sources.is_empty() {
        return Err(kind.backend_missing());
    }
    let own = BTreeSet::from([step.name.as_str()]);
    rules.retain(|it| !is_managed(it, &own, canary, Some(&headers)));
    for (index, source) in sources.iter().enumerate() {
        let name = if index == 0 { step.name.clone() } else { format!("{}-{index}", step.name) };
        rules.push(rule(&name, source, canary, &headers, kind));
    }
    Ok(())
}

fn rule(name: &str, source: &Value, canary: &str, headers: &[Value], kind: Kind) -> Value {
    let port = backends(source).find(|it| at::text(it, "name") == canary).and_then(|it| it.get("port"));
    let mut backend = json!({"group": "", "kind": "Service", "name": canary});
    if let Some(port) = port {
        backend["port"] = port.clone();
    }
    let fields: &[&str] = if kind == Kind::Http { &["path", "queryParams", "method"] } else { &["method"] };
    let matches = source.get("matches").and_then(Value::as_array).filter(|it| !it.is_empty());
    let matches: Vec<Value> = match matches {
        None => vec![json!({"headers": headers})],
        Some(matches) => matches
            .iter()
            .map(|it| {
                let mut all: Vec<Value> = it.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
                all.extend(headers.iter().cloned());
                let mut merged = json!({"headers": all});
                for field in fields {
                    if let Some(value) = it.get(*field) {
                        merged[*field] = value.clone();
                    }
                }
                merged
            })
            .collect(),
    };
    let mut rule = json!({"name": name, "matches": matches, "backendRefs": [backend]});
    if let Some(filters) = source.get("filters").filter(|it| it.as_array().is_some_and(|it| !it.is_empty())) {
        rule["filters"] = filters.clone();
    }
    rule
}
