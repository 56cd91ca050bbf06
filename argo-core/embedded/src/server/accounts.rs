//! What controllers and admission of a full cluster add for service accounts: each namespace has its `default` account and the
//! certificate of the cluster, and pods run under accounts that exist.

use serde_json::{Value, json};

use super::meta;
use super::request::{Caller, Query, RawRequest, Verb};
use super::state::State;
use super::status::ApiError;
use super::{Call, MASTERS};
use crate::store::{Event, EventKind, GroupResource, ObjectKey};

const ACCOUNT: &str = "default";
const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";

// === impl State ===

impl State {
    /// Gives a new namespace its own, and gives back what was taken from it.
    pub(super) fn keep_accounts(&mut self, event: &Event) {
        if !self.service_accounts || !event.resource.group.is_empty() {
            return;
        }
        let now =
            meta::text(&event.object, "/metadata/creationTimestamp").parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let key = &event.key;
        match (event.resource.resource.as_ref(), event.kind) {
            ("namespaces", EventKind::Added) => {
                self.give("serviceaccounts", &key.name, account(), now);
                self.give("configmaps", &key.name, self.root_certificate(), now);
            }
            ("serviceaccounts", EventKind::Deleted) if key.name == ACCOUNT => {
                self.give("serviceaccounts", &key.namespace.clone(), account(), now);
            }
            ("configmaps", EventKind::Deleted) if key.name == ROOT_CERTIFICATE => {
                self.give("configmaps", &key.namespace.clone(), self.root_certificate(), now);
            }
            _ => {}
        }
    }

    /// Publishes the certificate of a face that serves from now on.
    pub(crate) fn publish_root_certificate(&mut self, certificate: &str, now: jiff::Timestamp) {
        certificate.clone_into(&mut self.certificate);
        if !self.service_accounts {
            return;
        }
        let maps = GroupResource::new("", "configmaps");
        let published: Vec<ObjectKey> = self
            .store
            .objects(&maps, None)
            .filter(|(key, _)| key.name == ROOT_CERTIFICATE)
            .map(|(key, _)| key.clone())
            .collect();
        for key in published {
            let object = self.root_certificate();
            self.own("configmaps", &key.namespace, Verb::Update, object, now);
        }
    }

    /// Refuses a pod whose account is not there.
    pub(super) fn check_account(&self, call: &Call<'_>, pod: &Value) -> Result<(), ApiError> {
        if !self.service_accounts || !call.def.group().is_empty() || call.def.resource() != "pods" {
            return Ok(());
        }
        let account = meta::text(pod, "/spec/serviceAccountName");
        let accounts = GroupResource::new("", "serviceaccounts");
        if self.store.read(&accounts, &ObjectKey::new(call.namespace, account)).is_some() {
            return Ok(());
        }
        let namespace = call.namespace.unwrap_or_default();
        let why =
            format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
        Err(ApiError::forbidden(&call.def.served, meta::name(pod), &why))
    }

    fn root_certificate(&self) -> Value {
        let about = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": ROOT_CERTIFICATE, "annotations": { "kubernetes.io/description": about } },
            "data": { "ca.crt": self.certificate },
        })
    }

    fn give(&mut self, resource: &str, namespace: &str, object: Value, now: jiff::Timestamp) {
        let place = GroupResource::new("", "namespaces");
        let lives = self.store.read(&place, &ObjectKey::new(None, namespace)).is_some_and(|it| !meta::is_deleting(&it));
        if lives {
            self.own(resource, namespace, Verb::Create, object, now);
        }
    }

    /// A write of the cluster's own.
    fn own(&mut self, resource: &str, namespace: &str, verb: Verb, object: Value, now: jiff::Timestamp) {
        let Some((def, version)) = self.registry.find("", "v1", resource) else { return };
        let mut query = Query::default();
        query.set("fieldManager", "kube-controller-manager");
        let name = meta::name(&object).to_owned();
        let request = RawRequest {
            method: http::Method::POST,
            query,
            object: Some(object),
            caller: Caller {
                client: "kube-controller-manager".to_owned(),
                user: "system:kube-controller-manager".to_owned(),
                groups: vec![MASTERS.to_owned()],
                ..Caller::default()
            },
            ..RawRequest::default()
        };
        let named = (verb == Verb::Update).then_some(name.as_str());
        let call = Call {
            verb,
            def,
            version,
            namespace: Some(namespace),
            name: named,
            subresource: None,
            request: &request,
            dry_run: false,
            now,
            attempt: None,
        };
        match self.dispatch(&call) {
            Err(error) if !error.is_already_exists() => {
                tracing::warn!(namespace, name, %error, "what every namespace has could not be written");
            }
            _ => {}
        }
    }
}

fn account() -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": ACCOUNT } })
}
