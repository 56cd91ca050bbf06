//! What a service is sent, as a request over HTTP: decided here, sent elsewhere.

use std::fmt;

use serde_json::{Value, json};

use super::{Destination, Notification, NotifyError, ServiceConfig};

/// A request. Address, headers and body may hold secrets: they are in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// Where.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What.
    pub body: String,
    /// Certificates are not checked.
    pub insecure: bool,
    /// What answer means that it was told.
    pub accept: Accept,
}

/// What answer means that it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accept {
    /// A status of 200 to 299.
    Status,
    /// Slack's `{"ok": true}`.
    Ok,
    /// The text `1`, as the old connectors of Teams answer.
    One,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("accept", &self.accept).finish_non_exhaustive()
    }
}

impl Request {
    /// The request that tells a notification by a service.
    ///
    /// # Errors
    /// When the kind of service is not known, or its settings lack something.
    pub fn of(notification: &Notification, to: &Destination, service: &ServiceConfig) -> Result<Self, NotifyError> {
        let build = Build { notification, to, settings: &service.settings };
        match service.kind.as_str() {
            "webhook" => build.webhook(),
            "slack" => build.slack(),
            "teams" => build.teams(),
            "mattermost" => build.mattermost(),
            "googlechat" => build.google_chat(),
            kind => Err(NotifyError::UnknownKind(kind.to_owned())),
        }
    }
}

struct Build<'n> {
    notification: &'n Notification,
    to: &'n Destination,
    settings: &'n Value,
}

impl Build<'_> {
    fn refuse(&self, message: impl Into<String>) -> NotifyError {
        NotifyError::Service { service: self.to.service.clone(), message: message.into() }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).and_then(Value::as_str).filter(|it| !it.is_empty())
    }

    fn needed(&self, name: &str) -> Result<&str, NotifyError> {
        self.setting(name).ok_or_else(|| self.refuse(format!("the setting \"{name}\" is missing")))
    }

    /// The address that the settings have for the recipient.
    fn address(&self, list: &str) -> Result<String, NotifyError> {
        let to = &self.to.recipient;
        let found = self.settings.get(list).and_then(|it| it.get(to)).and_then(Value::as_str);
        let missing = || self.refuse(format!("no {} webhook configured for recipient {to}", self.to.service));
        found.map(str::to_owned).ok_or_else(missing)
    }

    fn request(&self, method: &str, url: String, body: String, accept: Accept) -> Request {
        let insecure = self.settings.get("insecureSkipVerify").and_then(Value::as_bool).unwrap_or_default();
        Request { method: method.to_owned(), url, headers: Vec::new(), body, insecure, accept }
    }

    fn json(&self, url: String, body: &Value, accept: Accept) -> Request {
        let mut request = self.request("POST", url, body.to_string(), accept);
        request.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        request
    }

    /// JSON that a template wrote.
    fn written(&self, service: &str, field: &str) -> Result<Option<Value>, NotifyError> {
        let text = self.notification.text(service, field);
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = |it: serde_json::Error| self.refuse(format!("{service}.{field} is no JSON (line {})", it.line()));
        serde_json::from_str(text).map(Some).map_err(refuse)
    }

    fn webhook(&self) -> Result<Request, NotifyError> {
        let mut url = self.needed("url")?.to_owned();
        let (mut method, mut body) = ("GET", self.notification.message().to_owned());
        let own = self.notification.0.get("webhook").and_then(|it| it.get(&self.to.service));
        if let Some(own) = own {
            let text = |field: &str| own.get(field).and_then(Value::as_str).unwrap_or_default();
            text("body").clone_into(&mut body);
            if !text("method").is_empty() {
                method = text("method");
            }
            if !text("path").is_empty() {
                url = format!("{}/{}", url.trim_end_matches('/'), text("path").trim_start_matches('/'));
            }
        }
        let mut request = self.request(method, url, body, Accept::Status);
        for header in self.settings.get("headers").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| header.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            request.headers.push((text("name"), text("value")));
        }
        if let Some(auth) = self.settings.get("basicAuth").filter(|it| it.is_object()) {
            use base64::Engine;
            let text = |field: &str| auth.get(field).and_then(Value::as_str).unwrap_or_default();
            let pair = format!("{}:{}", text("username"), text("password"));
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            request.headers.push(("Authorization".to_owned(), format!("Basic {pair}")));
        }
        Ok(request)
    }

    fn bearer(&self, mut request: Request) -> Result<Request, NotifyError> {
        request.headers.push(("Authorization".to_owned(), format!("Bearer {}", self.needed("token")?)));
        Ok(request)
    }

    fn slack(&self) -> Result<Request, NotifyError> {
        let mut body = json!({"channel": self.to.recipient, "text": self.notification.message()});
        let either = |field: &str| {
            let own = self.notification.text("slack", field);
            if own.is_empty() { self.setting(field).unwrap_or_default() } else { own }
        };
        if !either("username").is_empty() {
            body["username"] = json!(either("username"));
        }
        match either("icon") {
            icon if icon.len() > 2 && icon.starts_with(':') && icon.ends_with(':') => body["icon_emoji"] = json!(icon),
            icon if icon.starts_with("http://") || icon.starts_with("https://") => body["icon_url"] = json!(icon),
            _ => {}
        }
        for field in ["attachments", "blocks"] {
            if let Some(list) = self.written("slack", field)? {
                body[field] = list;
            }
        }
        if self.settings.get("disableUnfurl").and_then(Value::as_bool) == Some(true) {
            (body["unfurl_links"], body["unfurl_media"]) = (json!(false), json!(false));
        }
        let api = self.setting("apiURL").unwrap_or("https://slack.com/api/").trim_end_matches('/');
        self.bearer(self.json(format!("{api}/chat.postMessage"), &body, Accept::Ok))
    }

    fn teams(&self) -> Result<Request, NotifyError> {
        let url = self.address("recipientUrls")?;
        let template = self.notification.text("teams", "template");
        if !template.is_empty() {
            let mut request = self.json(url, &Value::Null, Accept::One);
            template.clone_into(&mut request.body);
            return Ok(request);
        }
        let mut card = json!({"@type": "MessageCard", "context": "https://schema.org/extensions",
            "title": "", "summary": "", "text": self.notification.message()});
        for field in ["title", "summary", "text", "themeColor"] {
            let text = self.notification.text("teams", field);
            if !text.is_empty() {
                card[field] = json!(text);
            }
        }
        let mut sections = match self.written("teams", "sections")? {
            Some(Value::Array(sections)) => sections,
            Some(_) => return Err(self.refuse("teams.sections is no list")),
            None => Vec::new(),
        };
        if let Some(facts) = self.written("teams", "facts")? {
            sections.push(json!({"facts": facts}));
        }
        if !sections.is_empty() {
            card["sections"] = json!(sections);
        }
        if let Some(actions) = self.written("teams", "potentialAction")? {
            card["potentialAction"] = actions;
        }
        Ok(self.json(url, &card, Accept::One))
    }

    fn mattermost(&self) -> Result<Request, NotifyError> {
        let mut body = json!({"channel_id": self.to.recipient, "message": self.notification.message()});
        if let Some(attachments) = self.written("mattermost", "attachments")? {
            body["props"] = json!({"attachments": attachments});
        }
        let url = format!("{}/api/v4/posts", self.needed("apiURL")?.trim_end_matches('/'));
        self.bearer(self.json(url, &body, Accept::Status))
    }

    fn google_chat(&self) -> Result<Request, NotifyError> {
        let url = self.address("webhooks")?;
        let body = match self.written("googlechat", "cardsV2")? {
            Some(cards) => json!({"cardsV2": cards}),
            None => json!({"text": self.notification.message()}),
        };
        Ok(self.json(url, &body, Accept::Status))
    }
}
