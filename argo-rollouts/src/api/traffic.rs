//! How traffic is split, and the steps that steer it apart from weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Extra;

/// How traffic is split; the routers' own settings stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutTrafficRouting {
    /// Weight that means all traffic; 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_traffic_weight: Option<i64>,
    /// Routes that header and mirror steps may add, those that go first at the front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_routes: Option<Vec<ManagedRoute>>,
    /// Settings of routers that are registered under a name, by that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Value>,
    /// `istio`, `nginx`, `alb`… and everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A route that a header or mirror step may add.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedRoute {
    /// Name.
    pub name: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Sends requests with certain headers to the canary, whatever its weight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetHeaderRoute {
    /// One of the managed routes.
    pub name: String,
    /// Headers that must all match; absent or empty takes the route away.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<HeaderRoutingMatch>>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A header and its value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeaderRoutingMatch {
    /// Name of the header.
    pub header_name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_value: Option<StringMatch>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Sends a copy of certain requests to the canary; its answers are thrown away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetMirrorRoute {
    /// One of the managed routes.
    pub name: String,
    /// Which requests; absent or empty takes the route away.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<RouteMatch>>,
    /// Share of the matching requests, in percent; 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentage: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Requests by method, path and headers, all of which must match.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteMatch {
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<StringMatch>,
    /// Path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<StringMatch>,
    /// Headers by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, StringMatch>>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A text to match; exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StringMatch {
    /// The whole text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exact: String,
    /// Its beginning.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// A regular expression.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub regex: String,
}

impl RolloutTrafficRouting {
    /// Names of the managed routes, in order.
    pub fn managed_names(&self) -> impl Iterator<Item = &str> {
        self.managed_routes.iter().flatten().map(|it| it.name.as_str())
    }

    /// Whether a router of this name is asked for.
    #[must_use]
    pub fn has(&self, router: &str) -> bool {
        self.extra.get(router).is_some_and(Value::is_object)
    }
}

impl SetHeaderRoute {
    /// What must match; `None` takes the route away.
    #[must_use]
    pub fn wanted(&self) -> Option<&[HeaderRoutingMatch]> {
        self.matches.as_deref().filter(|it| !it.is_empty())
    }
}

impl SetMirrorRoute {
    /// What must match; `None` takes the route away.
    #[must_use]
    pub fn wanted(&self) -> Option<&[RouteMatch]> {
        self.matches.as_deref().filter(|it| !it.is_empty())
    }
}
