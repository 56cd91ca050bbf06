//! The stores behave the same in every database: SQLite always, PostgreSQL where `ARGO_TEST_POSTGRES` names one.

use std::{sync::Arc, time::Duration};

use argo_core::{Timestamp, time};
use argo_workflows::{
    config::{LabelOperator, LabelRequirement, Postgresql},
    persist::{
        Archive, ArchiveQuery, Database, Dialect, LockClaim, LockStore, LockTables, LockVerdict, NodeStore, Postgres,
        SqlLocks, SqlStore, Sqlite, nodes_version,
    },
};
use serde_json::{Value, json};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// The databases to test on, each with a name that nobody else used in it.
fn databases() -> Vec<(Arc<dyn Database>, String)> {
    let mut all: Vec<(Arc<dyn Database>, String)> = vec![(Arc::new(Sqlite::in_memory().unwrap()), "here".to_owned())];
    match std::env::var("ARGO_TEST_POSTGRES") {
        Ok(dsn) => {
            let nanos = Timestamp::now().as_nanosecond();
            all.push((Arc::new(Postgres::at(&dsn).unwrap()), format!("t{nanos}")));
        }
        Err(_) => eprintln!("skipped on PostgreSQL: no database (set ARGO_TEST_POSTGRES to a DSN)"),
    }
    all
}

fn workflow(uid: &str, name: &str, phase: &str, started: i64) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": name, "namespace": "ns", "uid": uid, "creationTimestamp": time::rfc3339(at(started)),
            "labels": {"team": uid, "workflows.argoproj.io/workflow-template": "build"}},
        "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "nul", "value": "a\u{0}b"}]}},
        "status": {"phase": phase, "startedAt": time::rfc3339(at(started)), "finishedAt": time::rfc3339(at(started + 60)),
            "nodes": {name: {"id": name, "phase": phase}}},
    })
}

#[tokio::test]
async fn workflows_are_kept_found_and_forgotten() {
    for (database, cluster) in databases() {
        let store = SqlStore::new(database.clone(), &cluster, "argo_workflows").unwrap();
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        for (uid, phase, started) in [("a", "Succeeded", 0), ("b", "Failed", 100), ("c", "Succeeded", 50)] {
            store.store(&workflow(uid, &format!("build-{uid}"), phase, started)).await.unwrap();
        }
        // Once more, changed: one row.
        store.store(&workflow("a", "build-a", "Succeeded", 1)).await.unwrap();
        let query = ArchiveQuery { namespace: "ns".to_owned(), ..ArchiveQuery::default() };
        let names = |list: Vec<Value>| {
            list.iter().map(|it| it["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let all = store.list(&query).await.unwrap();
        assert_eq!(all[0]["metadata"]["labels"]["workflows.argoproj.io/workflow-archiving-status"], "Persisted");
        assert_eq!(all[0]["spec"]["arguments"]["parameters"][0]["value"], "a\u{0}b");
        assert_eq!(names(all), ["build-b", "build-c", "build-a"]);
        assert_eq!(store.count(&query).await.unwrap(), 3);
        let page = ArchiveQuery { limit: 1, offset: 1, ..query.clone() };
        assert_eq!(names(store.list(&page).await.unwrap()), ["build-c"]);
        let found = async |change: &dyn Fn(&mut ArchiveQuery)| {
            let mut query = query.clone();
            change(&mut query);
            names(store.list(&query).await.unwrap())
        };
        assert_eq!(found(&|it| it.name = "build-b".into()).await, ["build-b"]);
        assert_eq!(found(&|it| it.name_prefix = "build-".into()).await.len(), 3);
        assert_eq!(found(&|it| it.name_prefix = "build_".into()).await.len(), 0);
        assert_eq!(found(&|it| it.started_from = Some(at(50))).await, ["build-b", "build-c"]);
        assert_eq!(found(&|it| it.started_to = Some(at(50))).await, ["build-c", "build-a"]);
        let label = |operator, values: &[&str]| LabelRequirement {
            key: "team".to_owned(),
            operator,
            values: values.iter().map(|it| (*it).to_owned()).collect(),
        };
        let labelled = async |it: LabelRequirement| found(&move |query| query.labels = vec![it.clone()]).await;
        assert_eq!(labelled(label(LabelOperator::In, &["a", "b", "x' or 1=1"])).await, ["build-b", "build-a"]);
        assert_eq!(labelled(label(LabelOperator::NotIn, &["a"])).await, ["build-b", "build-c"]);
        assert_eq!(labelled(label(LabelOperator::Exists, &[])).await.len(), 3);
        assert_eq!(labelled(label(LabelOperator::DoesNotExist, &[])).await.len(), 0);
        let template = ("workflows.argoproj.io/workflow-template", "build");
        let last = store.last_succeeded("ns", template).await.unwrap().unwrap();
        assert_eq!(last["metadata"]["name"], "build-c");
        assert!(store.last_succeeded("ns", ("team", "b")).await.unwrap().is_none());
        assert_eq!(store.get("a").await.unwrap().unwrap()["status"]["startedAt"], time::rfc3339(at(1)));
        // Another instance, another cluster and another namespace see none of them.
        for other in [
            store.clone().instance_id("other"),
            store.clone().managed_namespace(Some("elsewhere")),
            SqlStore::new(database.clone(), &format!("{cluster}-2"), "argo_workflows").unwrap(),
        ] {
            assert_eq!(other.count(&ArchiveQuery::default()).await.unwrap(), 0);
            assert!(other.get("a").await.unwrap().is_none());
            assert!(!other.delete("a").await.unwrap());
        }
        if database.dialect() == Dialect::Sqlite {
            assert_eq!(store.label_values("team").await.unwrap(), ["a", "b", "c"]);
            assert_eq!(store.label_keys().await.unwrap().len(), 3);
        }
        assert!(store.delete("b").await.unwrap());
        assert_eq!(store.expire(at(100)).await.unwrap(), 1);
        assert_eq!(names(store.list(&query).await.unwrap()), ["build-c"]);
        assert_eq!(store.expire(at(1000)).await.unwrap(), 1);
        assert!(!store.label_values("team").await.unwrap().contains(&"a".to_owned()), "labels go with their workflow");
    }
}

#[tokio::test]
async fn nodes_are_kept_by_their_version() {
    for (database, cluster) in databases() {
        let store = SqlStore::new(database, &cluster, "argo_workflows").unwrap();
        store.migrate().await.unwrap();
        let nodes = r#"{"a":{"id":"a"}}"#;
        let version = store.save("uid", "ns", nodes, at(0)).await.unwrap();
        assert_eq!(version, nodes_version(nodes));
        assert_eq!(store.save("uid", "ns", nodes, at(5)).await.unwrap(), version, "twice is once");
        let next = store.save("uid", "ns", "{}", at(10)).await.unwrap();
        assert_eq!(store.load("uid", &version).await.unwrap().as_deref(), Some(nodes));
        assert_eq!(store.load("other", &version).await.unwrap(), None);
        assert!(store.old("", at(5)).await.unwrap().is_empty(), "what was kept again is not old");
        assert_eq!(store.old("ns", at(6)).await.unwrap()["uid"], std::slice::from_ref(&version));
        assert_eq!(store.old("ns", at(20)).await.unwrap()["uid"].len(), 2);
        assert!(store.old("elsewhere", at(20)).await.unwrap().is_empty());
        store.discard("uid", &version).await.unwrap();
        assert_eq!(store.old("", at(20)).await.unwrap()["uid"], [next]);
    }
}

fn claim(holder: &str, locks: &[&str], priority: i32, created: i64) -> LockClaim {
    let locks = locks.iter().map(|it| ((*it).to_owned(), format!("ns/Database/{it}"))).collect();
    LockClaim { holder: holder.to_owned(), locks, priority, created: at(created) }
}

#[tokio::test]
async fn locks_go_to_whoever_is_first_and_all_at_once() {
    for (database, name) in databases() {
        let inactive = Duration::from_secs(600);
        let of = |controller: &str| {
            SqlLocks::new(database.clone(), LockTables::default(), &format!("{controller}-{name}"), inactive).unwrap()
        };
        let (one, two) = (of("one"), of("two"));
        one.migrate().await.unwrap();
        one.heartbeat(at(0)).await.unwrap();
        two.heartbeat(at(0)).await.unwrap();
        let (mutex, semaphore) = (format!("mtx/ns/{name}"), format!("sem/ns/{name}"));
        let (mutex, semaphore) = (mutex.as_str(), semaphore.as_str());
        let granted = LockVerdict::Granted;
        let refused = one.acquire(&claim("ns/a", &[semaphore], 0, 1), at(1)).await.unwrap();
        let message = format!("failed to initialize semaphore ns/Database/{semaphore} with limit");
        assert_eq!(refused, LockVerdict::Refused(message));
        assert!(one.mine().await.unwrap().is_empty(), "what can not be had is not queued for");
        one.set_limit(&semaphore[4..], Some(2)).await.unwrap();
        assert_eq!(one.limit(&semaphore[4..]).await.unwrap(), Some(2));
        assert_eq!(one.acquire(&claim("ns/a", &[semaphore, mutex], 0, 1), at(1)).await.unwrap(), granted);
        assert_eq!(one.acquire(&claim("ns/a", &[semaphore, mutex], 0, 1), at(1)).await.unwrap(), granted, "again");
        // The semaphore has a place, the mutex has none: neither is taken.
        let waiting = two.acquire(&claim("ns/b", &[semaphore, mutex], 0, 2), at(2)).await.unwrap();
        let message = format!("Waiting for ns/Database/{mutex} lock ({mutex}). Lock status: 1/1");
        let lock = format!("ns/Database/{mutex}");
        assert_eq!(waiting, LockVerdict::Waiting { lock, message, holders: vec!["ns/a".to_owned()] });
        assert!(two.mine().await.unwrap().iter().all(|(_, holder, held)| holder == "ns/b" && !held));
        // Who came later is behind, on whichever controller; who matters more is not.
        let later = one.acquire(&claim("ns/c", &[semaphore], 0, 3), at(3)).await.unwrap();
        assert!(matches!(later, LockVerdict::Waiting { .. }), "{later:?}");
        assert_eq!(one.acquire(&claim("ns/d", &[semaphore], 7, 4), at(4)).await.unwrap(), granted);
        one.release(mutex, "ns/a").await.unwrap();
        one.release(semaphore, "ns/a").await.unwrap();
        let early = one.acquire(&claim("ns/c", &[semaphore], 0, 3), at(5)).await.unwrap();
        assert!(matches!(early, LockVerdict::Waiting { .. }), "{early:?}");
        assert_eq!(two.acquire(&claim("ns/b", &[semaphore, mutex], 0, 2), at(5)).await.unwrap(), granted);
        two.release(semaphore, "ns/b").await.unwrap();
        // A controller that died keeps nobody behind it in the queue, but what it holds.
        assert!(matches!(two.acquire(&claim("ns/e", &[semaphore], 9, 0), at(6)).await.unwrap(), LockVerdict::Granted));
        assert!(matches!(
            two.acquire(&claim("ns/f", &[semaphore], 9, 0), at(6)).await.unwrap(),
            LockVerdict::Waiting { .. }
        ));
        one.release(semaphore, "ns/d").await.unwrap();
        let alive = one.acquire(&claim("ns/c", &[semaphore], 0, 3), at(7)).await.unwrap();
        assert!(matches!(alive, LockVerdict::Waiting { .. }), "ns/f is first: {alive:?}");
        one.heartbeat(at(1000)).await.unwrap();
        one.expire(at(1000)).await.unwrap();
        assert_eq!(one.acquire(&claim("ns/c", &[semaphore], 0, 3), at(1000)).await.unwrap(), granted);
        one.set_limit(&semaphore[4..], None).await.unwrap();
        assert_eq!(one.limit(&semaphore[4..]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_mutex_is_held_by_one_however_many_ask_at_once() {
    for (database, name) in databases() {
        let lock = format!("mtx/ns/race-{name}");
        let first = SqlLocks::new(database.clone(), LockTables::default(), "any", Duration::from_secs(60)).unwrap();
        first.migrate().await.unwrap();
        let mut all = Vec::new();
        for at_once in 0..8 {
            // A database of its own connection each, where there is a server.
            let database: Arc<dyn Database> = match std::env::var("ARGO_TEST_POSTGRES") {
                Ok(dsn) if database.dialect() == Dialect::Postgres => Arc::new(Postgres::at(&dsn).unwrap()),
                _ => database.clone(),
            };
            let controller = format!("c{at_once}-{name}");
            let locks = SqlLocks::new(database, LockTables::default(), &controller, Duration::from_secs(60)).unwrap();
            let lock = lock.clone();
            all.push(tokio::spawn(async move {
                locks.heartbeat(at(0)).await.unwrap();
                loop {
                    match locks.acquire(&claim(&format!("ns/{at_once}"), &[&lock], 0, at_once), at(1)).await {
                        Ok(LockVerdict::Granted) => return true,
                        Ok(LockVerdict::Waiting { .. }) => return false,
                        // Another changed it in the meantime.
                        Ok(LockVerdict::Busy) | Err(argo_workflows::persist::PersistError::Unavailable(_)) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }));
        }
        let mut held = 0;
        for it in all {
            held += usize::from(it.await.unwrap());
        }
        assert_eq!(held, 1);
    }
}

#[test]
fn configurations_that_can_not_be_followed_are_refused_without_telling_secrets() {
    let refused = Postgres::at("postgres://me:secret@host:port/db").unwrap_err().to_string();
    assert_eq!(refused, "the database can not be opened: the DSN can not be read");
    let config = Postgresql { azure_token: Some(json!({"enabled": true})), ..Postgresql::default() };
    let refused = Postgres::of_config(&config, "me", "secret", Duration::from_secs(1)).unwrap_err().to_string();
    assert!(refused.contains("azureToken is not supported"), "{refused}");
    let shown = format!("{:?}", Postgres::at("postgres://me:secret@host/db").unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}
