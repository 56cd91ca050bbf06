//! WorkflowTaskResults: how a pod tells what it gave.

use std::time::Duration;

use kube::{
    Api, Client, Error,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::Settings;
use crate::api::{GROUP, LABEL_CONTROLLER_INSTANCE_ID, LABEL_WORKFLOW, VERSION};

/// Label that says whether everything is in it.
const COMPLETED: &str = "workflows.argoproj.io/report-outputs-completed";
/// First and longest wait between attempts, and how often it is tried: for about ten minutes.
const BACKOFF: (Duration, Duration, u32) = (Duration::from_millis(200), Duration::from_secs(30), 26);

/// Writes the task result of one node.
#[derive(Clone)]
pub(super) struct Report {
    api: Api<DynamicObject>,
    resource: ApiResource,
    settings: Settings,
}

impl Report {
    pub(super) async fn open(settings: &Settings) -> Result<Self, String> {
        let client = client().await?;
        let kind = GroupVersionKind::gvk(GROUP, VERSION, "WorkflowTaskResult");
        let resource = ApiResource::from_gvk_with_plural(&kind, "workflowtaskresults");
        let api = Api::namespaced_with(client, &settings.namespace, &resource);
        Ok(Self { api, resource, settings: settings.clone() })
    }

    /// Makes it, so that the controller knows that there will be more.
    pub(super) async fn begin(&self) -> Result<(), String> {
        self.write(&json!({}), false).await
    }

    /// Adds to it; `whole` says that nothing more comes.
    pub(super) async fn write(&self, result: &Value, whole: bool) -> Result<(), String> {
        let mut pause = BACKOFF.0;
        for attempt in 1.. {
            let error = match self.once(result, whole).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let lasting =
                matches!(&error, Error::Api(it) if (400..500).contains(&it.code) && it.code != 429 && it.code != 409);
            if lasting || attempt >= BACKOFF.2 {
                return Err(explain(&error));
            }
            eprintln!("failed to patch task result (attempt {attempt}): {error}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
        Ok(())
    }

    async fn once(&self, result: &Value, whole: bool) -> Result<(), Error> {
        let settings = &self.settings;
        let mut body = result.clone();
        body["metadata"] = json!({"labels": {COMPLETED: if whole { "true" } else { "false" }}});
        if whole {
            match self.api.patch(&settings.node_id, &PatchParams::default(), &Patch::Merge(&body)).await {
                Err(Error::Api(it)) if it.code == 404 => {}
                other => return other.map(|_| ()),
            }
        }
        let mut object = body.clone();
        object["apiVersion"] = format!("{GROUP}/{VERSION}").into();
        object["kind"] = self.resource.kind.clone().into();
        object["metadata"]["name"] = settings.node_id.clone().into();
        object["metadata"]["labels"][LABEL_WORKFLOW] = settings.workflow.clone().into();
        if let Some(id) = &settings.instance_id {
            object["metadata"]["labels"][LABEL_CONTROLLER_INSTANCE_ID] = id.clone().into();
        }
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Workflow",
            "name": settings.workflow, "uid": settings.workflow_uid,
        }]);
        let object: DynamicObject = serde_json::from_value(object).map_err(Error::SerdeError)?;
        match self.api.create(&PostParams::default(), &object).await {
            Err(Error::Api(it))
                if it.code == 409 && !whole && result.as_object().is_some_and(serde_json::Map::is_empty) =>
            {
                Ok(())
            }
            Err(Error::Api(it)) if it.code == 409 => {
                self.api.patch(&settings.node_id, &PatchParams::default(), &Patch::Merge(&body)).await.map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }
}

pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::Api(it) if it.code == 403 => format!(
            "{} (the pod's ServiceAccount needs create and patch on workflowtaskresults.argoproj.io, see https://argo-workflows.readthedocs.io/en/latest/workflow-rbac/)",
            it.message
        ),
        Error::Api(it) => it.message.clone(),
        other => other.to_string(),
    }
}

/// A client for the API server that the pod runs on.
pub(super) async fn client() -> Result<Client, String> {
    // Somebody else's choice of a TLS implementation stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::try_default().await.map_err(|it| format!("no way to the API server: {it}"))
}
