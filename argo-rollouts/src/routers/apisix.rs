//! APISIX: weights in an ApisixRoute, and a copy of it for a header route.

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};
use crate::api::{HeaderRoutingMatch, SetHeaderRoute};

/// Splits by the backends of an ApisixRoute.
#[derive(Debug, Clone)]
pub struct Apisix {
    /// Version of `apisix.apache.org`.
    pub version: String,
}

impl Default for Apisix {
    /// `v2`.
    fn default() -> Self {
        Self { version: "v2".to_owned() }
    }
}

/// `trafficRouting.apisix`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    route: Route,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Route {
    name: String,
    rules: Option<Vec<String>>,
}

impl Route {
    fn rules(&self) -> Vec<String> {
        self.rules.clone().unwrap_or_else(|| vec![self.name.clone()])
    }
}

impl Apisix {
    fn reference(&self, request: &RouteRequest<'_>, name: &str) -> ObjectRef {
        let gvk = Gvk::new("apisix.apache.org", self.version.clone(), "ApisixRoute");
        ObjectRef::new(gvk, Some(request.namespace()), name)
    }
}

impl ObjectRouter for Apisix {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("apisix", request.settings)?;
        let target = self.reference(request, &settings.route.name);
        if request.traffic.remove_routes {
            for name in request.routing().into_iter().flat_map(|it| it.managed_names()) {
                let target = self.reference(request, name);
                if seen.get(&target)?.is_some_and(|it| it.is_controlled_by(request.rollout.uid())) {
                    seen.delete(&target);
                }
            }
        }
        if let Some(route) = &request.traffic.header_route {
            self.set_header(request, &settings.route, route, seen)?;
        }
        let (stable, canary) = request.services(false);
        let weight = request.traffic.weight;
        seen.edit(&target, |object| {
            for rule in settings.route.rules() {
                let backends = backends(rule_mut(object, &rule)?)?;
                set_weight(backends, canary, weight)?;
                set_weight(backends, stable, 100 - weight)?;
            }
            Ok(())
        })
    }
}

impl Apisix {
    /// The route of a header step: as the main one, with a higher priority, and all for the canary.
    fn set_header(
        &self,
        request: &RouteRequest<'_>,
        main: &Route,
        route: &SetHeaderRoute,
        seen: &mut Seen,
    ) -> Result<(), RouteError> {
        let source = seen.need(&self.reference(request, &main.name))?.clone();
        let target = self.reference(request, &route.name);
        let current = seen.get(&target)?.cloned();
        if current.as_ref().is_some_and(|it| !it.is_controlled_by(request.rollout.uid())) {
            return Err(RouteError::object(format!("duplicate ApisixRoute [{}] already exists", route.name)));
        }
        let Some(matches) = route.wanted() else {
            if current.is_some() {
                seen.delete(&target);
            }
            return Ok(());
        };
        let is_new = current.is_none();
        let mut object = current.unwrap_or_else(|| {
            let mut copy = Object::new(&source.gvk(), source.namespace(), &route.name);
            for field in ["labels", "annotations"] {
                if let Some(value) = source.get("metadata").and_then(|it| it.get(field)) {
                    copy.set(&["metadata", field], value.clone());
                }
            }
            copy.set(&["spec"], source.get("spec").cloned().unwrap_or_default());
            copy.set_controller(&request.rollout.owner_reference());
            copy
        });
        let (stable, canary) = request.services(false);
        let exprs: Vec<Value> = matches.iter().flat_map(exprs).collect();
        for name in main.rules() {
            let rule = rule_mut(&mut object, &name)?;
            let backends = backends(rule)?;
            set_weight(backends, canary, 100)?;
            backends.retain(|it| at::text(it, "serviceName") != stable);
            if is_new {
                rule["priority"] = json!(at::number(rule, "priority") + 1);
            }
            rule["match"]["exprs"] = json!(exprs);
        }
        seen.set(object);
        Ok(())
    }
}

fn rule_mut<'a>(object: &'a mut Object, name: &str) -> Result<&'a mut Value, RouteError> {
    let rules = at::list_mut(object, "/spec/http")
        .ok_or_else(|| RouteError::object("spec.http was not found in Apisix Route manifest"))?;
    for rule in rules {
        let own = rule.get("name").and_then(Value::as_str);
        let own = own.ok_or_else(|| RouteError::object("Apisix http route rule name field not found"))?;
        if own == name {
            return Ok(rule);
        }
    }
    Err(RouteError::object(format!("Apisix http route rule {name} not found")))
}

fn backends(rule: &mut Value) -> Result<&mut Vec<Value>, RouteError> {
    let backends = rule.get_mut("backends").and_then(Value::as_array_mut);
    backends.ok_or_else(|| RouteError::object("Apisix http route backends not found"))
}

fn set_weight(backends: &mut [Value], name: &str, weight: i64) -> Result<(), RouteError> {
    for backend in backends {
        let own = backend.get("serviceName").and_then(Value::as_str);
        let own = own.ok_or_else(|| RouteError::object("serviceName field was not found in backend"))?;
        if own == name {
            backend["weight"] = json!(weight);
            return Ok(());
        }
    }
    Err(RouteError::object(format!("apisix route {name} backend was not found")))
}

fn exprs(it: &HeaderRoutingMatch) -> Vec<Value> {
    let value = it.header_value.clone().unwrap_or_default();
    let texts = [
        ("Equal", value.exact.clone()),
        ("RegexMatch", value.regex.clone()),
        ("RegexMatch", if value.prefix.is_empty() { String::new() } else { format!("^{}.*", value.prefix) }),
    ];
    let subject = json!({"scope": "Header", "name": it.header_name});
    let texts = texts.into_iter().filter(|(_, it)| !it.is_empty());
    texts.map(|(op, value)| json!({"subject": subject, "op": op, "value": value})).collect()
}
