//! Carrying a firing out: parameters, attempts, and what is done when all failed.

use argo_core::runtime::Shutdown;

use super::Services;
use crate::{
    api::{Trigger, TriggerTemplate},
    engine::{backoff::Attempts, firing::Firing, parameters},
    triggers::{Call, TriggerError, Triggers},
};

/// Carries a firing out: attempts as `retryStrategy` says, then `dlqTrigger` with the same events.
///
/// # Errors
/// The last error, when every attempt failed (whatever `dlqTrigger` did), or when `stop` came first.
pub async fn fire(
    services: &Services,
    triggers: &Triggers,
    trigger: &Trigger,
    firing: &Firing,
    stop: &Shutdown,
) -> Result<(), TriggerError> {
    let result = attempts(services, triggers, trigger, firing, stop).await;
    let (Err(error), Some(dlq)) = (&result, &trigger.dlq_trigger) else {
        return result;
    };
    if !stop.is_cancelled() {
        tracing::info!(sensorName = firing.sensor, triggerName = firing.trigger, %error, "Running the dlqTrigger");
        let firing = Firing { trigger: dlq.name().to_owned(), ..firing.clone() };
        // Its failure is told by the log; the first error is the one that counts.
        let _ = attempts(services, triggers, dlq, &firing, stop).await;
    }
    result
}

async fn attempts(
    services: &Services,
    triggers: &Triggers,
    trigger: &Trigger,
    firing: &Firing,
    stop: &Shutdown,
) -> Result<(), TriggerError> {
    let strategy = trigger.retry_strategy.as_ref();
    let mut attempts = strategy.map_or_else(Attempts::once, |it| Attempts::of(Some(it)));
    let (sensor, name) = (&firing.sensor, &firing.trigger);
    loop {
        let began = services.clock.now();
        let result = attempt(services, triggers, trigger, firing).await;
        let took = argo_core::time::between(began, services.clock.now());
        services.metrics.attempted(firing, result.is_ok(), took);
        let error = match result {
            Ok(()) => {
                let ids: Vec<&str> = firing.events.values().map(|it| it.id.as_str()).collect();
                tracing::info!(
                    sensorName = sensor,
                    triggerName = name,
                    triggeredByEvents = ids.join(","),
                    outcome = "successfully processed",
                    "Successfully processed trigger '{name}'"
                );
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::warn!(sensorName = sensor, triggerName = name, %error, "Failed to execute a trigger");
        let Some(delay) = attempts.failed(services.random()) else {
            services.metrics.exhausted(firing);
            return Err(error);
        };
        tokio::select! {
            () = stop.cancelled() => return Err(error),
            () = services.clock.sleep(delay) => {}
        }
    }
}

async fn attempt(
    services: &Services,
    triggers: &Triggers,
    trigger: &Trigger,
    firing: &Firing,
) -> Result<(), TriggerError> {
    let invalid = |message: String| TriggerError::Invalid(message);
    let template = trigger.template.as_ref().ok_or_else(|| invalid("trigger template can't be empty".to_owned()))?;
    let template = if trigger.parameters.is_empty() {
        template.clone()
    } else {
        let mut json = serde_json::to_value(template).map_err(|it| invalid(it.to_string()))?;
        parameters::apply(&mut json, &trigger.parameters, &firing.events)?;
        serde_json::from_value::<TriggerTemplate>(json).map_err(|it| invalid(it.to_string()))?
    };
    let (implementation, config) = triggers.of(&template).map_err(invalid)?;
    let call = Call { config, firing, policy: trigger.policy.as_ref(), services };
    implementation.execute(&call).await
}
