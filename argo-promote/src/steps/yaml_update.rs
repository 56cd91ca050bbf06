//! `yaml-update`: changes values and leaves the rest of the text alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{StepContext, StepError, StepOutcome, StepResult, StepRunner, blocking};

/// Files larger than this are not read.
const FILE_LIMIT: u64 = 16 << 20;

/// Changes values in a YAML file.
#[derive(Debug, Clone, Copy, Default)]
pub struct YamlUpdate;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    path: String,
    updates: Vec<Update>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Update {
    key: String,
    value: Value,
}

#[async_trait::async_trait]
impl StepRunner for YamlUpdate {
    fn kind(&self) -> &str {
        "yaml-update"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: Config = context.parse(self.kind())?;
        if config.updates.is_empty() {
            return Err(StepError::failed("invalid yaml-update config: updates: at least one is required"));
        }
        let file = context.folder.resolve(&config.path)?;
        blocking(move || {
            let wrong = |it: &dyn std::fmt::Display| {
                StepError::failed(format!("error updating YAML file {:?}: {it}", config.path))
            };
            let size = std::fs::metadata(&file).map_err(|it| wrong(&it))?.len();
            if size > FILE_LIMIT {
                return Err(wrong(&format!("larger than {FILE_LIMIT} bytes")));
            }
            let before = std::fs::read_to_string(&file).map_err(|it| wrong(&it))?;
            let updates = config.updates.iter().map(|it| (it.key.as_str(), &it.value));
            let after = argo_lang::yaml::edit::set_all(&before, updates).map_err(|it| wrong(&it))?;
            if after != before {
                std::fs::write(&file, after)
                    .map_err(|it| StepError::retryable(format!("error writing {:?}: {it}", config.path)))?;
            }
            let mut message = format!("Updated {}\n", config.path);
            for update in &config.updates {
                let value = match &update.value {
                    Value::String(text) => argo_lang::gojson::quote(text),
                    other => other.to_string(),
                };
                message.push_str(&format!("\n- {}: {value}", update.key));
            }
            Ok(StepOutcome::output(json!({"commitMessage": message})))
        })
        .await
    }
}
