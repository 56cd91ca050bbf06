//! What an admission step sees of a write, in the form that webhooks and policies read it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::selector::LabelSelector;
use crate::server::state::State;
use crate::server::{Call, meta};
use crate::store::{GroupResource, ObjectKey};

/// A write that waits to be admitted.
#[derive(Clone, Copy)]
pub(super) struct Attempted<'a> {
    pub(super) call: &'a Call<'a>,
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(super) operation: &'static str,
    pub(super) object: Option<&'a Value>,
    pub(super) live: Option<&'a Value>,
}

// === impl Attempted ===

impl Attempted<'_> {
    pub(super) fn name(&self) -> String {
        let from = |object: Option<&Value>| object.map(|it| meta::name(it).to_owned()).filter(|it| !it.is_empty());
        from(self.object).or_else(|| from(self.live)).unwrap_or_default()
    }

    /// The `request` of a review.
    pub(super) fn request(&self) -> Value {
        let call = self.call;
        let version = &call.version_def().name;
        let (group, resource) = (call.def.group(), call.def.resource());
        let kind = json!({ "group": group, "version": version, "kind": call.def.kind });
        let resource = json!({ "group": group, "version": version, "resource": resource });
        let caller = &call.request.caller;
        let options = match self.operation {
            "CREATE" => "CreateOptions",
            "DELETE" => "DeleteOptions",
            _ => "UpdateOptions",
        };
        let name = self.name();
        let revision = self.live.map_or("", meta::resource_version);
        let path = &call.request.path;
        let digest = Sha256::digest(format!("{}|{path}|{name}|{revision}", self.operation));
        let hex = hex::encode(&digest[..16]);
        let uid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let mut request = json!({
            "uid": uid,
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": name,
            "operation": self.operation,
            "userInfo": { "username": caller.user, "groups": caller.groups },
            "object": self.object, "oldObject": self.live,
            "dryRun": call.dry_run,
            "options": { "kind": options, "apiVersion": "meta.k8s.io/v1" },
        });
        if let Some(namespace) = call.namespace {
            request["namespace"] = Value::from(namespace);
        }
        if let Some(subresource) = call.subresource {
            request["subResource"] = Value::from(subresource);
            request["requestSubResource"] = Value::from(subresource);
        }
        if self.operation != "DELETE" {
            request["options"]["fieldManager"] = Value::from(call.field_manager());
        }
        request
    }

    /// Whether rules of a webhook or policy are about the write. Under `Equivalent` the version does not matter: versions of a kind say the
    /// same.
    pub(super) fn ruled(&self, rule: &Value, equivalent: bool) -> bool {
        let list = |field: &str| -> Vec<&str> {
            rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let has = |field: &str, value: &str| list(field).iter().any(|it| *it == "*" || *it == value);
        let subresource = self.call.subresource.unwrap_or_default();
        let resources = list("resources").iter().any(|it| {
            let (resource, sub) = it.split_once('/').unwrap_or((it, ""));
            (resource == "*" || resource == self.call.def.resource()) && (sub == "*" || sub == subresource)
        });
        let scope = match meta::text(rule, "/scope") {
            "Namespaced" => self.call.namespace.is_some(),
            "Cluster" => self.call.namespace.is_none(),
            _ => true,
        };
        let names = list("resourceNames");
        resources
            && scope
            && has("operations", self.operation)
            && has("apiGroups", self.call.def.group())
            && (equivalent || has("apiVersions", &self.call.version_def().name))
            && (names.is_empty() || names.contains(&self.name().as_str()))
    }

    /// Whether the selectors of a webhook or policy choose the write.
    pub(super) fn selected(&self, state: &State, by: &Value) -> bool {
        let selector = |field: &str| by.get(field).and_then(LabelSelector::from_object);
        if let Some(selector) = selector("namespaceSelector") {
            let own = crate::server::namespaces::is_namespace(&self.call.def);
            let namespace = match self.call.namespace {
                Some(namespace) => state.namespace(namespace),
                None => None,
            };
            let chosen = match (&namespace, own) {
                (Some(namespace), _) => selector.matches(namespace),
                (None, true) => self.object.or(self.live).is_some_and(|it| selector.matches(it)),
                // Nothing to choose by.
                (None, false) => self.call.namespace.is_none(),
            };
            if !chosen {
                return false;
            }
        }
        match selector("objectSelector") {
            Some(selector) => [self.object, self.live].into_iter().flatten().any(|object| selector.matches(object)),
            None => true,
        }
    }

    /// Whether the write is about admission itself: nothing may stand in its way.
    pub(super) fn is_exempt(&self) -> bool {
        self.call.def.group() == super::GROUP
    }
}

// === impl State ===

impl State {
    pub(super) fn namespace(&self, name: &str) -> Option<std::sync::Arc<Value>> {
        self.store.read(&GroupResource::new("", "namespaces"), &ObjectKey::new(None, name))
    }
}
