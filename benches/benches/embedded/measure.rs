//! The questions, asked of each target in the same way.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argo_embedded::ListFilter;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::Result;
use crate::target::Target;

/// Requests under way at a time.
const TOGETHER: usize = 32;
/// Watches of the fan-out.
const WATCHES: usize = 1_000;

/// Questions and answers about one target.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<(&'static str, String)>,
}

pub(crate) async fn all(target: Target) -> Result<Figures> {
    let mut rows = vec![("start-up until it answers", time(target.start))];
    let maps: Api<ConfigMap> = Api::namespaced(target.client.clone(), "default");
    let requests = number("EMBEDDED_BENCH_SCALE", 1) * 4_000;
    let post = PostParams::default();
    // Past the first connections and caches.
    together(TOGETHER * 4, |at| create(maps.clone(), format!("warm-{at}"))).await?;

    let alone = number("EMBEDDED_BENCH_SCALE", 1) * 500;
    let began = Instant::now();
    for at in 0..alone {
        create(maps.clone(), format!("alone-{at}")).await?;
    }
    rows.push(("create, one client after another", rate(alone, began)));

    let began = Instant::now();
    together(requests, |at| create(maps.clone(), format!("many-{at}"))).await?;
    rows.push(("create, 32 at a time", rate(requests, began)));

    let began = Instant::now();
    together(requests, |at| {
        let (maps, post) = (maps.clone(), post.clone());
        async move {
            Ok(maps.replace(&format!("many-{at}"), &post, &map(&format!("many-{at}"), "second")).await.map(|_| ())?)
        }
    })
    .await?;
    rows.push(("update, 32 at a time", rate(requests, began)));

    let began = Instant::now();
    together(requests, |at| {
        let maps = maps.clone();
        let patch = Patch::Merge(json!({ "data": { "more": "third" } }));
        async move { Ok(maps.patch(&format!("many-{at}"), &PatchParams::default(), &patch).await.map(|_| ())?) }
    })
    .await?;
    rows.push(("merge patch, 32 at a time", rate(requests, began)));

    let began = Instant::now();
    together(requests, |at| {
        let maps = maps.clone();
        let name = format!("many-{at}");
        let patch = Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "applied": "fourth" } }));
        async move { Ok(maps.patch(&name, &PatchParams::apply("bench"), &patch).await.map(|_| ())?) }
    })
    .await?;
    rows.push(("server-side apply, 32 at a time", rate(requests, began)));

    let began = Instant::now();
    together(requests, |at| {
        let maps = maps.clone();
        async move { Ok(maps.get(&format!("many-{at}")).await.map(|_| ())?) }
    })
    .await?;
    rows.push(("get, 32 at a time", rate(requests, began)));

    rows.push(("one write until 1,000 watches have it", time(fan_out(&target).await?)));
    maps.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    rest(&target, &mut rows).await?;
    Ok(Figures { name: target.name, rows })
}

/// Lists and memory, with a store that holds many objects.
async fn rest(target: &Target, rows: &mut Vec<(&'static str, String)>) -> Result<()> {
    let objects = number("EMBEDDED_BENCH_OBJECTS", 10_000);
    // What the rounds before left behind is taken up by the first objects; the figure is the slope behind them.
    let maps: Api<ConfigMap> = Api::namespaced(target.client.clone(), "default");
    together(objects, |at| create(maps.clone(), format!("first-{at}"))).await?;
    let lists: Api<ConfigMap> = Api::all(target.client.clone());

    let mut texts = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let request = http::Request::get("/api/v1/namespaces/default/configmaps").body(Vec::new())?;
        let text = target.client.request_text(request).await?;
        texts.push((began.elapsed(), text.len()));
    }
    texts.sort();
    rows.push((
        "list of 10,000, to its last byte",
        format!("{} ({:.1} MB)", time(texts[2].0), texts[2].1 as f64 / 1e6),
    ));

    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let items = lists.list(&ListParams::default()).await?.items.len();
        times.push(began.elapsed());
        assert!(items >= objects, "{items} of {objects} are listed");
    }
    times.sort();
    rows.push(("list of 10,000, to typed objects", time(times[2])));
    if let Some(cluster) = &target.cluster {
        let direct = cluster.direct("bench");
        let began = Instant::now();
        let items = direct.list("configmaps", "default", &ListFilter::default())?.items.len();
        let took = began.elapsed();
        assert!(items >= objects, "{items} of {objects} are listed");
        rows.push(("list of 10,000, without HTTP or copies", time(took)));
    } else {
        rows.push(("list of 10,000, without HTTP or copies", "–".to_owned()));
    }

    let before = settled(target).await?;
    together(objects * 2, |at| create(maps.clone(), format!("second-{at}"))).await?;
    let per_map = settled(target).await?.saturating_sub(before) / (objects as u64 * 2);
    rows.push(("memory per ConfigMap of 1 kB", bytes(per_map)));

    let before = settled(target).await?;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(target.client.clone(), "default");
    together(objects, |at| {
        let pods = pods.clone();
        async move { Ok(pods.create(&PostParams::default(), &pod(at)).await.map(|_| ())?) }
    })
    .await?;
    let per_pod = settled(target).await?.saturating_sub(before) / objects as u64;
    rows.push(("memory per Pod", bytes(per_pod)));
    rows.push(("resident memory at the end", bytes(settled(target).await?)));
    Ok(())
}

/// Memory once nothing is under way any more.
async fn settled(target: &Target) -> Result<u64> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    target.memory()
}

/// Opens many watches, and times how long a write takes to reach the last of them: the median of several writes.
async fn fan_out(target: &Target) -> Result<Duration> {
    let maps: Api<ConfigMap> = Api::namespaced(target.client.clone(), "default");
    let start =
        maps.create(&PostParams::default(), &map("fan-out", "0")).await?.metadata.resource_version.unwrap_or_default();
    let heard = Arc::new(AtomicUsize::new(0));
    let all = Arc::new(tokio::sync::Notify::new());
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        let uri = format!("/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={start}");
        let lines = target.client.request_stream(http::Request::get(uri).body(Vec::new())?).await?;
        let (heard, all) = (heard.clone(), all.clone());
        watches.push(tokio::spawn(async move {
            let mut lines = Box::pin(lines.lines());
            while let Some(Ok(_)) = lines.next().await {
                if (heard.fetch_add(1, Ordering::SeqCst) + 1) % WATCHES == 0 {
                    all.notify_one();
                }
            }
        }));
    }
    let mut times = Vec::new();
    for round in 1..=21 {
        let patch = Patch::Merge(json!({ "data": { "text": round.to_string() } }));
        let began = Instant::now();
        maps.patch("fan-out", &PatchParams::default(), &patch).await?;
        tokio::time::timeout(Duration::from_secs(60), all.notified()).await?;
        times.push(began.elapsed());
    }
    watches.iter().for_each(tokio::task::JoinHandle::abort);
    times.sort();
    Ok(times[times.len() / 2])
}

async fn create(maps: Api<ConfigMap>, name: String) -> Result<()> {
    maps.create(&PostParams::default(), &map(&name, "first")).await?;
    Ok(())
}

fn map(name: &str, text: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.metadata.labels = Some([("app".to_owned(), "bench".to_owned())].into());
    map.data = Some([("text".to_owned(), text.to_owned()), ("fill".to_owned(), "x".repeat(600))].into());
    map
}

fn pod(at: usize) -> k8s_openapi::api::core::v1::Pod {
    let container = json!({
        "name": "main", "image": "registry.example.com/shop/web:1.2.3", "ports": [{ "name": "http", "containerPort": 8080 }],
        "env": [{ "name": "MODE", "value": "production" }, { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
        "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } },
        "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" } },
    });
    let pod = json!({ "metadata": { "name": format!("pod-{at}"), "labels": { "app": "web", "pod-template-hash": "5d4f8c7b9" } }, "spec": { "containers": [container] } });
    serde_json::from_value(pod).expect("a pod")
}

/// Makes `count` requests, so many at a time.
async fn together<F: Future<Output = Result<()>>>(count: usize, request: impl Fn(usize) -> F) -> Result<()> {
    futures::stream::iter(0..count).map(request).buffer_unordered(TOGETHER).try_collect::<()>().await
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn rate(count: usize, began: Instant) -> String {
    format!("{:.0}/s", count as f64 / began.elapsed().as_secs_f64())
}

fn time(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}
