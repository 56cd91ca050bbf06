//! Both controllers over the same Rollouts, one after the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use argo_benches::{Result, Running, Used};
use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::{SIZES, work};

/// Requests of this program under way at a time.
const TOGETHER: usize = 16;
/// How long all Rollouts together may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long Rollouts are watched while nothing happens.
const QUIET: Duration = Duration::from_secs(60);

pub(crate) async fn compare() -> Result<()> {
    let wanted = ["update", "idle"].map(|it| SIZES.wanted(it));
    if wanted == [false, false] {
        return Ok(());
    }
    let (Ok(_), Ok(upstream)) = (std::env::var("KUBECONFIG"), std::env::var("ROLLOUTS_CONTROLLER")) else {
        eprintln!(
            "skipped: beside upstream (set KUBECONFIG to a cluster with kwok nodes, ROLLOUTS_CONTROLLER to upstream's program)"
        );
        return Ok(());
    };
    let client = argo_benches::client().await?;
    argo_benches::install(&client, argo_rollouts::api::crds()).await?;
    let programs = [("argo-rollouts", None), ("upstream", Some(upstream.as_str()))];
    if wanted[0] {
        update(&client, programs).await?;
    }
    if wanted[1] {
        idle(&client, programs).await?;
    }
    Ok(())
}

fn start(program: Option<&str>, namespace: &str) -> Result<Running> {
    program.map_or_else(|| Running::ours(namespace), |it| crate::upstream(it, namespace))
}

fn rollouts(client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout"));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

async fn update(client: &kube::Client, programs: [(&str, Option<&str>); 2]) -> Result<()> {
    let count = SIZES.scaled(1_000);
    println!(
        "| {count} Rollouts get a new image | until all are Healthy | processor time | peak memory | requests | a Rollout |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, program) in programs {
        eprintln!("an update of {count}: {name} …");
        let namespace = format!("bench-rollouts-{name}");
        argo_benches::fresh(client, &namespace).await?;
        let api = rollouts(client, &namespace);
        create(&api, (0..count).map(|at| work::busy(at, &namespace))).await?;
        // Deployed by a process of its own, so that its work does not count.
        let first = start(program, &namespace)?;
        healthy(&api, count, "shop:v1").await?;
        drop(first);
        let controller = start(program, &namespace)?;
        settled(&controller).await?;
        let before = controller.used()?;
        let began = Instant::now();
        let body = work::image("shop:v2");
        let changes = (0..count).map(|at| {
            let (api, body) = (&api, Patch::Merge(&body));
            async move { api.patch(&format!("app-{at}"), &PatchParams::default(), &body).await.map(drop) }
        });
        let (changed, done) = futures::join!(
            futures::stream::iter(changes).buffer_unordered(TOGETHER).try_collect::<()>(),
            healthy(&api, count, "shop:v2")
        );
        changed?;
        done?;
        let wall = began.elapsed().as_secs_f64();
        // What comes after the end belongs to it, too.
        settled(&controller).await?;
        let Used { processor, memory, requests, .. } = controller.end()?;
        println!(
            "| {name} | {wall:.1} s | {:.2} s | {:.0} MB | {requests} | {:.1} |",
            processor - before.processor,
            memory as f64 / 1e6,
            requests as f64 / count as f64
        );
        argo_benches::gone(client, &namespace).await?;
    }
    println!();
    Ok(())
}

async fn idle(client: &kube::Client, programs: [(&str, Option<&str>); 2]) -> Result<()> {
    let count = SIZES.scaled(10_000);
    let namespace = "bench-rollouts-idle";
    argo_benches::fresh(client, namespace).await?;
    let api = rollouts(client, namespace);
    create(&api, (0..count).map(|at| work::idle(at, namespace))).await?;
    let first = start(None, namespace)?;
    healthy(&api, count, "shop:v1").await?;
    settled(&first).await?;
    drop(first);
    println!(
        "| {count} Rollouts, nothing happens | until it is quiet | processor time for that | then, in a minute | memory | at its peak |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, program) in programs {
        eprintln!("{count} idle ones: {name} …");
        let began = Instant::now();
        let controller = start(program, namespace)?;
        let quiet_after = settled(&controller).await?;
        let ready = quiet_after.duration_since(began).as_secs_f64();
        let before = controller.used()?;
        tokio::time::sleep(QUIET).await;
        let used = controller.used()?;
        println!(
            "| {name} | {ready:.1} s | {:.2} s | {:.2} s | {:.0} MB | {:.0} MB |",
            before.processor,
            used.processor - before.processor,
            used.resident as f64 / 1e6,
            used.memory as f64 / 1e6
        );
    }
    println!();
    argo_benches::gone(client, namespace).await
}

async fn create(api: &Api<DynamicObject>, objects: impl Iterator<Item = Value>) -> Result<()> {
    let create = objects.map(|object| async move {
        let object: DynamicObject = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await?;
        Result::Ok(())
    });
    futures::stream::iter(create).buffer_unordered(TOGETHER).try_collect().await
}

/// Waits until all Rollouts of an image are Healthy.
async fn healthy(api: &Api<DynamicObject>, count: usize, image: &str) -> Result<()> {
    let stream = watcher(api.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let mut stream = std::pin::pin!(stream);
    let mut done = BTreeSet::new();
    let all = async {
        while done.len() < count {
            let object = stream.try_next().await?.ok_or("the watch ended")?;
            let text = |path: &str| object.data.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let observed = object.metadata.generation.unwrap_or_default().to_string();
            let is_done = text("/spec/template/spec/containers/0/image") == image
                && text("/status/phase") == "Healthy"
                && text("/status/observedGeneration") == observed
                && text("/status/stableRS") == text("/status/currentPodHash");
            if is_done {
                done.insert(object.metadata.name.clone());
            }
        }
        Result::Ok(())
    };
    let result = tokio::time::timeout(PATIENCE, all).await;
    result.map_err(|_| format!("{} of {count} Rollouts are Healthy after {PATIENCE:?}", done.len()))?
}

/// Waits until a controller hardly works any more; since when that is so.
async fn settled(controller: &Running) -> Result<Instant> {
    const BETWEEN: Duration = Duration::from_secs(2);
    let began = Instant::now();
    let mut last = controller.used()?.processor;
    let mut quiet: Vec<Instant> = Vec::new();
    while began.elapsed() < PATIENCE {
        tokio::time::sleep(BETWEEN).await;
        let now = controller.used()?.processor;
        if now - last > 0.05 {
            quiet.clear();
        } else {
            quiet.push(Instant::now());
            if quiet.len() == 4 {
                return Ok(quiet[0] - BETWEEN);
            }
        }
        last = now;
    }
    Err("the controller does not come to rest".into())
}
