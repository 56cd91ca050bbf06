//! `copy`: files from one place of the folder to another.

use std::{fs, path::Path};

use serde::Deserialize;

use super::{StepContext, StepError, StepOutcome, StepResult, StepRunner, blocking, ignore::Ignore};

/// Copies a file, or a folder with what is in it; `.git` and symbolic links are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    in_path: String,
    out_path: String,
    #[serde(default)]
    ignore: String,
}

#[async_trait::async_trait]
impl StepRunner for Copy {
    fn kind(&self) -> &str {
        "copy"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: Config = context.parse(self.kind())?;
        let (from, to) = (context.folder.resolve(&config.in_path)?, context.folder.resolve(&config.out_path)?);
        let ignore = Ignore::parse(&config.ignore)
            .map_err(|it| StepError::failed(format!("invalid copy config: ignore: {it}")))?;
        blocking(move || {
            let wrong = |it: std::io::Error| {
                StepError::failed(format!("failed to copy {:?} to {:?}: {it}", config.in_path, config.out_path))
            };
            if fs::metadata(&from).map_err(wrong)?.is_dir() {
                if to.starts_with(&from) {
                    return Err(StepError::failed(format!("cannot copy {:?} into itself", config.in_path)));
                }
                copy_folder(&from, &to, "", &ignore).map_err(wrong)?;
            } else {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent).map_err(wrong)?;
                }
                fs::copy(&from, &to).map_err(wrong)?;
            }
            Ok(StepOutcome::done())
        })
        .await
    }
}

fn copy_folder(from: &Path, to: &Path, below: &str, ignore: &Ignore) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = if below.is_empty() {
            name.to_string_lossy().into_owned()
        } else {
            format!("{below}/{}", name.to_string_lossy())
        };
        let kind = entry.file_type()?;
        if kind.is_symlink() || name == ".git" || ignore.is_ignored(&path, kind.is_dir()) {
            continue;
        }
        let target = to.join(&name);
        // What stands there may be a link that leads out: it is replaced, not followed.
        if fs::symlink_metadata(&target).is_ok_and(|it| it.is_symlink()) {
            fs::remove_file(&target)?;
        }
        if kind.is_dir() {
            copy_folder(&entry.path(), &target, &path, ignore)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
