//! The API under concurrent writers and watchers: every answer and every watch is explained by one order of changes.
//!
//! `drive` lets writers and watchers loose and writes down what they saw; `check` holds that history against a sequential model:
//! * the log counts revisions up by one, and each of its changes was made by exactly one request;
//! * each answer, also a refusal, is right for the state at some revision between what was known to everybody when the request began
//!   and what was known to anybody who began after it ended;
//! * each watch is the log as its selection sees it, over reconnects, cuts, bookmarks, compactions and new lists.

mod check;
mod drive;
mod history;

use std::collections::BTreeMap;

use argo_core::clock::Clock;
use argo_embedded::Cluster;

use crate::https;
use check::check;
use drive::{Plan, run};
use history::{Answer, History, Seen};

/// A minute in six milliseconds: bookmarks and timeouts of watches come to pass.
const FACTOR: f64 = 10_000.0;

fn cluster() -> argo_embedded::ClusterBuilder {
    Cluster::builder().clock(Clock::scaled(FACTOR))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_and_watches_follow_one_order() {
    let mut tally = BTreeMap::new();
    for seed in 0..4 {
        let cluster = cluster().build().expect("in memory");
        let client = cluster.client();
        let history =
            run(&cluster, &client, &Plan { seed, writers: 4, writes: 100, watchers: 6, compactions: 3 }).await;
        check(&history).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        count(&history, &mut tally);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_and_watches_follow_one_order_over_https() {
    let cluster = cluster().build().expect("in memory");
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    let client = https::client(serving.kubeconfig()).await;
    let history = run(&cluster, &client, &Plan { seed: 7, writers: 4, writes: 50, watchers: 6, compactions: 3 }).await;
    check(&history).unwrap_or_else(|why| panic!("{why}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_and_watches_follow_one_order_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster().persist(folder.path().join("store")).build().expect("opened");
    let client = cluster.client();
    let history = run(&cluster, &client, &Plan { seed: 3, writers: 6, writes: 15, watchers: 4, compactions: 1 }).await;
    check(&history).unwrap_or_else(|why| panic!("{why}"));
}

/// How often what may happen did: bookmarks, lists, resumptions, events; answers and refusals.
fn count(history: &History, tally: &mut BTreeMap<String, usize>) {
    let seen = history.watched.iter().flat_map(|watched| &watched.seen).map(|seen| match seen {
        Seen::List(..) => "relisted".to_owned(),
        Seen::Event(kind, _) => format!("{kind:?}"),
        Seen::Bookmark(_) => "bookmark".to_owned(),
        Seen::Resumed(_) => "resumed".to_owned(),
    });
    let answers = history.records.iter().map(|record| match &record.answer {
        Answer::Object(_) => "object".to_owned(),
        Answer::Deleted(_) => "deleted".to_owned(),
        Answer::List(..) => "listed".to_owned(),
        Answer::Refused(code, reason) => format!("{code} {reason}"),
    });
    seen.chain(answers).for_each(|what| *tally.entry(what).or_default() += 1);
}

/// The judge itself: whatever could go wrong in a history is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_history_that_was_tampered_with_is_refused() {
    let cluster = cluster().build().expect("in memory");
    let client = cluster.client();
    let history = run(&cluster, &client, &Plan { seed: 1, writers: 3, writes: 40, watchers: 3, compactions: 1 }).await;
    check(&history).expect("nothing was tampered with yet");
    for tampering in history::TAMPERINGS {
        let mut broken = history.clone();
        assert!((tampering.change)(&mut broken), "nothing to tamper with for {:?}", tampering.name);
        assert!(check(&broken).is_err(), "not noticed: {}", tampering.name);
    }
}
