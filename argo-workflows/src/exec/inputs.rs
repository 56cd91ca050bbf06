//! Before the containers: artifacts are loaded, scripts written.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use argo_core::Category;
use serde_json::Value;

use super::{
    Layout, archive,
    artifacts::{Drivers, has_location_or_key, relocate},
    io_message,
    layout::overlapping,
};
use crate::api::{Artifact, Template};

/// Loads every input artifact of a template.
///
/// # Errors
/// Says which artifact could not be loaded, in upstream's words.
pub async fn load(template: &Template, layout: &Layout, drivers: &Drivers) -> Result<(), String> {
    for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
        load_one(template, it, layout, drivers).await?;
    }
    Ok(())
}

async fn load_one(template: &Template, artifact: &Artifact, layout: &Layout, drivers: &Drivers) -> Result<(), String> {
    let name = &artifact.name;
    let is_optional = artifact.optional == Some(true);
    if !has_location_or_key(artifact) {
        if is_optional {
            return Ok(());
        }
        return Err(format!("required artifact '{name}' not supplied"));
    }
    let whole = relocate(artifact, template.extra.get("archiveLocation"))
        .map_err(|it| format!("failed to load artifact '{name}': {it}"))?;
    let path = artifact.path.as_deref().unwrap_or_default();
    let to = target(template, name, path, layout)?;
    let temporary = beside(&to, ".tmp");
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|it| io_message("mkdir", &parent.display().to_string(), &it))?;
    }
    if let Err(error) = drivers.of(&whole).map_err(|it| it.to_string())?.load(&whole, &temporary).await {
        if is_optional && error.category == Category::NotFound {
            return Ok(());
        }
        return Err(format!("artifact {name} failed to load: {error}"));
    }
    let placed = place(artifact, &temporary, &to);
    placed.map_err(|it| format!("artifact {name} failed to load: {it}"))?;
    if let Some(mode) = artifact.extra.get("mode").and_then(Value::as_u64) {
        let recurse = artifact.extra.get("recurseMode") == Some(&Value::Bool(true));
        let mode = u32::try_from(mode).unwrap_or(0o777) & 0o777;
        chmod(&to, mode, recurse).map_err(|it| io_message("chmod", path, &it))?;
    }
    Ok(())
}

/// Where an artifact is put: on the volume its path is on, or by its name, to be mounted at its path.
fn target(template: &Template, name: &str, path: &str, layout: &Layout) -> Result<PathBuf, String> {
    if overlapping(template, path).is_some() {
        return layout.mounted(path).ok_or_else(|| format!("the path of artifact '{name}' leads out of its volume"));
    }
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    if !plain {
        return Err(format!("artifact name '{name}' can not name a file"));
    }
    Ok(layout.artifacts.join(name))
}

fn place(artifact: &Artifact, temporary: &Path, to: &Path) -> Result<(), String> {
    let archive = artifact.extra.get("archive");
    let is = |kind: &str| archive.and_then(|it| it.get(kind)).is_some_and(|it| !it.is_null());
    if is("zip") {
        archive::unzip(temporary, to).map_err(|it| it.to_string())?;
        let _ = std::fs::remove_file(temporary);
        return Ok(());
    }
    let is_tar = if is("none") || temporary.is_dir() {
        false
    } else {
        is("tar") || archive::is_tarball(temporary).map_err(|it| it.to_string())?
    };
    if is_tar {
        archive::unpack(temporary, to).map_err(|it| it.to_string())?;
        let _ = std::fs::remove_file(temporary);
        return Ok(());
    }
    std::fs::rename(temporary, to).map_err(|it| io_message("rename", &to.display().to_string(), &it))
}

fn chmod(path: &Path, mode: u32, recurse: bool) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if recurse && path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            chmod(&entry?.path(), mode, true)?;
        }
    }
    Ok(())
}

/// Writes the script that a template holds.
///
/// # Errors
/// When it can not be written.
pub fn stage(template: &Template, layout: &Layout) -> Result<(), String> {
    let source = template.script.as_ref().map(|it| it.get("source").and_then(Value::as_str).unwrap_or_default());
    let Some(body) = source else { return Ok(()) };
    let path = layout.staging.join("script");
    let written = || {
        std::fs::create_dir_all(&layout.staging)?;
        std::fs::write(&path, body)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
    };
    written().map_err(|it| io_message("open", &path.display().to_string(), &it))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
