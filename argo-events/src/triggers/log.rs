//! `log`: writes the events into the log.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Timestamp, time};
use parking_lot::Mutex;
use serde_json::Value;

use super::{Call, Trigger, TriggerError, decode};
use crate::api;

/// The `log` type.
#[derive(Debug, Default)]
pub struct LogTrigger {
    /// Sensor and trigger → when it last wrote.
    last: Mutex<BTreeMap<(String, String, String), Timestamp>>,
}

#[async_trait::async_trait]
impl Trigger for LogTrigger {
    fn kind(&self) -> &'static str {
        "log"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        decode::<api::LogTrigger>(config).map(|_| ())
    }

    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
        let config: api::LogTrigger = decode(call.config).map_err(TriggerError::Invalid)?;
        let firing = call.firing;
        if let Some(seconds) = config.interval_seconds.filter(|it| *it > 0) {
            let now = call.services.clock.now();
            let key = (firing.namespace.clone(), firing.sensor.clone(), firing.trigger.clone());
            let mut last = self.last.lock();
            if last.get(&key).is_some_and(|it| now < time::after(*it, Duration::from_secs(seconds))) {
                return Ok(());
            }
            last.insert(key, now);
        }
        for (dependency, event) in &firing.events {
            tracing::info!(
                sensorName = firing.sensor, triggerName = firing.trigger, dependencyName = dependency,
                eventContext = %event.context_json(), "{}", String::from_utf8_lossy(&event.data)
            );
        }
        Ok(())
    }
}
