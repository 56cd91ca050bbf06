//! The two repositories of the story: an application with a Makefile, and its configuration.

use std::path::{Path, PathBuf};

use anyhow::Result;
use argo_examples::fixtures::git_server::{GitServer, git};

/// The stages in the order of promotion, and where each takes its freight from.
pub(crate) const STAGES: [(&str, &str); 3] = [
    ("dev", "{direct: true}"),
    ("staging", "{stages: [dev]}"),
    // A month in staging, or somebody's approval.
    ("production", "{stages: [staging], requiredSoakTime: 720h}"),
];

/// What the manifests are filled in with.
pub(crate) struct Places {
    pub(crate) config_url: String,
    /// `host:port/shop/web`.
    pub(crate) image: String,
    /// `http://host:port`.
    pub(crate) prometheus: String,
}

/// Working copies of both repositories.
pub(crate) struct Repos {
    pub(crate) app: PathBuf,
    pub(crate) config: PathBuf,
}

/// Makes or finds both repositories, filled and pushed; the second time nothing changes.
pub(crate) async fn make(server: &GitServer, folder: &Path, places: &Places) -> Result<Repos> {
    let repos = Repos { app: folder.join("app"), config: folder.join("config") };
    clone(&server.url("app"), &repos.app).await?;
    clone(&server.url("config"), &repos.config).await?;
    for (path, text) in config_files(places) {
        write(&repos.config.join(path), &text)?;
    }
    push(&repos.config, "configuration of all stages").await?;
    Ok(repos)
}

/// Writes a release of the application, commits and pushes it; returns the commit.
pub(crate) async fn release(repos: &Repos, version: &str, error_rate: &str) -> Result<String> {
    write(&repos.app.join("Makefile"), include_str!("files/app/Makefile"))?;
    write(&repos.app.join("app.c"), &include_str!("files/app/app.c").replace("@ERROR_RATE@", error_rate))?;
    write(&repos.app.join("VERSION"), &format!("{version}\n"))?;
    push(&repos.app, &format!("release {version}")).await?;
    git(&repos.app, &["rev-parse", "HEAD"]).await
}

fn config_files(places: &Places) -> Vec<(String, String)> {
    let fill = |text: &str| {
        text.replace("@CONFIG_REPO@", &places.config_url)
            .replace("@IMAGE@", &places.image)
            .replace("@PROMETHEUS@", &places.prometheus)
    };
    let mut files: Vec<(String, String)> = vec![
        ("bootstrap/root.yaml".into(), fill(include_str!("files/config/bootstrap/root.yaml"))),
        ("bootstrap/project.yaml".into(), fill(include_str!("files/config/bootstrap/project.yaml"))),
        ("bootstrap/platform.yaml".into(), fill(include_str!("files/config/bootstrap/platform.yaml"))),
        ("platform/events.yaml".into(), fill(include_str!("files/config/platform/events.yaml"))),
        ("platform/kargo.yaml".into(), fill(include_str!("files/config/platform/kargo.yaml"))),
    ];
    for (stage, sources) in STAGES {
        let fill = |text: &str| fill(text).replace("@STAGE@", stage).replace("@SOURCES@", sources);
        for (path, text) in [
            (format!("bootstrap/{stage}.yaml"), include_str!("files/stage-application.yaml")),
            (format!("platform/stage-{stage}.yaml"), include_str!("files/stage-kargo.yaml")),
            (format!("stages/{stage}/rollout.yaml"), include_str!("files/stage/rollout.yaml")),
            (format!("stages/{stage}/services.yaml"), include_str!("files/stage/services.yaml")),
            (format!("stages/{stage}/configmap.yaml"), include_str!("files/stage/configmap.yaml")),
            (format!("stages/{stage}/analysis.yaml"), include_str!("files/stage/analysis.yaml")),
        ] {
            files.push((path, fill(text)));
        }
    }
    files
}

async fn clone(url: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    git(folder, &["clone", "--quiet", url, "."]).await?;
    git(folder, &["checkout", "--quiet", "-B", "main"]).await?;
    Ok(())
}

async fn push(folder: &Path, message: &str) -> Result<()> {
    git(folder, &["add", "--all"]).await?;
    if git(folder, &["status", "--porcelain"]).await?.is_empty() {
        return Ok(());
    }
    git(folder, &["commit", "--quiet", "-m", message]).await?;
    git(folder, &["push", "--quiet", "origin", "HEAD:main"]).await?;
    Ok(())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, text)
}
