//! `compose-output` and `fail`.

use serde::Deserialize;

use super::{StepContext, StepDefaults, StepError, StepOutcome, StepResult, StepRunner};

/// Gives its settings to later steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComposeOutput;

#[async_trait::async_trait]
impl StepRunner for ComposeOutput {
    fn kind(&self) -> &str {
        "compose-output"
    }

    fn defaults(&self) -> StepDefaults {
        // Runs again after files are lost: what it gives may come from steps that do.
        StepDefaults::default()
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        if context.config.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(StepError::failed("invalid compose-output config: at least one value is required"));
        }
        Ok(StepOutcome::output(context.config.clone()))
    }
}

/// Ends the promotion.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fail;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FailConfig {
    #[serde(default)]
    message: String,
}

#[async_trait::async_trait]
impl StepRunner for Fail {
    fn kind(&self) -> &str {
        "fail"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: FailConfig = context.parse(self.kind())?;
        let message =
            if config.message.is_empty() { "failed".to_owned() } else { format!("failed: {}", config.message) };
        Err(StepError::failed(message))
    }
}
