//! InfluxDB: Flux queries.

use std::{sync::Arc, time::Duration};

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    MetricProvider, MetricRequest, Secrets,
    http::{Clients, send, snippet},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// The Secret with the credentials, by default.
const PROFILE: &str = "influxdb";
/// How long a query may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks InfluxDB. The Secret `influxdb` (or `profile`) beside the controller has `address`,
/// `authToken` and `org`.
#[derive(Debug)]
pub struct Influxdb {
    clients: Clients,
    secrets: Arc<dyn Secrets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    profile: String,
    query: String,
}

impl Influxdb {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { clients: Clients::default(), secrets }
    }

    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let profile = if settings.profile.is_empty() { PROFILE } else { &settings.profile };
        let secret = self.secrets.read(None, profile).await?;
        let secret = secret.ok_or_else(|| format!("secrets \"{profile}\" not found"))?;
        let get = |key: &str| secret.get(key).map(String::as_str).filter(|it| !it.is_empty());
        let (Some(address), Some(token), Some(org)) = (get("address"), get("authToken"), get("org")) else {
            return Err("authToken, org, or address not found".to_owned());
        };
        let url = format!("{}/api/v2/query", address.trim_end_matches('/'));
        let mut url = reqwest::Url::parse(&url).map_err(|it| format!("invalid address: {it}"))?;
        url.query_pairs_mut().append_pair("org", org);
        let dialect = json!({"annotations": ["datatype", "group", "default"], "delimiter": ",", "header": true});
        let http = self.clients.get(false)?.post(url).header("authorization", format!("Token {token}"));
        let http = http.json(&json!({"query": settings.query, "type": "flux", "dialect": dialect}));
        let answer = send(http, &[], TIMEOUT).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("received non 2xx response code: {} {}", answer.status, snippet(&answer, &[token])));
        }
        let values = values(&String::from_utf8_lossy(&answer.body))?;
        if values.is_empty() {
            return Err("no results returned from flux query".to_owned());
        }
        let texts: Vec<String> = values.iter().map(text).collect();
        Ok(request.judged(format!("[{}]", texts.join(" ")), &Reading::Json(json!(values))))
    }
}

/// A value as Go prints it.
fn text(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Number(it) if it.is_f64() => gofloat::format_g(it.as_f64().unwrap_or_default(), None),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// The `_value` column of all tables of annotated CSV.
fn values(csv: &str) -> Result<Vec<Value>, String> {
    let (mut kinds, mut column, mut values) = (Vec::new(), None, Vec::new());
    let mut header = true;
    for row in rows(csv) {
        match row.first().map(String::as_str) {
            _ if row.iter().all(String::is_empty) => header = true,
            Some("#datatype") => {
                kinds = row;
                header = true;
            }
            Some(it) if it.starts_with('#') => {}
            _ if header => {
                if row.get(1).is_some_and(|it| it == "error") {
                    // The row after it says what; it is the only one.
                    column = None;
                    kinds.clear();
                    header = false;
                    continue;
                }
                column = row.iter().position(|it| it == "_value");
                header = false;
            }
            _ => match column {
                Some(at) => {
                    let kind = kinds.get(at).map_or("string", String::as_str);
                    values.push(typed(kind, row.get(at).map_or("", String::as_str))?);
                }
                None if kinds.is_empty() => {
                    return Err(row.get(1).cloned().unwrap_or_else(|| "the query failed".to_owned()));
                }
                None => {}
            },
        }
    }
    Ok(values)
}

fn typed(kind: &str, text: &str) -> Result<Value, String> {
    let wrong = || format!("a value of type {kind} does not decode");
    Ok(match kind {
        _ if text.is_empty() && kind != "string" => Value::Null,
        "double" => gofloat::parse_float(text).map_or_else(|| Err(wrong()), |it| Ok(json!(it)))?,
        "long" => json!(text.parse::<i64>().map_err(|_| wrong())?),
        "unsignedLong" => json!(text.parse::<u64>().map_err(|_| wrong())?),
        "boolean" => json!(text == "true"),
        _ => json!(text),
    })
}

/// Rows and fields of CSV, with quotes as RFC 4180 has them.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = csv.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            it => field.push(it),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[async_trait::async_trait]
impl MetricProvider for Influxdb {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotated_csv_is_read() {
        let csv = "#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n\
                   #default,_result,,,,\r\n,result,table,_time,_value,host\r\n,,0,2026-01-01T00:00:00Z,1.5,\"a,\"\"b\"\"\"\r\n\
                   ,,0,2026-01-01T00:00:01Z,,c\r\n\r\n#datatype,string,long,string\r\n#group,,,\r\n#default,,,\r\n,result,table,_value\r\n,,0,up\r\n";
        assert_eq!(values(csv).unwrap(), [json!(1.5), Value::Null, json!("up")]);
        let error =
            "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,failed to parse query,897\n";
        assert_eq!(values(error).unwrap_err(), "failed to parse query");
        assert_eq!(values("").unwrap(), Vec::<Value>::new());
    }
}
