//! Who is told what: the rules on values, and the controller telling it.

use std::{collections::BTreeMap, sync::Arc, sync::Mutex, time::Duration};

use argo_core::{
    Clock, Timestamp,
    runtime::{Context, Shutdown},
};
use argo_embedded::{Cluster, simulator::SimulatorConfig};
use argo_rollouts::{
    Controller, api,
    notifications::{
        Accept, Config, Destination, Notification, Notifier, Request, ServiceConfig, State, Variables, destinations,
        render, run,
    },
};
use serde_json::json;

const CONFIG: &str = r#"
service.slack: "token: $slack-token\nicon: ':rocket:'"
service.webhook.ci: "url: https://ci/$path\nheaders: [{name: X-Key, value: $key}]\nbasicAuth: {username: u, password: $pw}"
service.teams: "recipientUrls: {ops: 'https://teams/$key'}"
service.pager: "{}"
template.done: |
  message: "{{.rollout.metadata.name | upper}} is done, {{.recipient}}"
  webhook: {ci: {method: POST, path: "/{{.rollout.metadata.name}}", body: '{"s": "{{.serviceType}}"}'}}
  slack: {attachments: '[{"title": "{{.rollout.metadata.name}}"}]'}
  teams: {title: done, facts: '[{"name": "n", "value": "v"}]'}
template.more: |
  teams: {title: more}
trigger.on-done: "[{send: [done, more]}]"
trigger.on-degraded: |
  - {when: "rollout.status.phase == 'Degraded'", oncePer: "rollout.status.currentPodHash", send: [done]}
  - {when: "rollout.status.phase ==", send: [done]}
defaultTriggers: "[on-done]"
defaultTriggers.slack: "[on-degraded]"
subscriptions: "[{recipients: ['slack:all'], triggers: [on-done], selector: 'team in (a, b),!quiet'}]"
"#;

fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn config() -> Config {
    let data = argo_lang::yaml::decode_all(CONFIG).expect("YAML").remove(0);
    let data: BTreeMap<String, String> = serde_json::from_value(data).expect("texts");
    let secrets = strings(&[("slack-token", "xoxb-1"), ("key", "k1"), ("pw", "p1")]);
    Config::parse(&data, &secrets).expect("valid")
}

fn to(service: &str, recipient: &str) -> Destination {
    Destination { service: service.to_owned(), recipient: recipient.to_owned() }
}

#[test]
fn annotations_labels_and_defaults_say_whom_to_tell() {
    let annotations = strings(&[
        ("notifications.argoproj.io/subscribe.on-done.ci", ""),
        ("notifications.argoproj.io/subscribe.on-done.teams", "ops; dev"),
        ("notifications.argoproj.io/subscribe.slack", "me"),
        ("notifications.argoproj.io/subscribe..ci", "x"),
        (
            "notifications.argoproj.io/subscriptions",
            "[{trigger: [a, b], destinations: [{service: s, recipients: [r]}]}]",
        ),
        ("other/subscribe.on-done.ci", "nobody"),
    ]);
    let found = destinations(&config(), &strings(&[("team", "b")]), &annotations);
    let of = |trigger: &str| found[trigger].iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(of("on-done"), "slack:all ci:x ci: teams:ops teams:dev");
    assert_eq!((of("on-degraded"), of("a"), of("b")), ("slack:me".to_owned(), "s:r".to_owned(), "s:r".to_owned()));
    let none = destinations(&config(), &strings(&[("team", "b"), ("quiet", "1")]), &BTreeMap::new());
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn a_condition_is_told_once_for_each_value() {
    let (config, now) = (config(), Timestamp::UNIX_EPOCH);
    let ask = |phase: &str, hash: &str| {
        let variables = json!({"rollout": {"status": {"phase": phase, "currentPodHash": hash}}});
        run(&config, "on-degraded", &variables, now).expect("configured")
    };
    let bad = ask("Degraded", "h1");
    assert!(bad[0].holds && bad[0].asks && bad[0].once_per == "h1", "{bad:?}");
    assert!(!bad[1].holds && bad[1].error.is_some(), "an expression that is none holds never");
    assert!(!ask("Healthy", "h1")[0].holds);
    let mut state = State::default();
    let me = to("slack", "me");
    assert!(state.set("on-degraded", &bad[0], &me, true, now));
    let annotation = state.clone().annotation().expect("something");
    let mut state = State::parse(Some(&annotation));
    assert!(!state.set("on-degraded", &bad[0], &me, true, now), "told already");
    assert!(state.set("on-degraded", &ask("Degraded", "h2")[0], &me, true, now), "another value");
    assert_eq!(State::parse(Some("nonsense")), State::default());
    let always = run(&config, "on-done", &json!({}), now).expect("configured");
    assert!(!always[0].asks && !always[0].holds);
    assert_eq!(always[0].key, "[0].2jmj7l5rSw0yVb_vlWAYkK_YBwk", "the hash of nothing, as upstream has it");
    let unknown = run(&config, "on-none", &json!({}), now).expect_err("not there");
    assert_eq!(unknown.to_string(), "trigger 'on-none' is not configured");
}

fn told(service: &str, recipient: &str) -> Request {
    let config = config();
    let values = json!({"rollout": {"metadata": {"name": "shop"}}}).as_object().expect("a map").clone();
    let variables = Variables { values: &values, now: Timestamp::UNIX_EPOCH };
    let to = to(service, recipient);
    let notification = render(&config, &["done".to_owned(), "more".to_owned()], variables, &to).expect("filled in");
    assert_eq!(notification.message(), format!("SHOP is done, {recipient}"));
    Request::of(&notification, &to, &config.services[service]).expect("a request")
}

#[test]
fn services_get_what_they_take() {
    let webhook = told("ci", "");
    assert_eq!((webhook.method.as_str(), webhook.url.as_str()), ("POST", "https://ci/$path/shop"));
    assert_eq!(webhook.body, r#"{"s": "ci"}"#);
    assert_eq!(
        webhook.headers,
        [("X-Key", "k1"), ("Authorization", "Basic dTpwMQ==")].map(|(k, v)| (k.into(), v.into()))
    );
    let slack = told("slack", "room");
    assert_eq!((slack.url.as_str(), slack.accept), ("https://slack.com/api/chat.postMessage", Accept::Ok));
    let body: serde_json::Value = serde_json::from_str(&slack.body).expect("JSON");
    assert_eq!(
        body,
        json!({"channel": "room", "text": "SHOP is done, room", "icon_emoji": ":rocket:",
        "attachments": [{"title": "shop"}]})
    );
    let teams = told("teams", "ops");
    let body: serde_json::Value = serde_json::from_str(&teams.body).expect("JSON");
    assert_eq!((teams.url.as_str(), &body["title"]), ("https://teams/k1", &json!("more")));
    assert_eq!(body["sections"], json!([{"facts": [{"name": "n", "value": "v"}]}]));
    let refused = |service: &str| {
        let config = config();
        Request::of(&Notification::default(), &to(service, "nobody"), &config.services[service]).expect_err("refused")
    };
    assert_eq!(refused("pager").to_string(), "service type 'pager' is not supported");
    assert!(refused("teams").to_string().contains("no teams webhook configured for recipient nobody"));
}

#[test]
fn no_secret_is_printed() {
    let mut text = format!("{:?} {:?} {:?}", config(), told("slack", "room"), told("ci", ""));
    let broken = strings(&[("service.slack", "token: [$slack-token"), ("template.a", "- x1-secret")]);
    let error = |key: &str| {
        let one = BTreeMap::from([(key.to_owned(), broken[key].clone())]);
        Config::parse(&one, &strings(&[("slack-token", "xoxb-1")])).expect_err("broken").to_string()
    };
    text.push_str(&error("service.slack"));
    text.push_str(&error("template.a"));
    for secret in ["xoxb-1", "k1", "p1", "dTpwMQ", "x1-secret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl Notifier for Heard {
    async fn send(&self, it: &Notification, to: &Destination, _: Option<&ServiceConfig>) -> Result<(), String> {
        self.0.lock().expect("alone").push(format!("{to} {}", it.message()));
        if to.recipient == "broken" { Err("it is broken".to_owned()) } else { Ok(()) }
    }
}

const OBJECTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: argo-rollouts-notification-configmap, namespace: default}
data:
  trigger.on-rollout-completed: "[{send: [done]}]"
  trigger.on-healthy: "[{when: \"rollout.status.phase == 'Healthy'\", send: [healthy]}]"
  template.done: "message: '{{.rollout.metadata.name}} done, {{.secrets.word}}'"
  template.healthy: "message: '{{.rollout.metadata.name}} healthy'"
---
apiVersion: v1
kind: Secret
metadata: {name: argo-rollouts-notification-secret, namespace: default}
data: {word: bWVsbG9u}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: shop
  namespace: default
  annotations:
    notifications.argoproj.io/subscribe.on-rollout-completed.test: me;broken
    notifications.argoproj.io/subscribe.on-healthy.test: me
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: "shop:v1"}]}}
  strategy: {canary: {}}
"#;

#[tokio::test(start_paused = true)]
async fn the_controller_tells_of_events_and_of_conditions_once() {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
    let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.install_crds(&api::crds()).expect("valid");
    let heard = Heard::default();
    let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
    let metrics = context.metrics().clone();
    let builder = Controller::builder(context).own_namespace("default").notifier("test", Arc::new(heard.clone()));
    let shutdown = Shutdown::new();
    let task = tokio::spawn(builder.build().expect("valid").run(shutdown.clone()));
    cluster.apply_yaml(OBJECTS).expect("applied");
    cluster.clock().sleep(Duration::from_secs(600)).await;
    let mut told = heard.0.lock().expect("alone").clone();
    told.sort();
    assert_eq!(told, ["test:broken shop done, mellon", "test:me shop done, mellon", "test:me shop healthy"]);
    let rollout = cluster.direct("test").get("rollouts.argoproj.io", "default", "shop").expect("there");
    let notified = rollout["metadata"]["annotations"]["notified.notifications.argoproj.io"].as_str();
    assert!(notified.is_some_and(|it| it.starts_with("{\"on-healthy:[0].")), "{notified:?}");
    let series = metrics.text();
    for (name, count) in [("success", 1), ("error", 1)] {
        let wanted = format!(
            "notification_send_{name}{{name=\"shop\",namespace=\"default\",type=\"Normal\",reason=\"RolloutCompleted\"}} {count}\n"
        );
        assert!(series.contains(&wanted), "{wanted}");
    }
    shutdown.cancel();
    task.await.expect("ends");
}
