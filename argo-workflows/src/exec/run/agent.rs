//! `agent`: does the tasks of a workflow's WorkflowTaskSet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Read as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use argo_core::ObjectKey;
use futures::StreamExt as _;
use kube::{
    Api, Client, Error,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
    runtime::watcher::{self, Event},
};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc},
    task::AbortHandle,
};

use super::{Settings, report};
use crate::{
    api::{GROUP, LABEL_COMPLETED, NodePhase, NodeResult, Template, VERSION},
    exec::agent::{Agent, HeaderSecrets, Plugin, Workflow},
};

/// How long results are gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// First and longest wait between attempts to write, and how often it is tried.
const BACKOFF: (Duration, Duration, u32) = (Duration::from_secs(1), Duration::from_secs(30), 8);
/// Tasks at once where the environment says nothing.
const WORKERS: usize = 16;
/// Where certificates may be mounted.
const CA_PATH: &str = "/etc/ssl/certs/ca-certificates";

/// `agent init`: makes a token for every plugin.
pub(super) fn init(settings: &Settings) -> Result<(), String> {
    for name in list("ARGO_PLUGIN_NAMES")? {
        let file = token_file(settings, &name)?;
        if file.exists() {
            continue;
        }
        let folder = file.parent().unwrap_or_else(|| Path::new("/"));
        let io = |it: std::io::Error| crate::exec::io_message("write", &file.display().to_string(), &it);
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut random = [0_u8; 24];
        std::fs::File::open("/dev/urandom").and_then(|mut it| it.read_exact(&mut random)).map_err(io)?;
        let mut token = String::new();
        for byte in random {
            let _ = write!(token, "{byte:02x}");
        }
        std::fs::write(&file, token).map_err(io)?;
    }
    Ok(())
}

/// `agent main`: until the workflow is over.
pub(super) async fn main(settings: &Settings) -> Result<(), String> {
    let addresses = list("ARGO_PLUGIN_ADDRESSES")?;
    let mut plugins = Vec::new();
    for (name, address) in list("ARGO_PLUGIN_NAMES")?.iter().zip(&addresses) {
        let file = token_file(settings, name)?;
        let token = std::fs::read_to_string(&file)
            .map_err(|it| crate::exec::io_message("open", &file.display().to_string(), &it))?;
        plugins.push(Plugin::new(address, token.trim()));
    }
    let client = report::client().await?;
    let secrets = ClusterSecrets { client: client.clone(), namespace: settings.namespace.clone() };
    let agent = Agent::new(Arc::new(secrets)).plugins(plugins).roots(roots());
    let workers = std::env::var("ARGO_AGENT_TASK_WORKERS").ok().and_then(|it| it.parse().ok()).unwrap_or(WORKERS);
    let workflow = Workflow {
        key: ObjectKey::new(Some(&settings.namespace), &settings.workflow),
        uid: settings.workflow_uid.clone(),
    };
    serve(client, workflow, agent, workers).await
}

fn list(variable: &str) -> Result<Vec<String>, String> {
    let text = std::env::var(variable).unwrap_or_default();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(|it| format!("{variable}: {it}"))
}

fn token_file(settings: &Settings, plugin: &str) -> Result<std::path::PathBuf, String> {
    if plugin.is_empty() || plugin.contains('/') || plugin.starts_with('.') {
        return Err(format!("'{plugin}' is no name of a plugin"));
    }
    Ok(settings.layout.var_run.join(plugin).join("token"))
}

fn roots() -> Vec<u8> {
    let files = std::fs::read_dir(CA_PATH).into_iter().flatten().flatten();
    let mut pem = Vec::new();
    for bytes in files.filter_map(|it| std::fs::read(it.path()).ok()) {
        pem.extend(bytes);
        pem.push(b'\n');
    }
    pem
}

struct ClusterSecrets {
    client: Client,
    namespace: String,
}

impl std::fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSecrets").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HeaderSecrets for ClusterSecrets {
    async fn read(&self, name: &str, key: &str) -> Result<Vec<u8>, String> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};

        let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Secret"), "secrets");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &kind);
        let secret = api.get(name).await.map_err(|it| match it {
            Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        })?;
        let text = secret.data.pointer("/data").and_then(|it| it.get(key)).and_then(Value::as_str);
        let text = text.ok_or_else(|| format!("secret '{name}' does not have the key '{key}'"))?;
        STANDARD.decode(text).map_err(|_| format!("the key '{key}' of secret '{name}' is no base64"))
    }
}

/// Which tasks are under way.
#[derive(Default)]
struct Book {
    running: BTreeMap<String, AbortHandle>,
    done: BTreeSet<String>,
}

impl Book {
    /// Tasks to begin; those that are no longer wanted are ended.
    fn take(&mut self, set: &Value) -> Vec<(String, Template)> {
        let empty = serde_json::Map::new();
        let tasks = set.pointer("/spec/tasks").and_then(Value::as_object).unwrap_or(&empty);
        self.running.retain(|node, task| {
            let wanted = tasks.contains_key(node);
            if !wanted {
                task.abort();
            }
            wanted
        });
        let results = set.pointer("/status/nodes").and_then(Value::as_object).unwrap_or(&empty);
        let is_over = |node: &str| {
            let phase = results.get(node).and_then(|it| it.get("phase")).cloned().unwrap_or_default();
            serde_json::from_value::<NodePhase>(phase).is_ok_and(NodePhase::is_fulfilled)
        };
        let new = tasks.iter().filter(|(node, it)| {
            // An agent that was here before may have done it: an endpoint is not called twice for one node.
            it.is_object() && !self.running.contains_key(*node) && !self.done.contains(*node) && !is_over(node)
        });
        new.map(|(node, it)| (node.clone(), serde_json::from_value(it.clone()).unwrap_or_default())).collect()
    }
}

/// Does the tasks of a workflow until it is over.
///
/// # Errors
/// When the set can not be watched, for good.
pub async fn serve(client: Client, workflow: Workflow, agent: Agent, workers: usize) -> Result<(), String> {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, "WorkflowTaskSet");
    let kind = ApiResource::from_gvk_with_plural(&kind, "workflowtasksets");
    let api: Api<DynamicObject> = Api::namespaced_with(client, workflow.key.namespace(), &kind);
    let (results, inbox) = mpsc::unbounded_channel::<(String, NodeResult)>();
    let writer = tokio::spawn(write(api.clone(), workflow.key.name.clone(), inbox));
    let (agent, permits) = (Arc::new(agent), Arc::new(Semaphore::new(workers.max(1))));
    let mut book = Book::default();
    let (mut seen, mut listed) = (false, false);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", workflow.key.name));
    let mut events = std::pin::pin!(watcher::watcher(api, config));
    while let Some(event) = events.next().await {
        let set = match event {
            Ok(Event::Apply(set) | Event::InitApply(set)) => set,
            Ok(Event::Delete(_)) => break,
            Ok(Event::Init) => {
                listed = false;
                continue;
            }
            // It was there, and a new list does not have it.
            Ok(Event::InitDone) if seen && !listed => break,
            Ok(Event::InitDone) => continue,
            Err(
                watcher::Error::InitialListFailed(Error::Api(it)) | watcher::Error::WatchStartFailed(Error::Api(it)),
            ) if it.code == 403 => {
                return Err(format!(
                    "{} (the pod's ServiceAccount needs list and watch on workflowtasksets.argoproj.io and patch on workflowtasksets/status, see https://argo-workflows.readthedocs.io/en/latest/workflow-rbac/)",
                    it.message
                ));
            }
            Err(error) => {
                eprintln!("watching the task set: {error}");
                tokio::time::sleep(BACKOFF.0).await;
                continue;
            }
        };
        (seen, listed) = (true, true);
        let owners = set.metadata.owner_references.iter().flatten();
        if !owners.map(|it| &it.uid).any(|it| *it == workflow.uid) {
            continue;
        }
        if set.metadata.labels.as_ref().and_then(|it| it.get(LABEL_COMPLETED)).is_some_and(|it| it == "true") {
            break;
        }
        for (node, template) in book.take(&set.data) {
            let (agent, permits, results) = (agent.clone(), permits.clone(), results.clone());
            let (workflow, own) = (workflow.clone(), node.clone());
            let task = tokio::spawn(async move {
                loop {
                    let Ok(permit) = permits.acquire().await else { return };
                    let progress = agent.run(&workflow, &template).await;
                    drop(permit);
                    let _ = results.send((own.clone(), progress.result));
                    match progress.again {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => return,
                    }
                }
            });
            book.done.insert(node.clone());
            book.running.insert(node, task.abort_handle());
        }
    }
    drop(results);
    book.running.values().for_each(AbortHandle::abort);
    writer.abort();
    Ok(())
}

/// Writes results as they come, several at once where they come together.
async fn write(api: Api<DynamicObject>, set: String, mut inbox: mpsc::UnboundedReceiver<(String, NodeResult)>) {
    let mut open: BTreeMap<String, NodeResult> = BTreeMap::new();
    while let Some((node, result)) = inbox.recv().await {
        open.insert(node, result);
        tokio::time::sleep(GATHER).await;
        while let Ok((node, result)) = inbox.try_recv() {
            open.insert(node, result);
        }
        if let Err(message) = patch(&api, &set, &open).await {
            // What is in it may be the reason: a short text instead, so that nobody waits for nothing.
            let text = format!(
                "HTTP request completed successfully but an error occurred when patching its result: {message}"
            );
            for it in open.values_mut() {
                *it =
                    NodeResult { phase: Some(NodePhase::Error), message: Some(text.clone()), ..NodeResult::default() };
            }
            if let Err(error) = patch(&api, &set, &open).await {
                eprintln!("patching the task set: {error}");
                continue;
            }
        }
        open.clear();
    }
}

async fn patch(api: &Api<DynamicObject>, set: &str, nodes: &BTreeMap<String, NodeResult>) -> Result<(), String> {
    let body = json!({"status": {"nodes": nodes}});
    let mut wait = BACKOFF.0;
    for attempt in 1.. {
        let error = match api.patch_status(set, &PatchParams::default(), &Patch::Merge(&body)).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let lasting =
            matches!(&error, Error::Api(it) if (400..500).contains(&it.code) && it.code != 429 && it.code != 409);
        if lasting || attempt >= BACKOFF.2 {
            return Err(error.to_string());
        }
        eprintln!("patching the task set (attempt {attempt}): {error}");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_begun_once_and_ended_when_nobody_wants_it() {
        let mut book = Book::default();
        let set = json!({"spec": {"tasks": {"a": {"http": {"url": "u"}}, "b": {"http": {"url": "u"}}, "c": {}}},
            "status": {"nodes": {"b": {"phase": "Succeeded"}, "c": {"phase": "Running"}}}});
        let begun: Vec<String> = book.take(&set).into_iter().map(|it| it.0).collect();
        assert_eq!(begun, ["a", "c"], "what an earlier agent did is not done again");
        let task = tokio::spawn(std::future::pending::<()>());
        book.running.insert("a".to_owned(), task.abort_handle());
        book.done.insert("a".to_owned());
        assert_eq!(book.take(&set).len(), 1);
        assert!(book.take(&json!({"spec": {}})).is_empty());
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(book.take(&set).len(), 1, "a task that was ended is not begun again");
    }
}
