//! Acting as somebody else: the `Impersonate-*` headers, and who may send them. Upstream: `endpoints/filters/impersonation.go`.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::Attributes;
use crate::server::names;
use crate::server::request::Caller;
use crate::server::state::State;
use crate::server::status::ApiError;

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const EXTRA: &str = "impersonate-extra-";

/// Whom a request wants to be made as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Impersonation {
    user: String,
    groups: Vec<String>,
    uid: String,
    extra: BTreeMap<String, Vec<String>>,
}

// === impl Impersonation ===

impl Impersonation {
    /// What the headers say; nothing if they are silent.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let first = |name: &str| headers.get(name).map(text).unwrap_or_default();
        let mut found = Self {
            user: first("impersonate-user"),
            groups: headers.get_all("impersonate-group").iter().map(text).collect(),
            uid: first("impersonate-uid"),
            extra: BTreeMap::new(),
        };
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
                found.extra.entry(key).or_default().push(text(value));
            }
        }
        (found != Self::default()).then_some(found)
    }

    /// Namespace and name, if a service account is meant.
    fn account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let fits = names::label_problems(namespace).is_empty() && names::subdomain_problems(name).is_empty();
        fits.then_some((namespace, name))
    }

    /// What must be allowed, one thing after another.
    fn wanted(&self) -> Vec<Attributes> {
        let to = |group: &str, resource: &str, name: &str| Attributes {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        const AUTHENTICATION: &str = "authentication.k8s.io";
        let mut wanted = vec![match self.account() {
            Some((namespace, name)) => {
                Attributes { namespace: namespace.to_owned(), ..to("", "serviceaccounts", name) }
            }
            None => to("", "users", &self.user),
        }];
        wanted.extend(self.groups.iter().map(|group| to("", "groups", group)));
        for (key, values) in &self.extra {
            let attributes =
                |value: &String| Attributes { subresource: key.clone(), ..to(AUTHENTICATION, "userextras", value) };
            wanted.extend(values.iter().map(attributes));
        }
        if !self.uid.is_empty() {
            wanted.push(to(AUTHENTICATION, "uids", &self.uid));
        }
        wanted
    }

    /// Who the request is from, once allowed.
    fn caller(&self, client: &str) -> Caller {
        let mut groups = self.groups.clone();
        if let (true, Some((namespace, _))) = (groups.is_empty(), self.account()) {
            groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        }
        let has = |wanted: &str| groups.iter().any(|group| group == wanted);
        let added = match self.user == ANONYMOUS {
            true => (!has(UNAUTHENTICATED)).then_some(UNAUTHENTICATED),
            false => (!has(AUTHENTICATED) && !has(UNAUTHENTICATED)).then_some(AUTHENTICATED),
        };
        groups.extend(added.map(str::to_owned));
        Caller {
            client: client.to_owned(),
            user: self.user.clone(),
            groups,
            uid: self.uid.clone(),
            extra: self.extra.clone(),
        }
    }
}

// === impl State ===

impl State {
    /// Who a request is from, if its caller may act as them.
    ///
    /// # Errors
    /// 403 for what the caller may not be; 500, in plain words, for a group without a user.
    pub(crate) fn impersonate(&self, caller: &Caller, wanted: &Impersonation, uri: &str) -> Result<Caller, ApiError> {
        if wanted.user.is_empty() {
            return Err(nobody(wanted, uri));
        }
        for attributes in wanted.wanted() {
            self.authorize(caller, &attributes)?;
        }
        Ok(wanted.caller(&caller.client))
    }
}

/// The answer to groups and the like without a user: a plain text, that shows Go's references to objects.
fn nobody(wanted: &Impersonation, uri: &str) -> ApiError {
    let shown: Vec<String> = wanted
        .wanted()
        .iter()
        .skip(1)
        .map(|it| {
            let (kind, version) = match it.resource.as_str() {
                "groups" => ("Group", ""),
                "uids" => ("UID", "authentication.k8s.io/v1"),
                _ => ("UserExtra", "authentication.k8s.io/v1"),
            };
            format!("{{{kind}  {}  {version}  {}}}", it.name, it.subresource)
        })
        .collect();
    let why = format!("requested [{}] without impersonating a user", shown.join(" "));
    let text = format!("Internal Server Error: {uri:?}: {why}");
    ApiError::plain(500, &text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}
