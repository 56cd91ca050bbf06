//! Watches: replay, selectors, bookmarks, expiry.

use std::time::Duration;

use argo_core::clock::Clock;
use argo_embedded::{Cluster, ListFilter, WatchKind};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn watch_replays_from_a_revision_with_deletes() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let start = cluster.revision().to_string();
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "data": { "k": "1" } }))).await.expect("patched");
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    let events: Vec<_> =
        maps.watch(&WatchParams::default(), &start).await.expect("watch").take(3).try_collect().await.expect("events");
    let seen: Vec<(&str, String)> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Added(map) => ("added", map.metadata.resource_version.clone().expect("version")),
            WatchEvent::Modified(map) => ("modified", map.metadata.resource_version.clone().expect("version")),
            WatchEvent::Deleted(map) => ("deleted", map.metadata.resource_version.clone().expect("version")),
            other => panic!("{other:?}"),
        })
        .collect();
    let first: u64 = start.parse().expect("a number");
    assert_eq!(
        seen,
        [
            ("added", (first + 1).to_string()),
            ("modified", (first + 2).to_string()),
            ("deleted", (first + 3).to_string())
        ]
    );
}

#[tokio::test]
async fn object_that_leaves_the_selection_is_deleted_for_the_watch() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let start = cluster.revision().to_string();
    let mut map = config_map("a", json!({}));
    map.metadata.labels = Some([("in".to_owned(), "yes".to_owned())].into());
    maps.create(&PostParams::default(), &map).await.expect("created");
    for value in ["no", "yes"] {
        maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "labels": { "in": value } } })))
            .await
            .expect("patched");
    }
    let events: Vec<_> = maps
        .watch(&WatchParams::default().labels("in=yes"), &start)
        .await
        .expect("watch")
        .take(3)
        .try_collect()
        .await
        .expect("events");
    assert!(matches!(&events[..], [WatchEvent::Added(_), WatchEvent::Deleted(_), WatchEvent::Added(_)]), "{events:?}");
}

#[tokio::test]
async fn compacted_revisions_are_gone() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let start = cluster.revision().to_string();
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    cluster.compact().expect("compacted");
    let event = maps
        .watch(&WatchParams::default(), &start)
        .await
        .expect("watch")
        .boxed()
        .next()
        .await
        .expect("a line")
        .expect("decodes");
    match event {
        WatchEvent::Error(status) => assert_eq!((status.code, status.reason.as_str()), (410, "Expired")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn watch_ends_at_its_timeout_in_virtual_time() {
    let cluster = Cluster::builder()
        .clock(Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time")))
        .build()
        .expect("in memory");
    let maps = config_maps(&cluster);
    let wall = std::time::Instant::now();
    let params = WatchParams::default().timeout(280);
    let events: Vec<_> = maps.watch(&params, &cluster.revision().to_string()).await.expect("watch").collect().await;
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(cluster.clock().now().to_string(), "2026-01-01T00:04:40Z");
    assert!(wall.elapsed() < Duration::from_secs(60), "virtual time costs no wall time");
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_tells_how_far_a_quiet_watch_has_come() {
    let cluster = Cluster::builder()
        .clock(Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time")))
        .build()
        .expect("in memory");
    let maps = config_maps(&cluster);
    let start = cluster.revision();
    namespace(&cluster, "elsewhere").await;
    // Nothing is selected, and time goes by: a bookmark names the revision that the watch has reached.
    let params = WatchParams::default().labels("in=nothing").timeout(90);
    let mut events = maps.watch(&params, &start.to_string()).await.expect("watch").boxed();
    let bookmark = match events.try_next().await.expect("decodes") {
        Some(WatchEvent::Bookmark(bookmark)) => bookmark.metadata.resource_version,
        other => panic!("{other:?}"),
    };
    assert_eq!(bookmark, cluster.revision().to_string());
    assert!(bookmark.parse::<u64>().is_ok_and(|bookmark| bookmark > start));
    assert!(events.next().await.is_none(), "it ends at its timeout");
    // After a compaction the old revision is gone; the bookmark is as good as new.
    cluster.compact().expect("compacted");
    let mut old = maps.watch(&params, &start.to_string()).await.expect("watch").boxed();
    assert!(matches!(old.try_next().await.expect("decodes"), Some(WatchEvent::Error(status)) if status.code == 410));
    let mut new = maps.watch(&params, &bookmark).await.expect("watch").boxed();
    assert!(new.next().await.is_none(), "nothing happens until its timeout");
}

#[tokio::test]
async fn streaming_lists_end_with_a_bookmark() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &config_map(name, json!({}))).await.expect("created");
    }
    let mut stream = watcher(maps.clone(), watcher::Config::default().streaming_lists()).boxed();
    let mut seen = Vec::new();
    loop {
        match stream.next().await.expect("goes on").expect("no error") {
            watcher::Event::Init => seen.push("init".to_owned()),
            watcher::Event::InitApply(map) => seen.push(map.metadata.name.unwrap_or_default()),
            watcher::Event::InitDone => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["init", "a", "b"]);
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(matches!(stream.next().await, Some(Ok(watcher::Event::Delete(_)))));
}

#[tokio::test]
async fn watcher_relists_after_a_compaction_and_a_cut() {
    let cluster = Cluster::new();
    let maps: Api<ConfigMap> = config_maps(&cluster);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    let mut stream = watcher(maps.clone(), watcher::Config::default()).default_backoff().applied_objects().boxed();
    assert_eq!(stream.next().await.expect("goes on").expect("a").metadata.name.as_deref(), Some("a"));
    cluster.faults().cut_watches();
    maps.create(&PostParams::default(), &config_map("b", json!({}))).await.expect("created");
    let next = stream.next().await.expect("goes on").expect("b");
    assert_eq!(next.metadata.name.as_deref(), Some("b"));
}

#[tokio::test]
async fn no_event_is_lost_repeated_or_reordered_under_concurrent_writers() {
    let cluster = Cluster::new();
    let direct = cluster.direct("writer");
    let mut watch = direct.watch("configmaps", "", &ListFilter::default(), Some(cluster.revision())).expect("watch");
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let direct = cluster.direct("writer");
            tokio::spawn(async move {
                for number in 0..50 {
                    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("w{writer}-{number}") } });
                    direct.create(object).expect("created");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut revisions = Vec::new();
    while revisions.len() < 200 {
        let event = watch.next().await.expect("goes on").expect("no error");
        assert_eq!(event.kind, WatchKind::Added);
        revisions.push(argo_embedded::store::revision_of(&event.object));
    }
    for writer in writers {
        writer.await.expect("writer");
    }
    assert!(revisions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{revisions:?}");
}
