//! `http`: calls an endpoint and decides by its answer.

use std::{net::IpAddr, time::Duration};

use argo_lang::expr::{Functions, Options, Program};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{StepContext, StepDefaults, StepError, StepOutcome, StepResult, StepRunner};

/// Most bytes of an answer that are read.
const BODY_LIMIT: usize = 2 << 20;

/// Calls an HTTP endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpStep;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    url: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    headers: Vec<NameValue>,
    #[serde(default)]
    query_params: Vec<NameValue>,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "insecureSkipTLSVerify")]
    insecure: bool,
    #[serde(default)]
    proxy: String,
    #[serde(default)]
    timeout: String,
    #[serde(default)]
    poll_interval: String,
    #[serde(default)]
    response_content_type: String,
    #[serde(default)]
    outputs: Vec<OutputConfig>,
    #[serde(default)]
    success_expression: String,
    #[serde(default)]
    failure_expression: String,
    #[serde(default)]
    error_expression: String,
}

/// A named text.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NameValue {
    name: String,
    value: String,
}

/// A value computed from a response.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutputConfig {
    name: String,
    from_expression: String,
}

struct Answer {
    status: u16,
    headers: Map<String, Value>,
    body: Value,
}

#[async_trait::async_trait]
impl StepRunner for HttpStep {
    fn kind(&self) -> &str {
        "http"
    }

    fn defaults(&self) -> StepDefaults {
        StepDefaults { uses_files: false, ..StepDefaults::default() }
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: Config = context.parse(self.kind())?;
        let poll = if config.poll_interval.is_empty() {
            Duration::from_secs(30)
        } else {
            go_duration(&config.poll_interval, "pollInterval", self.kind())?
        };
        let answer = call(&config).await?;
        decide(&config, &answer, poll)
    }
}

async fn call(config: &Config) -> Result<Answer, StepError> {
    let timeout = if config.timeout.is_empty() {
        Duration::from_secs(10)
    } else {
        go_duration(&config.timeout, "timeout", "http")?
    };
    let invalid = |it: String| StepError::failed(format!("invalid http config: {it}"));
    let url = reqwest::Url::parse(&config.url).map_err(|it| invalid(format!("url: {it}")))?;
    refuse_link_local(&url).await?;
    let mut builder = crate::tls::client().timeout(timeout).redirect(reqwest::redirect::Policy::limited(10));
    if config.insecure {
        builder = builder.danger_accept_invalid_certs(true);
    }
    if !config.proxy.is_empty() {
        builder = builder.proxy(reqwest::Proxy::all(&config.proxy).map_err(|it| invalid(format!("proxy: {it}")))?);
    }
    let client = builder.build().map_err(|it| StepError::retryable(format!("error creating HTTP client: {it}")))?;
    let method = if config.method.is_empty() { "GET" } else { &config.method };
    let method =
        reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).map_err(|it| invalid(format!("method: {it}")))?;
    let mut url = url;
    if !config.query_params.is_empty() {
        let mut pairs = url.query_pairs_mut();
        for it in &config.query_params {
            pairs.append_pair(&it.name, &it.value);
        }
    }
    let mut request = client.request(method, url);
    for it in &config.headers {
        request = request.header(&it.name, &it.value);
    }
    if !config.body.is_empty() {
        request = request.body(config.body.clone());
    }
    // The URL may hold a token: errors are told without it.
    let away = |it: reqwest::Error| StepError::retryable(format!("error sending HTTP request: {}", it.without_url()));
    let response = request.send().await.map_err(away)?;
    let status = response.status().as_u16();
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in response.headers() {
        let list = headers.entry(canonical(name.as_str())).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!(String::from_utf8_lossy(value.as_bytes())));
        }
    }
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(away)?);
        if bytes.len() > BODY_LIMIT {
            return Err(StepError::terminal(format!("response body is larger than {BODY_LIMIT} bytes")));
        }
    }
    let kind = if config.response_content_type.is_empty() {
        headers.get("Content-Type").and_then(|it| it[0].as_str()).unwrap_or_default().to_owned()
    } else {
        config.response_content_type.clone()
    };
    Ok(Answer { status, headers, body: body(&bytes, &kind)? })
}

fn body(bytes: &[u8], kind: &str) -> Result<Value, StepError> {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    let text = String::from_utf8_lossy(bytes).into_owned();
    if kind.ends_with("json") {
        if text.trim().is_empty() {
            return Ok(json!({}));
        }
        return serde_json::from_str(&text).map_err(|it| StepError::retryable(format!("response is not JSON: {it}")));
    }
    if kind.ends_with("yaml") {
        return argo_lang::yaml::decode(&text)
            .map_err(|it| StepError::retryable(format!("response is not YAML: {it}")));
    }
    if kind.starts_with("text/") {
        return Ok(Value::String(text));
    }
    // No type, or one nobody knows: JSON if it is.
    Ok(serde_json::from_str(&text).unwrap_or_else(|_| json!({})))
}

/// Go's canonical form of a header's name: `content-type` is `Content-Type`.
fn canonical(name: &str) -> String {
    let part = |it: &str| {
        let mut chars = it.chars();
        chars
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + &chars.as_str().to_lowercase())
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// Addresses of the link itself lead to cloud metadata services.
async fn refuse_link_local(url: &reqwest::Url) -> Result<(), StepError> {
    let refused = || StepError::terminal("link-local addresses are not permitted");
    let Some(host) = url.host_str() else { return Ok(()) };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return if is_link_local(address) { Err(refused()) } else { Ok(()) };
    }
    let port = url.port_or_known_default().unwrap_or(80);
    let Ok(mut found) = tokio::net::lookup_host((host, port)).await else { return Ok(()) };
    if found.any(|it| is_link_local(it.ip())) { Err(refused()) } else { Ok(()) }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local() || it.to_ipv4_mapped().is_some_and(|it| it.is_link_local()),
    }
}

fn decide(config: &Config, answer: &Answer, poll: Duration) -> StepResult {
    let headers = answer.headers.clone();
    let functions = Functions::new().with("response.header", move |args| {
        let name = args.first().and_then(Value::as_str).unwrap_or_default();
        Ok(headers.get(&canonical(name)).and_then(|it| it.get(0)).cloned().unwrap_or_else(|| json!("")))
    });
    let options = Options::with_functions(functions).allow_undefined();
    let env = json!({"response": {"status": answer.status, "headers": answer.headers, "body": answer.body}});
    let evaluate = |text: &str, what: &str| -> Result<Value, StepError> {
        let wrong = |it: argo_lang::expr::ExprError| StepError::failed(format!("error evaluating {what}: {it}"));
        Program::compile(text, &options).map_err(wrong)?.eval(&env).map_err(wrong)
    };
    let test = |text: &str, what: &str| -> Result<bool, StepError> {
        match evaluate(text, what)? {
            Value::Bool(it) => Ok(it),
            other => Err(StepError::failed(format!("{what} did not evaluate to a boolean (got {other})"))),
        }
    };
    let (succeeds, fails) = (&config.success_expression, &config.failure_expression);
    if !fails.is_empty() && test(fails, "failure expression")? {
        let message = if config.error_expression.is_empty() {
            format!("HTTP ({}) response met failure criteria", answer.status)
        } else {
            match evaluate(&config.error_expression, "error expression")? {
                Value::String(text) => text,
                other => other.to_string(),
            }
        };
        return Err(StepError::failed(message));
    }
    let is_success = (200..300).contains(&answer.status);
    let succeeded = match (succeeds.is_empty(), fails.is_empty()) {
        (false, _) => test(succeeds, "success expression")?,
        (true, true) => is_success,
        // Only a failure was described: whatever is not that, and not an error of the endpoint, is good.
        (true, false) => is_success,
    };
    if succeeded {
        let mut output = Map::new();
        for it in &config.outputs {
            output.insert(it.name.clone(), evaluate(&it.from_expression, &format!("output {:?}", it.name))?);
        }
        let output = (!output.is_empty()).then_some(Value::Object(output));
        return Ok(StepOutcome::Succeeded { output, health_check: None, message: String::new() });
    }
    if succeeds.is_empty() && fails.is_empty() {
        let error = StepError::failed(format!("HTTP ({}) response is not a success", answer.status));
        return Err(StepError { terminal: false, ..error });
    }
    let message = format!("HTTP ({}) response met neither success nor failure criteria", answer.status);
    Ok(StepOutcome::Pending { output: None, message, after: Some(poll) })
}

/// A Go duration of a step's settings.
fn go_duration(text: &str, field: &str, kind: &str) -> Result<Duration, StepError> {
    let parsed = argo_lang::duration::parse(text).ok().and_then(|it| Duration::try_from(it).ok());
    parsed.ok_or_else(|| StepError::failed(format!("invalid {kind} config: {field}: {text:?} is not a duration")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: Value) -> Config {
        let mut base = json!({"url": "http://h/"});
        argo_merge::merge_patch::apply(&mut base, &extra);
        serde_json::from_value(base).unwrap()
    }

    fn answer(status: u16, body: Value) -> Answer {
        let headers = json!({"X-Version": ["7"]});
        Answer { status, headers: headers.as_object().cloned().unwrap_or_default(), body }
    }

    fn run(extra: Value, status: u16, body: Value) -> StepResult {
        decide(&config(extra), &answer(status, body), Duration::from_secs(30))
    }

    #[test]
    fn without_expressions_the_status_decides() {
        assert_eq!(run(json!({}), 204, json!({})), Ok(StepOutcome::done()));
        let error = run(json!({}), 503, json!({})).unwrap_err();
        assert!(!error.terminal && error.status == crate::api::StepStatus::Failed);
    }

    #[test]
    fn expressions_decide_and_give_outputs() {
        let wanted = json!({"successExpression": "response.body.state == 'done'",
            "failureExpression": "response.body.state == 'bad'", "errorExpression": "'why: ' + response.body.why",
            "outputs": [{"name": "v", "fromExpression": "response.header('x-version')"}, {"name": "s", "fromExpression": "response.status"}]});
        assert_eq!(
            run(wanted.clone(), 200, json!({"state": "done"})),
            Ok(StepOutcome::output(json!({"v": "7", "s": 200})))
        );
        let failed = run(wanted.clone(), 200, json!({"state": "bad", "why": "x"})).unwrap_err();
        assert_eq!((failed.message.as_str(), failed.terminal), ("why: x", true));
        let after = Some(Duration::from_secs(30));
        assert!(
            matches!(run(wanted, 200, json!({"state": "busy"})), Ok(StepOutcome::Pending { after: it, .. }) if it == after)
        );
    }

    #[test]
    fn bodies_are_read_by_their_type() {
        assert_eq!(body(b"{\"a\":1}", "application/json; charset=utf-8").unwrap(), json!({"a": 1}));
        assert_eq!(body(b"a: 1\n", "application/yaml").unwrap(), json!({"a": 1}));
        assert_eq!(body(b"hello", "text/plain").unwrap(), json!("hello"));
        assert!(body(b"{", "application/json").is_err());
    }

    #[tokio::test]
    async fn link_local_addresses_are_refused() {
        for url in ["http://169.254.169.254/latest", "http://[fe80::1]/"] {
            assert!(refuse_link_local(&reqwest::Url::parse(url).unwrap()).await.is_err(), "{url}");
        }
        assert!(refuse_link_local(&reqwest::Url::parse("http://127.0.0.1/").unwrap()).await.is_ok());
    }
}
