//! From a request to what was pushed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::verify::{Secrets, same, sha1, sha256};
use crate::engine::secrets::decode;

/// Headers of a request: lower-case names, first values.
pub type Headers = BTreeMap<String, String>;

/// What a request tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something was pushed to a git repository.
    Push(Push),
    /// An artifact was pushed to a registry.
    Registry(RegistryPush),
    /// Nothing that matters: a ping, a package of another kind.
    Nothing,
}

/// A push to a git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Push {
    /// Addresses of the repository's page.
    pub web_urls: Vec<String>,
    /// Branch or tag, without `refs/heads/` or `refs/tags/`.
    pub revision: String,
    /// Whether the default branch moved; true where the host does not say.
    pub touched_head: bool,
    /// The commit before; empty where the host does not say.
    pub before: String,
    /// The commit after; empty where the host does not say.
    pub after: String,
    /// Files that changed; empty where the host does not say.
    pub files: Vec<String>,
}

/// A push to a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryPush {
    /// `oci://host/repository`.
    pub url: String,
    /// The tag.
    pub tag: String,
}

/// A request that is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No host that is known sends such requests.
    #[error("Unknown webhook event")]
    Unknown,
    /// The method is not POST.
    #[error("Webhook processing failed")]
    Method,
    /// Not signed as it should be, or an event of another kind.
    #[error("Webhook processing failed")]
    Failed,
    /// A registry's signature is wrong.
    #[error("Unauthorized")]
    Unauthorized,
    /// The body is no JSON.
    #[error("Webhook processing failed: payload must be valid JSON")]
    Payload,
}

/// Longest list of files that is kept of a push; a longer one counts as unknown.
const MAX_FILES: usize = 50_000;

/// Reads a request.
///
/// # Errors
/// Why it is not heard.
pub fn parse(method: &str, headers: &Headers, body: &[u8], secrets: &Secrets) -> Result<Event, Refusal> {
    let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
    // The order matters: Gogs sends GitHub's headers, too.
    let read = if !header("x-vss-activityid").is_empty() {
        azure
    } else if !header("x-gogs-event").is_empty() {
        gogs
    } else if header("x-github-event") == "package" {
        ghcr
    } else if !header("x-github-event").is_empty() {
        github
    } else if !header("x-gitlab-event").is_empty() {
        gitlab
    } else if !header("x-hook-uuid").is_empty() {
        bitbucket
    } else if !header("x-event-key").is_empty() {
        bitbucket_server
    } else {
        return Err(Refusal::Unknown);
    };
    if method != "POST" {
        return Err(Refusal::Method);
    }
    read(&Call { headers, body, secrets })
}

struct Call<'a> {
    headers: &'a Headers,
    body: &'a [u8],
    secrets: &'a Secrets,
}

impl Call<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::Payload)
    }
}

fn ensure(holds: bool) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Failed) }
}

fn azure(call: &Call<'_>) -> Result<Event, Refusal> {
    let (user, password) = (&call.secrets.azure_username, &call.secrets.azure_password);
    if !user.is_empty() || !password.is_empty() {
        let given = call.header("authorization").strip_prefix("Basic ").and_then(decode);
        let given = given.and_then(|it| String::from_utf8(it).ok()).unwrap_or_default();
        ensure(same(&given, &format!("{user}:{password}")))?;
    }
    let body = call.json()?;
    ensure(text(&body, "/eventType") == "git.push")?;
    let update = body.pointer("/resource/refUpdates/0");
    let of = |pointer: &str| update.map(|it| text(it, pointer)).unwrap_or_default();
    Ok(Event::Push(Push {
        web_urls: vec![text(&body, "/resource/repository/remoteUrl").to_owned()],
        revision: short(of("/name")).to_owned(),
        touched_head: update.is_some() && of("/name") == text(&body, "/resource/repository/defaultBranch"),
        before: of("/oldObjectId").to_owned(),
        after: of("/newObjectId").to_owned(),
        files: Vec::new(),
    }))
}

fn github(call: &Call<'_>) -> Result<Event, Refusal> {
    let event = call.header("x-github-event");
    ensure(matches!(event, "push" | "ping"))?;
    if call.body.is_empty() {
        return Err(Refusal::Payload);
    }
    let secret = &call.secrets.github;
    if !secret.is_empty() {
        let strong = call.header("x-hub-signature-256").strip_prefix("sha256=");
        let weak = call.header("x-hub-signature").strip_prefix("sha1=");
        ensure(match (strong, weak) {
            (Some(signature), _) => sha256(secret, call.body, signature),
            (None, Some(signature)) => sha1(secret, call.body, signature),
            (None, None) => false,
        })?;
    }
    let body = call.json()?;
    if event == "ping" {
        return Ok(Event::Nothing);
    }
    Ok(Event::Push(with_commits(&body, text(&body, "/repository/html_url"), text(&body, "/repository/default_branch"))))
}

fn gogs(call: &Call<'_>) -> Result<Event, Refusal> {
    ensure(call.header("x-gogs-event") == "push")?;
    let secret = &call.secrets.gogs;
    if !secret.is_empty() {
        ensure(sha256(secret, call.body, call.header("x-gogs-signature")))?;
    }
    let body = call.json()?;
    let mut push = with_commits(&body, text(&body, "/repository/html_url"), text(&body, "/repository/default_branch"));
    push.touched_head &= body.get("repository").is_some();
    Ok(Event::Push(push))
}

fn gitlab(call: &Call<'_>) -> Result<Event, Refusal> {
    let secret = &call.secrets.gitlab;
    if !secret.is_empty() {
        ensure(same(secret, call.header("x-gitlab-token")))?;
    }
    let event = call.header("x-gitlab-event");
    ensure(matches!(event, "Push Hook" | "Tag Push Hook" | "System Hook"))?;
    let body = call.json()?;
    if event == "System Hook" {
        let kinds = [text(&body, "/object_kind"), text(&body, "/event_name")];
        if kinds.contains(&"merge_request") {
            return Ok(Event::Nothing);
        }
        ensure(kinds.iter().any(|it| matches!(*it, "push" | "tag_push")))?;
    }
    Ok(Event::Push(with_commits(&body, text(&body, "/project/web_url"), text(&body, "/project/default_branch"))))
}

fn bitbucket(call: &Call<'_>) -> Result<Event, Refusal> {
    let uuid = &call.secrets.bitbucket;
    ensure(uuid.is_empty() || same(uuid, call.header("x-hook-uuid")))?;
    ensure(call.header("x-event-key") == "repo:push")?;
    let body = call.json()?;
    let change = |pointer: &str| text(&body, &format!("/push/changes/0{pointer}")).to_owned();
    Ok(Event::Push(Push {
        web_urls: vec![text(&body, "/repository/links/html/href").to_owned()],
        revision: change("/new/name"),
        // The payload does not tell the default branch, nor files.
        touched_head: true,
        before: change("/old/target/hash"),
        after: change("/new/target/hash"),
        files: Vec::new(),
    }))
}

fn bitbucket_server(call: &Call<'_>) -> Result<Event, Refusal> {
    let event = call.header("x-event-key");
    ensure(matches!(event, "repo:refs_changed" | "diagnostics:ping"))?;
    if event == "diagnostics:ping" {
        return Ok(Event::Nothing);
    }
    let secret = &call.secrets.bitbucket_server;
    if !secret.is_empty() {
        let signature = call.header("x-hub-signature");
        ensure(sha256(secret, call.body, signature.strip_prefix("sha256=").unwrap_or(signature)))?;
    }
    let body = call.json()?;
    let links = body.pointer("/repository/links/clone").and_then(Value::as_array);
    let urls = links.into_iter().flatten().filter(|it| matches!(text(it, "/name"), "http" | "ssh"));
    Ok(Event::Push(Push {
        web_urls: urls.map(|it| text(it, "/href").to_owned()).filter(|it| !it.is_empty()).collect(),
        revision: short(text(&body, "/changes/0/ref/id")).to_owned(),
        touched_head: true,
        ..Push::default()
    }))
}

fn ghcr(call: &Call<'_>) -> Result<Event, Refusal> {
    let secret = &call.secrets.github;
    if !secret.is_empty() {
        let signature = call.header("x-hub-signature-256").strip_prefix("sha256=").unwrap_or_default();
        if !sha256(secret, call.body, signature) {
            return Err(Refusal::Unauthorized);
        }
    }
    // A body that is no JSON is not told apart from other failures here, as upstream's.
    let body = call.json().map_err(|_| Refusal::Failed)?;
    let tag = text(&body, "/package/package_version/container_metadata/tag/name");
    let container = text(&body, "/package/package_type").eq_ignore_ascii_case("container");
    if text(&body, "/action") != "published" || !container || tag.is_empty() {
        return Ok(Event::Nothing);
    }
    let (owner, name) = (text(&body, "/package/owner/login"), text(&body, "/package/name"));
    Ok(Event::Registry(RegistryPush { url: format!("oci://ghcr.io/{owner}/{name}"), tag: tag.to_owned() }))
}

/// A push in the form that GitHub, GitLab and Gogs share.
fn with_commits(body: &Value, url: &str, default_branch: &str) -> Push {
    let revision = short(text(body, "/ref"));
    let commits = body.get("commits").and_then(Value::as_array);
    let lists = commits.into_iter().flatten().flat_map(|it| ["added", "modified", "removed"].map(|list| it.get(list)));
    let files = lists.flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let mut files: Vec<String> = files.take(MAX_FILES + 1).map(str::to_owned).collect();
    if files.len() > MAX_FILES {
        files.clear();
    }
    Push {
        web_urls: (!url.is_empty()).then(|| url.to_owned()).into_iter().collect(),
        revision: revision.to_owned(),
        touched_head: default_branch == revision,
        before: text(body, "/before").to_owned(),
        after: text(body, "/after").to_owned(),
        files,
    }
}

/// A reference without its first two parts: `refs/heads/a/b` is `a/b`.
pub(super) fn short(reference: &str) -> &str {
    reference.splitn(3, '/').last().unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
