//! The commands of `argo-exec`, which runs in the containers of a pod.
//!
//! | command | in | does |
//! |---|---|---|
//! | `init` | the init container | copies itself, writes the template, loads artifacts, stages the script |
//! | `emissary -- CMD…` | every user container | runs the command, forwards signals, keeps output and exit code |
//! | `wait` | beside them | waits for the main containers, saves outputs, reports |
//! | `resource ACTION` | the main container | acts on a Kubernetes object and waits for its conditions |
//! | `data JSON` | the main container | lists artifact keys and transforms them |
//! | `agent init`, `agent main` | a pod of its own | does `http` and `plugin` templates of a workflow |
//! | `artifact delete` | a pod of its own | deletes artifacts of a workflow |
//! | `kill SIGNAL PID` | anywhere | signals a process |
//!
//! The containers talk by files below `/var/run/argo`, as upstream's `argoexec` does: `template`,
//! `ctr/<container>/{exitcode,stdout,combined,signal}`, `outputs/…`, `progress`.

pub mod agent;
mod data;
mod emissary;
mod files;
pub mod garbage;
mod init;
mod report;
pub mod resource;
mod wait;

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    api::Template,
    exec::{
        Layout,
        artifacts::{AzureDriver, Drivers, GcsDriver, GitDriver, HttpDriver, S3Driver, SecretFiles},
    },
};

/// Exit code of the executor's own failures.
pub const FAILED: i32 = 64;
/// Where the kubelet looks for what a person is told of a container's end.
const TERMINATION_LOG: &str = "/dev/termination-log";
/// Longest text that it takes.
const MAX_TERMINATION: usize = 4096;

/// What the pod says of its step, by environment variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this container.
    pub container: String,
    /// The node.
    pub node_id: String,
    /// The workflow.
    pub workflow: String,
    /// Its uid.
    pub workflow_uid: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Label value of everything that belongs to the controller.
    pub instance_id: Option<String>,
    /// Whether somebody reads the step's standard output.
    pub include_result: bool,
    /// When the step must be over.
    pub deadline: Option<argo_core::Timestamp>,
    /// How long a container has between the polite signal and the other one.
    pub grace: Duration,
    /// How often progress is reported; zero never.
    pub progress_patch: Duration,
    /// Where files are.
    pub layout: Layout,
}

impl Settings {
    /// Reads the environment of a container.
    #[must_use]
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let namespace = std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace");
        let duration = |name: &str| {
            argo_lang::duration::parse(&var(name)).ok().and_then(|it| it.try_into().ok()).unwrap_or(Duration::ZERO)
        };
        // Go's zero time means none.
        let deadline = argo_core::time::parse(&var("ARGO_DEADLINE")).ok().filter(|it| it.as_second() > 0);
        let grace = var("ARGO_TERMINATION_GRACE_PERIOD_SECONDS").parse().unwrap_or(30);
        Self {
            container: var("ARGO_CONTAINER_NAME"),
            node_id: var("ARGO_NODE_ID"),
            workflow: var("ARGO_WORKFLOW_NAME"),
            workflow_uid: var("ARGO_WORKFLOW_UID"),
            namespace: namespace.map(|it| it.trim().to_owned()).unwrap_or_default(),
            pod: var("ARGO_POD_NAME"),
            instance_id: Some(var("ARGO_INSTANCE_ID")).filter(|it| !it.is_empty()),
            include_result: var("ARGO_INCLUDE_SCRIPT_OUTPUT") == "true",
            deadline,
            grace: Duration::from_secs(grace),
            progress_patch: duration("ARGO_PROGRESS_PATCH_TICK_DURATION"),
            layout: Layout::pod(),
        }
    }

    /// The template: from the shared directory, else from the environment.
    ///
    /// # Errors
    /// When it is nowhere, or is none.
    pub fn template(&self) -> Result<Template, String> {
        let file = self.layout.var_run.join("template");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(_) => match std::env::var("ARGO_TEMPLATE") {
                Ok(text) if text == "offloaded" => std::fs::read_to_string("/argo/config/ARGO_TEMPLATE")
                    .map_err(|it| super::io_message("open", "/argo/config/ARGO_TEMPLATE", &it))?,
                Ok(text) => text,
                Err(_) => return Err(format!("neither {} nor ARGO_TEMPLATE is available", file.display())),
            },
        };
        serde_json::from_str(&text).map_err(|it| format!("failed to unmarshal template: {it}"))
    }

    fn drivers() -> Drivers {
        let secrets = Arc::new(SecretFiles(PathBuf::from("/argo/secret")));
        Drivers::local()
            .with("git", Arc::new(GitDriver::new(secrets.clone())))
            .with("http", Arc::new(HttpDriver::new(secrets.clone())))
            .with("artifactory", Arc::new(HttpDriver::new(secrets.clone())))
            .with("gcs", Arc::new(GcsDriver::new(secrets.clone())))
            .with("azure", Arc::new(AzureDriver::new(secrets.clone())))
            .with("s3", Arc::new(S3Driver::new(secrets)))
    }
}

/// Runs `argo-exec` with these arguments, the program's name left out. Returns the exit code.
pub async fn main(arguments: Vec<String>) -> i32 {
    let mut command = Vec::new();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--" => break,
            // Upstream's options about logs; nothing here is so talkative.
            "--loglevel" | "--log-format" | "--gloglevel" | "--kubeconfig" => drop(rest.next()),
            it if it.starts_with("--") => {}
            _ => command.push(argument),
        }
    }
    let rest: Vec<String> = rest.collect();
    let settings = Settings::from_env();
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["init"] => init::run(&settings).await.map(|()| 0),
        ["wait"] => wait::run(&settings).await.map(|()| 0),
        ["emissary", inline @ ..] => {
            let command = if rest.is_empty() { inline.iter().map(|it| (*it).to_owned()).collect() } else { rest };
            emissary::run(&settings, command).await
        }
        ["resource", action] => resource::main(&settings, action).await.map(|()| 0),
        ["data", text] => data::run(&settings, text).await.map(|()| 0),
        ["artifact", "delete"] => garbage::run(&settings).await.map(|()| 0),
        ["agent", "init"] => agent::init(&settings).map(|()| 0),
        ["agent", "main"] => agent::main(&settings).await.map(|()| 0),
        ["kill", signal, pid] => files::kill(signal, pid).map(|()| 0),
        ["version"] => {
            println!("argo-exec {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
        _ => Err("argo-exec init | wait | emissary -- CMD… | resource ACTION | data JSON | agent init|main | artifact delete | kill SIGNAL PID".to_owned()),
    };
    match done {
        Ok(code) => code,
        Err(message) => {
            eprintln!("Error: {message}");
            let end = (0..=MAX_TERMINATION.min(message.len())).rev().find(|it| message.is_char_boundary(*it));
            // Where it can not be written, the exit code has to do.
            let _ = std::fs::write(TERMINATION_LOG, &message[..end.unwrap_or(0)]);
            FAILED
        }
    }
}
