//! Services, endpoints, ingresses and network policies.

use serde_json::Value;

use super::super::cells::{age, few, host_port, items, name, number, row, selector, size, strings, text};
use super::{Cells, rows};
use crate::server::meta;

pub(super) fn cells(group: &str, resource: &str) -> Option<Cells> {
    Some(match (group, resource) {
        ("", "services") => rows::service,
        ("", "endpoints") => |o, now| {
            let mut addresses = Vec::new();
            for subset in items(o, "/subsets") {
                let ips = || items(subset, "/addresses").iter().map(|address| meta::text(address, "/ip"));
                let ports = items(subset, "/ports");
                if ports.is_empty() {
                    addresses.extend(ips().map(str::to_owned));
                }
                for port in ports {
                    addresses.extend(ips().map(|ip| host_port(ip, number(port, "/port"))));
                }
            }
            let none = if size(o, "/subsets") == 0 { "<none>" } else { "" };
            row([name(o), few(&addresses, none), age(o, now)])
        },
        ("discovery.k8s.io", "endpointslices") => |o, now| {
            let port = |port: &Value| match (port.get("port"), port.get("name").and_then(Value::as_str)) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.to_owned(),
                (None, None) => "*".to_owned(),
            };
            let ports: Vec<String> = items(o, "/ports").iter().map(port).collect();
            let addresses: Vec<String> = items(o, "/endpoints")
                .iter()
                .flat_map(|endpoint| strings(endpoint, "/addresses"))
                .map(str::to_owned)
                .collect();
            row([
                name(o),
                text(o, "/addressType").into(),
                few(&ports, "<unset>"),
                few(&addresses, "<unset>"),
                age(o, now),
            ])
        },
        ("networking.k8s.io", "ingresses") => |o, now| {
            let hosts: Vec<String> = items(o, "/spec/rules")
                .iter()
                .map(|rule| meta::text(rule, "/host").to_owned())
                .filter(|host| !host.is_empty())
                .collect();
            let ports = if size(o, "/spec/tls") > 0 { "80, 443" } else { "80" };
            row([
                name(o),
                text(o, "/spec/ingressClassName").into(),
                few(&hosts, "*"),
                rows::load_balancer(o).into(),
                ports.into(),
                age(o, now),
            ])
        },
        ("networking.k8s.io", "ingressclasses") => |o, now| {
            let parameters = match o.pointer("/spec/parameters") {
                None => "<none>".to_owned(),
                Some(it) => {
                    let group = meta::text(it, "/apiGroup");
                    let dot = if group.is_empty() { "" } else { "." };
                    format!("{}{dot}{group}/{}", meta::text(it, "/kind"), meta::text(it, "/name"))
                }
            };
            row([name(o), meta::text(o, "/spec/controller").into(), parameters.into(), age(o, now)])
        },
        ("networking.k8s.io", "networkpolicies") => {
            |o, now| row([name(o), selector(o, "/spec/podSelector"), age(o, now)])
        }
        ("networking.k8s.io", "servicecidrs") => {
            |o, now| row([name(o), strings(o, "/spec/cidrs").join(",").into(), age(o, now)])
        }
        ("networking.k8s.io", "ipaddresses") => |o, _| {
            let parent = match o.pointer("/spec/parentRef") {
                None => "<none>".to_owned(),
                Some(it) => {
                    let of = |field: &str| meta::text(it, field).to_lowercase();
                    let dot = if of("/group").is_empty() { "" } else { "." };
                    let kind = format!("{}{dot}{}", of("/resource"), of("/group"));
                    let path = [kind.as_str(), meta::text(it, "/namespace"), meta::text(it, "/name")];
                    path.into_iter().filter(|step| !step.is_empty()).collect::<Vec<_>>().join("/")
                }
            };
            row([name(o), parent.into()])
        },
        _ => return None,
    })
}
