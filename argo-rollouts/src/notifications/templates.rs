//! Templates, filled in.

use argo_core::Timestamp;
use argo_lang::text_template::{Functions, Run, Template, Val};
use serde_json::{Map, Value};

use super::{Config, Destination, Notification, NotifyError};

/// What templates see: the caller's variables, and beside them `serviceType`, `recipient`, `time` and `secrets`.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'v> {
    /// The object under its name, and whatever else.
    pub values: &'v Map<String, Value>,
    /// Now.
    pub now: Timestamp,
}

/// Texts of a template that are taken as they are.
const PLAIN: [&str; 2] = ["method", "deliveryPolicy"];

/// Fills in templates, one upon the other: a later one takes away an earlier one's text only where it has one.
///
/// # Errors
/// When a template does not exist or can not be filled in.
pub fn render(
    config: &Config,
    templates: &[String],
    variables: Variables<'_>,
    to: &Destination,
) -> Result<Notification, NotifyError> {
    let now = variables.now;
    let values = variables.values.iter().map(|(key, it)| (key.clone(), Val::from_json(it)));
    let mut data: Vec<(String, Val)> = values.collect();
    let time = Val::map([
        ("Now".to_owned(), Val::function(move |_| Ok(Val::from(now.to_string())))),
        ("Parse".to_owned(), Val::function(|args| args.first().cloned().ok_or_else(|| "wants a text".to_owned()))),
    ]);
    data.push(("time".to_owned(), time));
    data.push(("serviceType".to_owned(), Val::from(to.service.clone())));
    data.push(("recipient".to_owned(), Val::from(to.recipient.clone())));
    let data = Val::map(data);
    let functions = Functions::notifications();
    let run = Run { now: Some(now), ..Run::default() };
    let mut notification = Notification::default();
    for name in templates {
        let template = config.templates.get(name).ok_or_else(|| NotifyError::UnknownTemplate(name.clone()))?;
        let fill = |text: &str| {
            let refuse = |message: String| NotifyError::Template { name: name.clone(), message };
            let template = Template::parse(name, text, &functions).map_err(|it| refuse(it.message))?;
            template.execute_with(name, &data, &run).map_err(|it| refuse(it.message))
        };
        let filled = filled(&Value::Object(template.clone()), &fill)?;
        merge(&mut notification.0, filled);
    }
    Ok(notification)
}

fn filled(value: &Value, fill: &impl Fn(&str) -> Result<String, NotifyError>) -> Result<Value, NotifyError> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text)?),
        Value::Array(items) => items.iter().map(|it| filled(it, fill)).collect::<Result<_, _>>()?,
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, it) in map {
                let it = if PLAIN.contains(&key.as_str()) { it.clone() } else { filled(it, fill)? };
                out.insert(key.clone(), it);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

fn merge(into: &mut Map<String, Value>, from: Value) {
    let Value::Object(from) = from else { return };
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, Value::Object(new)),
            (Some(_), Value::String(text)) if text.is_empty() => {}
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
