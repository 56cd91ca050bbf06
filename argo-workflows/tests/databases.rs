//! Controllers with databases beside the cluster, in virtual time.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Clock, Object, Resource,
    runtime::{Context, Shutdown, Subscription},
};
use argo_embedded::Cluster;
use argo_workflows::{
    api::{Workflow, crds},
    config::{Config, SyncConfig},
    controller::Controller,
    executor::ScriptedExecutor,
    persist::{Archive, ArchiveQuery, Database, LockStore, LockTables, NodeStore, SqlLocks, SqlStore, Sqlite, Stores},
};
use serde_json::{Value, json};

const ARCHIVING: &str = "workflows.argoproj.io/workflow-archiving-status";

struct World {
    /// Without it there is no cluster.
    _cluster: Cluster,
    context: Context,
}

fn world(clock: &Clock) -> World {
    let cluster = Cluster::builder().clock(clock.clone()).build().unwrap();
    cluster.install_crds(&crds()).unwrap();
    let context = Context::builder(cluster.client()).clock(clock.clone()).build();
    World { _cluster: cluster, context }
}

fn clock() -> Clock {
    Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap())
}

fn config(yaml: &str) -> Config {
    Config::from_config_map(&[("config".to_owned(), yaml.to_owned())].into()).unwrap()
}

fn start(world: &World, stores: Stores, config: Config) -> (Shutdown, tokio::task::JoinHandle<()>) {
    let executor = ScriptedExecutor::new();
    let shutdown = Shutdown::new();
    let controller = Controller::builder(world.context.clone()).executor(Arc::new(executor));
    let controller = controller.stores(stores).config(config).build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    (shutdown, running)
}

async fn until(world: &World, name: &str, holds: impl Fn(&Object) -> bool) -> Object {
    let mut events = world.context.cache_of::<Workflow>().subscribe();
    until_one(&mut events, name, holds).await
}

/// The next event of a subscription that shows it so: of an object that may be gone soon no state is missed.
async fn until_one(events: &mut Subscription, name: &str, holds: impl Fn(&Object) -> bool) -> Object {
    let watch = async {
        loop {
            let event = events.recv().await.expect("the cache goes on");
            if let Some(object) = event.new.filter(|it| it.name() == name && holds(it)) {
                return (*object).clone();
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(3600), watch).await;
    found.unwrap_or_else(|_| panic!("{name} does not get there"))
}

async fn create(world: &World, name: &str, spec: Value) {
    let mut spec = spec;
    spec["entrypoint"] = "main".into();
    if spec["templates"].is_null() {
        spec["templates"] = json!([{"name": "main", "suspend": {"duration": "30s"}}]);
    }
    let mut object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
    object.set_label("team", name);
    world.context.applier().apply(&Change::create(object)).await.unwrap();
}

fn labelled(key: &'static str, value: &'static str) -> impl Fn(&Object) -> bool {
    move |it| it.label(key) == Some(value)
}

async fn store() -> SqlStore {
    let store = SqlStore::new(Arc::new(Sqlite::in_memory().unwrap()), "default", "argo_workflows").unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test(start_paused = true)]
async fn workflows_that_are_over_are_archived_and_only_then_deleted() {
    let world = world(&clock());
    let store = store().await;
    let stores = Stores { archive: Some(Arc::new(store.clone())), ..Stores::default() };
    let yaml = "persistence: {archive: true, archiveTTL: 1h, archiveLabelSelector: {matchExpressions: [{key: team, operator: NotIn, values: [other]}]}}";
    let (shutdown, running) = start(&world, stores, config(yaml));
    let mut events = world.context.cache_of::<Workflow>().subscribe();
    create(&world, "kept", json!({"ttlStrategy": {"secondsAfterCompletion": 0}})).await;
    create(&world, "other", json!({})).await;
    let over = until_one(&mut events, "kept", labelled("workflows.argoproj.io/completed", "true")).await;
    assert_eq!(over.label(ARCHIVING), Some("Pending"), "it says so with its end");
    until_one(&mut events, "kept", labelled(ARCHIVING, "Archived")).await;
    let other = until(&world, "other", labelled("workflows.argoproj.io/completed", "true")).await;
    assert_eq!(other.label(ARCHIVING), None);
    let all = store.list(&ArchiveQuery::default()).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["status"]["nodes"]["kept"]["phase"], "Succeeded");
    assert_eq!(all[0]["metadata"]["labels"][ARCHIVING], "Persisted");
    let cache = world.context.cache_of::<Workflow>();
    let mut events = cache.subscribe();
    while cache.list().iter().any(|it| it.name() == "kept") {
        tokio::time::timeout(Duration::from_secs(60), events.recv()).await.expect("its time is over");
    }
    // What is in the archive goes with its time, too.
    world.context.clock().sleep(Duration::from_secs(25 * 60 * 60)).await;
    assert_eq!(store.count(&ArchiveQuery::default()).await.unwrap(), 0);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_in_a_database_are_found_again_by_the_next_controller_and_cleaned_up() {
    let world = world(&clock());
    let store = store().await;
    let nodes: Arc<dyn NodeStore> = Arc::new(store.clone());
    let stores = Stores {
        nodes: Some(nodes),
        archive: Some(Arc::new(store.clone())),
        always_offload: true,
        ..Stores::default()
    };
    let (_, running) = start(&world, stores.clone(), Config::default());
    create(
        &world,
        "large",
        json!({"templates": [
            {"name": "main", "steps": [[{"name": "a", "template": "run"}], [{"name": "b", "template": "run"}]]},
            {"name": "run", "suspend": {"duration": "10m"}},
        ]}),
    )
    .await;
    let version = |it: &Object| it.text("/status/offloadNodeStatusVersion").to_owned();
    let object = until(&world, "large", |it| version(it).starts_with("fnv:")).await;
    assert!(object.pointer("/status/nodes").is_none());
    running.abort();
    let (shutdown, running) = start(&world, stores, Config::default());
    let over = until(&world, "large", labelled(ARCHIVING, "Archived")).await;
    assert_eq!(over.text("/status/phase"), "Succeeded");
    assert!(over.pointer("/status/nodes").is_none() && version(&over).starts_with("fnv:"));
    let kept: Value = serde_json::from_str(&store.load(over.uid(), &version(&over)).await.unwrap().unwrap()).unwrap();
    assert_eq!(kept.as_object().unwrap().len(), 5);
    let archived = Archive::get(&store, over.uid()).await.unwrap().unwrap();
    assert_eq!(archived["status"]["nodes"], kept, "the archive has them whole");
    assert!(archived["status"]["offloadNodeStatusVersion"].is_null());
    world.context.clock().sleep(Duration::from_secs(15 * 60)).await;
    let old = store.old("", world.context.now()).await.unwrap();
    assert_eq!(old[over.uid()], [version(&over)], "only the version that is referred to stays");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_that_nobody_may_read_end_their_workflow_with_a_message() {
    let world = world(&clock());
    let nodes: Arc<dyn NodeStore> = Arc::new(store().await);
    let stores = Stores { nodes: Some(nodes), always_offload: true, ..Stores::default() };
    let (_, running) = start(&world, stores, Config::default());
    create(&world, "apart", json!({})).await;
    until(&world, "apart", |it| it.text("/status/offloadNodeStatusVersion").starts_with("fnv:")).await;
    running.abort();
    let (shutdown, running) = start(&world, Stores::default(), Config::default());
    let over = until(&world, "apart", labelled("workflows.argoproj.io/completed", "true")).await;
    assert_eq!(over.text("/status/phase"), "Error");
    assert_eq!(over.text("/status/message"), "Workflow has offloaded nodes, but offloading has been disabled");
    shutdown.cancel();
    running.await.unwrap();
}

fn locks(database: &Arc<dyn Database>, controller: &str) -> SqlLocks {
    SqlLocks::new(database.clone(), LockTables::default(), controller, Duration::from_secs(600)).unwrap()
}

fn with_locks(database: &Arc<dyn Database>, controller: &str) -> (Stores, Config) {
    let stores = Stores { locks: Some(Arc::new(locks(database, controller))), ..Stores::default() };
    let sync = SyncConfig { controller_name: controller.to_owned(), poll_seconds: Some(5), ..SyncConfig::default() };
    (stores, Config { synchronization: Some(Box::new(sync)), ..Config::default() })
}

#[tokio::test(start_paused = true)]
async fn controllers_of_two_clusters_share_locks_through_a_database() {
    let clock = clock();
    let database: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
    let table = locks(&database, "test");
    table.migrate().await.unwrap();
    table.set_limit("default/two", Some(2)).await.unwrap();
    let mut controllers = Vec::new();
    for name in ["east", "west"] {
        let world = world(&clock);
        let (stores, config) = with_locks(&database, name);
        let running = start(&world, stores, config);
        controllers.push((world, running));
    }
    let wanted = json!({"mutexes": [{"name": "m", "database": true}], "semaphores": [{"database": {"key": "two"}}]});
    for (i, (world, _)) in controllers.iter().enumerate() {
        for at in 0..3 {
            let spec = match at {
                0 | 1 => json!({"synchronization": wanted}),
                _ => json!({"templates": [
                    {"name": "main", "synchronization": wanted, "suspend": {"duration": "30s"}}]}),
            };
            create(world, &format!("w{i}-{at}"), spec).await;
        }
    }
    let mut spans = Vec::new();
    for (i, (world, _)) in controllers.iter().enumerate() {
        for at in 0..3 {
            let name = format!("w{i}-{at}");
            let over = until(world, &name, labelled("workflows.argoproj.io/completed", "true")).await;
            assert_eq!(over.text("/status/phase"), "Succeeded", "{over:?}");
            assert!(over.pointer("/status/synchronization").is_none(), "{over:?}");
            if at < 2 {
                spans.push(argo_core::time::parse(over.text("/status/finishedAt")).unwrap());
            }
        }
    }
    spans.sort();
    let apart = spans.windows(2).all(|it| argo_core::time::between(it[0], it[1]) >= Duration::from_secs(29));
    assert!(apart, "one at a time: {spans:?}");
    clock.sleep(Duration::from_secs(30)).await;
    for name in ["east", "west"] {
        assert!(locks(&database, name).mine().await.unwrap().is_empty(), "nothing is left behind");
    }
    for (_, (shutdown, running)) in controllers {
        shutdown.cancel();
        running.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_was_killed_keeps_its_locks_and_loses_those_that_are_gone() {
    let clock = clock();
    let database: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
    let table = locks(&database, "east");
    table.migrate().await.unwrap();
    let world = world(&clock);
    let (stores, config) = with_locks(&database, "east");
    let (_, running) = start(&world, stores.clone(), config.clone());
    let mutex = |name: &str| json!({"synchronization": {"mutexes": [{"name": name, "database": true}]}});
    create(&world, "keeps", mutex("a")).await;
    create(&world, "loses", mutex("b")).await;
    for name in ["keeps", "loses"] {
        until(&world, name, |it| it.text("/status/phase") == "Running").await;
    }
    running.abort();
    table.release("mtx/default/b", "default/loses").await.unwrap();
    // Somebody of a controller's earlier life holds what no workflow knows of.
    let orphan = argo_workflows::persist::LockClaim {
        holder: "default/gone".to_owned(),
        locks: vec![("mtx/default/c".to_owned(), "default/Database/c".to_owned())],
        priority: 0,
        created: clock.now(),
    };
    table.acquire(&orphan, clock.now()).await.unwrap();
    let (shutdown, running) = start(&world, stores, config);
    create(&world, "after", mutex("c")).await;
    let lost = until(&world, "loses", labelled("workflows.argoproj.io/completed", "true")).await;
    assert_eq!(lost.text("/status/phase"), "Failed");
    assert_eq!(
        lost.text("/status/message"),
        "Failed to re-establish synchronization lock at controller startup: could not re-establish \"default/Database/b\" at controller startup: hold on default/b for default/loses is not present in the database"
    );
    for name in ["keeps", "after"] {
        let over = until(&world, name, labelled("workflows.argoproj.io/completed", "true")).await;
        assert_eq!(over.text("/status/phase"), "Succeeded", "{over:?}");
    }
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn database_locks_without_a_database_and_without_a_limit_are_refused() {
    let world = world(&clock());
    let (shutdown, running) = start(&world, Stores::default(), Config::default());
    create(&world, "none", json!({"synchronization": {"mutexes": [{"name": "m", "database": true}]}})).await;
    let over = until(&world, "none", labelled("workflows.argoproj.io/completed", "true")).await;
    let message = "Failed to acquire the synchronization lock. synchronization database session is not available";
    assert_eq!(over.text("/status/message"), message);
    shutdown.cancel();
    running.await.unwrap();
    let database: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
    locks(&database, "east").migrate().await.unwrap();
    let (stores, config) = with_locks(&database, "east");
    let (shutdown, running) = start(&world, stores, config);
    create(&world, "unlimited", json!({"synchronization": {"semaphores": [{"database": {"key": "x"}}]}})).await;
    let over = until(&world, "unlimited", labelled("workflows.argoproj.io/completed", "true")).await;
    assert_eq!(
        over.text("/status/message"),
        "Failed to acquire the synchronization lock. failed to initialize semaphore default/Database/x with limit"
    );
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_second_run_of_a_cron_workflow_is_estimated_by_the_first_or_by_the_archive() {
    let world = world(&clock());
    let store = store().await;
    let stores = Stores { archive: Some(Arc::new(store)), ..Stores::default() };
    let (shutdown, running) = start(&world, stores, Config::default());
    let run = async |name: &str| {
        let spec = json!({"entrypoint": "main", "templates": [{"name": "main", "suspend": {"duration": "30s"}}]});
        let mut object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
        object.set_label("workflows.argoproj.io/cron-workflow", "nightly");
        world.context.applier().apply(&Change::create(object)).await.unwrap();
        until(&world, name, labelled(ARCHIVING, "Archived")).await
    };
    let first = run("first").await;
    assert!(first.pointer("/status/estimatedDuration").is_none());
    let second = run("second").await;
    assert_eq!(second.pointer("/status/estimatedDuration"), Some(&json!(30)));
    assert_eq!(second.pointer("/status/nodes/second/estimatedDuration"), Some(&json!(30)));
    for it in [&first, &second] {
        world.context.applier().apply(&Change::delete(it)).await.unwrap();
    }
    let third = run("third").await;
    assert_eq!(third.pointer("/status/estimatedDuration"), Some(&json!(30)), "the archive knows it");
    shutdown.cancel();
    running.await.unwrap();
}
