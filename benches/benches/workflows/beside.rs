//! Both controllers over the same workflows, one after the other.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use argo_benches::{Result, Running, Used};

use crate::work::{self, Work};

/// Requests of this program under way at a time.
const TOGETHER: usize = 16;
/// How long all workflows together may take.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One controller over one piece of work.
struct Figures {
    wall: f64,
    used: Used,
}

pub(crate) async fn compare() -> Result<()> {
    let works: Vec<Work> = work::all().into_iter().filter(|it| crate::SIZES.wanted(it.name)).collect();
    if works.is_empty() {
        return Ok(());
    }
    let (Ok(_), Ok(upstream)) = (std::env::var("KUBECONFIG"), std::env::var("WORKFLOW_CONTROLLER")) else {
        eprintln!(
            "skipped: beside upstream (set KUBECONFIG to a cluster with kwok nodes, WORKFLOW_CONTROLLER to upstream's program)"
        );
        return Ok(());
    };
    let client = argo_benches::client().await?;
    argo_benches::install(&client, argo_workflows::api::crds()).await?;
    println!("| | | wall time | processor time | peak memory | requests | a node with a pod |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for work in &works {
        for (name, program) in [("argo-workflows", None), ("upstream", Some(upstream.as_str()))] {
            eprintln!("{}: {name} …", work.question);
            let Figures { wall, used } = measure(&client, work, program).await?;
            println!(
                "| {} | {name} | {wall:.1} s | {:.2} s | {:.0} MB | {} | {:.2} |",
                work.question,
                used.processor,
                used.memory as f64 / 1e6,
                used.requests,
                used.requests as f64 / work.pods as f64
            );
        }
    }
    Ok(())
}

async fn measure(client: &kube::Client, work: &Work, program: Option<&str>) -> Result<Figures> {
    let namespace = format!("bench-{}-{}", work.name, if program.is_some() { "upstream" } else { "ours" });
    argo_benches::fresh(client, &namespace).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let map = json!({
        "metadata": {"name": "workflow-controller-configmap"},
        "data": {"metricsConfig": "enabled: true\nsecure: false\nport: 9090\n"},
    });
    maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
    let reporter = tokio::spawn(report(client.clone(), namespace.clone()));
    let controller = match program {
        Some(program) => crate::upstream(program, &namespace)?,
        None => Running::ours(&namespace)?,
    };
    tokio::time::sleep(Duration::from_secs(5)).await;

    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Workflow"));
    let workflows: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let began = Instant::now();
    let create = work.workflows.iter().map(|workflow| {
        let (workflows, mut workflow) = (&workflows, workflow.clone());
        workflow["metadata"]["namespace"] = namespace.as_str().into();
        async move {
            let object: DynamicObject = serde_json::from_value(workflow)?;
            workflows.create(&PostParams::default(), &object).await?;
            Result::Ok(())
        }
    });
    futures::stream::iter(create).buffer_unordered(TOGETHER).try_collect::<()>().await?;
    let completed = ListParams::default().labels("workflows.argoproj.io/completed=true");
    loop {
        let done = workflows.list_metadata(&completed).await?.items;
        if done.len() == work.workflows.len() {
            let failed =
                completed.clone().labels("workflows.argoproj.io/completed=true,workflows.argoproj.io/phase!=Succeeded");
            let failed = workflows.list_metadata(&failed).await?.items.len();
            if failed > 0 {
                return Err(format!("{failed} of {} workflows did not succeed", done.len()).into());
            }
            break;
        }
        if began.elapsed() > PATIENCE {
            return Err(
                format!("{} of {} workflows are over after {PATIENCE:?}", done.len(), work.workflows.len()).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let wall = began.elapsed().as_secs_f64();
    // What comes after the end belongs to it, too.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = controller.end()?;
    reporter.abort();
    argo_benches::gone(client, &namespace).await?;
    Ok(Figures { wall, used })
}

/// Stands in for the executors in the pods: a report for each that runs.
async fn report(client: kube::Client, namespace: String) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "WorkflowTaskResult"));
    let reports: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    let running = watcher(pods, watcher::Config::default().fields("status.phase=Running")).applied_objects();
    running
        .try_for_each_concurrent(TOGETHER, |pod| {
            let reports = reports.clone();
            async move {
                let meta = &pod.metadata;
                let read = |map: &Option<std::collections::BTreeMap<String, String>>, key: &str| {
                    map.as_ref().and_then(|it| it.get(key)).cloned().unwrap_or_default()
                };
                let node = read(&meta.annotations, "workflows.argoproj.io/node-id");
                let workflow = read(&meta.labels, "workflows.argoproj.io/workflow");
                let report = json!({
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTaskResult",
                    "metadata": {
                        "name": node, "ownerReferences": meta.owner_references,
                        "labels": {
                            "workflows.argoproj.io/workflow": workflow,
                            "workflows.argoproj.io/report-outputs-completed": "true",
                        },
                    },
                    "outputs": {},
                });
                if let Ok(report) = serde_json::from_value(report) {
                    // It may be there: a pod is seen more than once.
                    let _ = reports.create(&PostParams::default(), &report).await;
                }
                Ok(())
            }
        })
        .await?;
    Ok(())
}
