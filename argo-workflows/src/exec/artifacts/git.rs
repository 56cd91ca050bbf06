//! Artifacts that are checkouts of git repositories.

use std::{path::Path, process::Stdio, sync::Arc};

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactDriver, ArtifactError, Secrets};
use crate::api::Artifact;

/// Checks out `git.repo` at `git.revision` with the `git` program, which brings its own transports and
/// credential helpers. Fields: `repo revision depth fetch branch singleBranch disableSubmodules
/// insecureSkipTLS usernameSecret passwordSecret sshPrivateKeySecret insecureIgnoreHostKey`.
#[derive(Debug, Clone)]
pub struct GitDriver {
    secrets: Arc<dyn Secrets>,
}

impl GitDriver {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets }
    }

    fn secret(&self, git: &Value, field: &str) -> Result<Option<String>, ArtifactError> {
        let Some(selector) = git.get(field).filter(|it| it.is_object()) else { return Ok(None) };
        let text = |it: &str| selector.get(it).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, key) = (text("name"), text("key"));
        let missing = || ArtifactError::new(Category::NotFound, format!("git.{field}: no key {key} in Secret {name}"));
        self.secrets.read(&name, &key).map(Some).ok_or_else(missing)
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for GitDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let Some(git) = artifact.extra.get("git") else {
            return Err(ArtifactError::new(Category::Invalid, "git is required"));
        };
        let text = |field: &str| git.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
        let repo = text("repo").ok_or_else(|| ArtifactError::new(Category::Invalid, "git.repo is required"))?;
        for it in [repo].into_iter().chain(text("revision")).chain(text("branch")) {
            if it.starts_with('-') {
                return Err(ArtifactError::new(Category::Invalid, format!("git: '{it}' looks like an option")));
            }
        }
        let mut env: Vec<(String, String)> = vec![("GIT_TERMINAL_PROMPT".into(), "0".into())];
        if let Some(password) = self.secret(git, "passwordSecret")? {
            let user = self.secret(git, "usernameSecret")?.unwrap_or_else(|| "git".to_owned());
            // By the environment: an argument could be read by other processes.
            env.push(("ARGO_GIT_USERNAME".into(), user));
            env.push(("ARGO_GIT_PASSWORD".into(), password));
            let helper = r#"!f() { echo "username=$ARGO_GIT_USERNAME"; echo "password=$ARGO_GIT_PASSWORD"; }; f"#;
            env.push(("GIT_CONFIG_COUNT".into(), "1".into()));
            env.push(("GIT_CONFIG_KEY_0".into(), "credential.helper".into()));
            env.push(("GIT_CONFIG_VALUE_0".into(), helper.into()));
        }
        let mut key_file = None;
        if let Some(key) = self.secret(git, "sshPrivateKeySecret")? {
            use std::os::unix::fs::OpenOptionsExt;
            let mut path = to.as_os_str().to_owned();
            path.push(".key");
            let path = std::path::PathBuf::from(path);
            let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut it| std::io::Write::write_all(&mut it, key.as_bytes()))
                .map_err(|it| ArtifactError::io("open", &path, &it))?;
            let check = if git.get("insecureIgnoreHostKey") == Some(&Value::Bool(true)) { "no" } else { "accept-new" };
            env.push((
                "GIT_SSH_COMMAND".into(),
                format!("ssh -i '{}' -o StrictHostKeyChecking={check} -o BatchMode=yes", path.display()),
            ));
            key_file = Some(path);
        }
        if git.get("insecureSkipTLS") == Some(&Value::Bool(true)) {
            env.push(("GIT_SSL_NO_VERIFY".into(), "true".into()));
        }
        let result = clone(git, repo, to, &env).await;
        if let Some(path) = key_file {
            let _ = std::fs::remove_file(path);
        }
        result
    }

    async fn save(&self, _: &Path, _: &Artifact) -> Result<(), ArtifactError> {
        Err(ArtifactError::unsupported("git", "saving"))
    }

    async fn list(&self, _: &Artifact) -> Result<Vec<String>, ArtifactError> {
        Err(ArtifactError::unsupported("git", "listing"))
    }

    async fn delete(&self, _: &Artifact) -> Result<(), ArtifactError> {
        Err(ArtifactError::unsupported("git", "deleting"))
    }
}

async fn clone(git: &Value, repo: &str, to: &Path, env: &[(String, String)]) -> Result<(), ArtifactError> {
    let text = |field: &str| git.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
    let is = |field: &str| git.get(field) == Some(&Value::Bool(true));
    let target = to.display().to_string();
    let mut args: Vec<String> = vec!["clone".into(), "--quiet".into(), "--no-checkout".into()];
    if let Some(depth) = git.get("depth").and_then(Value::as_u64).filter(|it| *it > 0) {
        args.extend(["--depth".into(), depth.to_string()]);
        if !is("singleBranch") {
            args.push("--no-single-branch".into());
        }
    }
    if is("singleBranch") {
        args.push("--single-branch".into());
    }
    if let Some(branch) = text("branch") {
        args.extend(["--branch".into(), branch.into()]);
    }
    args.extend(["--".into(), repo.into(), target.clone()]);
    run(&args, env).await?;
    let within = |rest: &[&str]| -> Vec<String> {
        ["-C", &target].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
    };
    for spec in git.get("fetch").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        run(&within(&["fetch", "--quiet", "origin", "--", spec]), env).await?;
    }
    let revision = text("revision").unwrap_or("HEAD");
    let checkout = run(&within(&["checkout", "--quiet", "--force", revision, "--"]), env).await;
    if let Err(error) = checkout {
        // A commit that no branch of a shallow clone reaches is asked for by its name.
        run(&within(&["fetch", "--quiet", "origin", revision]), env).await.map_err(|_| error)?;
        run(&within(&["checkout", "--quiet", "--force", "FETCH_HEAD", "--"]), env).await?;
    }
    if !is("disableSubmodules") {
        run(&within(&["submodule", "--quiet", "update", "--init", "--recursive", "--force"]), env).await?;
    }
    Ok(())
}

async fn run(args: &[String], env: &[(String, String)]) -> Result<(), ArtifactError> {
    let mut command = tokio::process::Command::new("git");
    command.args(args).envs(env.iter().map(|(a, b)| (a, b))).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.kill_on_drop(true).stderr(Stdio::piped()).output().await;
    let output = output.map_err(|it| ArtifactError::new(Category::Unavailable, format!("git: {it}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(1000).collect();
    let category = if text.contains("not found") || text.contains("did not match") || text.contains("does not exist") {
        Category::NotFound
    } else {
        Category::Unavailable
    };
    Err(ArtifactError::new(category, format!("git: {text}")))
}
