//! The webhook endpoint: upstream's payloads, signatures, limits, floods.

use argo_cd::webhook::{Webhooks, WebhooksConfig};
use argo_core::runtime::{Context, Shutdown};
use axum::{body::Body, http::Request};
use hmac::{Hmac, Mac};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::*;

const GITHUB: &str = include_str!("data/webhooks/github-commit-event.json");

struct Hooks {
    lab: Lab,
    hooks: Webhooks,
    stop: Shutdown,
}

impl Hooks {
    async fn new(config: WebhooksConfig, secret: Value) -> Self {
        let lab = Lab::new();
        if !secret.is_null() {
            lab.apply(&json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "argocd-secret", "namespace": "argocd"}, "stringData": secret}));
        }
        let stop = Shutdown::new();
        let context = Context::builder(lab.cluster.client()).clock(lab.clock()).shutdown(stop.clone()).build();
        let hooks = Webhooks::new(context, lab.settings.clone(), config);
        tokio::spawn({
            let (hooks, stop) = (hooks.clone(), stop.clone());
            async move { hooks.run(stop).await }
        });
        lab.sleep(1).await;
        Self { lab, hooks, stop }
    }

    async fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut request = Request::builder().method(method).uri("/api/webhook");
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        let answer = self.hooks.router().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn app(&self, name: &str, url: &str, paths: Option<&str>) {
        let mut it = app(name, "app", json!({}));
        it["spec"]["source"] = json!({"repoURL": url, "path": "ksapps", "targetRevision": "HEAD"});
        if let Some(paths) = paths {
            it["metadata"]["annotations"] = json!({"argocd.argoproj.io/manifest-generate-paths": paths});
        }
        self.lab.apply(&it);
    }

    fn refreshed(&self) -> Vec<String> {
        let apps = self.lab.all("Application");
        let asked = apps.iter().filter(|it| it.annotation("argocd.argoproj.io/refresh") == Some("normal"));
        asked.map(|it| it.name().to_owned()).collect()
    }
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Upstream's payloads with the answers and log lines that its tests expect of them.
#[tokio::test(start_paused = true)]
async fn upstreams_payloads_refresh_the_applications_of_their_repositories() {
    let all = [
        ("github", &[("X-GitHub-Event", "push")][..], GITHUB, "https://github.com/jessesuen/test-repo"),
        (
            "github-tag",
            &[("X-GitHub-Event", "push")],
            include_str!("data/webhooks/github-tag-event.json"),
            "https://github.com/jessesuen/test-repo",
        ),
        (
            "azure",
            &[("X-Vss-Activityid", "abc")],
            include_str!("data/webhooks/azuredevops-git-push-event.json"),
            "https://dev.azure.com/alexander0053/alex-test/_git/alex-test",
        ),
        (
            "bitbucket-server",
            &[("X-Event-Key", "repo:refs_changed")],
            include_str!("data/webhooks/bitbucket-server-event.json"),
            "https://bitbucketserver/scm/myproject/test-repo.git",
        ),
        (
            "gogs",
            &[("X-Gogs-Event", "push"), ("X-GitHub-Event", "push")],
            include_str!("data/webhooks/gogs-event.json"),
            "http://gogs-server/john/repo-test",
        ),
        (
            "gitlab",
            &[("X-Gitlab-Event", "Push Hook")],
            include_str!("data/webhooks/gitlab-event.json"),
            "https://gitlab.com/group/name",
        ),
        (
            "gitlab-system",
            &[("X-Gitlab-Event", "System Hook")],
            include_str!("data/webhooks/gitlab-event.json"),
            "https://gitlab.com/group/name",
        ),
    ];
    for (name, headers, body, url) in all {
        let it = Hooks::new(WebhooksConfig::default(), Value::Null).await;
        it.app("hit", url, None);
        it.app("miss", &format!("{url}-other"), None);
        it.lab.sleep(1).await;
        assert_eq!(it.send("POST", headers, body).await, (200, String::new()), "{name}");
        it.lab.sleep(1).await;
        let wanted: &[&str] = if name == "github-tag" { &[] } else { &["hit"] };
        assert_eq!(it.refreshed(), wanted, "{name}");
        it.stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_heard_is_refused_in_upstreams_words() {
    let it = Hooks::new(WebhooksConfig { max_payload: 64 << 10, ..WebhooksConfig::default() }, Value::Null).await;
    let push = [("X-GitHub-Event", "push")];
    assert_eq!(it.send("GET", &push, "{}").await, (405, "Webhook processing failed".into()));
    assert_eq!(it.send("POST", &[("X-GitHub-Event", "issues")], "{}").await, (400, "Webhook processing failed".into()));
    assert_eq!(it.send("POST", &[("X-Unknown", "push")], "{}").await, (400, "Unknown webhook event".into()));
    let payload = (400, "Webhook processing failed: payload must be valid JSON under 0 MB".to_owned());
    assert_eq!(it.send("POST", &push, "{\"ref\": ").await, payload);
    assert_eq!(it.send("POST", &push, &"x".repeat(65 << 10)).await, payload);
    for (headers, body) in [
        (&[("X-GitHub-Event", "ping")][..], include_str!("data/webhooks/github-ping-event.json")),
        (&[("X-Event-Key", "diagnostics:ping")], "{\"test\": true}"),
        (&[("X-GitHub-Event", "package")], "{\"action\": \"updated\"}"),
    ] {
        assert_eq!(it.send("POST", headers, body).await, (200, String::new()), "{headers:?}");
    }
    it.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn signatures_are_checked_where_a_secret_is_shared() {
    let secrets = json!({"webhook.github.secret": "s1", "webhook.gitlab.secret": "$other", "other": "s2",
        "webhook.gogs.secret": "s3", "webhook.bitbucketserver.secret": "s4", "webhook.bitbucket.uuid": "s5",
        "webhook.azuredevops.username": "u", "webhook.azuredevops.password": "p"});
    let it = Hooks::new(WebhooksConfig::default(), secrets).await;
    let (one, three, four) = (sign("s1", "{}"), sign("s3", "{}"), sign("s4", "{}"));
    let (one, four) = (format!("sha256={one}"), format!("sha256={four}"));
    let azure = "{\"eventType\": \"git.push\"}";
    let good: [(&[(&str, &str)], &str); 7] = [
        (&[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", &one)], "{}"),
        (&[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "s2")], "{}"),
        (&[("X-Gogs-Event", "push"), ("X-Gogs-Signature", &three)], "{}"),
        (&[("X-Event-Key", "repo:refs_changed"), ("X-Hub-Signature", &four)], "{}"),
        (&[("X-Hook-UUID", "s5"), ("X-Event-Key", "repo:push")], "{}"),
        (&[("X-Vss-Activityid", "1"), ("Authorization", "Basic dTpw")], azure),
        (&[("X-GitHub-Event", "package"), ("X-Hub-Signature-256", &one)], "{}"),
    ];
    for (headers, body) in good {
        assert_eq!(it.send("POST", headers, body).await.0, 200, "{headers:?}");
        let wrong: Vec<(&str, &str)> = headers
            .iter()
            .map(
                |(key, value)| {
                    if key.contains("Event") || key.contains("Activity") { (*key, *value) } else { (*key, "no") }
                },
            )
            .collect();
        let wanted = if headers[0].1 == "package" { 401 } else { 400 };
        assert_eq!(it.send("POST", &wrong, body).await.0, wanted, "{wrong:?}");
        let none = &headers[..1];
        assert_ne!(it.send("POST", none, body).await.0, 200, "{none:?}");
    }
    it.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn only_changed_paths_refresh_and_a_flood_is_one_refresh_and_then_503() {
    let it = Hooks::new(WebhooksConfig { queue: 3, ..WebhooksConfig::default() }, Value::Null).await;
    let url = "https://github.com/jessesuen/test-repo";
    it.app("all", url, None);
    it.app("below", url, Some("."));
    it.app("elsewhere", url, Some("/other"));
    it.lab.sleep(1).await;
    let mark = it.lab.cluster.journal().mark();
    let push = [("X-GitHub-Event", "push")];
    let mut refused = 0;
    for _ in 0..20 {
        match it.send("POST", &push, GITHUB).await {
            (200, _) => {}
            (503, text) => {
                assert_eq!(text, "Queue is full, discarding webhook payload");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "a queue of three takes no twenty at once");
    it.lab.sleep(2).await;
    assert_eq!(it.refreshed(), ["all", "below"], "a change of ksapps is not one of /other");
    assert_eq!(it.lab.cluster.journal().writes_since(mark).len(), 2, "one patch each");
    it.stop.cancel();
}
