//! `data`: keys of artifacts, transformed.

use serde_json::{Value, json};

use super::{Settings, report::Report};
use crate::{
    api::Artifact,
    exec::artifacts::{Drivers, relocate_all},
};

pub(super) async fn run(settings: &Settings, text: &str) -> Result<(), String> {
    let template = settings.template()?;
    let data: Value = serde_json::from_str(text).map_err(|it| format!("the data template: {it}"))?;
    let repository = template.extra.get("archiveLocation");
    let result = evaluate(&data, repository, &Settings::drivers()).await?;
    let report = Report::open(settings).await?;
    let text = serde_json::to_string(&result).map_err(|it| it.to_string())?;
    report.write(&json!({"outputs": {"result": text}}), true).await
}

/// Lists the keys that a data template names, and maps the list by its transformations.
pub(super) async fn evaluate(data: &Value, repository: Option<&Value>, drivers: &Drivers) -> Result<Value, String> {
    let source = data.pointer("/source/artifactPaths").ok_or("no valid source is used for data template")?;
    let artifact: Artifact = serde_json::from_value(source.clone()).map_err(|it| it.to_string())?;
    let whole = relocate_all(&artifact, repository)?;
    let driver = drivers.of(&whole).map_err(|it| it.to_string())?;
    let keys = driver.list(&whole).await.map_err(|it| format!("unable to source artifact paths: {it}"))?;
    let mut result = json!(keys);
    let steps = data.get("transformation").and_then(Value::as_array).into_iter().flatten();
    for step in steps {
        let Some(expression) = step.get("expression").and_then(Value::as_str).filter(|it| !it.is_empty()) else {
            return Err("no valid transformation is used for data template".to_owned());
        };
        let env = json!({"data": result});
        result = argo_lang::expr::eval(expression, &env, &argo_lang::expr::Options::default())
            .map_err(|it| format!("unable to process transformation: {it}"))?;
    }
    Ok(result)
}
