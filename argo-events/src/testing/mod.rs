//! For users' own tests: feed events to a Sensor and look at what it would do.
//!
//! ```
//! use argo_events::testing::SensorTest;
//! use serde_json::json;
//!
//! let mut sensor = SensorTest::from_yaml(r#"
//!     metadata: {name: ci, namespace: team}
//!     spec:
//!       dependencies:
//!       - name: push
//!         eventSourceName: github
//!         eventName: app
//!         filters: {data: [{path: body.ref, type: string, value: [refs/heads/main]}]}
//!       triggers:
//!       - template:
//!           name: build
//!           k8s:
//!             operation: create
//!             source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: build-}, data: {sha: ""}}}
//!             parameters: [{src: {dependencyName: push, dataKey: body.after}, dest: data.sha}]
//! "#)?;
//! assert!(sensor.event("github", "app", json!({"body": {"ref": "refs/heads/dev"}})).is_empty());
//! let fired = sensor.event("github", "app", json!({"body": {"ref": "refs/heads/main", "after": "c0ffee"}}));
//! assert_eq!(fired[0].object()?["data"]["sha"], "c0ffee");
//! # Ok::<(), argo_events::testing::TestError>(())
//! ```

#[cfg(feature = "run")]
mod scripted;

use std::collections::BTreeMap;

use argo_core::{Object, Timestamp, time};
use serde_json::Value;

use crate::{
    api::{Event, Sensor, Trigger},
    engine::{
        firing::Firing,
        objects,
        parameters::{self, ParameterError},
        sensor::{Compiled, Effect, TriggerState},
    },
};

#[cfg(feature = "run")]
pub use scripted::{ScriptedBus, ScriptedSource, ScriptedTrigger};

/// A manifest or a parameter that does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// Not a Sensor.
    #[error("not a Sensor: {0}")]
    Manifest(String),
    /// A trigger that can not run.
    #[error("trigger {trigger}: {message}")]
    Trigger {
        /// The trigger.
        trigger: String,
        /// Why.
        message: String,
    },
    /// A parameter without a value.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

/// A Sensor outside any cluster, in a time of its own.
#[derive(Debug)]
pub struct SensorTest {
    sensor: Compiled,
    states: BTreeMap<String, TriggerState>,
    now: Timestamp,
    count: u64,
}

/// A trigger that went off.
#[derive(Debug, Clone)]
pub struct Fired {
    /// Which, with which events.
    pub firing: Firing,
    trigger: Trigger,
    now: Timestamp,
}

impl SensorTest {
    /// From a manifest.
    ///
    /// # Errors
    /// When it is no Sensor, or one of its triggers can not run.
    pub fn from_yaml(manifest: &str) -> Result<Self, TestError> {
        let json = argo_lang::yaml::decode(manifest).map_err(|it| TestError::Manifest(it.to_string()))?;
        let sensor = serde_json::from_value(json).map_err(|it| TestError::Manifest(it.to_string()))?;
        Self::new(&sensor)
    }

    /// From a Sensor. Time starts at 2026-01-01.
    ///
    /// # Errors
    /// When one of its triggers can not run.
    pub fn new(sensor: &Sensor) -> Result<Self, TestError> {
        let sensor = Compiled::new(sensor);
        if let Some((trigger, message)) = sensor.broken.iter().next() {
            return Err(TestError::Trigger { trigger: trigger.clone(), message: message.clone() });
        }
        let now = Timestamp::from_second(1_767_225_600).unwrap_or_default();
        let states =
            sensor.triggers.iter().map(|it| (it.name().to_owned(), it.adopt(TriggerState::default(), now))).collect();
        Ok(Self { sensor, states, now, count: 0 })
    }

    /// Lets time pass; `conditionsReset` does what it does.
    pub fn pass(&mut self, duration: std::time::Duration) {
        self.now = time::after(self.now, duration);
        for machine in &self.sensor.triggers {
            if let Some(state) = self.states.get_mut(machine.name())
                && let Some(next) = machine.reset(state, self.now).status
            {
                *state = next;
            }
        }
    }

    /// An event with this payload: what fires.
    pub fn event(&mut self, source: &str, event: &str, payload: Value) -> Vec<Fired> {
        self.count += 1;
        let id = format!("{:032x}", self.count);
        self.deliver(&Event::new(&id, source, event, "webhook", self.now, &payload))
    }

    /// An event as it comes from the bus: what fires.
    pub fn deliver(&mut self, event: &Event) -> Vec<Fired> {
        let mut fired = Vec::new();
        for machine in &self.sensor.triggers {
            let Some(state) = self.states.get_mut(machine.name()) else { continue };
            let plan = machine.step(state, event, self.now);
            fired.extend(plan.effects().filter_map(|it| match it {
                Effect::Fire(firing) => {
                    Some(Fired { firing: firing.clone(), trigger: machine.trigger().clone(), now: self.now })
                }
                _ => None,
            }));
            if let Some(next) = plan.status {
                *state = next;
            }
        }
        fired
    }
}

impl Fired {
    /// Name of the trigger.
    #[must_use]
    pub fn trigger(&self) -> &str {
        &self.firing.trigger
    }

    /// The template with the trigger's parameters put in.
    ///
    /// # Errors
    /// When a parameter has no value or no place.
    pub fn template(&self) -> Result<Value, TestError> {
        let mut json = serde_json::to_value(&self.trigger.template).unwrap_or_default();
        parameters::apply(&mut json, &self.trigger.parameters, &self.firing.events)?;
        Ok(json)
    }

    /// The object that a `k8s` or `argoWorkflow` trigger with `source.resource` creates, named as it
    /// will be named. An empty object for other triggers.
    ///
    /// # Errors
    /// When a parameter has no value or no place.
    pub fn object(&self) -> Result<Value, TestError> {
        let template = self.template()?;
        let config = ["k8s", "argoWorkflow"].iter().find_map(|it| template.get(it)).cloned().unwrap_or_default();
        let mut json = config.pointer("/source/resource").cloned().unwrap_or_default();
        let list = config.get("parameters").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let list: Vec<_> = serde_json::from_value(list).map_err(|it| TestError::Manifest(it.to_string()))?;
        parameters::apply(&mut json, &list, &self.firing.events)?;
        Ok(objects::prepare_create(Object::from_value(json), &self.firing, self.now).into_value())
    }
}
