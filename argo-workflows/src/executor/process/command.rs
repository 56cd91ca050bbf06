//! From a container to a command line, a directory and an environment.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::{
    Config,
    isolation::{Bind, quote},
    lookup::{Lookup, Source},
    volumes::Volumes,
};
use crate::engine::StepRequest;

/// A container as a process.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) argv: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) binds: Vec<Bind>,
    /// Why it can not be started: its program is nowhere.
    pub(super) missing: Option<String>,
}

impl Line {
    /// The line for a shell.
    pub(super) fn script(&self, inside: bool) -> String {
        let mut text = String::new();
        if inside {
            text.push_str("mkdir -p ");
            text.push_str(&quote(&self.directory.display().to_string()));
            text.push_str(" 2>/dev/null\n");
        }
        text.push_str("cd ");
        text.push_str(&quote(&self.directory.display().to_string()));
        text.push_str(" || exit 64\nexec env -i");
        for (name, value) in &self.env {
            text.push(' ');
            text.push_str(&quote(&format!("{name}={value}")));
        }
        for it in &self.argv {
            text.push(' ');
            text.push_str(&quote(it));
        }
        text.push('\n');
        text
    }
}

/// What all containers of a step share.
pub(super) struct Shared<'a> {
    pub(super) config: &'a Config,
    pub(super) step: &'a StepRequest,
    pub(super) volumes: &'a Volumes,
    /// Working directory of this machine; in a root of its own it is `/`.
    pub(super) work: &'a Path,
    pub(super) temporary: PathBuf,
    pub(super) has_root: bool,
}

/// Makes a container ready; `field` is its place in the template, for errors.
pub(super) async fn prepare(
    shared: &Shared<'_>,
    field: &str,
    name: &str,
    container: &Value,
    script: Option<&Path>,
) -> Result<Line, String> {
    for it in ["volumeDevices", "lifecycle"] {
        if container.get(it).is_some_and(|it| !is_empty(it)) {
            return Err(format!("{field}.{it} is not supported by the process executor"));
        }
    }
    let mounts = container.get("volumeMounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !shared.has_root && !mounts.is_empty() {
        return Err(format!("{field}.volumeMounts is not supported by the process executor without isolation"));
    }
    let binds = mounts.iter().map(|it| shared.volumes.bind(field, it)).collect::<Result<Vec<_>, _>>()?;
    let config = shared.config;
    let image_name = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let known = config.images.get(image_name);
    let image = known.cloned().unwrap_or_default();
    let mut env = environment(shared, name);
    let mut path: Vec<String> = image.path.iter().map(|it| it.display().to_string()).collect();
    path.push(config.path.clone());
    env.insert("PATH".into(), path.join(":"));
    own_environment(shared, field, container, &mut env).await?;
    let mut argv = strings(container, "command")?;
    let mut args = strings(container, "args")?;
    if argv.is_empty() {
        argv = image.entrypoint;
        if container.get("args").is_none_or(Value::is_null) {
            args = image.cmd;
        }
        if argv.is_empty() && (known.is_none() || args.is_empty()) {
            return Err(format!(
                "{field}.command is required: nothing is known of the entrypoint of image '{image_name}'"
            ));
        }
    }
    argv.extend(args);
    argv.extend(script.map(|it| it.display().to_string()));
    for it in &mut argv {
        *it = expand(it, &env);
    }
    let text = container.get("workingDir").and_then(Value::as_str).filter(|it| !it.is_empty());
    let directory = match text {
        Some(text) if shared.has_root => PathBuf::from("/").join(text),
        None if shared.has_root => "/".into(),
        Some(text) => below(shared.work, text)?,
        None => shared.work.to_owned(),
    };
    if !shared.has_root {
        std::fs::create_dir_all(&directory).map_err(|it| format!("making {field}.workingDir: {it}"))?;
    }
    let at = if shared.has_root { shared.work } else { &directory };
    let missing = missing(&argv[0], &env["PATH"], at, shared.has_root);
    Ok(Line { argv, directory, env, binds, missing })
}

/// A path of the container, below the working directory. An absolute one starts there, too.
pub(super) fn below(work: &Path, text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if let Ok(rest) = path.strip_prefix(work) {
        return below(work, &rest.display().to_string());
    }
    let mut joined = work.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(part) => joined.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(format!("path '{text}' leads out of the working directory"));
            }
        }
    }
    Ok(joined)
}

fn environment(shared: &Shared<'_>, name: &str) -> BTreeMap<String, String> {
    let step = shared.step;
    let (home, temporary, workspace) = if shared.has_root {
        ("/root".to_owned(), "/tmp".to_owned(), "/".to_owned())
    } else {
        let work = shared.work.display().to_string();
        (work.clone(), shared.temporary.display().to_string(), work)
    };
    let mut env = BTreeMap::from([
        ("HOME".to_owned(), home),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TMPDIR".to_owned(), temporary),
        ("ARGO_CONTAINER_NAME".to_owned(), name.to_owned()),
        ("ARGO_NODE_ID".to_owned(), step.node_id.clone()),
        ("ARGO_POD_NAME".to_owned(), step.pod_name.clone()),
        ("ARGO_WORKFLOW_NAME".to_owned(), step.workflow.name.clone()),
        ("ARGO_WORKFLOW_UID".to_owned(), step.workflow_uid.clone()),
        ("ARGO_WORKSPACE".to_owned(), workspace),
    ]);
    if shared.has_root {
        env.insert("HOSTNAME".to_owned(), step.pod_name.clone());
        env.insert("ARGO_PROGRESS_FILE".to_owned(), "/var/run/argo/progress".to_owned());
    }
    env.extend(shared.config.env.clone());
    env
}

async fn own_environment(
    shared: &Shared<'_>,
    field: &str,
    container: &Value,
    env: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    for it in container.get("envFrom").and_then(Value::as_array).into_iter().flatten() {
        let prefix = it.get("prefix").and_then(Value::as_str).unwrap_or_default();
        for (key, source) in [("configMapRef", Source::ConfigMap), ("secretRef", Source::Secret)] {
            let Some(reference) = it.get(key) else { continue };
            let name = reference.get("name").and_then(Value::as_str).unwrap_or_default();
            let data = object(shared, &format!("{field}.envFrom.{key}"), source, name).await?;
            match data {
                Some(data) => {
                    for (name, value) in data.into_iter().filter(|(name, _)| is_variable(name)) {
                        env.insert(format!("{prefix}{name}"), String::from_utf8_lossy(&value).into_owned());
                    }
                }
                None if is_optional(reference) => {}
                None => return Err(format!("{field}.envFrom: {source} {name} not found")),
            }
        }
    }
    for it in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = it.get("name").and_then(Value::as_str).filter(|it| is_variable(it)) else {
            return Err(format!("{field}.env has an entry without a usable name"));
        };
        let value = match it.get("valueFrom").filter(|it| !it.is_null()) {
            Some(from) => value_from(shared, &format!("{field}.env.{name}.valueFrom"), from).await?,
            None => Some(expand(it.get("value").and_then(Value::as_str).unwrap_or_default(), env)),
        };
        if let Some(value) = value {
            env.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

async fn value_from(shared: &Shared<'_>, field: &str, from: &Value) -> Result<Option<String>, String> {
    if let Some(path) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        let step = shared.step;
        let value = match path {
            "metadata.name" => step.pod_name.clone(),
            "metadata.namespace" => step.workflow.namespace().to_owned(),
            "spec.serviceAccountName" => step.service_account.clone().unwrap_or_else(|| "default".to_owned()),
            "status.podIP" | "status.hostIP" => "127.0.0.1".to_owned(),
            "metadata.labels['workflows.argoproj.io/workflow']" => step.workflow.name.clone(),
            _ => return Err(format!("{field}.fieldRef: {path} is not supported by the process executor")),
        };
        return Ok(Some(value));
    }
    for (key, source) in [("configMapKeyRef", Source::ConfigMap), ("secretKeyRef", Source::Secret)] {
        let Some(reference) = from.get(key) else { continue };
        let text = |it: &str| reference.get(it).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, key) = (text("name"), text("key"));
        let value = object(shared, field, source, &name).await?.and_then(|mut it| it.remove(&key));
        return match value {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None if is_optional(reference) => Ok(None),
            None => Err(format!("{field}: {source} {name} has no key {key}")),
        };
    }
    Err(format!("{field} is not supported by the process executor"))
}

async fn object(
    shared: &Shared<'_>,
    field: &str,
    source: Source,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
    let Some(lookup) = &shared.config.lookup else {
        return Err(format!("{field} is not supported by the process executor"));
    };
    let lookup: &dyn Lookup = &**lookup;
    Ok(lookup.data(source, shared.step.workflow.namespace(), name).await)
}

fn is_optional(reference: &Value) -> bool {
    reference.get("optional") == Some(&Value::Bool(true))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn strings(container: &Value, field: &str) -> Result<Vec<String>, String> {
    let list = container.get(field).and_then(Value::as_array).into_iter().flatten();
    list.map(|it| match it.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!("{field} must be a list of texts")),
    })
    .collect()
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// `$(NAME)` of known variables, as Kubernetes expands it; `$$` is a dollar.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        let name = from.strip_prefix("$(").and_then(|it| it.split_once(')')).map(|it| it.0);
        if let Some(after) = from.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some((name, value)) = name.and_then(|it| Some((it, env.get(it)?))) {
            out.push_str(value);
            rest = &from[name.len() + 3..];
        } else {
            out.push('$');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Why a program can not be started, in the words of Go's `exec.LookPath`. A path with a slash is only
/// looked at where it means a file of this machine.
fn missing(name: &str, path: &str, directory: &Path, has_root: bool) -> Option<String> {
    if name.contains('/') {
        if has_root || directory.join(name).is_file() {
            return None;
        }
        return Some(format!("exec: \"{name}\": stat {name}: no such file or directory"));
    }
    let found = path.split(':').any(|it| Path::new(it).join(name).is_file());
    (!found).then(|| format!("exec: \"{name}\": executable file not found in $PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_in_kubernetes() {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(expand("$(A) $(B) $$(A) $A $", &env), "1 $(B) $(A) $A $");
    }

    #[test]
    fn paths_stay_below_the_working_directory() {
        let work = Path::new("/work/dir");
        assert_eq!(below(work, "out/tag"), Ok("/work/dir/out/tag".into()));
        assert_eq!(below(work, "/src"), Ok("/work/dir/src".into()));
        assert_eq!(below(work, "/work/dir/src"), Ok("/work/dir/src".into()));
        assert!(below(work, "a/../../etc").is_err());
    }
}
