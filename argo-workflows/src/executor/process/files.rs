//! What is kept of a step on disk.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::engine::{StepRequest, StepResult};

/// Runs the containers of a step: its directory is the first argument, then the names of the init
/// containers, of the main ones and of the sidecars, each list one argument. Every container is a script
/// `c/<name>` of the directory; it leaves `stdout`, `stderr` and `exitcode` in `argo/ctr/<name>`. The end
/// is the file `exit`, with the code of the first main container that failed.
///
/// `trap :` lets a shell live through a signal to the whole group, and does not reach commands, where a
/// handled signal is as it was.
pub(super) const SUPERVISOR: &str = r#"d=$1; echo $$ >"$d/pid"; trap : TERM INT HUP
put() { printf %s "$2" >"$1.new" && mv "$1.new" "$1"; }
run() {
  trap : TERM INT HUP
  o="$d/argo/ctr/$1"; mkdir -p "$o"; e=64
  for x in $(cat "$d/c/$1.after" 2>/dev/null); do
    until [ -e "$d/argo/ctr/$x/exitcode" ]; do [ -e "$d/stop" ] && { put "$o/exitcode" 143; return; }; sleep 0.02; done
    [ "$(cat "$d/argo/ctr/$x/exitcode")" = 0 ] || { put "$o/exitcode" 64; return; }
  done
  n=$(cat "$d/c/$1.retries" 2>/dev/null || echo 0)
  while :; do
    /bin/sh "$d/c/$1" >>"$o/stdout" 2>>"$o/stderr" </dev/null &
    p=$!; echo $p >"$o/pid"; wait $p; e=$?
    while kill -0 $p 2>/dev/null; do wait $p; e=$?; done
    [ $e -eq 0 ] || [ $n -le 0 ] || [ -e "$d/stop" ] && break
    n=$((n - 1))
  done
  put "$o/exitcode" $e
}
for i in $2; do
  run $i
  [ $e -eq 0 ] || { put "$d/exit" $e; exit; }
done
for s in $4; do run $s & done
set -- "$1" "$2" $3
shift 2
if [ $# -eq 1 ]; then run $1; else
  for m; do run $m & done
  for m; do until [ -e "$d/argo/ctr/$m/exitcode" ]; do sleep 0.02; done; done
fi
c=0
for m; do x=$(cat "$d/argo/ctr/$m/exitcode"); [ $c -eq 0 ] && c=$x; done
for f in "$d"/c/*.side; do
  [ -e "$f" ] || continue
  s=${f##*/}; s=${s%.side}; o="$d/argo/ctr/$s"; t=0
  until [ -e "$o/exitcode" ]; do
    [ -e "$o/pid" ] && { if [ $t -lt $(cat "$f") ]; then g=TERM; else g=KILL; fi; [ $((t % 10)) -eq 0 ] && kill -s $g $(cat "$o/pid") 2>/dev/null; }
    t=$((t + 1)); sleep 0.1
  done
done
put "$d/exit" $c"#;

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

    /// What a container left behind: `stdout`, `stderr`, `exitcode`.
    pub(super) fn container(&self, name: &str) -> PathBuf {
        self.0.join("argo/ctr").join(name)
    }

    /// The script of a container, and what belongs to it.
    pub(super) fn line(&self, name: &str) -> PathBuf {
        self.0.join("c").join(name)
    }

    /// The root directory of a container that has one.
    pub(super) fn root(&self, name: &str) -> PathBuf {
        self.0.join("root").join(name)
    }

    /// Exit code of one container.
    pub(super) fn exit_of(&self, name: &str) -> Option<i32> {
        std::fs::read_to_string(self.container(name).join("exitcode")).ok()?.trim().parse().ok()
    }

    /// Empties it: what is in it comes from a start that came to no end.
    pub(super) fn reset(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for it in ["tmp", "c", "argo/ctr", "inputs", "staging"] {
            std::fs::create_dir_all(self.0.join(it))?;
        }
        Ok(())
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        std::fs::read_to_string(self.0.join("exit")).ok()?.trim().parse().ok()
    }

    pub(super) fn log_size(&self) -> u64 {
        let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |it| it.len());
        let Ok(containers) = std::fs::read_dir(self.0.join("argo/ctr")) else { return 0 };
        let of = |it: PathBuf| size(it.join("stdout")).max(size(it.join("stderr")));
        containers.flatten().map(|it| of(it.path())).max().unwrap_or(0)
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
