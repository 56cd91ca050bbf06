//! Runs a command, or follows a container's output, between the streams of a client.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;

use super::script::{ExecAnswer, ExecIo, ExecRequest};
use super::target::{Opened, Purpose, RunningProcess};
use crate::process::program_of;
use crate::server::{LogKey, Server};
use crate::store::GroupResource;

/// The end of a command, as the error channel of the protocol tells it.
pub(super) fn status(outcome: &Result<i32, String>) -> Value {
    match outcome {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "code": 500,
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Err(why) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": format!("Internal error occurred: {why}"),
            "details": { "causes": [{ "message": why }] },
        }),
    }
}

/// Does what was asked for, to its end.
pub(super) async fn run(server: Arc<Server>, opened: Opened, io: ExecIo) -> Result<i32, String> {
    match opened.wanted.purpose.clone() {
        Purpose::Exec(command) => match (&opened.process, opened.answer(&command)) {
            (_, Some(answer)) => scripted(&opened, command, answer, io).await,
            (Some(process), None) => beside(process, &command, opened.wanted.tty, io).await,
            (None, None) => Err(not_found(command.first().map_or("", String::as_str))),
        },
        Purpose::Attach | Purpose::Forward(_) => attach(&server, &opened, io).await,
    }
}

fn not_found(program: &str) -> String {
    format!(
        "error executing command in container: failed to exec in container: OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: executable file not found in $PATH: unknown"
    )
}

async fn scripted(opened: &Opened, command: Vec<String>, answer: ExecAnswer, mut io: ExecIo) -> Result<i32, String> {
    match answer {
        ExecAnswer::Prints { stdout, stderr, code } => {
            // A client that went away misses nothing.
            let _ = io.stdout.write_all(stdout.as_bytes()).await;
            let _ = io.stderr.write_all(stderr.as_bytes()).await;
            Ok(code)
        }
        ExecAnswer::Echo => {
            let _ = tokio::io::copy(&mut io.stdin, &mut io.stdout).await;
            Ok(0)
        }
        ExecAnswer::Code(handler) => {
            let request = ExecRequest {
                namespace: opened.key.namespace.clone(),
                pod: opened.key.name.clone(),
                container: opened.container.clone(),
                command,
                tty: opened.wanted.tty,
            };
            handler.run(request, io).await
        }
    }
}

/// Runs a command beside the process of a container. There is no terminal: with one asked for, both outputs are one.
async fn beside(process: &RunningProcess, command: &[String], tty: bool, io: ExecIo) -> Result<i32, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let _running = process.turns.begin().await;
    let found = program_of(program, &process.root, &process.image, &process.path);
    let mut child = Command::new(found)
        .args(arguments)
        .current_dir(&process.working_dir)
        .env_clear()
        .envs(process.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_found(program),
            _ => format!("error executing command in container: {error}"),
        })?;
    let ExecIo { mut stdin, mut stdout, mut stderr } = io;
    let input = child.stdin.take();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut input) = input {
            // The command may not read to the end.
            let _ = tokio::io::copy(&mut stdin, &mut input).await;
        }
        std::future::pending::<()>().await;
    };
    let outputs = async {
        if tty {
            let out = pump(out, &mut stdout);
            out.await;
            pump(err, &mut stdout).await;
        } else {
            tokio::join!(pump(out, &mut stdout), pump(err, &mut stderr));
        }
    };
    let finished = async {
        let ((), status) = tokio::join!(outputs, child.wait());
        status
    };
    tokio::select! {
        () = feed => Err("the input ended before the command".to_owned()),
        status = finished => {
            let status = status.map_err(|error| format!("error executing command in container: {error}"))?;
            Ok(crate::process::code_of(status))
        }
    }
}

async fn pump(from: Option<impl AsyncRead + Unpin>, to: &mut (impl AsyncWrite + Unpin + ?Sized)) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 8192];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The output of a container from now on, until it ends.
async fn attach(server: &Arc<Server>, opened: &Opened, mut io: ExecIo) -> Result<i32, String> {
    let key: LogKey = (opened.key.namespace.clone(), opened.key.name.clone(), opened.container.clone());
    let (mut waker, attempt, mut sent) = {
        let mut state = server.state.lock();
        let waker = state.subscribe(&GroupResource::new("", "pods"));
        let (attempt, length) = state.logs.current(&key).map_or((0, 0), |run| (run.attempt(), run.text().len()));
        (waker, attempt, length)
    };
    let mut ignored = vec![0; 1024];
    loop {
        waker.borrow_and_update();
        let (text, running) = {
            let state = server.state.lock();
            let run = state.logs.current(&key).filter(|run| run.attempt() == attempt);
            let text = run.and_then(|run| run.text().get(sent..)).unwrap_or_default().to_owned();
            (text, state.may_print(&opened.key, &opened.container, attempt))
        };
        if !text.is_empty() {
            sent += text.len();
            let written = io.stdout.write_all(text.as_bytes()).await;
            if written.is_err() || io.stdout.flush().await.is_err() {
                return Ok(0);
            }
            continue;
        }
        if !running {
            return Ok(0);
        }
        tokio::select! {
            changed = waker.changed() => if changed.is_err() { return Ok(0) },
            // Nobody reads what is typed; that it is read keeps the connection moving.
            read = io.stdin.read(&mut ignored) => {
                let over = !matches!(read, Ok(1..));
                if over && waker.changed().await.is_err() {
                    return Ok(0);
                }
            }
        }
    }
}
