//! After the containers: output parameters, artifacts, logs and the result.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    Layout, archive,
    artifacts::{Drivers, has_key, relocate, set_key},
    io_message,
    layout::{is_base_layer, relative},
};
use crate::api::{Artifact, LOCATIONS, Template, ValueFrom};

/// Most bytes of standard output that become a result: the last 256 KiB.
pub const MAX_RESULT: u64 = 256 << 10;
/// Longest output parameter: 1 MiB, as an API server takes no larger object.
pub const MAX_PARAMETER: u64 = 1 << 20;
/// The container whose outputs count.
pub const MAIN: &str = "main";

/// What a step gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    /// Values of output parameters by name.
    pub parameters: Vec<(String, String)>,
    /// Stored artifacts, those of logs last.
    pub artifacts: Vec<Artifact>,
    /// Standard output, where somebody reads it.
    pub result: Option<String>,
    /// What went wrong, in order; the first is what a person is told.
    pub errors: Vec<String>,
}

/// Names of the containers that do a template's work.
#[must_use]
pub fn main_containers(template: &Template) -> Vec<String> {
    let Some(set) = &template.container_set else { return vec![MAIN.to_owned()] };
    let containers = set.get("containers").and_then(Value::as_array).into_iter().flatten();
    containers.filter_map(|it| it.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
}

/// Copies the output parameters and artifacts that lie in the image of the main container (its root is
/// `root`) to the shared directory. What is not there may be optional, and is left out.
///
/// # Errors
/// When something that is there can not be copied.
pub fn save_base_layer(template: &Template, root: &Path, layout: &Layout) -> Result<(), String> {
    let here = |path: &str| relative(path).map(|it| root.join(it)).filter(|it| stays_below(root, it));
    let kept = layout.var_run.join("outputs");
    for path in template.outputs.iter().flat_map(|it| &it.parameters).filter_map(|it| path_of(it.value_from.as_ref())) {
        let Some((from, name)) = here(path).zip(relative(path)) else { continue };
        if !is_base_layer_output(template, path) || !from.is_file() {
            continue;
        }
        let to = kept.join("parameters").join(name);
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::copy(&from, &to));
        copied.map_err(|it| format!("failed to copy {path}: {}", io_message("open", path, &it)))?;
    }
    for path in template.outputs.iter().flat_map(|it| &it.artifacts).filter_map(|it| it.path.as_deref()) {
        let Some((from, name)) = here(path).zip(relative(path)) else { continue };
        if !is_base_layer_output(template, path) || !from.exists() {
            continue;
        }
        let to = archived(&kept, &name);
        archive::pack(&from, &to, None)
            .map_err(|it| format!("failed to tarball the output {path} to {}: {it}", to.display()))?;
    }
    Ok(())
}

/// As upstream's supervisor of the main container sees it: only volumes are left out.
fn is_base_layer_output(template: &Template, path: &str) -> bool {
    !path.is_empty() && super::layout::overlapping(template, path).is_none()
}

fn stays_below(root: &Path, path: &Path) -> bool {
    match (root.canonicalize(), path.canonicalize()) {
        (Ok(root), Ok(path)) => path.starts_with(root),
        // It is not there: nobody reads it.
        _ => true,
    }
}

fn path_of(from: Option<&ValueFrom>) -> Option<&str> {
    from?.path.as_deref().filter(|it| !it.is_empty())
}

fn archived(kept: &Path, name: &Path) -> PathBuf {
    let mut file = kept.join("artifacts").join(name).into_os_string();
    file.push(".tgz");
    file.into()
}

/// Reads and stores everything that a step gives. It goes on where something fails: what can be saved is.
pub async fn collect(template: &Template, layout: &Layout, drivers: &Drivers, wants_result: bool) -> Collected {
    let mut all = Collected::default();
    let has_main = main_containers(template).iter().any(|it| it == MAIN);
    if wants_result && has_main {
        let stdout = layout.container(MAIN).join("stdout");
        match tail(&stdout, MAX_RESULT + 1) {
            Ok(text) => all.result = Some(result(text)),
            Err(error) => all.errors.push(io_message("open", &stdout.display().to_string(), &error)),
        }
    }
    for it in template.outputs.iter().flat_map(|it| &it.parameters) {
        let Some(path) = path_of(it.value_from.as_ref()) else { continue };
        let default = it.value_from.as_ref().and_then(|it| it.default.as_ref());
        match (parameter(template, path, layout), default) {
            (Ok(text), _) => all.parameters.push((it.name.clone(), without_newline(text))),
            (Err(_), Some(default)) => {
                all.parameters.push((it.name.clone(), without_newline(default.as_str().to_owned())));
            }
            (Err(error), None) => {
                // Upstream reads no further ones, either.
                all.errors.push(error);
                break;
            }
        }
    }
    let mut faults = String::new();
    for it in template.outputs.iter().flat_map(|it| &it.artifacts) {
        match artifact(template, it, layout, drivers).await {
            Ok(saved) => all.artifacts.extend(saved),
            Err(error) => {
                faults.push_str(&error);
                faults.push_str("; ");
            }
        }
    }
    if !faults.is_empty() {
        all.errors.push(faults);
    }
    if archives_logs(template) {
        for name in main_containers(template) {
            let log = layout.container(&name).join("combined");
            if !log.exists() {
                continue;
            }
            let mut artifact = Artifact { name: format!("{name}-logs"), ..Artifact::default() };
            match store(template, &mut artifact, &format!("{name}.log"), &log, drivers).await {
                Ok(()) => all.artifacts.push(artifact),
                Err(error) => all.errors.push(error),
            }
        }
    }
    all
}

/// Whether the logs of a template's containers become artifacts.
#[must_use]
pub fn archives_logs(template: &Template) -> bool {
    template.extra.get("archiveLocation").and_then(|it| it.get("archiveLogs")) == Some(&Value::Bool(true))
}

fn result(text: String) -> String {
    let mut text = without_newline(text);
    let most = usize::try_from(MAX_RESULT).unwrap_or(usize::MAX);
    if text.len() > most {
        let at = (text.len() - most..text.len()).find(|it| text.is_char_boundary(*it)).unwrap_or(text.len());
        text.drain(..at);
    }
    text
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

fn parameter(template: &Template, path: &str, layout: &Layout) -> Result<String, String> {
    let outside = || format!("the path {path} leads out of the container");
    let (file, name) = if is_base_layer(template, path) {
        let name = relative(path).ok_or_else(outside)?;
        let kept = "outputs/parameters";
        let shown = format!("{}/{kept}/{}", super::VAR_RUN_ARGO, name.display());
        (layout.var_run.join(kept).join(name), shown)
    } else {
        (
            layout.mounted(path).or_else(|| input(template, path, layout)).ok_or_else(outside)?,
            Layout::mounted_name(path),
        )
    };
    let read = || {
        let mut bytes = Vec::new();
        File::open(&file)?.take(MAX_PARAMETER + 1).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = read().map_err(|it| {
        let action = if it.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
        io_message(action, &name, &it)
    })?;
    if bytes.len() as u64 > MAX_PARAMETER {
        return Err(format!("output parameter {path} is longer than {MAX_PARAMETER} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path at or below an input artifact, where the artifact lies.
fn input(template: &Template, path: &str, layout: &Layout) -> Option<PathBuf> {
    let artifacts = template.inputs.iter().flat_map(|it| &it.artifacts);
    let clean = relative(path)?;
    let found = artifacts.filter_map(|it| {
        let rest = clean.strip_prefix(relative(it.path.as_deref()?)?).ok()?.to_owned();
        Some((it, rest))
    });
    let (artifact, rest) = found.min_by_key(|(_, rest)| rest.components().count())?;
    let at = layout.artifacts.join(&artifact.name);
    Some(if rest.as_os_str().is_empty() { at } else { at.join(rest) })
}

async fn artifact(
    template: &Template,
    artifact: &Artifact,
    layout: &Layout,
    drivers: &Drivers,
) -> Result<Option<Artifact>, String> {
    let mut artifact = artifact.clone();
    // As Go's filepath.Clean: what is reported has no slash at its end.
    let path = match artifact.path.as_deref().unwrap_or_default() {
        "/" => "/",
        other => other.trim_end_matches('/'),
    }
    .to_owned();
    artifact.path = artifact.path.map(|_| path.clone());
    let staged = stage(template, &artifact, &path, layout);
    let (name, file) = match staged {
        Ok(it) => it,
        Err(Fault::Missing(_)) if artifact.optional == Some(true) => return Ok(None),
        Err(Fault::Missing(text) | Fault::Other(text)) => return Err(text),
    };
    store(template, &mut artifact, &name, &file, drivers).await?;
    Ok(Some(artifact))
}

enum Fault {
    Missing(String),
    Other(String),
}

impl Fault {
    fn of(action: &str, name: &str, error: &io::Error) -> Self {
        let text = io_message(action, name, error);
        if error.kind() == io::ErrorKind::NotFound { Self::Missing(text) } else { Self::Other(text) }
    }
}

/// Makes the file or directory that is stored for an artifact. Returns its name in the store, too.
fn stage(template: &Template, artifact: &Artifact, path: &str, layout: &Layout) -> Result<(String, PathBuf), Fault> {
    let strategy = artifact.extra.get("archive");
    let is = |kind: &str| strategy.and_then(|it| it.get(kind)).is_some_and(|it| !it.is_null());
    let level = strategy.and_then(|it| it.pointer("/tar/compressionLevel")).and_then(Value::as_i64);
    let level = level.and_then(|it| u32::try_from(it).ok());
    let outside = || Fault::Other(format!("the path {path} leads out of the container"));
    let base = || path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let archive_name = format!("{}.{}", artifact.name, if is("zip") { "zip" } else { "tgz" });
    let io = |error: io::Error| Fault::Other(error.to_string());
    std::fs::create_dir_all(layout.temporary.join("artifacts")).map_err(io)?;
    let packed = layout.temporary.join("artifacts").join(&archive_name);
    if !is_base_layer(template, path) {
        let file = layout.mounted(path).or_else(|| input(template, path, layout)).ok_or_else(outside)?;
        if is("none") {
            if !file.exists() {
                return Err(Fault::Missing(format!("{path} no such file or directory")));
            }
            return Ok((base(), file));
        }
        std::fs::metadata(&file).map_err(|it| Fault::of("stat", &Layout::mounted_name(path), &it))?;
        if is("zip") { archive::zip(&file, &packed) } else { archive::pack(&file, &packed, level) }.map_err(io)?;
        return Ok((archive_name, packed));
    }
    let clean = relative(path).ok_or_else(outside)?;
    let kept = archived(&layout.var_run.join("outputs"), &clean);
    let shown = archived(&Path::new(super::VAR_RUN_ARGO).join("outputs"), &clean);
    File::open(&kept).map_err(|it| Fault::of("open", &shown.display().to_string(), &it))?;
    if is("none") {
        let opened = layout.temporary.join("artifacts").join(format!("{}.open", artifact.name));
        archive::unpack(&kept, &opened).map_err(|it| Fault::Other(it.to_string()))?;
        return Ok((base(), opened));
    }
    if is("zip") {
        let opened = layout.temporary.join("artifacts").join(format!("{}.open", artifact.name)).join(base());
        std::fs::create_dir_all(opened.parent().unwrap_or(&layout.temporary)).map_err(io)?;
        archive::unpack(&kept, &opened).map_err(|it| Fault::Other(it.to_string()))?;
        archive::zip(&opened, &packed).map_err(io)?;
        return Ok((archive_name, packed));
    }
    Ok((archive_name, kept))
}

/// Stores a file under the artifact's key, or one made from its name.
async fn store(
    template: &Template,
    artifact: &mut Artifact,
    name: &str,
    file: &Path,
    drivers: &Drivers,
) -> Result<(), String> {
    let repository = template.extra.get("archiveLocation");
    if !has_key(artifact) {
        let kind = LOCATIONS.iter().find(|it| repository.is_some_and(|at| at.get(**it).is_some_and(Value::is_object)));
        let kind = kind.ok_or("template artifact location not set")?;
        let mut probe = Artifact::default();
        if let Some(location) = repository.and_then(|it| it.get(*kind)) {
            probe.extra.insert((*kind).to_owned(), location.clone());
        }
        let prefix = super::artifacts::key(&probe).unwrap_or_default();
        let key = join(prefix, name);
        artifact.extra.retain(|field, _| !LOCATIONS.contains(&field.as_str()));
        set_key(artifact, kind, &key);
    }
    let whole = relocate(artifact, repository)?;
    let driver = drivers.of(&whole).map_err(|it| it.to_string())?;
    driver.save(file, &whole).await.map_err(|it| it.to_string())
}

fn join(prefix: &str, name: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    }
}

/// The last bytes of a file.
///
/// # Errors
/// When it can not be read.
pub fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
