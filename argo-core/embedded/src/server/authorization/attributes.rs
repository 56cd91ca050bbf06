//! What a request wants, told by its path and method alone: before anything is looked up. Upstream: `RequestInfo`.

use crate::server::request::{Query, RawRequest};

use super::Attributes;

// === impl Attributes ===

impl Attributes {
    /// What a request wants.
    pub(crate) fn of(request: &RawRequest) -> Self {
        let segments = |path: &str| -> Vec<String> {
            path.trim_matches('/')
                .split('/')
                .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
                .collect()
        };
        let parts = segments(&request.path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => {
                let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy().into_owned();
                return Self { verb: request.method.as_str().to_lowercase(), path, ..Self::default() };
            }
        };
        let mut verb = match request.method.as_str() {
            "POST" => "create",
            "GET" | "HEAD" => "get",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "",
        };
        let rest = match rest {
            [special @ ("watch" | "proxy"), rest @ ..] if !rest.is_empty() => {
                verb = special;
                rest
            }
            rest => rest,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, _, ..] if !matches!(rest[2], "status" | "finalize") => (*namespace, &rest[2..]),
            ["namespaces", namespace, ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let at = |index: usize| rest.get(index).copied().unwrap_or_default();
        let mut name = at(1).to_owned();
        if name.is_empty() {
            verb = match verb {
                "get" if request.query.flag("watch") => "watch",
                "get" => "list",
                "delete" => "deletecollection",
                other => other,
            };
            if matches!(verb, "list" | "watch" | "deletecollection") {
                name = one_name(&request.query).unwrap_or_default();
            }
        }
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: at(0).to_owned(),
            subresource: if matches!(verb, "watch" | "proxy") { String::new() } else { at(2).to_owned() },
            namespace: namespace.to_owned(),
            name,
            path: String::new(),
        }
    }

    /// Why somebody may not.
    pub(super) fn refusal(&self, user: &str) -> String {
        let Self { verb, group, resource, subresource, namespace, path, .. } = self;
        let text = if resource.is_empty() {
            format!("User {user:?} cannot {verb} path {path:?}")
        } else {
            let resource = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
            let place = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}")
        };
        // It may be shown in a browser.
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
}

/// The name that a list is narrowed to.
fn one_name(query: &Query) -> Option<String> {
    let selector = query.get("fieldSelector")?;
    let name = selector.split(',').find_map(|term| {
        let (field, value) = term.split_once('=')?;
        (field == "metadata.name").then(|| value.trim_start_matches('='))
    })?;
    (!name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '%'])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: http::Method, path: &str, query: &str) -> [String; 7] {
        let request = RawRequest { method, path: path.to_owned(), query: Query::parse(query), ..RawRequest::default() };
        let Attributes { verb, group, resource, subresource, namespace, name, path } = Attributes::of(&request);
        [verb, group, resource, subresource, namespace, name, path]
    }

    #[test]
    fn paths_tell_what_is_wanted() {
        let get = || http::Method::GET;
        for (method, path, query, wanted) in [
            (get(), "/api/v1/pods", "", ["list", "", "pods", "", "", "", ""]),
            (get(), "/api/v1/namespaces/a/pods", "watch=1", ["watch", "", "pods", "", "a", "", ""]),
            (get(), "/api/v1/watch/namespaces/a/pods", "", ["watch", "", "pods", "", "a", "", ""]),
            (get(), "/api/v1/namespaces/a", "", ["get", "", "namespaces", "", "a", "a", ""]),
            (
                http::Method::PUT,
                "/api/v1/namespaces/a/finalize",
                "",
                ["update", "", "namespaces", "finalize", "a", "a", ""],
            ),
            (
                http::Method::POST,
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                "",
                ["create", "apps", "deployments", "scale", "a", "b", ""],
            ),
            (
                http::Method::DELETE,
                "/apis/none/v1/things",
                "fieldSelector=metadata.name%3Dx",
                ["deletecollection", "none", "things", "", "", "x", ""],
            ),
            (get(), "/apis/apps/v1", "", ["get", "", "", "", "", "", "/apis/apps/v1"]),
            (http::Method::POST, "/version", "", ["post", "", "", "", "", "", "/version"]),
        ] {
            assert_eq!(of(method, path, query), wanted.map(str::to_owned), "{path}");
        }
    }
}
