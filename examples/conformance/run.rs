//! One manifest in a namespace of its own, from creation to comparison.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use argo_core::{
    Category, Change, Gvk, Object, ObjectKey, ObjectRef, Resource as _,
    runtime::{Context, Shutdown},
};
use argo_workflows::{
    api::{LABEL_COMPLETED, Workflow},
    testing::conformance::{differences, normalise},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::cases::Case;

/// A cluster with a controller on it.
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) timeout: Duration,
    /// First part of the names of namespaces.
    pub(crate) prefix: String,
    /// Objects that every namespace has.
    pub(crate) furniture: Vec<Value>,
    pub(crate) shutdown: Shutdown,
    pub(crate) ended: BoxFuture<'static, ()>,
}

impl World {
    /// Stops the controller.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.ended.await;
    }
}

/// Runs a case; what differs is one line each.
pub(crate) async fn run(world: &World, case: &Case, number: usize) -> Vec<String> {
    let namespace = format!("{}-{number}", world.prefix);
    let start = Instant::now();
    let result = in_namespace(world, case, &namespace).await;
    tracing::info!(case = case.name, took = ?start.elapsed(), "over");
    let own = Object::new(&Gvk::new("", "v1", "Namespace"), None, &namespace);
    let _ = world.context.applier().apply(&Change::delete(&own)).await;
    result.unwrap_or_else(|error| vec![format!("! {error:#}")])
}

async fn in_namespace(world: &World, case: &Case, namespace: &str) -> Result<Vec<String>> {
    let objects = match &case.objects {
        Ok(objects) => objects,
        Err(error) if case.rejected.is_some() => {
            tracing::debug!(error, "not readable, as it was then");
            return Ok(Vec::new());
        }
        Err(error) => bail!("the manifest can not be read: {error}"),
    };
    create(world, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
    for it in &world.furniture {
        let object = Object::from_value(placed(it, namespace));
        match world.context.applier().apply(&Change::create(object)).await {
            Err(error) if error.category != Category::AlreadyExists => return Err(error.into()),
            _ => {}
        }
    }
    let mut started = Vec::new();
    for object in objects {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let mut object = placed(object, namespace);
        if kind == "Workflow" {
            name(&mut object, namespace);
            let created = create(world, object.clone()).await;
            match (created, &case.rejected) {
                (Ok(()), None) => started.push(Object::from_value(object)),
                (Err(_), Some(_)) => return Ok(Vec::new()),
                (Ok(()), Some(text)) => bail!("it was accepted and should have been refused: {text}"),
                (Err(error), None) => return Err(error),
            }
        } else if let Err(error) = create(world, object).await {
            if case.rejected.is_some() {
                return Ok(Vec::new());
            }
            return Err(error);
        }
    }
    let mut all = Vec::new();
    if started.len() != case.recorded.len() {
        all.push(format!("! {} workflows instead of {}", started.len(), case.recorded.len()));
    }
    for (object, recorded) in started.iter().zip(&case.recorded) {
        let ended = ended(world, &object.key()).await?;
        all.extend(differences(&normalise(ended.value()), recorded));
    }
    Ok(all)
}

async fn create(world: &World, object: Value) -> Result<()> {
    let object = Object::from_value(object);
    let name = format!("{} {}", object.gvk().kind, object.name());
    match world.context.applier().apply(&Change::create(object)).await {
        Ok(_) => Ok(()),
        Err(error) => bail!("creating {name}: {error}"),
    }
}

/// In this namespace; cluster-scoped kinds keep out of it.
fn placed(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "ClusterWorkflowTemplate" | "Namespace" | "ClusterRole" | "ClusterRoleBinding") {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// Gives a workflow the name that the API server would make of its `generateName`.
fn name(object: &mut Value, namespace: &str) {
    let meta = &object["metadata"];
    let own = meta.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if own.is_empty() {
        let stem = meta.get("generateName").and_then(Value::as_str).unwrap_or_default();
        let end: String = namespace.chars().filter(char::is_ascii_alphanumeric).collect();
        let end = &end[end.len().saturating_sub(8)..];
        object["metadata"]["name"] = format!("{stem}{end}").into();
    }
}

async fn ended(world: &World, key: &ObjectKey) -> Result<Object> {
    let target = ObjectRef::new(Workflow::gvk(), Some(key.namespace()), &key.name);
    let start = Instant::now();
    loop {
        let object = world.context.get(&target).await?;
        let Some(object) = object else { bail!("the workflow is gone") };
        if object.label(LABEL_COMPLETED) == Some("true") {
            return Ok(object);
        }
        if start.elapsed() > world.timeout {
            let nodes = object.pointer("/status/nodes").and_then(Value::as_object);
            let open = nodes.into_iter().flat_map(|it| it.values()).filter_map(|it| {
                let text = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default();
                matches!(text("phase"), "Running" | "Pending")
                    .then(|| format!("{} ({}: {})", text("name"), text("phase"), text("message")))
            });
            let open: Vec<String> = open.collect();
            bail!("not over after {:?}: {}; open: {}", world.timeout, object.text("/status/phase"), open.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
