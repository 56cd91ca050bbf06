//! Who is to be told about an object.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ANNOTATIONS, Config, Destination};

/// Destinations by trigger, each once, in order.
pub type Destinations = BTreeMap<String, Vec<Destination>>;

/// `subscriptions` as an annotation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    trigger: Vec<String>,
    destinations: Vec<WrittenDestination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenDestination {
    service: String,
    recipients: Vec<String>,
}

/// The destinations of an object with these labels and annotations: `subscribe.<trigger>.<service>: a;b`,
/// `subscribe.<service>: a;b` for the default triggers, `subscriptions` as YAML, and those that the configuration
/// has for every object.
#[must_use]
pub fn destinations(
    config: &Config,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Destinations {
    let mut all = Destinations::new();
    let mut add = |trigger: &str, to: Destination| {
        let list = all.entry(trigger.to_owned()).or_default();
        if !list.contains(&to) {
            list.push(to);
        }
    };
    for subscription in &config.subscriptions {
        let own = &subscription.triggers;
        let triggers = if own.is_empty() { &config.default_triggers } else { own };
        for recipient in subscription.recipients.iter().filter(|_| selects(&subscription.selector, labels)) {
            let mut parts = recipient.split(':');
            let to = Destination {
                service: parts.next().unwrap_or_default().to_owned(),
                recipient: parts.next().unwrap_or_default().to_owned(),
            };
            triggers.iter().for_each(|it| add(it, to.clone()));
        }
    }
    let mut subscribe = |trigger: &str, service: &str, recipient: &str| {
        let to = Destination { service: service.to_owned(), recipient: recipient.to_owned() };
        match (trigger, config.service_default_triggers.get(service)) {
            ("", Some(triggers)) => triggers.iter().for_each(|it| add(it, to.clone())),
            ("", None) => config.default_triggers.iter().for_each(|it| add(it, to.clone())),
            _ => add(trigger, to),
        }
    };
    for (key, value) in annotations {
        let Some(key) = key.strip_prefix(ANNOTATIONS) else { continue };
        if let Some(names) = key.strip_prefix("subscribe.") {
            let (trigger, service) = match names.split_once('.') {
                Some((trigger, rest)) => (trigger, rest.split('.').next().unwrap_or_default()),
                None => ("", names),
            };
            if value.is_empty() {
                subscribe(trigger, service, "");
            }
            for recipient in value.split(';').map(str::trim).filter(|it| !it.is_empty()) {
                subscribe(trigger, service, recipient);
            }
        } else if key.starts_with("subscriptions") {
            for Written { trigger, destinations } in written(value) {
                let triggers = if trigger.is_empty() { vec![String::new()] } else { trigger };
                for (trigger, to) in triggers.iter().flat_map(|it| destinations.iter().map(move |to| (it, to))) {
                    to.recipients.iter().for_each(|it| subscribe(trigger, &to.service, it));
                }
            }
        }
    }
    all
}

/// What can not be read subscribes nobody.
fn written(text: &str) -> Vec<Written> {
    let documents = argo_lang::yaml::decode_all(text).unwrap_or_default();
    documents.into_iter().filter_map(|it| serde_json::from_value::<Vec<Written>>(it).ok()).flatten().collect()
}

/// Whether a label selector in Kubernetes' text form (`a=b,c!=d,e,!f,g in (h,i)`) takes in labels.
fn selects(selector: &str, labels: &BTreeMap<String, String>) -> bool {
    requirements(selector).into_iter().all(|it| holds(it, labels))
}

/// Parts between commas that are not within parentheses.
fn requirements(selector: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, it) in selector.char_indices() {
        match it {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(selector[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(selector[from..].trim());
    parts.retain(|it| !it.is_empty());
    parts
}

fn holds(requirement: &str, labels: &BTreeMap<String, String>) -> bool {
    let label = |key: &str| labels.get(key.trim()).map(String::as_str);
    if let Some((key, values)) = requirement.split_once('(') {
        let mut values = values.trim_end_matches(')').split(',').map(str::trim);
        let key = key.trim();
        return match (key.strip_suffix(" notin"), key.strip_suffix(" in")) {
            (Some(key), _) => label(key).is_none_or(|it| values.all(|value| value != it)),
            (None, Some(key)) => label(key).is_some_and(|it| values.any(|value| value == it)),
            (None, None) => false,
        };
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return label(key) != Some(value.trim());
    }
    if let Some((key, value)) = requirement.split_once('=') {
        return label(key) == Some(value.trim_start_matches('=').trim());
    }
    match requirement.strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(requirement).is_some(),
    }
}
