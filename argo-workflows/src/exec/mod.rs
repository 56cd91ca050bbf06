//! What happens around a step's containers: inputs are loaded, outputs are saved.
//!
//! ```text
//! template ─ inputs::load ─> files ─ containers ─> files ─ outputs::save_base_layer ─┐
//!                                                         └─ outputs::collect <──────┘ -> parameters,
//!                                                                                        artifacts, result
//! ```
//! The same code serves `argo-exec` in a pod and [`crate::executor::ProcessExecutor`] on one machine: a
//! [`Layout`] says where a path of the container is to be found.

#[cfg(feature = "http")]
pub mod agent;
pub mod archive;
pub mod artifacts;
pub mod garbage;
pub mod inputs;
mod layout;
pub mod outputs;
#[cfg(feature = "exec")]
pub mod run;
mod zip;

pub use layout::{Layout, MAIN_FILES, Mount, VAR_RUN_ARGO};
pub(crate) use layout::{overlapping, relative, volume_mounts};

/// An error text as Go's standard library words it, so that what users search for stays the same.
pub(crate) fn io_message(action: &str, path: &str, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let what = match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        ErrorKind::StorageFull => "no space left on device".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "read-only file system".to_owned(),
        _ => error.to_string(),
    };
    format!("{action} {path}: {what}")
}
