//! Mutexes and semaphores over several workflows, in virtual time.

use std::{collections::BTreeMap, time::Duration};

use argo_workflows::{
    api::WorkflowPhase,
    engine::Locks,
    executor::scripted::{Script, ScriptedExecutor},
    testing::Run,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Workflows that share locks.
struct Fleet {
    runs: Vec<Run>,
    locks: Locks,
    limits: BTreeMap<String, BTreeMap<String, String>>,
}

impl Fleet {
    fn new(limits: &[(&str, i64)]) -> Self {
        let data = limits.iter().map(|(key, it)| ((*key).to_owned(), it.to_string())).collect();
        Self { runs: Vec::new(), locks: Locks::default(), limits: [("limits".to_owned(), data)].into() }
    }

    fn add(&mut self, workflow: Value, seconds: u64) {
        let mut run = Run::value(workflow)
            .with(ScriptedExecutor::new().otherwise(move |_| Script::succeeds().after(Duration::from_secs(seconds))));
        run.catalog.config_maps = self.limits.clone();
        self.runs.push(run);
    }

    /// One pass of one workflow against the shared table; says whether anything changed.
    fn pass(&mut self, index: usize) -> bool {
        let run = &mut self.runs[index];
        run.locks = self.locks.clone();
        let changed = run.pass();
        let _ = self.locks.observe(&run.workflow);
        changed
    }

    /// As a controller that starts again: the table is made from the statuses.
    fn restart(&mut self) {
        let mut locks = Locks::default();
        for run in &self.runs {
            let _ = locks.observe(&run.workflow);
        }
        assert_eq!(locks, self.locks, "the table is an index over statuses");
        self.locks = locks;
    }

    /// Passes until nothing changes.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut changed = false;
            for i in 0..self.runs.len() {
                changed |= self.pass(i);
            }
            if !changed {
                return;
            }
        }
        panic!("no rest");
    }

    /// Moves time on to whatever ends next; `false` when nothing does.
    fn wait(&mut self) -> bool {
        let due = self.runs.iter().filter_map(|it| it.executor.next_due()).min();
        let Some(due) = due else { return false };
        for run in &mut self.runs {
            run.now = due;
            run.executor.advance(due);
        }
        true
    }
}

fn mutex_workflow(name: &str, age: i64, level: &str, locks: Value) -> Value {
    let mut spec = json!({"entrypoint": "main", "templates": [
        {"name": "main", "container": {"image": "busybox", "command": ["x"]}},
    ]});
    if level == "workflow" {
        spec["synchronization"] = locks;
    } else {
        spec["templates"][0]["synchronization"] = locks;
    }
    let created = argo_core::time::rfc3339(argo_core::Timestamp::from_second(1_700_000_000 + age).unwrap());
    json!({"metadata": {"name": name, "namespace": "ns", "creationTimestamp": created}, "spec": spec})
}

#[test]
fn a_mutex_is_held_by_one_workflow_and_then_by_the_next_in_line() {
    let mut fleet = Fleet::new(&[]);
    for (name, age) in [("young", 9), ("first", 5), ("old", 1)] {
        fleet.add(mutex_workflow(name, age, "workflow", json!({"mutexes": [{"name": "m"}]})), 60);
    }
    // `first` comes first, before the others are there.
    fleet.pass(1);
    fleet.settle();
    let phases = |fleet: &Fleet| fleet.runs.iter().map(|it| it.status().as_str()).collect::<Vec<_>>();
    assert_eq!(phases(&fleet), ["Pending", "Running", "Pending"]);
    assert_eq!(fleet.runs[0].message(), "Waiting for ns/Mutex/m lock. Lock status: 0/1");
    assert_eq!(fleet.runs[0].workflow.status.started_at, None);
    let status =
        |fleet: &Fleet, i: usize| serde_json::to_value(&fleet.runs[i].workflow.status.synchronization).unwrap();
    assert_eq!(status(&fleet, 1), json!({"mutex": {"holding": [{"mutex": "ns/Mutex/m", "holder": "ns/first"}]}}));
    assert_eq!(status(&fleet, 0), json!({"mutex": {"waiting": [{"mutex": "ns/Mutex/m", "holder": "ns/first"}]}}));
    assert_eq!(fleet.locks.waiting("ns/Mutex/m"), ["ns/old", "ns/young"]);
    assert!(fleet.wait());
    fleet.settle();
    assert_eq!(phases(&fleet), ["Pending", "Succeeded", "Running"]);
    assert_eq!(status(&fleet, 1), Value::Null, "what is over holds nothing");
    assert_eq!(fleet.runs[2].message(), "", "what it waited for is past");
    assert!(fleet.wait());
    fleet.settle();
    assert!(fleet.wait());
    fleet.settle();
    assert_eq!(phases(&fleet), ["Succeeded"; 3]);
    assert_eq!(fleet.locks, Locks::default());
}

#[test]
fn who_released_names_who_is_next() {
    let mut fleet = Fleet::new(&[]);
    for (name, age) in [("a", 1), ("b", 2), ("c", 3)] {
        fleet.add(mutex_workflow(name, age, "workflow", json!({"mutexes": [{"name": "m"}]})), 60);
    }
    fleet.settle();
    assert!(fleet.wait());
    let run = &mut fleet.runs[0];
    run.locks = fleet.locks.clone();
    while run.pass() {}
    assert_eq!(fleet.locks.observe(&run.workflow), ["ns/b".to_owned()].into());
    assert_eq!(fleet.locks.forget("ns/b"), ["ns/c".to_owned()].into(), "a waiter that goes passes its turn on");
}

#[test]
fn higher_priority_goes_first() {
    let mut fleet = Fleet::new(&[]);
    for (name, age, priority) in [("a", 1, 0), ("b", 2, 0), ("c", 3, 7)] {
        let mut workflow = mutex_workflow(name, age, "template", json!({"mutexes": [{"name": "m"}]}));
        workflow["spec"]["priority"] = priority.into();
        fleet.add(workflow, 60);
    }
    fleet.pass(0);
    fleet.settle();
    fleet.wait();
    fleet.settle();
    assert_eq!(fleet.runs[2].phase("c"), "Running", "{}", fleet.runs[2].tree());
    assert_eq!(fleet.runs[2].executor.started(), ["c"]);
    assert!(fleet.runs[1].executor.started().is_empty());
}

#[test]
fn a_template_waits_in_its_node_and_a_semaphore_has_as_many_places_as_its_key_says() {
    let mut fleet = Fleet::new(&[("two", 2)]);
    let items: Vec<String> = (0..5).map(|it| it.to_string()).collect();
    let spec = json!({"entrypoint": "main", "templates": [
        {"name": "main", "steps": [[{"name": "s", "template": "run", "withItems": items,
            "arguments": {"parameters": [{"name": "lock", "value": "two"}]}}]]},
        {"name": "run", "inputs": {"parameters": [{"name": "lock"}]}, "container": {"image": "busybox"},
         "synchronization": {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "{{inputs.parameters.lock}}"}}]}},
    ]});
    fleet.add(json!({"metadata": {"name": "wf", "namespace": "ns"}, "spec": spec}), 60);
    fleet.settle();
    let run = &fleet.runs[0];
    assert_eq!(run.executor.started().len(), 2);
    let node = run.node("wf[0].s(2:2)").unwrap();
    assert_eq!(node.message(), "Waiting for ns/ConfigMap/limits/two lock. Lock status: 0/2");
    let json = serde_json::to_value(node).unwrap();
    assert_eq!(json["synchronizationStatus"], json!({"waiting": "ns/ConfigMap/limits/two"}));
    let held = &run.workflow.status.synchronization.as_ref().unwrap().semaphore.as_ref().unwrap().holding;
    assert_eq!((held.len(), held[0].holders.len()), (1, 2));
    for expected in [4, 5] {
        assert!(fleet.wait());
        fleet.settle();
        assert_eq!(fleet.runs[0].executor.started().len(), expected);
    }
    assert!(fleet.wait());
    fleet.settle();
    assert_eq!(fleet.runs[0].status(), WorkflowPhase::Succeeded);
    assert_eq!(fleet.runs[0].workflow.status.synchronization, None);
}

#[test]
fn a_raised_limit_lets_the_waiting_in() {
    let mut fleet = Fleet::new(&[("n", 1)]);
    let wanted = json!({"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "n"}}]});
    for name in ["a", "b"] {
        fleet.add(mutex_workflow(name, 1, "workflow", wanted.clone()), 60);
    }
    fleet.settle();
    assert_eq!(fleet.runs[1].status(), WorkflowPhase::Pending);
    assert_eq!(fleet.locks.waiting_for_config_map("ns", "limits"), ["ns/b".to_owned()].into());
    for run in &mut fleet.runs {
        run.catalog.config_maps.get_mut("limits").unwrap().insert("n".into(), "2".into());
    }
    fleet.settle();
    assert_eq!(fleet.runs[1].status(), WorkflowPhase::Running);
}

#[test]
fn what_can_not_be_locked_says_why() {
    let cases = [
        (
            json!({"mutexes": [{"name": "m"}, {"name": "m"}]}),
            "requested configuration is invalid: duplicate synchronization item found",
        ),
        (
            json!({"semaphores": [{}]}),
            "requested configuration is invalid: cannot get LockName for a Semaphore without a ConfigMapRef or Database",
        ),
        (
            json!({"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "no"}}]}),
            "failed to initialize semaphore ns/ConfigMap/limits/no with limit",
        ),
        (json!({"mutexes": [{"name": "m", "database": true}]}), "synchronization database session is not available"),
    ];
    for (wanted, message) in cases {
        let mut fleet = Fleet::new(&[]);
        fleet.add(mutex_workflow("wf", 1, "workflow", wanted.clone()), 1);
        fleet.add(mutex_workflow("in-template", 1, "template", wanted), 1);
        fleet.settle();
        assert_eq!(fleet.runs[0].status(), WorkflowPhase::Failed);
        assert_eq!(fleet.runs[0].message(), format!("Failed to acquire the synchronization lock. {message}"));
        assert_eq!(fleet.runs[1].status(), WorkflowPhase::Error);
        assert_eq!(fleet.runs[1].message(), format!("error in entry template execution: {message}"));
    }
}

#[test]
fn a_waiting_workflow_that_is_terminated_ends_at_once() {
    let mut fleet = Fleet::new(&[]);
    for name in ["a", "b"] {
        fleet.add(mutex_workflow(name, 1, "workflow", json!({"mutexes": [{"name": "m"}]})), 60);
    }
    fleet.settle();
    fleet.runs[1].workflow.spec.shutdown = Some("Terminate".into());
    fleet.settle();
    assert_eq!(fleet.runs[1].status(), WorkflowPhase::Failed);
    assert_eq!(fleet.runs[1].message(), "Stopped with strategy 'Terminate'");
    assert!(fleet.locks.waiting("ns/Mutex/m").is_empty());
}

#[test]
fn a_lock_is_kept_over_the_attempts_of_a_retry() {
    let mut fleet = Fleet::new(&[]);
    for (name, age) in [("a", 1), ("b", 2)] {
        let mut workflow = mutex_workflow(name, age, "template", json!({"mutexes": [{"name": "m"}]}));
        workflow["spec"]["templates"][0]["retryStrategy"] = json!({"limit": 1});
        fleet.add(workflow, 60);
    }
    fleet.runs[0].executor = ScriptedExecutor::new().on("a(0)", Script::exits(1).after(Duration::from_secs(5)));
    fleet.settle();
    assert_eq!(fleet.runs[1].phase("b"), "Pending");
    assert_eq!(serde_json::to_value(&fleet.runs[1].node("b").unwrap().kind).unwrap(), "Retry");
    fleet.wait();
    fleet.settle();
    assert_eq!(fleet.runs[0].executor.started(), ["a(0)", "a(1)"]);
    assert_eq!(fleet.runs[0].status(), WorkflowPhase::Succeeded);
    assert_eq!(fleet.runs[1].phase("b"), "Running");
    assert_eq!(fleet.runs[1].executor.started(), ["b(0)"]);
}

#[test]
fn without_a_place_a_workflow_is_postponed() {
    let mut run = Run::value(mutex_workflow("wf", 1, "template", json!({})));
    run.admitted = false;
    assert!(run.settle());
    assert_eq!(run.status(), WorkflowPhase::Pending);
    assert_eq!(run.message(), "Workflow processing has been postponed because too many workflows are already running");
    run.admitted = true;
    let run = run.finish();
    assert_eq!((run.status(), run.message()), (WorkflowPhase::Succeeded, ""));
}

/// What a workflow of the fleet asks for: locks of itself, and of its two steps.
#[derive(Debug, Clone)]
struct Wants {
    priority: i64,
    seconds: u64,
    workflow: Vec<usize>,
    steps: [Vec<usize>; 2],
}

fn wants() -> impl Strategy<Value = Wants> {
    let set =
        |low: usize, high: usize| prop::collection::btree_set(low..high, 0..3).prop_map(|it| it.into_iter().collect());
    // Locks of workflows and of steps are different ones: who holds some and waits for others may block for ever.
    (0_i64..3, 1_u64..5, set(0, 3), set(3, 6), set(3, 6)).prop_map(|(priority, seconds, workflow, a, b)| Wants {
        priority,
        seconds,
        workflow,
        steps: [a, b],
    })
}

fn locks_json(list: &[usize]) -> Value {
    let mut json = json!({"mutexes": [], "semaphores": []});
    for it in list {
        if it % 3 == 0 {
            json["mutexes"].as_array_mut().unwrap().push(json!({"name": format!("m{it}")}));
        } else {
            let key = format!("s{it}");
            json["semaphores"].as_array_mut().unwrap().push(json!({"configMapKeyRef": {"name": "limits", "key": key}}));
        }
    }
    json
}

/// The model: places of a lock.
fn places(lock: &str) -> usize {
    match lock.rsplit('/').next().unwrap() {
        "s1" | "s4" => 2,
        "s2" | "s5" => 3,
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_lock_is_overfilled_leaked_or_waited_for_for_ever(
        wants in prop::collection::vec(wants(), 1..7),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let mut fleet = Fleet::new(&[("s1", 2), ("s2", 3), ("s4", 2), ("s5", 3)]);
        for (i, it) in wants.iter().enumerate() {
            let template = |name: &str, list: &[usize]| {
                json!({"name": name, "container": {"image": "busybox"}, "synchronization": locks_json(list)})
            };
            let created = argo_core::time::rfc3339(argo_core::Timestamp::from_second(1_700_000_000 + (i as i64) % 3).unwrap());
            fleet.add(json!({"metadata": {"name": format!("w{i}"), "namespace": "ns", "creationTimestamp": created}, "spec": {
                "entrypoint": "main", "priority": it.priority, "synchronization": locks_json(&it.workflow),
                "templates": [
                    {"name": "main", "steps": [[{"name": "a", "template": "a"}, {"name": "b", "template": "b"}]]},
                    template("a", &it.steps[0]), template("b", &it.steps[1]),
                ],
            }}), it.seconds);
        }
        let check = |fleet: &Fleet| {
            for (lock, holders, _) in fleet.locks.iter() {
                assert!(holders <= places(lock), "{lock}: {holders}");
            }
            for run in &fleet.runs {
                let Some(status) = &run.workflow.status.synchronization else { continue };
                for (lock, holder) in status.held() {
                    assert!(fleet.locks.holders(lock).contains(&holder));
                    // Only what runs holds.
                    if let Some(node) = holder.splitn(3, '/').nth(2) {
                        assert!(!run.workflow.status.nodes[node].is_fulfilled(), "{holder} leaks {lock}");
                    }
                }
            }
        };
        for index in order {
            let index = index.index(fleet.runs.len());
            fleet.pass(index);
            check(&fleet);
            if index == 0 {
                fleet.restart();
            }
        }
        for _ in 0..200 {
            fleet.settle();
            check(&fleet);
            if !fleet.wait() {
                break;
            }
        }
        for run in &fleet.runs {
            prop_assert_eq!(run.status(), WorkflowPhase::Succeeded, "{}\n{:?}", run.tree(), fleet.locks);
        }
        prop_assert_eq!(&fleet.locks, &Locks::default());
    }
}
