//! Running the `git` program: without prompts, with secrets in the environment only.

use std::{io::Write, path::Path, process::Stdio, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::process::Command;

use super::{Credentials, GitError, Repository};

/// Runs git commands with one set of settings.
#[derive(Debug, Clone)]
pub(super) struct Cli {
    pub(super) program: String,
    pub(super) timeout: Duration,
}

/// What a command printed.
pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Cli {
    /// Runs a command that talks to a remote.
    pub(super) async fn remote(
        &self,
        repository: &Repository,
        cwd: Option<&Path>,
        args: &[&str],
    ) -> Result<String, GitError> {
        let output = self.remote_output(repository, cwd, args).await?;
        if output.success { Ok(output.stdout) } else { Err(classify(repository, &output.stderr)) }
    }

    /// As [`Cli::remote`], leaving it to the caller what a failure means.
    pub(super) async fn remote_output(
        &self,
        repository: &Repository,
        cwd: Option<&Path>,
        args: &[&str],
    ) -> Result<Output, GitError> {
        if repository.url.starts_with('-') || repository.url.chars().any(char::is_control) {
            return Err(GitError::NotFound { repository: repository.to_string(), message: "not a URL".into() });
        }
        let mut settings: Vec<(String, String)> = Vec::new();
        if repository.insecure {
            settings.push(("http.sslVerify".into(), "false".into()));
        }
        // Held until the command has ended: dropping it removes the key.
        let mut key_file = None;
        let mut ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new".to_owned();
        match &repository.credentials {
            Some(Credentials::Basic { username, password }) => {
                let token = BASE64_STANDARD.encode(format!("{username}:{password}"));
                let header = format!("Authorization: Basic {token}");
                settings.push((format!("http.{}.extraHeader", origin(&repository.url)), header));
                settings.push(("credential.helper".into(), String::new()));
            }
            Some(Credentials::Ssh { private_key }) => {
                let mut file = tempfile::NamedTempFile::new().map_err(|it| local(Path::new("key"), &it))?;
                let written = file.write_all(private_key.trim_end().as_bytes()).and_then(|()| file.write_all(b"\n"));
                written.map_err(|it| local(file.path(), &it))?;
                ssh = format!("{ssh} -o IdentitiesOnly=yes -i {}", file.path().display());
                key_file = Some(file);
            }
            None => {}
        }
        let mut command = self.command(cwd, args);
        command.env("GIT_SSH_COMMAND", ssh).env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (i, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{i}"), key).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        let output = self.run(command, &repository.to_string()).await?;
        drop(key_file);
        Ok(Output { stderr: scrub(&output.stderr, repository), ..output })
    }

    /// Runs a command in a local folder; a failure carries what git said.
    pub(super) async fn local(&self, cwd: &Path, env: &[(&str, &str)], args: &[&str]) -> Result<String, GitError> {
        let output = self.local_output(cwd, env, args).await?;
        if output.success {
            return Ok(output.stdout);
        }
        Err(GitError::Local { path: cwd.display().to_string(), message: last_lines(&output.stderr) })
    }

    /// As [`Cli::local`], leaving it to the caller what a failure means.
    pub(super) async fn local_output(
        &self,
        cwd: &Path,
        env: &[(&str, &str)],
        args: &[&str],
    ) -> Result<Output, GitError> {
        let mut command = self.command(Some(cwd), args);
        command.envs(env.iter().copied());
        self.run(command, &cwd.display().to_string()).await
    }

    fn command(&self, cwd: Option<&Path>, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // Hooks and prompts of the machine have no say here; only transports that can not run commands.
        command
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "commit.gpgSign=false",
                "-c",
                "gc.auto=0",
                "-c",
                "advice.detachedHead=false",
            ])
            .args(args)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
            .env("GIT_ASKPASS", "true")
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(cwd) = cwd {
            command.current_dir(cwd);
        }
        command
    }

    async fn run(&self, mut command: Command, what: &str) -> Result<Output, GitError> {
        let unavailable = |message: String| GitError::Unavailable { repository: what.to_owned(), message };
        let child = command.output();
        let output = match tokio::time::timeout(self.timeout, child).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => {
                return Err(unavailable(format!("can not run `{}`: {error}; is git installed?", self.program)));
            }
            Err(_) => return Err(unavailable(format!("no answer within {:?}", self.timeout))),
        };
        Ok(Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

pub(super) fn local(path: &Path, error: &std::io::Error) -> GitError {
    GitError::Local { path: path.display().to_string(), message: error.to_string() }
}

/// What git's words mean.
fn classify(repository: &Repository, stderr: &str) -> GitError {
    let message = last_lines(stderr);
    let repository = repository.to_string();
    let lower = stderr.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if any(&[
        "authentication failed",
        "could not read username",
        "permission denied",
        "error: 401",
        "error: 403",
        "access denied",
    ]) {
        GitError::Unauthorized { repository, message }
    } else if any(&["not found", "does not exist", "does not appear to be a git repository", "error: 404"]) {
        GitError::NotFound { repository, message }
    } else if any(&["[rejected]", "[remote rejected]", "failed to push some refs", "stale info"]) {
        GitError::Rejected { repository, message }
    } else {
        GitError::Unavailable { repository, message }
    }
}

/// The last three lines that say something, in one.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with("hint:")).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Takes user information out of what git printed.
fn scrub(text: &str, repository: &Repository) -> String {
    let mut text = text.replace(&repository.url, &repository.to_string());
    if let Some(Credentials::Basic { password, .. }) = &repository.credentials
        && !password.is_empty()
    {
        text = text.replace(password, "***");
    }
    text
}

/// Scheme and host of a URL: what a header may be sent to.
fn origin(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            format!("{scheme}://{}/", host.rsplit('@').next().unwrap_or_default())
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_to_their_host_only() {
        assert_eq!(origin("https://u:p@host:8443/a/b.git"), "https://host:8443/");
    }

    #[test]
    fn words_of_git_become_kinds_of_errors() {
        let repository = Repository::new("https://h/r.git");
        assert!(matches!(classify(&repository, "fatal: repository 'x' not found"), GitError::NotFound { .. }));
        assert!(matches!(classify(&repository, "fatal: Authentication failed for 'x'"), GitError::Unauthorized { .. }));
        assert!(matches!(
            classify(&repository, "fatal: unable to access: Could not resolve host"),
            GitError::Unavailable { .. }
        ));
    }
}
