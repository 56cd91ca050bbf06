//! `wait`: beside the main containers, until everything is saved.

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::{Settings, files, report::Report};
use crate::{
    api::{AnyString, Template},
    exec::outputs::{self, Collected, MAIN, archives_logs, main_containers},
};

/// How often the progress file is read.
const READ: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) async fn run(settings: &Settings) -> Result<(), String> {
    let template = settings.template()?;
    let report = Report::open(settings).await?;
    let begun = tokio::spawn({
        let report = report.clone();
        async move { report.begin().await }
    });
    let mains = main_containers(&template);
    let mut terminate = signal(SignalKind::terminate()).map_err(|it| it.to_string())?;
    let mut late = None;
    tokio::select! {
        () = files::over(&settings.layout, &mains) => {}
        // The pod is being ended: what is there is saved.
        _ = terminate.recv() => {}
        () = deadline(settings) => {
            late = Some("Step exceeded its deadline".to_owned());
            files::end(&settings.layout, &mains, settings.grace).await;
        }
        () = progress(settings, &report) => {}
    }
    let first = begun.await.map_err(|it| it.to_string())?;
    let collected = if template.resource.is_some() {
        // Its main container reports parameters itself.
        let logs = Template { outputs: None, ..template.clone() };
        outputs::collect(&logs, &settings.layout, &Settings::drivers(), false).await
    } else {
        outputs::collect(&template, &settings.layout, &Settings::drivers(), settings.include_result).await
    };
    // With an exit code the controller takes the step for done: not where something went wrong.
    let failed = late.is_some() || !collected.errors.is_empty() || first.is_err();
    let code = files::exit_code(&settings.layout, MAIN).filter(|_| !failed);
    let mut body = body(&template, &collected, code);
    if let Some(progress) = read_progress(settings) {
        body["progress"] = progress.into();
    }
    let whole = template.resource.is_none() || archives_logs(&template);
    let written = report.write(&body, whole).await;
    let errors = late.into_iter().chain(collected.errors).chain(first.err()).chain(written.err());
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// The report: the outputs that the template declares, with their values.
fn body(template: &Template, collected: &Collected, code: Option<i32>) -> Value {
    let mut all = template.outputs.clone().unwrap_or_default();
    if template.resource.is_some() {
        return json!({"outputs": {"artifacts": collected.artifacts}});
    }
    for it in &mut all.parameters {
        let found = collected.parameters.iter().find(|(name, _)| *name == it.name);
        it.value = found.map(|(_, value)| AnyString(value.clone())).or_else(|| it.value.take());
    }
    all.artifacts.clone_from(&collected.artifacts);
    all.result.clone_from(&collected.result);
    all.exit_code = code.map(|it| it.to_string());
    json!({"outputs": all})
}

async fn deadline(settings: &Settings) {
    match settings.deadline {
        Some(at) => {
            let clock = argo_core::Clock::system();
            let now = clock.now();
            if at > now {
                clock.sleep(argo_core::time::between(now, at)).await;
            }
        }
        None => std::future::pending().await,
    }
}

fn read_progress(settings: &Settings) -> Option<String> {
    let text = outputs::tail(&settings.layout.var_run.join("progress"), 1 << 10).ok()?;
    let last = text.trim().lines().last()?.trim().to_owned();
    let (done, all) = last.split_once('/')?;
    let (done, all): (u64, u64) = (done.parse().ok()?, all.parse().ok()?);
    (done <= all && all > 0).then_some(last)
}

/// Reports progress from time to time; never ends.
async fn progress(settings: &Settings, report: &Report) {
    if settings.progress_patch.is_zero() {
        return std::future::pending().await;
    }
    let mut told = String::new();
    let mut last = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(READ.min(settings.progress_patch)).await;
        if last.elapsed() < settings.progress_patch {
            continue;
        }
        if let Some(now) = read_progress(settings).filter(|it| *it != told) {
            if let Err(error) = report.write(&json!({"progress": now}), false).await {
                eprintln!("failed to report progress: {error}");
            }
            told = now;
            last = tokio::time::Instant::now();
        }
    }
}
