//! A request as the server sees it: verb, target, options and body; parsed from method, path, query and headers.

use std::collections::BTreeMap;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::status::ApiError;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH of any type, server-side apply included.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of many.
    DeleteCollection,
}

/// Who asks, and through which client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Name of the client handle, or the program part of the User-Agent: `kubectl`.
    pub client: String,
    /// User name.
    pub user: String,
    /// Groups of the user.
    pub groups: Vec<String>,
    /// What tells the user from others of the same name; often empty.
    pub uid: String,
    /// What else is known of the user, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A raw request: the same for all faces.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawRequest {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// A body that needs no decoding: from the direct face.
    pub(crate) object: Option<serde_json::Value>,
    pub(crate) caller: Caller,
    /// Whom the caller wants to act as.
    pub(crate) impersonation: Option<super::Impersonation>,
    /// What the client asks to switch to.
    pub(crate) upgrade: Option<crate::streams::Upgrade>,
    /// What goes on with a request of a proxy.
    pub(crate) original: Option<Box<super::proxy::Original>>,
}

/// Query parameters; the last of several equal ones counts, unless all are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    last: BTreeMap<String, String>,
    /// Of `command` and `ports` there may be several.
    all: Vec<(String, String)>,
}

/// The parts of a path below `/api` or `/apis`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

// === impl Verb ===

impl Verb {
    /// Whether the verb can change something.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// The name RBAC uses: `get`, `deletecollection`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    pub(crate) fn of(method: &http::Method, path: &Path, watch: bool) -> Option<Self> {
        let named = path.name.is_some();
        Some(match (method.as_str(), named) {
            ("GET", _) if watch => Self::Watch,
            ("GET" | "HEAD", true) => Self::Get,
            ("GET" | "HEAD", false) => Self::List,
            ("POST", named) if !named || path.subresource.is_some() => Self::Create,
            ("PUT", true) => Self::Update,
            ("PATCH", true) => Self::Patch,
            ("DELETE", true) => Self::Delete,
            ("DELETE", false) => Self::DeleteCollection,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Query ===

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = || {
            text.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
                Some((key, value)) => (decode(key.trim_start_matches('?')), decode(value)),
                None => (decode(pair.trim_start_matches('?')), String::new()),
            })
        };
        let all = pairs().filter(|(key, _)| matches!(key.as_str(), "command" | "ports")).collect();
        Self { last: pairs().collect(), all }
    }

    /// The values of a parameter that may be given several times.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter(move |(its, _)| its == key).map(|(_, value)| value.as_str())
    }

    /// Adds a value of a parameter that may be given several times.
    pub(crate) fn push(&mut self, key: &str, value: impl Into<String>) {
        self.all.push((key.to_owned(), value.into()));
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.last.insert(key.to_owned(), value.into());
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.last.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A boolean, where Go's conversion makes anything but `false` and `0` true.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.last.get(key).is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"))
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<i64>, ApiError> {
        self.get(key)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))
            })
            .transpose()
    }
}

// === impl Path ===

impl Path {
    /// Takes a resource path apart; `None` if it is not one.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let rest = match rest {
            ["watch", rest @ ..] if !rest.is_empty() => rest,
            rest => rest,
        };
        let (namespace, rest) = match rest {
            // /namespaces/x, /namespaces/x/status and /namespaces/x/finalize are about the namespace itself.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (resource, None, None),
            [resource, name] => (resource, Some(*name), None),
            [resource, name, subresource] => (resource, Some(*name), Some((*subresource).to_owned())),
            [resource, name, "proxy", ..] => (resource, Some(*name), Some("proxy".to_owned())),
            _ => return None,
        };
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace,
            resource: (*resource).to_owned(),
            name: name.map(str::to_owned),
            subresource,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap_or_else(|| panic!("{text} is a resource path"))
    }

    #[test]
    fn paths_are_taken_apart() {
        let pod = path("/api/v1/namespaces/a/pods/b/log");
        assert_eq!(
            (pod.namespace.as_deref(), pod.resource.as_str(), pod.name.as_deref(), pod.subresource.as_deref()),
            (Some("a"), "pods", Some("b"), Some("log"))
        );
        let namespace = path("/api/v1/namespaces/a/finalize");
        assert_eq!(
            (namespace.namespace, namespace.name.as_deref(), namespace.subresource.as_deref()),
            (None, Some("a"), Some("finalize"))
        );
        let list = path("/apis/apps/v1/deployments");
        assert_eq!(
            (list.group.as_str(), list.version.as_str(), list.resource.as_str(), list.name),
            ("apps", "v1", "deployments", None)
        );
        assert_eq!(Path::parse("/version"), None);
    }

    #[test]
    fn query_may_begin_with_question_mark_and_ampersand() {
        let query = Query::parse("&limit=5&labelSelector=a%3Db%2Cc+in+%28d%29&watch=true");
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
        assert!(query.flag("watch"));
    }
}
