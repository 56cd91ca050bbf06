//! [`HttpNotifier`]: services over HTTP.

use std::time::Duration;

use super::{Accept, Destination, Notification, Notifier, Request, ServiceConfig};
use crate::metrics::{HttpAnswer, HttpClients};

/// How long a service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tells by webhook, Slack, Teams, Mattermost and Google Chat, as the configuration says.
#[derive(Debug, Default)]
pub struct HttpNotifier {
    clients: HttpClients,
}

#[async_trait::async_trait]
impl Notifier for HttpNotifier {
    async fn send(
        &self,
        notification: &Notification,
        to: &Destination,
        service: Option<&ServiceConfig>,
    ) -> Result<(), String> {
        let unknown = || super::NotifyError::UnknownService(to.service.clone()).to_string();
        let request = Request::of(notification, to, service.ok_or_else(unknown)?).map_err(|it| it.to_string())?;
        let headers: Vec<_> = request.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let answer =
            self.clients.call(&request.method, &request.url, &headers, request.body, request.insecure, TIMEOUT).await?;
        judge(request.accept, &answer)
    }
}

fn judge(accept: Accept, answer: &HttpAnswer) -> Result<(), String> {
    // The answer is not repeated: services tell the request, and with it secrets, in theirs.
    if !(200..300).contains(&answer.status) {
        return Err(format!("the service answered with error code {}", answer.status));
    }
    match accept {
        Accept::Status => Ok(()),
        Accept::One if answer.body.trim_ascii() == b"1" => Ok(()),
        Accept::One => Err("teams webhook post error: the answer is not \"1\"".to_owned()),
        Accept::Ok => {
            let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            // Slack's errors are words such as `channel_not_found`.
            let word = json["error"].as_str().filter(|it| it.len() < 60).unwrap_or("no error is named");
            if json["ok"] == true { Ok(()) } else { Err(format!("Slack refuses: {word}")) }
        }
    }
}
