//! The store against a small model, and on disk.

use std::collections::BTreeMap;

use argo_embedded::store::{EventKind, GroupResource, ObjectKey, Op, Store, StoreError, revision_of};
use argo_embedded::{Cluster, ListFilter, WatchKind};
use kube::api::{ListParams, PostParams};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8),
    Update(u8, u8, bool),
    Delete(u8, bool),
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u8, any::<u8>()).prop_map(|(name, value)| Step::Create(name, value)),
        4 => (0..6u8, any::<u8>(), any::<bool>()).prop_map(|(name, value, stale)| Step::Update(name, value, stale)),
        3 => (0..6u8, any::<bool>()).prop_map(|(name, stale)| Step::Delete(name, stale)),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The store equals a map; revisions count up by one; every past state can be had back until compaction; events replay to the present.
    #[test]
    fn store_equals_its_model(steps in steps()) {
        let things = GroupResource::new("example.com", "things");
        let key = |name: u8| ObjectKey::new(Some("default"), &format!("t{name}"));
        let body = |value: u8| json!({ "metadata": {}, "value": value });
        let mut store = Store::new(1000);
        let mut model: BTreeMap<ObjectKey, (u64, u8)> = BTreeMap::new();
        let mut history: Vec<(u64, BTreeMap<ObjectKey, u8>)> = vec![(0, BTreeMap::new())];
        let mut compacted = 0;
        for step in steps {
            let before = store.revision();
            let expected = |name: u8, stale: bool| model.get(&key(name)).map(|(revision, _)| if stale { revision + 1000 } else { *revision });
            let (outcome, change): (_, Option<(ObjectKey, Option<u8>)>) = match &step {
                Step::Create(name, value) => {
                    let fits = !model.contains_key(&key(*name));
                    (store.apply(&things, Op::Create { key: key(*name), object: body(*value) }), fits.then(|| (key(*name), Some(*value))))
                }
                Step::Update(name, value, stale) => {
                    let fits = model.contains_key(&key(*name)) && !stale;
                    let op = Op::Update { key: key(*name), object: body(*value), expected: expected(*name, *stale) };
                    (store.apply(&things, op), fits.then(|| (key(*name), Some(*value))))
                }
                Step::Delete(name, stale) => {
                    let fits = model.contains_key(&key(*name)) && !stale;
                    (store.apply(&things, Op::Delete { key: key(*name), expected: expected(*name, *stale) }), fits.then(|| (key(*name), None)))
                }
                Step::Compact => {
                    store.compact();
                    compacted = store.revision();
                    continue;
                }
            };
            prop_assert_eq!(outcome.is_ok(), change.is_some());
            match (outcome, change) {
                (Ok(event), Some((key, value))) => {
                    prop_assert_eq!(event.revision, before + 1);
                    prop_assert_eq!(revision_of(&event.object), before + 1);
                    match value {
                        Some(value) => model.insert(key, (event.revision, value)),
                        None => model.remove(&key),
                    };
                    history.push((event.revision, model.iter().map(|(key, (_, value))| (key.clone(), *value)).collect()));
                }
                _ => prop_assert_eq!(store.revision(), before),
            }
        }
        for (revision, state) in &history {
            match store.snapshot_at(&things, None, *revision) {
                Ok(snapshot) => {
                    let items: BTreeMap<ObjectKey, u8> = snapshot.items.into_iter().map(|(key, object)| (key, object["value"].as_u64().expect("a number") as u8)).collect();
                    prop_assert_eq!(&items, state);
                    // Replayed from here, the events lead to the present.
                    let mut replayed = state.clone();
                    for event in store.events_since(&things, *revision).expect("not compacted") {
                        match event.kind {
                            EventKind::Deleted => replayed.remove(&event.key),
                            _ => replayed.insert(event.key.clone(), event.object["value"].as_u64().expect("a number") as u8),
                        };
                    }
                    prop_assert_eq!(&replayed, &history.last().expect("never empty").1);
                }
                Err(StoreError::Compacted { .. }) => prop_assert!(*revision < compacted),
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
}

#[tokio::test]
async fn store_on_disk_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let (revision, uid) = {
        let cluster = Cluster::open(&path).expect("opened");
        cluster.install_crds(&[widgets(true)]).expect("installed");
        let maps = config_maps(&cluster);
        let created =
            maps.create(&PostParams::default(), &config_map("a", json!({ "k": "1" }))).await.expect("created");
        maps.create(&PostParams::default(), &config_map("b", json!({}))).await.expect("created");
        maps.delete("b", &Default::default()).await.expect("deleted");
        (cluster.revision(), created.metadata.uid)
    };
    let cluster = reopen(&path).await;
    assert_eq!(cluster.revision(), revision, "opening writes nothing");
    assert_eq!(config_maps(&cluster).get("a").await.expect("read").metadata.uid, uid);
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    assert_eq!(widgets.list(&ListParams::default()).await.expect("still served").items.len(), 0);
    // The log goes on over the restart: a watch from before sees the delete.
    let mut watch =
        cluster.direct("test").watch("configmaps", "", &ListFilter::default(), Some(revision - 2)).expect("watch");
    let kinds =
        [watch.next().await.expect("event").expect("ok").kind, watch.next().await.expect("event").expect("ok").kind];
    assert_eq!(kinds, [WatchKind::Added, WatchKind::Deleted]);
    let next =
        config_maps(&cluster).create(&PostParams::default(), &config_map("c", json!({}))).await.expect("created");
    assert_eq!(next.metadata.resource_version, Some((revision + 1).to_string()));
    assert_ne!(next.metadata.uid, uid, "uids do not repeat over a restart");
    assert!(Cluster::open(&path).is_err(), "one process at a time");
}

/// The file is free once the last handle of the first cluster is dropped, which clients do a moment later.
async fn reopen(path: &std::path::Path) -> Cluster {
    for _ in 0..200 {
        match Cluster::open(path) {
            Ok(cluster) => return cluster,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    Cluster::open(path).expect("reopened")
}

/// What a killed process leaves behind: run by the test below in a process of its own.
#[test]
fn writer_that_gets_killed() {
    let Ok(path) = std::env::var("ARGO_EMBEDDED_VICTIM") else { return };
    let cluster = Cluster::open(path).expect("opened");
    let start = cluster.revision();
    for writer in 0..WRITERS {
        let direct = cluster.direct("victim");
        std::thread::spawn(move || {
            for number in 0.. {
                let name = format!("m{writer}-{number}");
                let object: Value = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
                let created = direct.create(object).expect("created");
                println!("acknowledged {name} {} .", created["metadata"]["resourceVersion"]);
            }
        });
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let watching = cluster.direct("watcher");
        let mut watch = watching.watch("configmaps", "", &ListFilter::default(), Some(start)).expect("a watch");
        while let Some(event) = watch.next().await {
            let object = event.expect("an event").object;
            let name = object["metadata"]["name"].as_str().expect("a name");
            println!("seen {name} {} .", object["metadata"]["resourceVersion"]);
        }
    });
}

const WRITERS: usize = 8;

#[test]
fn kill_loses_nothing_acknowledged() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let mut victim = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "store::writer_that_gets_killed", "--nocapture"])
        .env("ARGO_EMBEDDED_VICTIM", &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(victim.stdout.take().expect("a pipe")).lines();
    // What writers and the watch were told, until the kill and what was still in the pipe.
    let mut told = BTreeMap::new();
    let mut acknowledged = 0;
    let mut seen = 0;
    let mut note = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [what @ ("acknowledged" | "seen"), name, revision, "."] = words[..] else { return (acknowledged, seen) };
        acknowledged += usize::from(what == "acknowledged");
        seen += usize::from(what == "seen");
        told.insert(name.to_owned(), revision.trim_matches('"').to_owned());
        (acknowledged, seen)
    };
    loop {
        let (acknowledged, seen) = note(&lines.next().expect("goes on").expect("text"));
        if acknowledged >= 200 && seen >= 200 {
            break;
        }
    }
    victim.kill().expect("killed");
    lines.map_while(Result::ok).for_each(|line| {
        note(&line);
    });
    victim.wait().expect("gone");
    let cluster = Cluster::open(&path).expect("reopened");
    let kept: BTreeMap<String, String> = cluster
        .direct("test")
        .list("configmaps", "default", &ListFilter::default())
        .expect("list")
        .items
        .iter()
        .map(|map| {
            let text = |field: &str| map["metadata"][field].as_str().expect("text").to_owned();
            (text("name"), text("resourceVersion"))
        })
        .collect();
    for (name, revision) in &told {
        assert_eq!(kept.get(name), Some(revision), "{name} was acknowledged or seen at {revision}");
    }
    // What nobody was told of is at most what was under way: a write of each writer, a batch not yet seen.
    assert!(kept.len() <= told.len() + 2 * WRITERS, "{} kept, {} told", kept.len(), told.len());
}
