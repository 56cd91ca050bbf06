//! Notifications about Rollouts: of events, and of conditions that begin to hold.

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{
    Change, Gvk, Note, Object, ObjectKey,
    runtime::{Cache, Context, Query},
    time,
};
use serde_json::{Value, json};

use super::{metrics::Counted, rollout};
use crate::{
    api::names,
    metrics::{OfCluster, Secrets},
    notifications::{
        self, ANNOTATIONS, Config, Destination, Destinations, NOTIFIED, Notifier, NotifyError, Outcome, State,
        Variables,
    },
};

/// Where the configuration is, in the controller's own namespace.
const CONFIG_MAP: &str = "argo-rollouts-notification-configmap";
const SECRET: &str = "argo-rollouts-notification-secret";

/// Tells people about Rollouts, as upstream's configuration says.
pub(super) struct Notifications {
    context: Context,
    namespace: String,
    secrets: OfCluster,
    config_map: Arc<Cache>,
    notifiers: BTreeMap<String, Arc<dyn Notifier>>,
    over_http: Option<Arc<dyn Notifier>>,
    caches: Arc<rollout::Caches>,
    counted: Counted,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Notifications {
    pub(super) fn new(
        context: &Context,
        namespace: String,
        notifiers: BTreeMap<String, Arc<dyn Notifier>>,
        caches: Arc<rollout::Caches>,
        counted: Counted,
    ) -> Self {
        let query = Query::of(Gvk::new("", "v1", "ConfigMap"), Some(&namespace));
        let config_map = context.caches().open(query.fields(format!("metadata.name={CONFIG_MAP}")));
        #[cfg(feature = "http")]
        let over_http: Option<Arc<dyn Notifier>> = Some(Arc::new(notifications::HttpNotifier::default()));
        #[cfg(not(feature = "http"))]
        let over_http = None;
        let secrets = OfCluster { context: context.clone(), namespace: namespace.clone() };
        Self { context: context.clone(), namespace, secrets, config_map, notifiers, over_http, caches, counted }
    }

    /// Something happened: tells whoever subscribed to `on-<reason>`.
    pub(super) async fn happened(&self, key: &ObjectKey, rollout: &Object, note: &Note) {
        let Some((config, secrets)) = self.config(rollout).await else { return };
        let trigger = trigger_of(&note.reason);
        let all = destinations_of(&config, rollout);
        let Some(destinations) = all.get(&trigger).filter(|it| !it.is_empty()) else { return };
        let started = self.context.now();
        let variables = self.variables(rollout, &secrets);
        match notifications::run(&config, &trigger, &variables, started) {
            Ok(outcomes) => {
                for outcome in outcomes.iter().filter(|it| it.holds || !it.asks) {
                    for to in destinations {
                        let told = self.tell(key, &config, outcome, to, &variables).await;
                        self.counted.told(key, note, told);
                    }
                }
            }
            // Every event may be subscribed to; few are described.
            Err(error) => tracing::debug!(%key, %error, "no notification"),
        }
        self.counted.telling(key, time::between(started, self.context.now()));
    }

    /// Tells of conditions that hold now and did not when they were asked last.
    pub(super) async fn changed(&self, key: &ObjectKey, rollout: &Object) {
        let Some((config, secrets)) = self.config(rollout).await else { return };
        let all = destinations_of(&config, rollout);
        if all.is_empty() {
            return;
        }
        let (now, before) = (self.context.now(), rollout.annotation(NOTIFIED));
        let mut state = State::parse(before);
        let variables = self.variables(rollout, &secrets);
        for (trigger, destinations) in &all {
            let Ok(outcomes) = notifications::run(&config, trigger, &variables, now) else { continue };
            for outcome in &outcomes {
                for to in destinations {
                    if state.set(trigger, outcome, to, outcome.holds, now)
                        && outcome.holds
                        && !self.tell(key, &config, outcome, to, &variables).await
                    {
                        state.forget(trigger, outcome, to);
                    }
                }
            }
        }
        if state == State::parse(before) {
            return;
        }
        let body = json!({"metadata": {"annotations": {NOTIFIED: state.annotation()}}});
        if let Err(error) = self.context.apply(rollout::NAME, key, &Change::merge(rollout.reference(), body)).await {
            tracing::warn!(%key, %error, "what was told is not remembered");
        }
    }

    /// The configuration with the Secret it was read by, where anybody may be subscribed to the object.
    async fn config(&self, rollout: &Object) -> Option<(Config, BTreeMap<String, String>)> {
        let map = self.config_map.get(&ObjectKey::new(Some(&self.namespace), CONFIG_MAP))?;
        let data = texts(map.get("data"));
        let subscribed = rollout.annotations().any(|(key, _)| key.starts_with(ANNOTATIONS));
        if !subscribed && !data.contains_key("subscriptions") {
            return None;
        }
        let secrets = self.secret().await;
        match Config::parse(&data, &secrets) {
            Ok(config) => Some((config, secrets)),
            Err(error) => {
                tracing::warn!(%error, "no notifications");
                None
            }
        }
    }

    async fn secret(&self) -> BTreeMap<String, String> {
        match self.secrets.read(None, SECRET).await {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the Secret of notifications can not be read");
                BTreeMap::new()
            }
        }
    }

    /// `rollout`, its `analysisRuns` of this revision, newest first, and `secrets`.
    fn variables(&self, rollout: &Object, secrets: &BTreeMap<String, String>) -> Value {
        let revision = rollout.annotation(names::REVISION);
        let hash = rollout.text("/status/currentPodHash");
        let of_hash = |it: &Arc<Object>| it.label(names::POD_TEMPLATE_HASH) == Some(hash);
        let runs = self.caches.runs.in_namespace(rollout.namespace().unwrap_or_default());
        let mut runs: Vec<_> = runs.into_iter().filter(of_hash).collect();
        runs.sort_by_key(|it| std::cmp::Reverse(it.created_at()));
        let listed = runs.iter().filter(|it| it.annotation(names::REVISION) == revision).map(|it| it.value().clone());
        let listed = if runs.is_empty() { Value::Null } else { listed.collect() };
        json!({"rollout": rollout.value(), "analysisRuns": listed, "secrets": secrets})
    }

    /// Whether it was told.
    async fn tell(
        &self,
        key: &ObjectKey,
        config: &Config,
        outcome: &Outcome,
        to: &Destination,
        variables: &Value,
    ) -> bool {
        let told = self.send(config, outcome, to, variables).await;
        if let Err(error) = &told {
            tracing::warn!(%key, %to, %error, "a notification was not sent");
        }
        told.is_ok()
    }

    async fn send(
        &self,
        config: &Config,
        outcome: &Outcome,
        to: &Destination,
        variables: &Value,
    ) -> Result<(), String> {
        let service = config.services.get(&to.service);
        let notifier =
            self.notifiers.get(&to.service).or_else(|| self.over_http.as_ref().filter(|_| service.is_some()));
        let notifier = notifier.ok_or_else(|| NotifyError::UnknownService(to.service.clone()).to_string())?;
        let Some(values) = variables.as_object() else { return Err("the variables are no object".to_owned()) };
        let variables = Variables { values, now: self.context.now() };
        let notification = notifications::render(config, &outcome.templates, variables, to);
        notifier.send(&notification.map_err(|it| it.to_string())?, to, service).await
    }
}

fn destinations_of(config: &Config, rollout: &Object) -> Destinations {
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    notifications::destinations(config, &rollout.labels().map(own).collect(), &rollout.annotations().map(own).collect())
}

fn texts(data: Option<&Value>) -> BTreeMap<String, String> {
    let data = data.and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, it)| Some((key.clone(), it.as_str()?.to_owned()))).collect()
}

/// `on-rollout-step-completed` of `RolloutStepCompleted`.
fn trigger_of(reason: &str) -> String {
    let letters: Vec<char> = reason.chars().collect();
    let mut out = String::from("on-");
    for (at, it) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let begins = it.is_ascii_uppercase()
            && before.is_some_and(|before| !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase));
        if begins {
            out.push('-');
        }
        out.push(it.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_named_by_reasons() {
        for (reason, trigger) in [
            ("RolloutStepCompleted", "on-rollout-step-completed"),
            ("ScalingReplicaSet", "on-scaling-replica-set"),
            ("AnalysisRunFailed", "on-analysis-run-failed"),
            ("ALBFound", "on-alb-found"),
        ] {
            assert_eq!(trigger_of(reason), trigger);
        }
    }
}
