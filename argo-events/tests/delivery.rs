//! Events from the bus through a sensor to a trigger, in virtual time and without Kubernetes.

use std::{sync::Arc, time::Duration};

use argo_core::{Clock, Timestamp};
use argo_events::{
    api::{Event, Sensor},
    bus::{BusError, Channel, EventBus, MemoryBus, Published},
    engine::sensor::Compiled,
    plane::{SensorRunner, Services, SourceRunner, TriggerHealth},
    secrets::FixedSecrets,
    sources::{Listening, Sources},
    testing::{ScriptedBus, ScriptedSource, ScriptedTrigger},
    triggers::Triggers,
};
use proptest::prelude::*;
use serde_json::{Value, json};

struct World {
    clock: Clock,
    bus: ScriptedBus<MemoryBus>,
    memory: MemoryBus,
    trigger: ScriptedTrigger,
    services: Services,
    triggers: Triggers,
}

fn world() -> World {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap());
    let memory = MemoryBus::new(clock.clone());
    let bus = ScriptedBus::new(memory.clone());
    let trigger = ScriptedTrigger::default();
    let mut triggers = Triggers::builtin();
    triggers.add(Arc::new(trigger.clone()));
    let services = Services::new(clock.clone(), Arc::new(bus.clone()), Arc::new(FixedSecrets::default())).seed(7);
    World { clock, bus, memory, trigger, services, triggers }
}

fn sensor(triggers: Value) -> Compiled {
    let dependency = |name: &str| json!({"name": name, "eventSourceName": "src", "eventName": name});
    let sensor: Sensor = serde_json::from_value(json!({
        "metadata": {"name": "sensor", "namespace": "n"},
        "spec": {"dependencies": [dependency("a"), dependency("b")], "triggers": triggers},
    }))
    .unwrap();
    Compiled::new(&sensor)
}

fn event(name: &str, id: &str) -> Event {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Event::new(id, "src", name, "webhook", at, &json!({"id": id}))
}

impl World {
    fn start(&self, triggers: Value) -> SensorRunner {
        SensorRunner::start(sensor(triggers), &self.services, &self.triggers, || {})
    }

    /// Starts, and waits until the groups are there: what is published from now on arrives.
    async fn subscribed(&self, triggers: Value) -> SensorRunner {
        let runner = self.start(triggers);
        while runner.health().values().any(|it| *it != TriggerHealth::Running) {
            tokio::task::yield_now().await;
        }
        runner
    }

    async fn publish(&self, name: &str, id: &str) {
        self.memory.publish(&channel(), &event(name, id)).await.unwrap();
    }

    async fn drained(&self) {
        while self.memory.waiting() > 0 {
            self.clock.sleep(Duration::from_millis(1)).await;
        }
    }
}

fn channel() -> Channel {
    Channel::new("n", "default")
}

fn scripted(more: Value) -> Value {
    let mut trigger = json!({"atLeastOnce": true, "template": {"name": "t", "conditions": "a", "scripted": {}}});
    if let (Some(trigger), Some(more)) = (trigger.as_object_mut(), more.as_object()) {
        trigger.extend(more.clone());
    }
    json!([trigger])
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_the_retry_strategy_and_the_event_is_kept_meanwhile() {
    let world = world();
    let strategy = json!({"retryStrategy": {"steps": 4, "duration": "10s", "factor": 2, "jitter": 0}});
    let _runner = world.subscribed(scripted(strategy)).await;
    world.trigger.fail(2);
    let start = world.clock.now();
    world.publish("a", "1").await;
    world.trigger.wait_attempts(2).await;
    assert_eq!(world.memory.waiting(), 1, "not acknowledged before it ended");
    world.trigger.wait(1).await;
    assert_eq!(argo_core::time::between(start, world.clock.now()).as_secs(), 30);
    world.drained().await;
    assert_eq!(world.trigger.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_fails_for_good_is_acknowledged_and_its_dead_letter_trigger_runs() {
    let world = world();
    let dlq = json!({"dlqTrigger": {"atLeastOnce": true, "template": {"name": "dlq", "scripted": {"dead": true}}}});
    let _runner = world.subscribed(scripted(dlq)).await;
    world.trigger.fail(1);
    world.publish("a", "1").await;
    let done = world.trigger.wait(1).await;
    assert_eq!((done[0].0.trigger.as_str(), &done[0].1), ("dlq", &json!({"dead": true})));
    world.drained().await;
    world.publish("a", "2").await;
    assert_eq!(world.trigger.wait(2).await[1].0.trigger, "t");
}

#[tokio::test(start_paused = true)]
async fn a_trigger_without_at_least_once_is_retried_too_and_does_not_hold_up_others() {
    let world = world();
    let more = json!({"atLeastOnce": false, "retryStrategy": {"steps": 2, "duration": "1h", "jitter": 0}});
    let _runner = world.subscribed(scripted(more)).await;
    world.trigger.fail(1);
    world.publish("a", "1").await;
    world.trigger.wait_attempts(1).await;
    world.publish("a", "2").await;
    let ids = |done: Vec<(argo_events::engine::firing::Firing, Value)>| -> Vec<String> {
        done.iter().map(|it| it.0.events["a"].id.clone()).collect()
    };
    assert_eq!(ids(world.trigger.wait(1).await), ["2"]);
    assert_eq!(ids(world.trigger.wait(2).await), ["2", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_spaces_firings() {
    let world = world();
    let more = json!({"rateLimit": {"unit": "Minute", "requestsPerUnit": 6}});
    let _runner = world.subscribed(scripted(more)).await;
    let start = world.clock.now();
    for id in ["1", "2", "3"] {
        world.publish("a", id).await;
    }
    world.trigger.wait(3).await;
    assert_eq!(argo_core::time::between(start, world.clock.now()).as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn saved_events_survive_a_restart_of_the_sensor() {
    let world = world();
    let both = json!([{"atLeastOnce": true, "template": {"name": "t", "conditions": "a && b", "scripted": {}}}]);
    let runner = world.subscribed(both.clone()).await;
    world.publish("a", "1").await;
    world.drained().await;
    runner.stop().await;
    assert!(world.trigger.done().is_empty());
    // While it is away.
    world.publish("b", "2").await;
    assert_eq!(world.memory.waiting(), 1);
    let _runner = world.start(both);
    let done = world.trigger.wait(1).await;
    let ids: Vec<&str> = done[0].0.events.values().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn saved_events_are_forgotten_by_schedule() {
    let world = world();
    let reset = json!([{"atLeastOnce": true, "template": {"name": "t", "conditions": "a && b", "scripted": {},
        "conditionsReset": [{"byTime": {"cron": "0 * * * *"}}]}}]);
    let _runner = world.subscribed(reset).await;
    world.publish("a", "1").await;
    world.drained().await;
    world.clock.sleep(Duration::from_secs(3601)).await;
    world.publish("b", "2").await;
    world.drained().await;
    world.publish("a", "3").await;
    let done = world.trigger.wait(1).await;
    let ids: Vec<&str> = done[0].0.events.values().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["3", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_is_gone_from_the_spec_leaves_nothing_on_the_bus() {
    let world = world();
    let two = json!([{"template": {"name": "t", "scripted": {}}}, {"template": {"name": "u", "scripted": {}}}]);
    world.subscribed(two).await.stop().await;
    let _runner = world.start(json!([{"template": {"name": "u", "scripted": {}}}]));
    loop {
        let groups = world.memory.groups(&channel(), "sensor").await.unwrap();
        if groups.len() == 1 {
            assert_eq!(groups[0].trigger, "u");
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_publishes_again_when_the_bus_refuses_and_filters_by_expression() {
    let world = world();
    let _runner = world.subscribed(scripted(json!({}))).await;
    let source = ScriptedSource::default();
    let mut sources = Sources::default();
    sources.add(Arc::new(source.clone()));
    let mut runner = SourceRunner::new(world.services.clone(), sources, || {});
    let object = json!({"metadata": {"name": "src", "namespace": "n"},
        "spec": {"scripted": {"a": {"filter": {"expression": "n > 1"}}}}});
    runner.update(&serde_json::from_value(object).unwrap());
    world.bus.refuse(3);
    source.push(json!({"n": 1}));
    source.push(json!({"n": 2}));
    let done = world.trigger.wait(1).await;
    assert_eq!(done[0].0.events["a"].payload(), json!({"n": 2}));
    assert_eq!(done[0].0.events["a"].id.len(), 32);
    assert_eq!(runner.health()["a"], Listening::Yes);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_calendar_fires_by_its_schedule() {
    let world = world();
    let _runner = world.subscribed(scripted(json!({}))).await;
    let mut runner = SourceRunner::new(world.services.clone(), Sources::builtin(), || {});
    let object = json!({"metadata": {"name": "src", "namespace": "n"},
        "spec": {"calendar": {"a": {"schedule": "*/10 * * * *", "metadata": {"k": "v"}}}}});
    runner.update(&serde_json::from_value(object).unwrap());
    let done = world.trigger.wait(2).await;
    assert_eq!(
        done[1].0.events["a"].payload(),
        json!({"eventTime": "2026-01-01 00:20:00 +0000 UTC", "metadata": {"k": "v"}})
    );
    assert_eq!(argo_core::time::rfc3339(world.clock.now()), "2026-01-01T00:20:00Z");
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_subscription_can_not_acknowledge_for_a_newer_one() {
    let world = world();
    let group = argo_events::bus::Group { channel: channel(), sensor: "s".into(), trigger: "t".into() };
    let subjects = [argo_events::bus::Subject::new("src", "a")].into();
    let mut old = world.memory.subscribe(&group, &subjects).await.unwrap();
    world.publish("a", "1").await;
    let delivery = old.next().await.unwrap();
    let mut new = world.memory.subscribe(&group, &subjects).await.unwrap();
    assert!(matches!(old.commit(Some(delivery.sequence), None).await, Err(BusError::Superseded { .. })));
    assert_eq!(new.next().await.unwrap().event.id, "1");
    assert_eq!(world.memory.publish(&channel(), &event("a", "1")).await.unwrap(), Published::Duplicate);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The sensor is stopped and started at random points, attempts fail at random: every event that
    /// was accepted is carried out, and its firings all have the same id.
    #[test]
    fn every_accepted_event_is_carried_out(steps in prop::collection::vec(0_u8..4, 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world();
            let triggers = scripted(json!({"retryStrategy": {"steps": 1000, "duration": "1s", "jitter": 0}}));
            let mut runner = Some(world.subscribed(triggers.clone()).await);
            let mut published = 0;
            for step in steps {
                match step {
                    0 | 1 => {
                        world.publish("a", &published.to_string()).await;
                        published += 1;
                    }
                    2 => {
                        world.trigger.fail(2);
                        tokio::task::yield_now().await;
                    }
                    _ => match runner.take() {
                        // Dropped, not stopped: whatever was under way is cut off.
                        Some(it) => drop(it),
                        None => runner = Some(world.start(triggers.clone())),
                    },
                }
            }
            world.trigger.fail(0);
            let _runner = match runner {
                Some(it) => it,
                None => world.start(triggers),
            };
            world.drained().await;
            let mut firings = std::collections::BTreeMap::new();
            for (firing, _) in world.trigger.done() {
                let ids: &mut std::collections::BTreeSet<String> =
                    firings.entry(firing.events["a"].id.clone()).or_default();
                ids.insert(firing.id());
            }
            assert_eq!(firings.len(), published);
            assert!(firings.values().all(|it| it.len() == 1));
        });
    }
}
