//! Writers, watchers and mishaps, all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use argo_embedded::{Cluster, ListFilter, WatchKind};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use super::history::{Answer, Data, History, Kind, Record, Request, Seen, Selection, Watched, name, revision};

/// Longer than any healthy step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: u32 = 5;

pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) writers: u64,
    /// Requests of each writer.
    pub(super) writes: u64,
    pub(super) watchers: u64,
    pub(super) compactions: u64,
}

/// What the writers share.
#[derive(Clone)]
struct Stage {
    maps: Api<ConfigMap>,
    ticks: Arc<AtomicU64>,
    /// Held by each request; taken alone by a compaction, so that the log that is checked misses nothing.
    gate: Arc<RwLock<()>>,
}

pub(super) async fn run(cluster: &Cluster, client: &kube::Client, plan: &Plan) -> History {
    let stage = Stage {
        maps: Api::default_namespaced(client.clone()),
        ticks: Arc::new(AtomicU64::new(10)),
        gate: Arc::default(),
    };
    let start = cluster.revision();
    let logged = Arc::new(AtomicU64::new(start));
    let log = tokio::spawn(log(cluster.clone(), start, logged.clone()));
    let watchers: Vec<JoinHandle<Watched>> = (0..plan.watchers)
        .map(|number| {
            let rng = StdRng::seed_from_u64(plan.seed << 16 | 0x100 | number);
            tokio::spawn(watch(stage.maps.clone(), selection(number), rng))
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let mishaps = tokio::spawn(mishaps(cluster.clone(), stage.clone(), logged, plan.compactions, done.clone()));
    let writers: Vec<JoinHandle<Vec<Record>>> = (0..plan.writers)
        .map(|number| {
            tokio::spawn(write(stage.clone(), number, plan.writes, StdRng::seed_from_u64(plan.seed << 16 | number)))
        })
        .collect();
    let mut records = Vec::new();
    for writer in writers {
        records.extend(writer.await.expect("a writer"));
    }
    done.store(true, Ordering::SeqCst);
    mishaps.await.expect("mishaps");
    // The last words: one for each selection.
    for (name, team) in [("m0", "a"), ("end-a", "a"), ("end-b", "b")] {
        let data = Data::from([("end".to_owned(), name.to_owned())]);
        for request in [
            Request::Delete { name: name.to_owned(), expected: None },
            Request::Create { name: name.to_owned(), team: team.to_owned(), data },
        ] {
            records.push(stage.ask(request).await);
        }
    }
    let mut watched = Vec::new();
    for watcher in watchers {
        watched.push(
            tokio::time::timeout(PATIENCE, watcher).await.expect("the watch comes to its end").expect("a watcher"),
        );
    }
    let log = tokio::time::timeout(PATIENCE, log).await.expect("the log comes to its end").expect("the log");
    History { start, log, records, watched }
}

fn selection(number: u64) -> Selection {
    match number % 5 {
        0 => Selection::All,
        1 => Selection::Team("a".to_owned()),
        2 => Selection::Name("m0".to_owned()),
        3 => Selection::Team("b".to_owned()),
        _ => Selection::NotTeam("a".to_owned()),
    }
}

fn is_end(selection: &Selection, map: &ConfigMap) -> bool {
    let last = match selection {
        Selection::Name(_) => "m0",
        Selection::Team(team) if team == "a" => "end-a",
        _ => "end-b",
    };
    map.data.as_ref().and_then(|data| data.get("end")).is_some_and(|it| it == last)
}

/// Every change, from a watch that nothing befalls.
async fn log(cluster: Cluster, start: u64, logged: Arc<AtomicU64>) -> Vec<(Kind, ConfigMap)> {
    let direct = cluster.direct("log");
    let open = |from| direct.watch("configmaps", "default", &ListFilter::default(), Some(from)).expect("a watch");
    let mut log: Vec<(Kind, ConfigMap)> = Vec::new();
    let mut watch = open(start);
    loop {
        let Some(event) = watch.next().await else {
            // Cut with all others.
            watch = open(logged.load(Ordering::SeqCst));
            continue;
        };
        let event = event.expect("it is never behind a compaction");
        let kind = match event.kind {
            WatchKind::Added => Kind::Added,
            WatchKind::Modified => Kind::Modified,
            WatchKind::Deleted => Kind::Deleted,
        };
        let map: ConfigMap = serde_json::from_value((*event.object).clone()).expect("a config map");
        logged.store(revision(&map), Ordering::SeqCst);
        let end = kind == Kind::Added && is_end(&Selection::All, &map);
        log.push((kind, map));
        if end {
            return log;
        }
    }
}

/// Cuts watches, and forgets the log from time to time.
async fn mishaps(cluster: Cluster, stage: Stage, logged: Arc<AtomicU64>, compactions: u64, done: Arc<AtomicBool>) {
    let mut compacted = 0;
    for round in 0.. {
        if done.load(Ordering::SeqCst) && compacted >= compactions {
            return;
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
        cluster.faults().cut_watches();
        if round % 2 == 1 && compacted < compactions {
            let _alone = stage.gate.write().await;
            while logged.load(Ordering::SeqCst) < cluster.revision() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            cluster.compact().expect("compacted");
            compacted += 1;
        }
    }
}

async fn write(stage: Stage, writer: u64, requests: u64, mut rng: StdRng) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for number in 0..requests {
        let name = format!("m{}", rng.random_range(0..NAMES));
        let team = if rng.random_bool(0.5) { "a" } else { "b" }.to_owned();
        // No two writes write the same.
        let value = format!("{writer}-{number}");
        let data = Data::from([("value".to_owned(), value.clone())]);
        // What this writer last saw of the object: often no longer the latest.
        let known = records.iter().rev().find_map(|record| match &record.answer {
            Answer::Object(map) if self::name(map) == name => Some(revision(map)),
            _ => None,
        });
        let request = match rng.random_range(0..100) {
            0..25 => Request::Create { name, team, data },
            25..35 => Request::Update { name, team, data, expected: None },
            35..50 => Request::Update { name, team, data, expected: known },
            50..65 => Request::Patch { name, key: format!("w{writer}"), value },
            65..72 => Request::Delete { name, expected: None },
            72..76 => Request::Delete { name, expected: known },
            76..79 => Request::DeleteCollection { team },
            79..90 => Request::Get { name },
            _ => Request::List { selection: selection(rng.random_range(0..5)) },
        };
        records.push(stage.ask(request).await);
    }
    records
}

fn map(name: &str, team: &str, data: &Data, expected: Option<u64>) -> ConfigMap {
    let mut map = ConfigMap { data: Some(data.clone()), ..ConfigMap::default() };
    map.metadata.name = Some(name.to_owned());
    map.metadata.labels = Some([("team".to_owned(), team.to_owned())].into());
    map.metadata.resource_version = expected.map(|revision| revision.to_string());
    map
}

fn listing(selection: &Selection) -> ListParams {
    match selection {
        Selection::All => ListParams::default(),
        Selection::Team(team) => ListParams::default().labels(&format!("team={team}")),
        Selection::NotTeam(team) => ListParams::default().labels(&format!("team!={team}")),
        Selection::Name(name) => ListParams::default().fields(&format!("metadata.name={name}")),
    }
}

impl Stage {
    async fn ask(&self, request: Request) -> Record {
        let _gate = self.gate.read().await;
        let start = self.ticks.fetch_add(1, Ordering::SeqCst);
        let answer = tokio::time::timeout(PATIENCE, self.answer(&request)).await.expect("an answer");
        let end = self.ticks.fetch_add(1, Ordering::SeqCst);
        let answer = answer.unwrap_or_else(|error| match error {
            kube::Error::Api(status) => Answer::Refused(status.code, status.reason.clone()),
            other => panic!("{request:?}: {other}"),
        });
        Record { start, end, request, answer }
    }

    async fn answer(&self, request: &Request) -> Result<Answer, kube::Error> {
        let (maps, post) = (&self.maps, PostParams::default());
        Ok(match request {
            Request::Create { name, team, data } => {
                Answer::Object(maps.create(&post, &map(name, team, data, None)).await?)
            }
            Request::Update { name, team, data, expected } => {
                Answer::Object(maps.replace(name, &post, &map(name, team, data, *expected)).await?)
            }
            Request::Patch { name, key, value } => {
                let patch = Patch::Merge(json!({ "data": { key: value } }));
                Answer::Object(maps.patch(name, &PatchParams::default(), &patch).await?)
            }
            Request::Delete { name, expected } => {
                let preconditions =
                    expected.map(|it| Preconditions { resource_version: Some(it.to_string()), uid: None });
                let params = DeleteParams { preconditions, ..DeleteParams::default() };
                let uid = maps.delete(name, &params).await?.right().and_then(|status| status.details).map(|it| it.uid);
                Answer::Deleted(vec![uid.expect("the answer tells what was deleted")])
            }
            Request::DeleteCollection { team } => {
                let list = listing(&Selection::Team(team.clone()));
                let gone = maps.delete_collection(&DeleteParams::default(), &list).await?.left().expect("a list");
                Answer::Deleted(gone.items.into_iter().filter_map(|map| map.metadata.uid).collect())
            }
            Request::Get { name } => Answer::Object(maps.get(name).await?),
            Request::List { selection } => {
                let list = maps.list(&listing(selection)).await?;
                let at = list.metadata.resource_version.and_then(|it| it.parse().ok()).expect("a revision");
                Answer::List(at, list.items)
            }
        })
    }
}

/// Watches until the last word, letting go of the stream at random and going on from where it was.
async fn watch(maps: Api<ConfigMap>, selection: Selection, mut rng: StdRng) -> Watched {
    let params = listing(&selection);
    let mut wanted = WatchParams {
        label_selector: params.label_selector.clone(),
        field_selector: params.field_selector.clone(),
        ..WatchParams::default()
    };
    wanted = wanted.timeout(200);
    let mut seen = Vec::new();
    'list: loop {
        let list = maps.list(&params).await.expect("a list");
        let mut cursor: u64 = list.metadata.resource_version.and_then(|it| it.parse().ok()).expect("a revision");
        let over = list.items.iter().any(|map| is_end(&selection, map));
        seen.push(Seen::List(cursor, list.items));
        if over {
            return Watched { selection, seen };
        }
        loop {
            let mut left: u32 = if rng.random_bool(0.5) { rng.random_range(1..8) } else { u32::MAX };
            let mut stream = maps.watch(&wanted, &cursor.to_string()).await.expect("a watch").boxed();
            seen.push(Seen::Resumed(cursor));
            while left > 0 {
                let Some(event) = stream.next().await else { break };
                let (kind, map) = match event {
                    Ok(WatchEvent::Added(map)) => (Kind::Added, map),
                    Ok(WatchEvent::Modified(map)) => (Kind::Modified, map),
                    Ok(WatchEvent::Deleted(map)) => (Kind::Deleted, map),
                    Ok(WatchEvent::Bookmark(bookmark)) => {
                        cursor = bookmark.metadata.resource_version.parse().expect("a revision");
                        seen.push(Seen::Bookmark(cursor));
                        continue;
                    }
                    Ok(WatchEvent::Error(status)) if status.code == 410 => continue 'list,
                    other => panic!("{other:?}"),
                };
                cursor = revision(&map);
                let over = kind != Kind::Deleted && is_end(&selection, &map);
                seen.push(Seen::Event(kind, map));
                if over {
                    return Watched { selection, seen };
                }
                left -= 1;
            }
        }
    }
}
