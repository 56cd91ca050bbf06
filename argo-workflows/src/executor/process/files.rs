//! What is kept of a step on disk.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::engine::{StepRequest, StepResult};

/// Runs a command with its output in files and writes its exit code when it ends. The first argument
/// is the step's directory. `trap :` lets the shell live through a signal to the whole group, and
/// does not reach the command, where a handled signal is as it was.
pub(super) const SUPERVISOR: &str = r#"d=$1; shift; echo $$ >"$d/pid"; trap : TERM INT HUP
"$@" >"$d/stdout" 2>"$d/stderr" </dev/null &
p=$!; wait $p; c=$?
while kill -0 $p 2>/dev/null; do wait $p; c=$?; done
printf %s "$c" >"$d/exit.new" && mv "$d/exit.new" "$d/exit""#;

/// What was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) step: StepRequest,
    /// The shell, which leads the process group; 0 where it had not been seen yet.
    pub(super) pid: u32,
    /// When the kernel started that process: a number that a later process with its id does not have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) started: Option<u64>,
}

impl Record {
    pub(super) fn new(step: StepRequest, pid: u32) -> Self {
        Self { step, pid, started: start_time(pid) }
    }

    /// Kept before anything is started, so that a process is never without its record.
    pub(super) fn intended(step: StepRequest) -> Self {
        Self { step, pid: 0, started: None }
    }

    pub(super) fn is_alive(&self) -> bool {
        is_alive(self.pid, self.started)
    }
}

/// Whether a process is there and, where that is known, the one that was started then.
pub(super) fn is_alive(pid: u32, started: Option<u64>) -> bool {
    let Some(now) = start_time(pid) else { return false };
    started.is_none_or(|it| it == now)
}

/// Start time of a live process, from `/proc/<pid>/stat`; zombies do not count.
fn start_time(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The directory of one step.
#[derive(Debug, Clone)]
pub(super) struct StepDir(PathBuf);

impl StepDir {
    pub(super) fn new(root: &Path, uid: &str, node: &str) -> io::Result<Self> {
        for part in [uid, node] {
            let plain = !part.is_empty() && !part.starts_with('.') && part.len() <= 255;
            if !plain || !part.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_')) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("'{part}' can not name a directory")));
            }
        }
        Ok(Self(root.join(uid).join(node)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn stdout(&self) -> PathBuf {
        self.0.join("stdout")
    }

    pub(super) fn stderr(&self) -> PathBuf {
        self.0.join("stderr")
    }

    pub(super) fn script(&self) -> PathBuf {
        self.0.join("script")
    }

    /// Empties it: what is in it comes from a start that came to no end.
    pub(super) fn reset(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(self.0.join("tmp"))
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        std::fs::read_to_string(self.0.join("exit")).ok()?.trim().parse().ok()
    }

    pub(super) fn log_size(&self) -> u64 {
        let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |it| it.len());
        size(self.stdout()).max(size(self.stderr()))
    }

    pub(super) fn result(&self) -> Option<StepResult> {
        serde_json::from_slice(&std::fs::read(self.0.join("result")).ok()?).ok()
    }

    pub(super) fn save_result(&self, result: &StepResult) -> io::Result<()> {
        self.save("result", &serde_json::to_vec(result)?)
    }

    pub(super) fn save_record(&self, record: &Record) -> io::Result<()> {
        self.save("record", &serde_json::to_vec(record)?)
    }

    /// Writes a file whole or not at all.
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let new = self.0.join(format!("{name}.new"));
        std::fs::write(&new, bytes)?;
        std::fs::rename(new, self.0.join(name))
    }
}

/// The records below `root`; what can not be read is left alone.
pub(super) fn records(root: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for workflow in std::fs::read_dir(root)? {
        let workflow = workflow?.path();
        if !workflow.is_dir() || workflow.join("released").exists() {
            continue;
        }
        for step in std::fs::read_dir(&workflow)? {
            let step = step?.path();
            let Ok(bytes) = std::fs::read(step.join("record")) else { continue };
            let Ok(mut record) = serde_json::from_slice::<Record>(&bytes) else { continue };
            if record.pid == 0 {
                // Started, and then nobody was there to write it down: the shell says who it is.
                let pid = std::fs::read_to_string(step.join("pid")).ok();
                record.pid = pid.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
            }
            records.push(record);
        }
    }
    Ok(records)
}

/// Removes the directories of a workflow, or only remembers that they are done with.
pub(super) fn release(workflow: &Path, keep: bool) -> io::Result<()> {
    if !workflow.exists() {
        return Ok(());
    }
    if keep { std::fs::write(workflow.join("released"), b"") } else { std::fs::remove_dir_all(workflow) }
}
