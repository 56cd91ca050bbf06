//! Whether manifests can work, told as conditions tell it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::{
    BusKind, Dependency, EventBusSpec, EventSourceSpec, SensorSpec, SourceEvent, Trigger, TriggerParameter,
    TriggerTemplate,
};

/// Condition types and reasons, as upstream's clients read them.
pub mod names {
    /// EventBus: its spec is valid.
    pub const CONFIGURED: &str = "Configured";
    /// All kinds: it is there.
    pub const DEPLOYED: &str = "Deployed";
    /// EventSource: its spec is valid.
    pub const SOURCES_PROVIDED: &str = "SourcesProvided";
    /// Sensor: its dependencies are valid.
    pub const DEPENDENCIES_PROVIDED: &str = "DependenciesProvided";
    /// Sensor: its triggers are valid.
    pub const TRIGGERS_PROVIDED: &str = "TriggersProvided";

    /// EventBus.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// EventSource.
    pub const INVALID_EVENT_SOURCE: &str = "InvalidEventSource";
    /// Sensor.
    pub const INVALID_DEPENDENCIES: &str = "InvalidDependencies";
    /// Sensor.
    pub const INVALID_TRIGGERS: &str = "InvalidTriggers";
    /// The bus does not exist.
    pub const EVENT_BUS_NOT_FOUND: &str = "EventBusNotFound";
    /// The bus is not ready.
    pub const EVENT_BUS_NOT_READY: &str = "EventBusNotReady";
    /// Running.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Ours: an event of an EventSource does not run, and why stands in the message.
    pub const SOURCE_FAILED: &str = "EventSourceFailed";
    /// Ours: a listener of an EventSource does not run, because its port is in use, say.
    pub const LISTEN_FAILED: &str = "ListenFailed";
    /// Ours: a trigger of a Sensor does not run.
    pub const TRIGGER_FAILED: &str = "TriggerFailed";
    /// Ours: this kind of bus is not built in.
    pub const NOT_SUPPORTED: &str = "NotSupported";
}

/// A Sensor that can not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSensor {
    /// The condition that is false.
    pub condition: &'static str,
    /// Its reason.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// Which bus an EventBus is.
///
/// # Errors
/// Upstream's words for what is missing.
pub fn event_bus(spec: &EventBusSpec) -> Result<BusKind, String> {
    let missing = |value: &Value, key: &str, name: &str| match value.get(key).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(format!("\"spec.{name}.{key}\" is missing")),
    };
    if let Some(nats) = &spec.nats {
        return match (&nats.native, &nats.exotic) {
            (Some(_), Some(_)) => {
                Err("\"spec.nats.native\" and \"spec.nats.exotic\" can not be defined together".into())
            }
            (None, None) => Err("either \"native\" or \"exotic\" must be defined".into()),
            (Some(_), None) => Ok(BusKind::NatsNative),
            (None, Some(exotic)) => {
                missing(exotic, "clusterID", "nats.exotic")?;
                missing(exotic, "url", "nats.exotic")?;
                Ok(BusKind::NatsExotic)
            }
        };
    }
    if let Some(jetstream) = &spec.jetstream {
        if jetstream.version.is_empty() {
            return Err("invalid spec: a version for jetstream needs to be specified".into());
        }
        return match jetstream.replicas {
            Some(2) => Err("invalid spec: a jetstream eventbus requires at least 3 replicas".into()),
            Some(it) if it <= 0 => Err("invalid spec: a jetstream eventbus requires at least 1 replica".into()),
            _ => Ok(BusKind::JetStream),
        };
    }
    if let Some(kafka) = &spec.kafka {
        missing(kafka, "url", "kafka")?;
        return Ok(BusKind::Kafka);
    }
    if let Some(exotic) = &spec.jetstream_exotic {
        missing(exotic, "url", "jetstreamExotic")?;
        return Ok(BusKind::JetStreamExotic);
    }
    Err("invalid spec: either \"nats\", \"jetstream\", \"jetstreamExotic\" or \"kafka\" needs to be specified".into())
}

/// Whether an EventSource can work. `check` knows the types; it gets each event.
///
/// # Errors
/// The message of condition `SourcesProvided`.
pub fn event_source(
    name: &str,
    spec: &EventSourceSpec,
    check: &dyn Fn(&SourceEvent) -> Result<(), String>,
) -> Result<(), String> {
    let events = spec.events();
    if events.is_empty() {
        return Err("no event source is defined".into());
    }
    let mut seen = BTreeSet::new();
    for event in &events {
        if event.name.contains('.') || name.contains('.') {
            return Err(format!("Invalid spec: {name} - {}: names must not contain '.'", event.name));
        }
        if !seen.insert(&event.name) {
            return Err(format!("more than one \"{}\" found in the spec", event.name));
        }
        check(event).map_err(|it| format!("Invalid spec: {name} - {}: {it}", event.name))?;
    }
    Ok(())
}

/// Whether a Sensor can work. `check` knows the trigger types; it gets each template.
///
/// # Errors
/// Condition, reason and message.
pub fn sensor(spec: &SensorSpec, check: &dyn Fn(&TriggerTemplate) -> Result<(), String>) -> Result<(), InvalidSensor> {
    dependencies(&spec.dependencies).map_err(|message| InvalidSensor {
        condition: names::DEPENDENCIES_PROVIDED,
        reason: names::INVALID_DEPENDENCIES,
        message,
    })?;
    triggers(&spec.triggers, check).map_err(|message| InvalidSensor {
        condition: names::TRIGGERS_PROVIDED,
        reason: names::INVALID_TRIGGERS,
        message,
    })
}

fn dependencies(list: &[Dependency]) -> Result<(), String> {
    if list.is_empty() {
        return Err("no event dependencies found".into());
    }
    for dependency in list {
        if dependency.name.is_empty() {
            return Err("event dependency must define a name".into());
        }
        if dependency.event_source_name.is_empty() {
            return Err("event dependency must define the EventSourceName".into());
        }
        if dependency.event_name.is_empty() {
            return Err("event dependency must define the EventName".into());
        }
        filters(dependency).map_err(|it| format!("dependency {}: {it}", dependency.name))?;
        super::filters::Filters::compile(dependency).map_err(|it| it.to_string())?;
    }
    Ok(())
}

fn filters(dependency: &Dependency) -> Result<(), String> {
    let Some(filters) = &dependency.filters else {
        return Ok(());
    };
    for filter in &filters.exprs {
        if filter.expr.is_empty() {
            return Err("one of expr filters is not valid (expr must not be empty)".into());
        }
        if filter.fields.is_empty() {
            return Err("one of expr filters is not valid (fields must not be empty)".into());
        }
        if filter.fields.iter().any(|it| it.path.is_empty() || it.name.is_empty()) {
            return Err("one of expr filters is not valid (path and name of fields must not be empty)".into());
        }
    }
    for filter in &filters.data {
        if !["", ">=", ">", "=", "!=", "<", "<="].contains(&filter.comparator.as_str()) {
            return Err(format!(
                "one of data filters is not valid (comparator {:?} is not supported)",
                filter.comparator
            ));
        }
        if filter.path.is_empty() || filter.kind.is_empty() || filter.value.is_empty() {
            return Err("one of data filters is not valid (path, type and value must not be empty)".into());
        }
        if filter.value.iter().any(String::is_empty) {
            return Err("one of data filters is not valid (a value is empty)".into());
        }
    }
    if let Some(context) = &filters.context
        && [&context.kind, &context.subject, &context.source, &context.datacontenttype].iter().all(|it| it.is_empty())
    {
        return Err("no fields specified in ctx filter (aka all events will be discarded)".into());
    }
    Ok(())
}

fn triggers(list: &[Trigger], check: &dyn Fn(&TriggerTemplate) -> Result<(), String>) -> Result<(), String> {
    if list.is_empty() {
        return Err("no triggers found".into());
    }
    let mut seen = BTreeSet::new();
    for it in list {
        trigger(it, check)?;
        if !seen.insert(it.name()) {
            return Err(format!("duplicate trigger name: {}", it.name()));
        }
        if let Some(dlq) = &it.dlq_trigger {
            if !it.at_least_once || !dlq.at_least_once {
                return Err(format!("template {} is invalid, dlqTrigger needs atLeastOnce on both", it.name()));
            }
            trigger(dlq, check)?;
        }
    }
    Ok(())
}

fn trigger(trigger: &Trigger, check: &dyn Fn(&TriggerTemplate) -> Result<(), String>) -> Result<(), String> {
    let Some(template) = &trigger.template else {
        return Err("trigger template can't be nil".into());
    };
    if template.name.is_empty() {
        return Err("trigger must define a name".into());
    }
    let wrap = |it: String| format!("template {} is invalid, {it}", template.name);
    for reset in &template.conditions_reset {
        let by_time = reset.by_time.as_ref().ok_or_else(|| wrap("invalid conditionsReset".into()))?;
        super::calendar::Cron::parse(&by_time.cron, &by_time.timezone).map_err(|it| wrap(it.to_string()))?;
    }
    check(template).map_err(wrap)?;
    parameters(&trigger.parameters, false).map_err(wrap)?;
    if let Some(policy) = &trigger.policy {
        if policy.k8s.as_ref().is_some_and(|it| it.labels.is_empty()) {
            return Err(wrap("policy.k8s needs labels".into()));
        }
        if policy.status.as_ref().is_some_and(|it| it.allow.is_empty()) {
            return Err(wrap("policy.status needs a list of allowed status codes".into()));
        }
    }
    if let Some(limit) = &trigger.rate_limit
        && (!["", "Second", "Minute", "Hour"].contains(&limit.unit.as_str()) || limit.requests_per_unit < 0)
    {
        return Err(wrap(format!("rateLimit unit {:?} is none of Second, Minute, Hour", limit.unit)));
    }
    Ok(())
}

/// Whether parameters can work; `dest` may be empty only where they build a payload.
///
/// # Errors
/// Upstream's words for what is missing.
pub fn parameters(list: &[TriggerParameter], is_payload: bool) -> Result<(), String> {
    for parameter in list {
        let source = parameter.src.as_ref().ok_or("parameter source can't be empty")?;
        if source.dependency_name.is_empty() {
            return Err("parameter dependency name can't be empty".into());
        }
        if parameter.dest.is_empty() && !is_payload {
            return Err("parameter destination can't be empty".into());
        }
        if !["", "append", "overwrite", "prepend"].contains(&parameter.operation.as_str()) {
            return Err(format!("parameter operation {:?} is unknown", parameter.operation));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bus(json: Value) -> Result<BusKind, String> {
        event_bus(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn a_bus_is_one_of_four() {
        assert_eq!(bus(json!({"jetstream": {"version": "latest"}})), Ok(BusKind::JetStream));
        assert_eq!(bus(json!({"nats": {"native": {}}, "kafka": {}})), Ok(BusKind::NatsNative));
        assert_eq!(bus(json!({"jetstreamExotic": {}})), Err("\"spec.jetstreamExotic.url\" is missing".into()));
        assert!(bus(json!({})).is_err());
        assert!(bus(json!({"nats": {}})).is_err());
        assert!(bus(json!({"jetstream": {"version": ""}})).is_err());
        assert!(bus(json!({"jetstream": {"version": "1", "replicas": 2}})).is_err());
    }

    #[test]
    fn event_names_are_unique_over_all_types() {
        let spec: EventSourceSpec =
            serde_json::from_value(json!({"webhook": {"a": {}, "b": {}}, "calendar": {"a": {}}})).unwrap();
        assert_eq!(event_source("es", &spec, &|_| Ok(())), Err("more than one \"a\" found in the spec".into()));
        let spec: EventSourceSpec = serde_json::from_value(json!({"webhook": {"a": {}}})).unwrap();
        assert_eq!(event_source("es", &spec, &|_| Ok(())), Ok(()));
        let refuse = |_: &SourceEvent| Err("no port".to_owned());
        assert_eq!(event_source("es", &spec, &refuse), Err("Invalid spec: es - a: no port".into()));
        let spec: EventSourceSpec = serde_json::from_value(json!({"webhook": {"a.b": {}}})).unwrap();
        assert!(event_source("es", &spec, &|_| Ok(())).unwrap_err().contains("must not contain '.'"));
    }

    fn invalid(json: Value) -> (&'static str, String) {
        let error = sensor(&serde_json::from_value(json).unwrap(), &|_| Ok(())).unwrap_err();
        (error.condition, error.message)
    }

    #[test]
    fn sensors_are_refused_in_the_condition_concerned() {
        let dep = json!({"name": "d", "eventSourceName": "s", "eventName": "e"});
        let trigger = json!({"template": {"name": "t", "log": {}}});
        let ok = json!({"dependencies": [dep], "triggers": [trigger]});
        assert_eq!(sensor(&serde_json::from_value(ok).unwrap(), &|_| Ok(())), Ok(()));
        let (condition, message) = invalid(json!({"triggers": [trigger]}));
        assert_eq!((condition, message.as_str()), (names::DEPENDENCIES_PROVIDED, "no event dependencies found"));
        let (condition, message) = invalid(json!({"dependencies": [dep]}));
        assert_eq!((condition, message.as_str()), (names::TRIGGERS_PROVIDED, "no triggers found"));
        let (_, message) = invalid(json!({"dependencies": [dep], "triggers": [trigger, trigger]}));
        assert_eq!(message, "duplicate trigger name: t");
        let mut bad = trigger.clone();
        bad["parameters"] = json!([{"src": {"dependencyName": "d"}}]);
        let (_, message) = invalid(json!({"dependencies": [dep], "triggers": [bad]}));
        assert_eq!(message, "template t is invalid, parameter destination can't be empty");
        let mut bad = dep;
        bad["filters"] = json!({"context": {"id": "1"}});
        let (condition, _) = invalid(json!({"dependencies": [bad], "triggers": [trigger]}));
        assert_eq!(condition, names::DEPENDENCIES_PROVIDED);
    }
}
