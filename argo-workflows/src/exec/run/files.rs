//! How the containers of a pod talk.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::exec::{Layout, io_message};

/// Shortest and longest time between two looks at a file: a step's end is noticed within some
/// milliseconds while it is young, and within 50 ms later on.
const LOOK: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// A directory that every container may write to, whoever it runs as.
pub(super) fn open_directory(path: &Path) -> Result<(), String> {
    let made = std::fs::create_dir_all(path);
    made.map_err(|it| io_message("mkdir", &path.display().to_string(), &it))?;
    // Somebody else's directory has been opened by him.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777));
    Ok(())
}

/// Writes a file whole or not at all.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    std::fs::write(&new, text)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o666))?;
    std::fs::rename(new, path)
}

/// Exit code of a container, once it is over.
pub(super) fn exit_code(layout: &Layout, container: &str) -> Option<i32> {
    std::fs::read_to_string(layout.container(container).join("exitcode")).ok()?.trim().parse().ok()
}

/// Waits until `look` finds something.
pub(super) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let mut pause = LOOK.0;
    loop {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(pause).await;
        pause = (pause.mul_f64(1.02)).min(LOOK.1);
    }
}

/// Waits until all of these containers are over.
pub(super) async fn over(layout: &Layout, containers: &[String]) {
    until(|| containers.iter().all(|it| exit_code(layout, it).is_some()).then_some(())).await;
}

/// Ends containers by their signal files: politely, then by force.
pub(super) async fn end(layout: &Layout, containers: &[String], grace: Duration) {
    for (number, patience) in [(15, grace), (9, Duration::from_secs(10))] {
        for it in containers.iter().filter(|it| exit_code(layout, it).is_none()) {
            let directory = layout.container(it);
            let sent = open_directory(&directory)
                .and_then(|()| put(&directory.join("signal"), &number.to_string()).map_err(|it| it.to_string()));
            if let Err(error) = sent {
                eprintln!("container {it} can not be signalled: {error}");
            }
        }
        if tokio::time::timeout(patience, over(layout, containers)).await.is_ok() {
            return;
        }
    }
}

/// Sends a signal to a process.
pub(super) fn kill(signal: &str, pid: &str) -> Result<(), String> {
    let number: i32 = signal.parse().map_err(|_| format!("'{signal}' is not the number of a signal"))?;
    let pid: i32 = pid.parse().map_err(|_| format!("'{pid}' is not a process id"))?;
    let signal = Signal::from_named_raw(number).ok_or_else(|| format!("no signal has the number {number}"))?;
    let process = Pid::from_raw(pid).ok_or_else(|| format!("no process has the id {pid}"))?;
    kill_process(process, signal).map_err(|it| format!("killing {pid} with {number}: {it}"))
}
