//! `emissary`: around a user's command.

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use super::{FAILED, Settings, files};
use crate::{
    api::Template,
    exec::{
        io_message,
        outputs::{self, MAIN},
    },
};

/// Signals that go on to the command.
const FORWARDED: &[i32] = &[1, 2, 3, 10, 12, 15, 28];
/// Longest argument; a longer one goes into a file, as `@<file>`.
const MAX_ARGUMENT: usize = 131_072;

pub(super) async fn run(settings: &Settings, command: Vec<String>) -> Result<i32, String> {
    let directory = settings.layout.container(&settings.container);
    files::open_directory(&settings.layout.var_run.join("ctr"))?;
    files::open_directory(&directory)?;
    let done = supervise(settings, command, &directory).await;
    let code = match &done {
        Ok(code) => *code,
        Err(_) => FAILED,
    };
    let file = directory.join("exitcode");
    files::put(&file, &code.to_string()).map_err(|it| io_message("open", &file.display().to_string(), &it))?;
    done
}

async fn supervise(settings: &Settings, command: Vec<String>, directory: &Path) -> Result<i32, String> {
    let template = settings.template()?;
    let own = &settings.container;
    // Before anything is waited for: a signal now is for us.
    let mut terminate = signal(SignalKind::terminate()).map_err(|it| it.to_string())?;
    for dependency in dependencies(&template, own) {
        let code = files::until(|| files::exit_code(&settings.layout, &dependency));
        let code = tokio::select! {
            code = code => code,
            _ = terminate.recv() => return Ok(143),
        };
        if code != 0 {
            return Err(format!("dependency \"{dependency}\" exited with non-zero code: {code}"));
        }
    }
    let (program, arguments) = line(command)?;
    let captures = settings.include_result || outputs::archives_logs(&template);
    let mut retries = retries(&template);
    let ends_with_main = sidecars(&template).contains(own);
    pause("ARGO_DEBUG_PAUSE_BEFORE", directory.join("before")).await;
    let code = loop {
        let mut child = start(&program, &arguments, captures)?;
        let pid = child.id().and_then(|it| Pid::from_raw(i32::try_from(it).ok()?));
        let pid = pid.ok_or("the command ended before it was seen")?;
        let logs = captures.then(|| Logs::open(directory)).transpose()?;
        let copies = logs.map(|it| it.follow(&mut child));
        let mut around = tokio::task::JoinSet::new();
        forward(&mut around, pid)?;
        around.spawn(obey(directory.join("signal"), pid));
        if ends_with_main {
            let (settings, mains) = (settings.clone(), outputs::main_containers(&template));
            around.spawn(async move {
                files::over(&settings.layout, &mains).await;
                files::end(&settings.layout, std::slice::from_ref(&settings.container), settings.grace).await;
            });
        }
        let status = child.wait().await.map_err(|it| format!("waiting for the command: {it}"))?;
        if let Some(copies) = copies {
            // What a background process of the command still holds open is not waited for.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), copies).await;
        }
        around.shutdown().await;
        let code = code_of(status);
        if code == 0 || retries == 0 {
            break code;
        }
        retries -= 1;
    };
    pause("ARGO_DEBUG_PAUSE_AFTER", directory.join("after")).await;
    if own == MAIN {
        outputs::save_base_layer(&template, Path::new("/"), &settings.layout)?;
    }
    Ok(code)
}

/// Waits for a file where the variable asks for it: somebody looks into the container in the meantime.
async fn pause(variable: &str, file: PathBuf) {
    if std::env::var(variable).as_deref() == Ok("true") {
        files::until(|| file.exists().then_some(())).await;
    }
}

fn code_of(status: ExitStatus) -> i32 {
    // As shells say it of a signal.
    status.code().or_else(|| status.signal().map(|it| 128 + it)).unwrap_or(FAILED)
}

fn named(template: &Template, pointer: &str) -> Vec<Value> {
    let set = template.container_set.as_ref();
    set.and_then(|it| it.pointer(pointer)).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn dependencies(template: &Template, own: &str) -> Vec<String> {
    let all = named(template, "/containers");
    let own = all.iter().find(|it| it.get("name").and_then(Value::as_str) == Some(own));
    let list = own.and_then(|it| it.get("dependencies")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn sidecars(template: &Template) -> Vec<String> {
    let all = template.extra.get("sidecars").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|it| it.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
}

fn retries(template: &Template) -> u64 {
    let strategy = template.container_set.as_ref().and_then(|it| it.pointer("/retryStrategy/retries"));
    strategy.and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok())).unwrap_or(0).min(1000)
}

/// The program and its arguments; long ones come from or go into files.
fn line(command: Vec<String>) -> Result<(PathBuf, Vec<String>), String> {
    let mut words = command.into_iter();
    let name = words.next().ok_or("which command? argo-exec emissary -- CMD…")?;
    let mut arguments: Vec<String> = words.collect();
    if let Ok(file) = std::env::var("ARGO_CONTAINER_ARGS_FILE") {
        let text = std::fs::read_to_string(&file)
            .map_err(|it| format!("failed to read container args file {file}: {}", io_message("open", &file, &it)))?;
        let more: Vec<String> =
            serde_json::from_str(&text).map_err(|it| format!("failed to unmarshal container args: {it}"))?;
        arguments.extend(more);
        for (number, it) in arguments.iter_mut().enumerate().filter(|(_, it)| it.len() > MAX_ARGUMENT) {
            let path = format!("/tmp/argo_arg_{number}.txt");
            std::fs::write(&path, it.as_bytes())
                .map_err(|error| format!("failed to write large arg {number} to file: {error}"))?;
            *it = format!("@{path}");
        }
    }
    Ok((look_path(&name)?, arguments))
}

/// Finds a program as Go's `exec.LookPath` does, with its words.
fn look_path(name: &str) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program =
        |path: &Path| std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        let path = PathBuf::from(name);
        if is_program(&path) {
            return Ok(path);
        }
        let why = if path.exists() {
            "permission denied".to_owned()
        } else {
            format!("stat {name}: no such file or directory")
        };
        return Err(format!("failed to find name in PATH: exec: \"{name}\": {why}"));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let found =
        path.split(':').map(|it| Path::new(if it.is_empty() { "." } else { it }).join(name)).find(|it| is_program(it));
    found.ok_or_else(|| format!("failed to find name in PATH: exec: \"{name}\": executable file not found in $PATH"))
}

fn start(program: &Path, arguments: &[String], captures: bool) -> Result<Child, String> {
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    if captures {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    command.spawn().map_err(|it| {
        format!("failed to start command: {}", io_message("fork/exec", &program.display().to_string(), &it))
    })
}

/// The files that keep a container's output.
struct Logs {
    stdout: std::fs::File,
    combined: Arc<Mutex<std::fs::File>>,
}

impl Logs {
    fn open(directory: &Path) -> Result<Self, String> {
        let open = |name: &str| {
            let path = directory.join(name);
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
            file.map_err(|it| {
                format!("failed to open {name}: {}", io_message("open", &path.display().to_string(), &it))
            })
        };
        Ok(Self { stdout: open("stdout")?, combined: Arc::new(Mutex::new(open("combined")?)) })
    }

    /// Copies what the command writes to our own output and to the files, until it closes both.
    fn follow(self, child: &mut Child) -> impl Future<Output = ()> + use<> {
        let combined = self.combined.clone();
        let mut stdout = self.stdout;
        let out = child.stdout.take().map(|it| {
            let combined = combined.clone();
            tokio::spawn(copy(it, move |bytes| {
                let _ = std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush());
                let _ = stdout.write_all(bytes);
                let _ = combined.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
            }))
        });
        let err = child.stderr.take().map(|it| {
            tokio::spawn(copy(it, move |bytes| {
                let _ = std::io::stderr().write_all(bytes);
                let _ = combined.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
            }))
        });
        async move {
            for it in [out, err].into_iter().flatten() {
                let _ = it.await;
            }
        }
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        to(&buffer[..count]);
    }
}

fn forward(around: &mut tokio::task::JoinSet<()>, pid: Pid) -> Result<(), String> {
    for number in FORWARDED {
        let mut received = signal(SignalKind::from_raw(*number)).map_err(|it| it.to_string())?;
        let number = *number;
        around.spawn(async move {
            while received.recv().await.is_some() {
                send(pid, number);
            }
        });
    }
    Ok(())
}

/// Sends the signals that others write into a file.
async fn obey(file: PathBuf, pid: Pid) {
    let mut last: BTreeMap<i32, ()> = BTreeMap::new();
    loop {
        let number = files::until(|| {
            std::fs::read_to_string(&file).ok()?.trim().parse::<i32>().ok().filter(|it| !last.contains_key(it))
        })
        .await;
        last.insert(number, ());
        send(pid, number);
    }
}

fn send(pid: Pid, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number) {
        // A group that is gone is over, as was wanted.
        let _ = kill_process_group(pid, signal);
    }
}
