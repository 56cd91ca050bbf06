//! The state machine of a trigger: events come in, firings go out.
//!
//! ```text
//!   event ─> dependencies it matches ─> transform ─> filters ─> conditions ─┬─ true:  Fire, forget what was saved
//!                                                                           └─ false: save it
//!                                                    in every case: Ack, with the state as it then is
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use argo_core::{Plan, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    calendar::Cron,
    conditions::Expression,
    filters::{Filters, Verdict},
    firing::{Events, Firing},
    transform::{Transform, TransformError},
};
use crate::api::{Dependency, Event, Sensor, Trigger};

/// A Sensor, ready to take events.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Name of the bus.
    pub bus: String,
    /// What every log line of the sensor carries.
    pub logging_fields: BTreeMap<String, String>,
    /// The triggers that can run.
    pub triggers: Vec<Machine>,
    /// The triggers that can not, and why: the others go on without them.
    pub broken: BTreeMap<String, String>,
}

/// The state machine of one trigger.
#[derive(Debug, Clone)]
pub struct Machine {
    namespace: String,
    sensor: String,
    trigger: Trigger,
    expression: Expression,
    waits: bool,
    dependencies: BTreeMap<String, Wanted>,
    resets: Vec<Cron>,
}

#[derive(Debug, Clone)]
struct Wanted {
    source: String,
    event: String,
    transform: Option<Transform>,
    filters: Filters,
    fingerprint: String,
}

/// What a trigger remembers between events. Kept by the bus, together with what was acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerState {
    /// The conditions it was saved under.
    pub conditions: String,
    /// Fingerprints of the dependencies it was saved under.
    pub dependencies: BTreeMap<String, String>,
    /// The latest event of each dependency that waits for others.
    pub saved: BTreeMap<String, Saved>,
}

/// An event that waits for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The event.
    pub event: Event,
    /// When it was saved.
    pub at: Timestamp,
}

/// What a trigger wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Carry the trigger out.
    Fire(Firing),
    /// The event is dealt with; with `atLeastOnce`, once the firings before it have ended.
    Ack,
    /// An event was dropped because its transformation or a filter could not be evaluated.
    Dropped {
        /// The dependency.
        dependency: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fire(firing) => {
                let names: Vec<&str> = firing.events.keys().map(String::as_str).collect();
                write!(f, "fire {} with {}", firing.trigger, names.join(", "))
            }
            Self::Ack => f.write_str("ack"),
            Self::Dropped { dependency, reason } => write!(f, "drop event of {dependency}: {reason}"),
        }
    }
}

impl Compiled {
    /// Compiles a Sensor. What is wrong with one trigger stands in `broken` and stops no other.
    #[must_use]
    pub fn new(sensor: &Sensor) -> Self {
        let namespace = sensor.metadata.namespace.clone().unwrap_or_default();
        let name = sensor.metadata.name.clone().unwrap_or_default();
        let mut compiled = Self {
            namespace,
            name,
            bus: sensor.spec.bus().to_owned(),
            logging_fields: sensor.spec.logging_fields.clone(),
            triggers: Vec::new(),
            broken: BTreeMap::new(),
        };
        for trigger in &sensor.spec.triggers {
            match Machine::compile(&compiled.namespace, &compiled.name, &sensor.spec.dependencies, trigger) {
                Ok(machine) => compiled.triggers.push(machine),
                Err(message) => {
                    compiled.broken.insert(trigger.name().to_owned(), message);
                }
            }
        }
        compiled
    }
}

impl Machine {
    fn compile(namespace: &str, sensor: &str, dependencies: &[Dependency], trigger: &Trigger) -> Result<Self, String> {
        let template = trigger.template.as_ref().ok_or("trigger template can't be empty")?;
        let names: Vec<&str> = dependencies.iter().map(|it| it.name.as_str()).collect();
        let expression = Expression::parse(&template.conditions, &names).map_err(|it| it.to_string())?;
        let used = expression.names();
        let mut wanted = BTreeMap::new();
        for dependency in dependencies.iter().filter(|it| used.contains(it.name.as_str())) {
            wanted.insert(dependency.name.clone(), Wanted::compile(dependency)?);
        }
        let by_time = template.conditions_reset.iter().filter_map(|it| it.by_time.as_ref());
        let resets = by_time
            .map(|it| Cron::parse(&it.cron, &it.timezone).map_err(|it| format!("conditionsReset: {it}")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            namespace: namespace.to_owned(),
            sensor: sensor.to_owned(),
            trigger: trigger.clone(),
            waits: expression.has_and(),
            expression,
            dependencies: wanted,
            resets,
        })
    }

    /// The trigger.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.trigger.name()
    }

    /// `(EventSource name, event name)` of what it listens to.
    pub fn subjects(&self) -> impl Iterator<Item = (&str, &str)> {
        self.dependencies.values().map(|it| (it.source.as_str(), it.event.as_str()))
    }

    /// Takes over what was remembered, possibly under an older spec: events of dependencies that
    /// changed or are gone are forgotten, all of them when the conditions changed, and those from
    /// before the last reset.
    #[must_use]
    pub fn adopt(&self, stored: TriggerState, now: Timestamp) -> TriggerState {
        let conditions = self.conditions().to_owned();
        let dependencies: BTreeMap<String, String> =
            self.dependencies.iter().map(|(name, it)| (name.clone(), it.fingerprint.clone())).collect();
        let mut saved = stored.saved;
        if stored.conditions == conditions {
            saved.retain(|name, _| {
                dependencies.contains_key(name) && dependencies.get(name) == stored.dependencies.get(name)
            });
        } else {
            saved.clear();
        }
        if let Some(reset) = self.resets.iter().filter_map(|it| it.previous(now)).max() {
            saved.retain(|_, it| it.at > reset);
        }
        TriggerState { conditions, dependencies, saved }
    }

    /// What to do with one event.
    #[must_use]
    pub fn step(&self, state: &TriggerState, event: &Event, now: Timestamp) -> Plan<TriggerState, Effect> {
        let mut plan = Plan::default();
        let mut next = state.clone();
        let matching =
            self.dependencies.iter().filter(|(_, it)| it.source == event.source && it.event == event.subject);
        for (name, wanted) in matching {
            let event = match wanted.transformed(event) {
                Ok(event) => event,
                Err(error) => {
                    plan.effect(Effect::Dropped { dependency: name.clone(), reason: error.to_string() });
                    continue;
                }
            };
            match wanted.filters.judge(&event) {
                Verdict::Pass => {}
                Verdict::Reject => continue,
                Verdict::Error(reason) => {
                    plan.effect(Effect::Dropped { dependency: name.clone(), reason });
                    continue;
                }
            }
            if !self.waits {
                plan.effect(Effect::Fire(self.firing(Events::from([(name.clone(), event.into_owned())]))));
            } else if self.expression.holds(&|it| it == name || next.saved.contains_key(it)) {
                let mut events: Events =
                    std::mem::take(&mut next.saved).into_iter().map(|(name, it)| (name, it.event)).collect();
                events.insert(name.clone(), event.into_owned());
                plan.effect(Effect::Fire(self.firing(events)));
            } else {
                next.saved.insert(name.clone(), Saved { event: event.into_owned(), at: now });
            }
        }
        plan.effect(Effect::Ack);
        self.finish(plan, state, next, now)
    }

    /// What a tick of `conditionsReset` does: forgets what was saved before it.
    #[must_use]
    pub fn reset(&self, state: &TriggerState, now: Timestamp) -> Plan<TriggerState, Effect> {
        let next = self.adopt(state.clone(), now);
        self.finish(Plan::default(), state, next, now)
    }

    fn finish(
        &self,
        mut plan: Plan<TriggerState, Effect>,
        state: &TriggerState,
        next: TriggerState,
        now: Timestamp,
    ) -> Plan<TriggerState, Effect> {
        if next != *state {
            plan.status = Some(next);
        }
        if let Some(at) = self.resets.iter().filter_map(|it| it.next(now)).min() {
            plan.wake_at(at);
        }
        plan
    }

    fn firing(&self, events: Events) -> Firing {
        Firing {
            namespace: self.namespace.clone(),
            sensor: self.sensor.clone(),
            trigger: self.name().to_owned(),
            events,
        }
    }

    fn conditions(&self) -> &str {
        self.trigger.template.as_ref().map(|it| it.conditions.as_str()).unwrap_or_default()
    }
}

impl Wanted {
    /// The event with the payload that the dependency's transformation makes of it.
    fn transformed<'a>(&self, event: &'a Event) -> Result<Cow<'a, Event>, TransformError> {
        let Some(transform) = &self.transform else { return Ok(Cow::Borrowed(event)) };
        let payload = transform.apply(&event.payload())?;
        Ok(Cow::Owned(Event { data: payload.to_string().into_bytes(), ..event.clone() }))
    }

    fn compile(dependency: &Dependency) -> Result<Self, String> {
        let transform = dependency.transform.clone().unwrap_or_default();
        let transform =
            Transform::compile(&transform).map_err(|error| format!("dependency {:?}: {error}", dependency.name))?;
        let json = serde_json::to_vec(dependency).map_err(|it| it.to_string())?;
        Ok(Self {
            source: dependency.event_source_name.clone(),
            event: dependency.event_name.clone(),
            transform,
            filters: Filters::compile(dependency).map_err(|it| it.to_string())?,
            fingerprint: hex::encode(&Sha256::digest(json)[..8]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn machine(conditions: &str, reset: Option<&str>) -> Machine {
        let dependency = |name: &str| json!({"name": name, "eventSourceName": "s", "eventName": name});
        let mut template = json!({"name": "t", "conditions": conditions, "log": {}});
        if let Some(cron) = reset {
            template["conditionsReset"] = json!([{"byTime": {"cron": cron}}]);
        }
        let sensor: Sensor = serde_json::from_value(json!({
            "metadata": {"name": "sensor", "namespace": "n"},
            "spec": {"dependencies": [dependency("a"), dependency("b"), dependency("c")], "triggers": [{"template": template}]},
        }))
        .unwrap();
        let compiled = Compiled::new(&sensor);
        assert_eq!(compiled.broken, BTreeMap::new());
        compiled.triggers.into_iter().next().unwrap()
    }

    fn event(name: &str, id: &str) -> Event {
        Event::new(id, "s", name, "webhook", now(), &json!({"id": id}))
    }

    /// Feeds events; returns the ids of each firing.
    fn run(machine: &Machine, state: &mut TriggerState, events: &[Event]) -> Vec<Vec<String>> {
        let mut fired = Vec::new();
        for event in events {
            let plan = machine.step(state, event, now());
            for effect in plan.effects() {
                if let Effect::Fire(firing) = effect {
                    fired.push(firing.events.values().map(|it| it.id.clone()).collect());
                }
            }
            assert_eq!(plan.effects().last(), Some(&Effect::Ack));
            if let Some(next) = plan.status {
                *state = next;
            }
        }
        fired
    }

    #[test]
    fn without_and_every_event_fires_alone() {
        let machine = machine("a || b", None);
        let mut state = TriggerState::default();
        let fired = run(&machine, &mut state, &[event("a", "1"), event("b", "2"), event("c", "3"), event("a", "4")]);
        assert_eq!(fired, [["1"], ["2"], ["4"]]);
        assert!(state.saved.is_empty());
    }

    #[test]
    fn with_and_events_wait_the_latest_wins_and_firing_forgets_all() {
        let machine = machine("(a && b) || c", None);
        let mut state = machine.adopt(TriggerState::default(), now());
        let fired = run(&machine, &mut state, &[event("a", "1"), event("a", "2"), event("b", "3")]);
        assert_eq!(fired, [["2", "3"]]);
        assert!(state.saved.is_empty());
        // Saved events ride along even if the satisfied branch does not need them.
        let fired = run(&machine, &mut state, &[event("a", "4"), event("c", "5")]);
        assert_eq!(fired, [["4", "5"]]);
        assert_eq!(run(&machine, &mut state, &[event("b", "6")]), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_changed_dependency_or_expression_forgets_its_events() {
        let machine = machine("a && b", None);
        let mut state = machine.adopt(TriggerState::default(), now());
        run(&machine, &mut state, &[event("a", "1")]);
        assert_eq!(machine.adopt(state.clone(), now()), state);
        let mut changed = state.clone();
        changed.dependencies.insert("a".into(), "other".into());
        assert!(machine.adopt(changed, now()).saved.is_empty());
        let mut other = state;
        other.conditions = "a && c".into();
        assert!(machine.adopt(other, now()).saved.is_empty());
    }

    #[test]
    fn a_reset_forgets_what_is_older_and_names_when_it_comes_again() {
        let machine = machine("a && b", Some("0 * * * *"));
        let mut state = machine.adopt(TriggerState::default(), now());
        let plan = machine.step(&state, &event("a", "1"), now());
        assert_eq!(plan.wake, Some("2026-01-02T04:00:00Z".parse().unwrap()));
        state = plan.status.unwrap();
        assert!(machine.reset(&state, now()).status.is_none());
        let plan = machine.reset(&state, "2026-01-02T04:00:00Z".parse().unwrap());
        assert!(plan.status.unwrap().saved.is_empty());
        assert_eq!(plan.wake, Some("2026-01-02T05:00:00Z".parse().unwrap()));
    }

    #[cfg(feature = "lua")]
    #[test]
    fn a_transformation_comes_before_the_filters() {
        let sensor: Sensor = serde_json::from_value(json!({
            "metadata": {"name": "x"},
            "spec": {"dependencies": [{"name": "a", "eventSourceName": "s", "eventName": "a",
                "transform": {"script": "return {upper = string.upper(event.id)}"},
                "filters": {"data": [{"path": "upper", "type": "string", "value": ["^B"]}]}}],
                "triggers": [{"template": {"name": "t", "log": {}}}]},
        }))
        .unwrap();
        let machine = Compiled::new(&sensor).triggers.remove(0);
        let plan = machine.step(&TriggerState::default(), &event("a", "bc"), now());
        let Some(Effect::Fire(firing)) = plan.effects().next() else { panic!("{plan}") };
        assert_eq!(firing.events["a"].payload(), json!({"upper": "BC"}));
        let plan = machine.step(&TriggerState::default(), &event("a", "x"), now());
        assert_eq!(plan.effects().count(), 1, "only the acknowledgement");
        let mut bare = event("a", "x");
        bare.data = b"[1]".to_vec();
        let plan = machine.step(&TriggerState::default(), &bare, now());
        assert!(matches!(plan.effects().next(), Some(Effect::Dropped { .. })));
    }

    #[test]
    fn a_broken_trigger_leaves_the_others_alone() {
        let sensor: Sensor = serde_json::from_value(json!({
            "metadata": {"name": "x"},
            "spec": {"dependencies": [{"name": "a", "eventSourceName": "s", "eventName": "e"}], "triggers": [
                {"template": {"name": "bad", "conditions": "nope", "log": {}}}, {"template": {"name": "good", "log": {}}}]},
        }))
        .unwrap();
        let compiled = Compiled::new(&sensor);
        assert_eq!(compiled.triggers.len(), 1);
        assert!(compiled.broken["bad"].contains("nope"));
    }

    #[test]
    fn state_round_trips_through_json() {
        let machine = machine("a && b", None);
        let mut state = machine.adopt(TriggerState::default(), now());
        run(&machine, &mut state, &[event("a", "1")]);
        let json: Value = serde_json::to_value(&state).unwrap();
        assert_eq!(serde_json::from_value::<TriggerState>(json).unwrap(), state);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A crash before the acknowledgement delivers the same event to the same state: the same
        /// plan comes out, so nothing is named twice; and a lost acknowledgement loses no event.
        #[test]
        fn a_redelivered_event_plans_the_same(
            picks in prop::collection::vec((0usize..3, any::<bool>()), 1..30),
            conditions in prop::sample::select(vec!["a && b", "a || b", "(a && b) || c", "a && b && c", ""]),
        ) {
            let machine = machine(conditions, None);
            let mut state = machine.adopt(TriggerState::default(), now());
            let mut plain = state.clone();
            let (mut ids, mut once) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
            for (i, (pick, crash)) in picks.into_iter().enumerate() {
                let event = event(["a", "b", "c"][pick], &i.to_string());
                let plan = machine.step(&state, &event, now());
                if crash {
                    prop_assert_eq!(&machine.step(&state, &event, now()), &plan);
                }
                let fired = |plan: &Plan<TriggerState, Effect>| -> Vec<String> {
                    plan.effects().filter_map(|it| match it { Effect::Fire(it) => Some(it.id()), _ => None }).collect()
                };
                ids.extend(fired(&plan));
                state = plan.status.unwrap_or(state);
                let plan = machine.step(&plain, &event, now());
                once.extend(fired(&plan));
                plain = plan.status.unwrap_or(plain);
            }
            prop_assert_eq!(ids, once);
            prop_assert_eq!(state, plain);
        }
    }
}
