//! The durable bus: what was accepted is there after a crash at any byte.

use std::{collections::BTreeSet, path::Path};

use argo_core::{Failure, Timestamp};
use argo_events::{
    api::Event,
    bus::{BusError, Channel, EventBus, FileBus, Group, Limits, Published, Subject, Subscription},
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::clock;

fn channel() -> Channel {
    Channel::new("n", "default")
}

fn group() -> Group {
    Group { channel: channel(), sensor: "s".into(), trigger: "t".into() }
}

fn event(id: usize) -> Event {
    Event::new(&id.to_string(), "src", "e", "webhook", Timestamp::now(), &json!({"n": id}))
}

async fn subscribe(bus: &FileBus) -> Box<dyn Subscription> {
    bus.subscribe(&group(), &BTreeSet::from([Subject::new("src", "e")])).await.unwrap()
}

fn open(path: &Path) -> FileBus {
    FileBus::open(path, clock()).unwrap()
}

#[tokio::test]
async fn accepted_events_state_and_position_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = open(&path);
    let mut subscription = subscribe(&bus).await;
    for id in 0..3 {
        assert_eq!(bus.publish(&channel(), &event(id)).await.unwrap(), Published::Accepted);
    }
    let first = subscription.next().await.unwrap();
    subscription.commit(Some(first.sequence), Some(json!({"saved": 1}))).await.unwrap();
    assert!(matches!(FileBus::open(&path, clock()), Err(BusError::Locked { .. })), "one process at a time");
    drop(subscription);
    bus.closed().await;

    let bus = open(&path);
    assert_eq!(bus.waiting(), 2);
    assert_eq!(bus.publish(&channel(), &event(1)).await.unwrap(), Published::Duplicate);
    let mut subscription = subscribe(&bus).await;
    assert_eq!(subscription.state(), Some(&json!({"saved": 1})));
    assert_eq!(subscription.next().await.unwrap().event.id, "1");
}

#[tokio::test]
async fn many_publishers_at_once_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = open(&path);
    let mut subscription = subscribe(&bus).await;
    let publishers = (0..200).map(|it| {
        let bus = bus.clone();
        // Every id twice, at the same time.
        async move { bus.publish(&channel(), &event(it / 2)).await.unwrap() }
    });
    let results = futures::future::join_all(publishers).await;
    assert_eq!(results.iter().filter(|it| **it == Published::Accepted).count(), 100);
    let mut seen = BTreeSet::new();
    while bus.waiting() > 0 {
        let delivery = subscription.next().await.unwrap();
        assert!(seen.insert(delivery.event.id.clone()));
        subscription.commit(Some(delivery.sequence), None).await.unwrap();
    }
    assert_eq!(seen.len(), 100);
}

#[tokio::test]
async fn a_large_journal_is_rewritten_and_keeps_what_matters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = FileBus::open_with(&path, clock(), Limits { duplicates: std::time::Duration::ZERO, ..Limits::default() });
    let bus = bus.unwrap();
    let mut subscription = subscribe(&bus).await;
    let payload = "x".repeat(512 << 10);
    for id in 0..30 {
        let mut large = event(id);
        large.data = json!(payload).to_string().into_bytes();
        bus.publish(&channel(), &large).await.unwrap();
        if id < 29 {
            let delivery = subscription.next().await.unwrap();
            subscription.commit(Some(delivery.sequence), Some(json!(id))).await.unwrap();
        }
    }
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 10 << 20, "{size} bytes for one event that waits");
    drop(subscription);
    bus.closed().await;
    let bus = open(&path);
    assert_eq!(bus.waiting(), 1);
    let mut subscription = subscribe(&bus).await;
    assert_eq!(subscription.state(), Some(&json!(28)));
    assert_eq!(subscription.next().await.unwrap().event.id, "29");
}

#[tokio::test]
async fn damage_in_the_middle_is_told_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    std::fs::write(&path, "nonsense\n{\"more\":1}\n").unwrap();
    let error = FileBus::open(&path, clock()).unwrap_err();
    assert!(matches!(error, BusError::Corrupt { offset: 0, .. }), "{error}");
    assert!(!error.is_transient());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense\n{\"more\":1}\n");
    let missing = FileBus::open(folder.path().join("no/such/folder"), clock()).unwrap_err();
    assert!(matches!(missing, BusError::Journal { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The journal is cut at any byte: what was published before the cut is there, what was
    /// acknowledged before it is not, and the bus works.
    #[test]
    fn a_cut_at_any_byte_keeps_what_came_before(acks in prop::collection::vec(any::<bool>(), 1..12), cut in 0.0..1.0_f64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("bus");
            let bus = open(&path);
            let mut subscription = subscribe(&bus).await;
            // After each step: length of the journal, events published, events acknowledged.
            let mut marks = vec![(std::fs::metadata(&path).unwrap().len(), 0, 0)];
            let (mut published, mut acked) = (0, 0);
            for ack in acks {
                if ack && acked < published {
                    let delivery = subscription.next().await.unwrap();
                    subscription.commit(Some(delivery.sequence), None).await.unwrap();
                    acked += 1;
                } else {
                    bus.publish(&channel(), &event(published)).await.unwrap();
                    published += 1;
                }
                marks.push((std::fs::metadata(&path).unwrap().len(), published, acked));
            }
            drop(subscription);
            bus.closed().await;

            let bytes = std::fs::read(&path).unwrap();
            let first = marks[0].0;
            let at = first + ((bytes.len() as u64 - first) as f64 * cut) as u64;
            std::fs::write(&path, &bytes[..at as usize]).unwrap();
            let (_, published, acked) = *marks.iter().rfind(|it| it.0 <= at).unwrap();
            let bus = open(&path);
            assert_eq!(bus.waiting(), published - acked);
            let mut subscription = subscribe(&bus).await;
            if published > acked {
                assert_eq!(subscription.next().await.unwrap().event.id, acked.to_string());
            }
            bus.publish(&channel(), &event(100)).await.unwrap();
            assert_eq!(bus.waiting(), published - acked + 1);
        });
    }
}
