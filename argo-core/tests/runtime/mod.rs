//! The controller runtime on the embedded Kubernetes, in virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use argo_core::{
    Category, Change, Clock, Gvk, Note, Object, ObjectKey, ObjectRef,
    apply::{Guarded, Verdict},
    runtime::{
        Context, Controller, Elector, HealthServer, LeaseConfig, Metrics, Outcome, Query, Reconcile, ReconcileResult,
        Shutdown,
    },
    time,
};
use argo_embedded::Cluster;
use parking_lot::Mutex;
use serde_json::json;

fn config_maps() -> Gvk {
    Gvk::new("", "v1", "ConfigMap")
}

fn config_map(name: &str) -> Object {
    Object::new(&config_maps(), Some("default"), name)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("default"), name)
}

struct World {
    cluster: Cluster,
    context: Context,
}

fn world() -> World {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap());
    let cluster = Cluster::builder().clock(clock.clone()).build().unwrap();
    let context = Context::builder(cluster.client()).clock(clock).build();
    World { cluster, context }
}

#[tokio::test(start_paused = true)]
async fn a_cache_follows_its_kind_and_indexes_it() {
    let World { context, .. } = world();
    let cache = context.cache(config_maps());
    cache.synced().await;
    cache.add_index("color", |it| vec![it.text("/data/color").to_owned()]);
    let mut events = cache.subscribe();
    let created =
        context.apply("t", &key("a"), &Change::create(config_map("a").with(&["data", "color"], "blue"))).await;
    let created = created.unwrap().unwrap();
    loop {
        let event = events.recv().await.unwrap();
        if event.key == key("a") {
            assert!(event.old.is_none() && event.new.is_some());
            break;
        }
    }
    assert_eq!(cache.indexed("color", "blue").len(), 1);
    context.apply("t", &key("a"), &Change::delete(&created)).await.unwrap();
    let gone = events.recv().await.unwrap();
    assert!(gone.new.is_none() && gone.old.is_some());
    assert!(cache.indexed("color", "blue").is_empty());
    assert!(Arc::ptr_eq(&cache, &context.caches().open(Query::of(config_maps(), None))), "one watch for one query");
}

/// Counts up `data.count` to three, one write a pass, and records what it saw.
struct Counter {
    context: Context,
    seen: Mutex<Vec<i64>>,
}

#[async_trait::async_trait]
impl Reconcile for Counter {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(object) = self.context.cache(config_maps()).get(key) else { return Ok(Outcome::DONE) };
        if object.name() != "count" {
            return Ok(Outcome::DONE);
        }
        let count: i64 = object.text("/data/count").parse().unwrap_or_default();
        self.seen.lock().push(count);
        if count < 3 {
            let next = (*object).clone().with(&["data", "count"], (count + 1).to_string());
            if let Some(change) = Change::merge_between(&object, &next) {
                self.context.apply("counter", key, &change).await?;
            }
        }
        Ok(Outcome::DONE)
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_never_sees_a_world_older_than_its_last_write() {
    let World { context, .. } = world();
    let counter = Arc::new(Counter { context: context.clone(), seen: Mutex::default() });
    let cache = context.cache(config_maps());
    let stop = Shutdown::new();
    let controller = Controller::new("counter", context.clone(), counter.clone()).primary(cache.clone());
    let running = tokio::spawn(controller.run(stop.clone()));
    context.apply("t", &key("count"), &Change::create(config_map("count"))).await.unwrap();
    context.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(*counter.seen.lock(), [0, 1, 2, 3]);
    stop.cancel();
    running.await.unwrap();
}

/// Fails twice, panics once, then asks to be woken.
struct Moody {
    calls: AtomicU32,
    failures: Mutex<Vec<String>>,
    times: Mutex<Vec<f64>>,
    context: Context,
    start: argo_core::Timestamp,
}

#[async_trait::async_trait]
impl Reconcile for Moody {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        if key.name != "moody" {
            return Ok(Outcome::DONE);
        }
        self.times.lock().push(time::between(self.start, self.context.now()).as_secs_f64());
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => {
                let change = Change::create(config_map("x"));
                Err(argo_core::ApplyError::new(&change, Category::Unavailable, "away").into())
            }
            2 => panic!("a bug"),
            3 => Ok(Outcome::wake_at(time::after(self.context.now(), Duration::from_secs(3600)))),
            _ => Ok(Outcome::DONE),
        }
    }

    async fn failed(&self, _: &ObjectKey, message: &str) {
        self.failures.lock().push(message.to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_a_panic_is_reported_and_wakes_are_kept() {
    let World { context, .. } = world();
    let moody = Arc::new(Moody {
        calls: AtomicU32::new(0),
        failures: Mutex::default(),
        times: Mutex::default(),
        context: context.clone(),
        start: context.now(),
    });
    let stop = Shutdown::new();
    let controller = Controller::new("moody", context.clone(), moody.clone()).primary(context.cache(config_maps()));
    let queue = controller.queue();
    let running = tokio::spawn(controller.run(stop.clone()));
    context.apply("t", &key("moody"), &Change::create(config_map("moody"))).await.unwrap();
    context.clock().sleep(Duration::from_secs(5)).await;
    assert_eq!(moody.calls.load(Ordering::SeqCst), 3);
    assert_eq!(*moody.failures.lock(), ["internal error: the reconcile panicked: a bug"]);
    queue.add(key("moody"));
    context.clock().sleep(Duration::from_secs(7200)).await;
    let times = moody.times.lock().clone();
    assert_eq!(times.len(), 5, "{times:?}");
    assert!((times[4] - times[3] - 3600.0).abs() < 1.0, "woken after an hour: {times:?}");
    assert!(context.metrics().text().contains(r#"controller_runtime_reconcile_errors_total{controller="moody"} 3"#));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_create_that_meets_its_own_earlier_self_is_done_and_a_strangers_is_not() {
    let World { context, .. } = world();
    let owner = context.apply("t", &key("o"), &Change::create(config_map("owner"))).await.unwrap().unwrap();
    let mut owned = config_map("owned");
    owned.set_controller(&owner.owner_reference());
    let first = context.apply("t", &key("o"), &Change::create(owned.clone())).await.unwrap().unwrap();
    let again = context.apply("t", &key("o"), &Change::create(owned)).await.unwrap().unwrap();
    assert_eq!(first.uid(), again.uid());
    let error = context.apply("t", &key("o"), &Change::create(config_map("owner"))).await.unwrap_err();
    assert_eq!(error.category, Category::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn stale_writes_conflict_and_gone_objects_delete_in_peace() {
    let World { context, .. } = world();
    let old = context.apply("t", &key("a"), &Change::create(config_map("a"))).await.unwrap().unwrap();
    let one = old.clone().with(&["data", "a"], "1");
    context.apply("t", &key("a"), &Change::merge_between(&old, &one).unwrap()).await.unwrap();
    let two = old.clone().with(&["data", "a"], "2");
    let error = context.apply("t", &key("a"), &Change::merge_between(&old, &two).unwrap()).await.unwrap_err();
    assert_eq!(error.category, Category::Conflict, "{error}");
    assert!(context.apply("t", &key("a"), &Change::delete(&old)).await.is_ok());
    assert!(context.apply("t", &key("a"), &Change::delete(&old)).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_policy_refuses_before_anything_is_written() {
    let World { cluster, context } = world();
    let guarded = Guarded::new(context.applier().clone(), |change: &Change| match change {
        Change::Create { object } if object.name() == "evil" => Verdict::Refuse("not here".into()),
        _ => Verdict::Allow,
    });
    let context = Context::builder(cluster.client()).clock(context.clock().clone()).applier(Arc::new(guarded)).build();
    let error = context.apply("t", &key("e"), &Change::create(config_map("evil"))).await.unwrap_err();
    assert_eq!(error.to_string(), "create v1 ConfigMap default/evil: refused by policy: not here");
    let target = ObjectRef::new(config_maps(), Some("default"), "evil");
    assert!(context.get(&target).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_raises_its_count() {
    let World { context, .. } = world();
    let object = context.apply("t", &key("a"), &Change::create(config_map("a"))).await.unwrap().unwrap();
    for _ in 0..3 {
        context.note(&object, &Note::warning("Broken", "it broke")).await;
    }
    let events = context.list(&Gvk::new("", "v1", "Event"), Some("default"), None).await.unwrap();
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event.integer("/count"), Some(3));
    assert_eq!(event.text("/involvedObject/uid"), object.uid());
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_another_takes_over_when_it_is_gone() {
    let World { cluster, context } = world();
    let lead = |name: &str, stop: &Shutdown| {
        let context = Context::builder(cluster.client()).clock(context.clock().clone()).build();
        let leads = Arc::new(AtomicBool::new(false));
        let elector = Elector::new(context, LeaseConfig::new("default", "controller", name));
        let (flag, stop) = (leads.clone(), stop.clone());
        let running = tokio::spawn(async move {
            elector
                .run(stop, |stop| async move {
                    flag.store(true, Ordering::SeqCst);
                    stop.cancelled().await;
                    flag.store(false, Ordering::SeqCst);
                })
                .await
        });
        (leads, running)
    };
    let (stop_one, stop_two) = (Shutdown::new(), Shutdown::new());
    let (one, running_one) = lead("one", &stop_one);
    context.clock().sleep(Duration::from_secs(1)).await;
    let (two, running_two) = lead("two", &stop_two);
    context.clock().sleep(Duration::from_secs(60)).await;
    assert!(one.load(Ordering::SeqCst) && !two.load(Ordering::SeqCst));

    // Killed, not stopped: the lease must run out.
    running_one.abort();
    context.clock().sleep(Duration::from_secs(5)).await;
    assert!(!two.load(Ordering::SeqCst), "not before the lease has run out");
    context.clock().sleep(Duration::from_secs(60)).await;
    assert!(two.load(Ordering::SeqCst));
    stop_two.cancel();
    running_two.await.unwrap().unwrap();
    let lease = ObjectRef::new(Gvk::new("coordination.k8s.io", "v1", "Lease"), Some("default"), "controller");
    assert_eq!(context.get(&lease).await.unwrap().unwrap().text("/spec/holderIdentity"), "", "given back");
}

#[tokio::test(start_paused = true)]
async fn a_kind_installed_later_is_found_and_a_missing_one_is_named() {
    let World { cluster, context } = world();
    let widget = Gvk::new("example.com", "v1", "Widget");
    let change = Change::create(Object::new(&widget, Some("default"), "w"));
    let error = context.apply("t", &key("w"), &change).await.unwrap_err();
    assert!(error.to_string().contains("no matches for kind \"Widget\" in version \"example.com/v1\""), "{error}");
    let cache = context.cache(widget.clone());
    cluster
        .install_crds(&[json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                    {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        })])
        .unwrap();
    cache.synced().await;
    context.apply("t", &key("w"), &change).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_a_typed_error() {
    let first = HealthServer::bind("127.0.0.1:0".parse().unwrap(), Metrics::default()).await.unwrap();
    let error = HealthServer::bind(first.address(), Metrics::default()).await.unwrap_err();
    assert!(error.to_string().contains("choose another address"), "{error}");
}
