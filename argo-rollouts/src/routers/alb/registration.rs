//! Whether the pods of a Service are registered with AWS, after a Service selects other pods.

use std::collections::BTreeSet;

use argo_core::Object;
use serde_json::Value;

/// How many endpoints of a Service are registered with a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Endpoints.
    pub endpoints: usize,
    /// Those that are registered.
    pub registered: usize,
}

impl Registration {
    /// Whether all are.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.registered == self.endpoints
    }
}

/// The TargetGroupBindings that lead to a port of a Service.
pub fn bindings_of<'a>(service: &Object, bindings: impl IntoIterator<Item = &'a Object>) -> Vec<&'a Object> {
    let leads = |binding: &&Object| {
        let same =
            binding.namespace() == service.namespace() && binding.text("/spec/serviceRef/name") == service.name();
        same && port_of(binding, service).is_some()
    };
    bindings.into_iter().filter(leads).collect()
}

/// The port of the Service that a binding names, by number or by name.
fn port_of<'a>(binding: &Object, service: &'a Object) -> Option<&'a Value> {
    let wanted = binding.pointer("/spec/serviceRef/port")?;
    let ports = service.pointer("/spec/ports")?.as_array()?;
    ports.iter().find(|it| match wanted {
        Value::String(name) => !name.is_empty() && it.get("name").and_then(Value::as_str) == Some(name),
        number => it.get("port") == Some(number),
    })
}

/// Compares the endpoints of a Service with the targets (`address:port`) that are registered; `None`
/// when nothing can be said: the targets are no pods, or the port is not known.
#[must_use]
pub fn registration(
    binding: &Object,
    service: &Object,
    endpoints: &Object,
    registered: &[String],
) -> Option<Registration> {
    if binding.text("/spec/targetType") != "ip" {
        return None;
    }
    let port = target_port(port_of(binding, service)?, endpoints)?;
    let subsets = endpoints.pointer("/subsets").and_then(Value::as_array).into_iter().flatten();
    let addresses = subsets.filter_map(|it| it.get("addresses")?.as_array()).flatten();
    let wanted: BTreeSet<String> =
        addresses.filter_map(|it| it.get("ip")?.as_str()).map(|it| format!("{it}:{port}")).collect();
    let registered: BTreeSet<&String> = registered.iter().collect();
    let present = wanted.iter().filter(|it| registered.contains(it)).count();
    Some(Registration { endpoints: wanted.len(), registered: present })
}

fn target_port(port: &Value, endpoints: &Object) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::String(name)) => {
            let subsets = endpoints.pointer("/subsets").and_then(Value::as_array)?;
            let ports = subsets.iter().filter_map(|it| it.get("ports")?.as_array()).flatten();
            let mut named = ports.filter(|it| it.get("name").and_then(Value::as_str) == Some(name));
            named.find_map(|it| it.get("port")?.as_i64())
        }
        Some(number) => number.as_i64().filter(|it| *it > 0),
        None => port.get("port").and_then(Value::as_i64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_endpoints_must_be_registered() {
        let object = |value: Value| Object::from_value(value);
        let binding = object(json!({"metadata": {"name": "b", "namespace": "n"},
            "spec": {"targetType": "ip", "serviceRef": {"name": "s", "port": "web"}}}));
        let service = object(json!({"metadata": {"name": "s", "namespace": "n"},
            "spec": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}]}}));
        let endpoints = object(json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
            "ports": [{"name": "http", "port": 8080}]}]}));
        assert_eq!(bindings_of(&service, [&binding]).len(), 1);
        let some = registration(&binding, &service, &endpoints, &["10.0.0.1:8080".into(), "10.0.0.9:8080".into()]);
        assert_eq!(some, Some(Registration { endpoints: 2, registered: 1 }));
        let all = registration(&binding, &service, &endpoints, &["10.0.0.1:8080".into(), "10.0.0.2:8080".into()]);
        assert!(all.is_some_and(|it| it.is_complete()));
        let instance = binding.with(&["spec", "targetType"], "instance");
        assert_eq!(registration(&instance, &service, &endpoints, &[]), None);
    }
}
