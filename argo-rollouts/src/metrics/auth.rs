//! How the providers over HTTP show who they are.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::Value;

use super::{
    http::send,
    sigv4::{self, Credentials},
};

/// Tokens are asked for anew this long before they end.
const EARLY: Duration = Duration::from_secs(10);
/// How long a request for a token may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Most tokens remembered.
const TOKENS: usize = 256;

/// `authentication` of a metric.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Authentication {
    oauth2: OAuth2,
    basic_auth: BasicAuth,
    sigv4: SigV4,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OAuth2 {
    #[serde(rename = "tokenUrl")]
    token_url: String,
    #[serde(rename = "clientId")]
    client_id: String,
    #[serde(rename = "clientSecret")]
    client_secret: String,
    scopes: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BasicAuth {
    username: String,
    password: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SigV4 {
    region: String,
    profile: String,
    #[serde(rename = "roleArn")]
    role_arn: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Value>,
}

impl Authentication {
    /// `authentication` among settings; nothing when it is not there.
    pub(super) fn of(settings: &Value) -> Result<Self, String> {
        match settings.get("authentication") {
            None | Some(Value::Null) => Ok(Self::default()),
            // What does not decode may be a secret.
            Some(value) => Self::deserialize(value).map_err(|_| "authentication does not decode".to_owned()),
        }
    }

    /// The request with what shows who asks.
    pub(super) async fn apply(
        &self,
        tokens: &Tokens,
        client: &reqwest::Client,
        mut http: RequestBuilder,
    ) -> Result<RequestBuilder, String> {
        let basic = &self.basic_auth;
        match (basic.username.is_empty(), basic.password.is_empty()) {
            (true, true) => {}
            (false, false) => http = http.basic_auth(&basic.username, Some(&basic.password)),
            (username, _) => {
                let missing = if username { "username" } else { "password" };
                return Err(format!("missing mandatory parameter in metric for basic auth setup: {missing}"));
            }
        }
        if !self.oauth2.token_url.is_empty() {
            http = http.bearer_auth(tokens.get(client, &self.oauth2).await?);
        }
        Ok(http)
    }

    /// The request signed for AWS, when it goes to Amazon Managed Prometheus and asks for that.
    pub(super) fn sign(&self, request: reqwest::Request) -> Result<reqwest::Request, String> {
        let SigV4 { region, profile, role_arn } = &self.sigv4;
        let host = request.url().host_str().unwrap_or_default();
        if !host.contains("aps-workspaces") || region.is_empty() && profile.is_empty() && role_arn.is_empty() {
            return Ok(request);
        }
        if !profile.is_empty() || !role_arn.is_empty() {
            return Err(
                "sigv4 profile and roleArn are not supported: give the controller credentials by environment, \
                        and the region"
                    .to_owned(),
            );
        }
        let credentials = Credentials::of_environment()?;
        sigv4::sign(request, &credentials, region, "aps", std::time::SystemTime::now().into())
    }
}

/// OAuth2 tokens by client, until they end.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<Client, (String, Option<Instant>)>>);

/// Token address, client id and scopes.
type Client = (String, String, Vec<String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    fn known(&self, key: &Client) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (token, end) = known.get(key)?;
        end.is_none_or(|it| it > Instant::now() + EARLY).then(|| token.clone())
    }

    async fn get(&self, client: &reqwest::Client, oauth2: &OAuth2) -> Result<String, String> {
        if oauth2.client_id.is_empty() || oauth2.client_secret.is_empty() {
            return Err("missing mandatory parameter in metric for OAuth2 setup".to_owned());
        }
        let key = (oauth2.token_url.clone(), oauth2.client_id.clone(), oauth2.scopes.clone());
        if let Some(token) = self.known(&key) {
            return Ok(token);
        }
        let url = reqwest::Url::parse(&oauth2.token_url).map_err(|it| format!("invalid token url: {it}"))?;
        let mut form = reqwest::Url::parse("form:").map_err(|it| it.to_string())?;
        form.query_pairs_mut().append_pair("grant_type", "client_credentials");
        if !oauth2.scopes.is_empty() {
            form.query_pairs_mut().append_pair("scope", &oauth2.scopes.join(" "));
        }
        let body = form.query().unwrap_or_default().to_owned();
        let http = client
            .post(url)
            .basic_auth(&oauth2.client_id, Some(&oauth2.client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = send(http, &[], TOKEN_TIMEOUT).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("oauth2: cannot fetch token: {}", answer.status));
        }
        let token: Token =
            serde_json::from_slice(&answer.body).map_err(|_| "oauth2: server response missing access_token")?;
        let seconds = match &token.expires_in {
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
            None => None,
        };
        let end = seconds.filter(|it| *it > 0).map(|it| Instant::now() + Duration::from_secs(it));
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= TOKENS {
            known.clear();
        }
        known.insert(key, (token.access_token.clone(), end));
        Ok(token.access_token)
    }
}
