//! A session: a cluster, a namespace in it, a directory with the files, and commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use argo_embedded::process::LocalImage;
use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatedNode, SimulatorConfig};
use argo_embedded::streams::{ExecAnswer, PortAnswer};
use argo_embedded::{Cluster, Serving};
use tokio::process::Command;

use super::normal::normal;

/// The longest that a command may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the commands are run against.
pub(super) enum Target {
    /// A cluster in this process.
    Embedded,
    /// The cluster of a kubeconfig.
    Real(PathBuf),
}

/// A running session.
pub(super) struct Session {
    folder: tempfile::TempDir,
    namespace: String,
    real: bool,
    _cluster: Option<(Cluster, Serving)>,
}

/// A command and what is expected of it.
struct Step<'a> {
    command: &'a str,
    expected: String,
}

/// Whether a program can be run.
pub(super) fn installed(program: &str) -> bool {
    std::process::Command::new(program).arg("version").output().is_ok_and(|output| output.status.success())
}

/// Major and minor of the installed kubectl.
pub(super) fn kubectl_version() -> Option<String> {
    let output = std::process::Command::new("kubectl").args(["version", "--client", "-o", "json"]).output().ok()?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let version = version.pointer("/clientVersion/gitVersion")?.as_str()?;
    let mut parts = version.trim_start_matches('v').split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

/// What the containers of `files/inside.yaml` do.
fn script() -> PodScript {
    PodScript::new()
        .with(PodRule::image("local:*"), Behaviour::process(LocalImage::at("/nowhere")))
        .with(PodRule::image("chatty:*"), Behaviour::running().log("first").log("second"))
        .with(PodRule::image("brief:1"), Behaviour::exits(Duration::from_millis(10), 0).log("all done"))
}

impl Session {
    pub(super) async fn open(name: &str, target: Target) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl/files");
        copy(&files, folder.path());
        let namespace = format!("sweep-{}", name.replace('_', "-"));
        let (kubeconfig, cluster) = match target {
            Target::Real(path) => (std::fs::read_to_string(path).expect("a kubeconfig"), None),
            Target::Embedded => {
                let nodes = (0..3).map(|number| SimulatedNode::new(format!("fake-{number}")));
                let config = SimulatorConfig::scripted(script()).nodes(nodes).events();
                let cluster = Cluster::builder().service_accounts().simulator(config).build().expect("in memory");
                cluster
                    .streams()
                    .on_exec(PodRule::image("chatty:*"), "date", ExecAnswer::prints("today\n"))
                    .on_exec(PodRule::image("chatty:*"), "greet *", ExecAnswer::prints("hello\n"))
                    .on_exec(PodRule::image("chatty:*"), "fail", ExecAnswer::fails(4, "it failed\n"))
                    .on_exec(PodRule::image("chatty:*"), "cat -", ExecAnswer::Echo)
                    .on_port(
                        PodRule::pod("pair"),
                        8080,
                        PortAnswer::Replies("HTTP/1.0 200 OK\r\n\r\nserved\n".to_owned()),
                    );
                let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
                (serving.kubeconfig().to_owned(), Some((cluster, serving)))
            }
        };
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).expect("written");
        let session = Self { folder, namespace, real: cluster.is_none(), _cluster: cluster };
        let ready = format!(
            "kubectl delete namespace {0} --ignore-not-found && kubectl create namespace {0} && kubectl config set-context --current --namespace={0} && \
             kubectl wait --for=create serviceaccount/default --timeout=30s",
            session.namespace
        );
        let (output, code) = session.shell(&ready).await;
        assert_eq!(code, Some(0), "{output}");
        session
    }

    /// Takes what was made on a real cluster away.
    pub(super) async fn close(self) {
        if self.real {
            self.shell(&format!("kubectl delete namespace {} --wait=false", self.namespace)).await;
        }
    }

    /// What each command of a transcript prints.
    pub(super) async fn run(&self, transcript: &str) -> Vec<String> {
        let mut answers = Vec::new();
        for step in steps(transcript) {
            let (output, code) = self.shell(step.command).await;
            let mut answer = normal(&output);
            match code {
                Some(0) => {}
                Some(code) => answer.push_str(&format!("\n[exit {code}]")),
                None => answer.push_str("\n[did not end]"),
            }
            answers.push(answer.trim_matches('\n').to_owned());
        }
        answers
    }

    async fn shell(&self, command: &str) -> (String, Option<i32>) {
        let child = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u -N")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sh starts");
        match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
            Err(_) => (String::new(), None),
            Ok(output) => {
                let output = output.expect("it ran");
                let text =
                    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                (text, output.status.code())
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).expect("the files") {
        let file = file.expect("a file");
        let target = to.join(file.file_name());
        if file.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&target).expect("made");
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).expect("copied");
        }
    }
}

fn steps(transcript: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command, expected: String::new() });
        } else if let Some(step) = steps.last_mut()
            && !line.starts_with("## ")
        {
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    for step in &mut steps {
        step.expected = step.expected.trim_matches('\n').to_owned();
    }
    steps
}

/// The transcript with other answers.
pub(super) fn written(transcript: &str, answers: &[String]) -> String {
    let mut text = String::new();
    let mut answers = answers.iter();
    let mut headings = true;
    for line in transcript.lines() {
        if line.starts_with("$ ") {
            text.push_str(line);
            text.push('\n');
            let answer = answers.next().expect("an answer to each command");
            if !answer.is_empty() {
                text.push_str(answer);
                text.push('\n');
            }
            headings = false;
        } else if line.starts_with("## ") {
            text.push_str(&format!("\n{line}\n"));
        } else if headings {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Fails with everything that differs.
pub(super) fn compare(name: &str, place: &str, transcript: &str, answers: &[String], exact: bool) {
    let mut differences = String::new();
    let failed = |text: &str| text.lines().any(|line| line.starts_with("[exit ") || line == "[did not end]");
    for (step, answer) in steps(transcript).iter().zip(answers) {
        let same = if exact { step.expected == *answer } else { failed(&step.expected) == failed(answer) };
        if same {
            continue;
        }
        differences.push_str(&format!("$ {}\n", step.command));
        for change in similar::TextDiff::from_lines(&step.expected, answer).iter_all_changes() {
            let text = change.value().trim_end_matches('\n');
            match change.tag() {
                similar::ChangeTag::Delete => differences.push_str(&format!("- {text}\n")),
                similar::ChangeTag::Insert => differences.push_str(&format!("+ {text}\n")),
                similar::ChangeTag::Equal => {}
            }
        }
    }
    assert!(differences.is_empty(), "{name}: {place} answers otherwise than the transcript:\n{differences}");
}
