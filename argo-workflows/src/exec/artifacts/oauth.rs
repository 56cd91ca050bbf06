//! Tokens by client credentials (OAuth 2).

use argo_core::Category;
use serde::Deserialize;
use serde_json::Value;

use super::{ArtifactError, Secrets, store::encode, transfer};

/// What a token is asked for with.
pub(super) struct Credentials {
    id: String,
    secret: String,
    url: String,
    form: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Credentials {
    /// Those that `auth.oauth2` of a location names, where it names all it needs.
    pub(super) fn read(location: &Value, secrets: &dyn Secrets) -> Result<Option<Self>, ArtifactError> {
        let secret = |field: &str| transfer::secret(secrets, location, &format!("/auth/oauth2/{field}"));
        let all = (secret("clientIDSecret")?, secret("clientSecretSecret")?, secret("tokenURLSecret")?);
        let (Some(id), Some(secret), Some(url)) = all else { return Ok(None) };
        let oauth = location.pointer("/auth/oauth2");
        let list = |field: &str| oauth.and_then(|it| it.get(field)?.as_array()).into_iter().flatten();
        let mut form = "grant_type=client_credentials".to_owned();
        let scopes: Vec<&str> = list("scopes").filter_map(Value::as_str).collect();
        if !scopes.is_empty() {
            form.push_str(&format!("&scope={}", encode(&scopes.join(" "), false)));
        }
        for it in list("endpointParams") {
            let text = |field: &str| encode(it.get(field).and_then(Value::as_str).unwrap_or_default(), false);
            form.push_str(&format!("&{}={}", text("key"), text("value")));
        }
        Ok(Some(Self { id, secret, url, form }))
    }

    /// A token. Servers take the credentials as a header or in the form: the header is tried first.
    pub(super) async fn token(&self) -> Result<String, ArtifactError> {
        let client = transfer::client(None)?;
        let header = client.post(&self.url).basic_auth(encode(&self.id, false), Some(encode(&self.secret, false)));
        let answer = match transfer::send(transfer::form(header, self.form.clone())).await {
            Err(error) if matches!(error.category, Category::Forbidden | Category::Invalid) => {
                let form = format!(
                    "{}&client_id={}&client_secret={}",
                    self.form,
                    encode(&self.id, false),
                    encode(&self.secret, false)
                );
                transfer::send(transfer::form(client.post(&self.url), form)).await?
            }
            other => other?,
        };
        let kind =
            answer.headers().get(reqwest::header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        // Some servers answer as a form.
        if matches!(
            kind.split(';').next().unwrap_or_default().trim(),
            "application/x-www-form-urlencoded" | "text/plain"
        ) {
            return transfer::form_field(answer, "access_token").await;
        }
        let token: Token = transfer::json(answer).await?;
        Ok(token.access_token)
    }
}
