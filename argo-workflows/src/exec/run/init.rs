//! `init`: everything that must be there before the containers start.

use std::os::unix::fs::PermissionsExt as _;

use super::{Settings, files};
use crate::exec::{inputs, io_message};

pub(super) async fn run(settings: &Settings) -> Result<(), String> {
    let shared = &settings.layout.var_run;
    files::open_directory(shared)?;
    files::open_directory(&shared.join("ctr"))?;
    copy_self(settings)?;
    let template = settings.template()?;
    let text = serde_json::to_string(&template).map_err(|it| it.to_string())?;
    let file = shared.join("template");
    files::put(&file, &text).map_err(|it| io_message("open", &file.display().to_string(), &it))?;
    inputs::stage(&template, &settings.layout)?;
    inputs::load(&template, &settings.layout, &Settings::drivers()).await
}

/// User containers run this program, and their images do not hold it.
fn copy_self(settings: &Settings) -> Result<(), String> {
    let to = settings.layout.var_run.join("argoexec");
    let copied = || {
        let own = std::env::current_exe()?;
        std::fs::copy(own, &to)?;
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755))
    };
    copied().map_err(|it| io_message("copy", &to.display().to_string(), &it))
}
