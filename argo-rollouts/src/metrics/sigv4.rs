//! Signatures of AWS, version 4.

use argo_core::Timestamp;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Who asks.
#[derive(Clone)]
pub struct Credentials {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token of temporary credentials.
    pub token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// Says which of them is missing.
    pub fn of_environment() -> Result<Self, String> {
        let get = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let need = |name: &str| get(name).ok_or_else(|| format!("no AWS credentials: {name} is not set"));
        let (id, secret) = (need("AWS_ACCESS_KEY_ID")?, need("AWS_SECRET_ACCESS_KEY")?);
        Ok(Self { id, secret, token: get("AWS_SESSION_TOKEN") })
    }
}

/// The request with its signature in `Authorization`. Signs host, date, token and content type.
///
/// # Errors
/// When a credential can not stand in a header.
pub(super) fn sign(
    mut request: reqwest::Request,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Time,
) -> Result<reqwest::Request, String> {
    let stamp = now.0.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = stamp[..8].to_owned();
    let url = request.url();
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let mut headers = vec![("host", host), ("x-amz-date", stamp.clone())];
    if let Some(token) = &credentials.token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    for name in ["content-type", "x-amz-target"] {
        if let Some(value) = request.headers().get(name).and_then(|it| it.to_str().ok()) {
            headers.push((name, value.to_owned()));
        }
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|it| it.0).collect();
    let names = names.join(";");
    let listed: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    let query: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let canonical = format!(
        "{}\n{}\n{}\n{listed}\n{names}\n{}",
        request.method(),
        // Once more than the address has it, as every service but S3 wants.
        url.path().split('/').map(encode).collect::<Vec<_>>().join("/"),
        query.join("&"),
        hex::encode(Sha256::digest(body))
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut key = format!("AWS4{}", credentials.secret).into_bytes();
    for part in [&day, region, service, "aws4_request"] {
        key = mac(&key, part)?;
    }
    let signature = hex::encode(mac(&key, &text)?);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", credentials.id);
    let mut set = |name: &'static str, value: &str| {
        let value = reqwest::header::HeaderValue::from_str(value);
        let value = value.map_err(|_| "an AWS credential can not stand in a header".to_owned())?;
        request.headers_mut().insert(name, value);
        Ok::<(), String>(())
    };
    set("x-amz-date", &stamp)?;
    if let Some(token) = &credentials.token {
        set("x-amz-security-token", token)?;
    }
    set("authorization", &authorization)?;
    Ok(request)
}

/// A time that may come from the system's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl From<std::time::SystemTime> for Time {
    fn from(at: std::time::SystemTime) -> Self {
        Self(Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|it| it.to_string())?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Percent-encodes all but letters, digits and `-._~`.
fn encode(text: impl AsRef<str>) -> String {
    let mut out = String::new();
    for byte in text.as_ref().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation of the signing process.
    #[test]
    fn the_published_example_comes_out() {
        let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08".parse().unwrap();
        let mut request = reqwest::Request::new(reqwest::Method::GET, url);
        let form = "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap();
        request.headers_mut().insert("content-type", form);
        let credentials = Credentials {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let at = Time("2015-08-30T12:36:00Z".parse().unwrap());
        let signed = sign(request, &credentials, "us-east-1", "iam", at).unwrap();
        let header = signed.headers()["authorization"].to_str().unwrap();
        assert_eq!(
            header,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert!(!format!("{credentials:?}").contains("wJalr"));
    }
}
