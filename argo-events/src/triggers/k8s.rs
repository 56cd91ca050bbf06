//! `k8s`: changes an object.

use argo_core::{Category, Change, Failure, Gvk, Object, ObjectRef, Patch, plan::PatchKind, runtime::Context};
use serde_json::Value;

use super::{Call, Trigger, TriggerError, artifact, decode};
use crate::{
    api::{self, K8sPolicy},
    engine::{backoff::Attempts, objects, parameters, validate},
};

/// The `k8s` type.
#[derive(Debug, Clone, Copy)]
pub struct K8sTrigger;

#[async_trait::async_trait]
impl Trigger for K8sTrigger {
    fn kind(&self) -> &'static str {
        "k8s"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: api::K8sTrigger = decode(config)?;
        artifact::validate(config.source.as_ref())?;
        if !["", "create", "update", "patch", "delete"].contains(&config.operation.as_str()) {
            return Err(format!("unknown operation type {}", config.operation));
        }
        patch_kind(&config.patch_strategy)?;
        validate::parameters(&config.parameters, false)
    }

    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
        let config: api::K8sTrigger = decode(call.config).map_err(TriggerError::Invalid)?;
        let context = kubernetes(call)?;
        // With liveObject the parameters are for what is in the cluster.
        let live = config.live_object && config.operation == "update";
        let list: &[_] = if live { &[] } else { &config.parameters };
        let mut object = artifact::object(call, config.source.as_ref(), list).await?;
        if object.namespace().is_none() && namespaced(context, &object.gvk()).await? {
            object.set(&["metadata", "namespace"], call.firing.namespace.clone());
        }
        let done = match config.operation.as_str() {
            "update" | "patch" | "delete" if object.name().is_empty() => {
                return Err(TriggerError::Invalid(format!("{} needs metadata.name", config.operation)));
            }
            "update" => match read(context, &object.reference()).await? {
                None => apply(context, &Change::create(object)).await?,
                Some(found) => {
                    let wanted = if live {
                        let mut json = found.value().clone();
                        parameters::apply(&mut json, &config.parameters, &call.firing.events)?;
                        Object::from_value(json)
                    } else {
                        objects::merged(&found, &object)
                    };
                    match Change::merge_between(&found, &wanted) {
                        Some(change) => apply(context, &change).await?,
                        None => Some(found),
                    }
                }
            },
            "patch" => match read(context, &object.reference()).await? {
                None => apply(context, &Change::create(object)).await?,
                Some(_) => {
                    let change = match patch_kind(&config.patch_strategy).map_err(TriggerError::Invalid)? {
                        Some(kind) => Change::Patch {
                            target: object.reference(),
                            patch: Patch { kind, body: object.into_value() },
                            subresource: None,
                            resource_version: None,
                        },
                        None => Change::apply(object, "argo-events-sensor"),
                    };
                    apply(context, &change).await?
                }
            },
            "delete" => {
                let target = object.reference();
                let change = Change::Delete { target, uid: None, propagation: Default::default() };
                apply(context, &change).await?;
                return Ok(());
            }
            _ => Some(create(call, context, object).await?),
        };
        match (done, call.policy.and_then(|it| it.k8s.as_ref())) {
            (Some(object), Some(policy)) => wait_for_labels(call, context, &object.reference(), policy).await,
            _ => Ok(()),
        }
    }
}

/// Kubernetes, which these triggers can not do without.
pub(super) fn kubernetes<'a>(call: &Call<'a>) -> Result<&'a Context, TriggerError> {
    call.services.context.as_ref().ok_or_else(|| TriggerError::Invalid("there is no Kubernetes to change".to_owned()))
}

/// Creates an object once: the object of an earlier delivery of the same events is as good.
pub(super) async fn create(call: &Call<'_>, context: &Context, object: Object) -> Result<Object, TriggerError> {
    if object.name().is_empty() && object.text("/metadata/generateName").is_empty() {
        return Err(TriggerError::Invalid("source needs metadata.name or metadata.generateName".to_owned()));
    }
    let cluster_wide = !namespaced(context, &object.gvk()).await?;
    let mut object = objects::prepare_create(object, call.firing, call.services.clock.now());
    if cluster_wide {
        object.remove(&["metadata", "namespace"]);
    }
    match context.applier().apply(&Change::create(object.clone())).await {
        Ok(created) => Ok(created.unwrap_or(object)),
        Err(error) if error.category() == Category::AlreadyExists => match read(context, &object.reference()).await? {
            Some(found) if objects::is_own(&found, call.firing) => Ok(found),
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn namespaced(context: &Context, gvk: &Gvk) -> Result<bool, TriggerError> {
    let answer = context.mapper().is_namespaced(gvk).await;
    answer.map_err(|it| TriggerError::failed(it.category(), it.to_string()))
}

pub(super) async fn read(context: &Context, target: &ObjectRef) -> Result<Option<Object>, TriggerError> {
    context.get(target).await.map_err(|it| TriggerError::failed(it.category(), it.to_string()))
}

pub(super) async fn apply(context: &Context, change: &Change) -> Result<Option<Object>, TriggerError> {
    Ok(context.applier().apply(change).await?)
}

/// `None` is server-side apply.
fn patch_kind(strategy: &str) -> Result<Option<PatchKind>, String> {
    match strategy {
        "" | "application/merge-patch+json" => Ok(Some(PatchKind::Merge)),
        "application/json-patch+json" => Ok(Some(PatchKind::Json)),
        "application/strategic-merge-patch+json" => Ok(Some(PatchKind::Strategic)),
        "application/apply-patch+yaml" => Ok(None),
        other => Err(format!("unknown patch strategy type {other}")),
    }
}

/// Looks at the object until it has the labels.
pub(super) async fn wait_for_labels(
    call: &Call<'_>,
    context: &Context,
    target: &ObjectRef,
    policy: &K8sPolicy,
) -> Result<(), TriggerError> {
    let mut attempts = Attempts::of(policy.backoff.as_ref());
    loop {
        let found = read(context, target).await?;
        let found = found.ok_or_else(|| TriggerError::Policy(format!("{target} is gone")))?;
        if policy.labels.iter().all(|(key, value)| found.label(key) == Some(value)) {
            return Ok(());
        }
        match attempts.failed(call.services.random()) {
            Some(delay) => call.services.clock.sleep(delay).await,
            None if policy.error_on_backoff_timeout => {
                return Err(TriggerError::Policy(format!("{target} did not get the labels in time")));
            }
            None => return Ok(()),
        }
    }
}
