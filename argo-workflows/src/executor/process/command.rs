//! From a container to a command line, a directory and an environment.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::{Config, files::StepDir};
use crate::{
    api::{Template, TemplateType},
    engine::StepRequest,
};

/// A process to start.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) argv: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    /// The program, if it is nowhere in `PATH`.
    pub(super) missing: Option<String>,
}

/// Fields of a container that a process can not honour.
const UNSUPPORTED: &[&str] = &["envFrom", "volumeMounts", "volumeDevices", "lifecycle"];
/// Fields of a template that a process can not honour.
const UNSUPPORTED_IN_TEMPLATE: &[&str] = &["sidecars", "initContainers", "volumes", "podSpecPatch"];

pub(super) fn prepare(config: &Config, step: &StepRequest, dir: &StepDir, work: &Path) -> Result<Line, String> {
    let template = &step.template;
    let (kind, container) = container(template)?;
    let field = kind.field();
    for it in UNSUPPORTED {
        if container.get(*it).is_some_and(|it| !is_empty(it)) {
            return Err(format!("{field}.{it} is not supported by the process executor"));
        }
    }
    for it in UNSUPPORTED_IN_TEMPLATE {
        if template.extra.get(*it).is_some_and(|it| !is_empty(it)) {
            return Err(format!("{it} is not supported by the process executor"));
        }
    }
    input_artifacts(template, work)?;
    let image_name = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let image = config.images.get(image_name).cloned().unwrap_or_default();
    let mut env = environment(config, step, dir, work);
    let mut path: Vec<String> = image.path.iter().map(|it| it.display().to_string()).collect();
    path.push(config.path.clone());
    env.insert("PATH".into(), path.join(":"));
    own_environment(field, container, &mut env)?;
    let mut argv = strings(container, "command")?;
    if argv.is_empty() {
        argv = image.entrypoint;
    }
    if argv.is_empty() {
        return Err(format!("{field}.command is required: nothing is known of the entrypoint of image '{image_name}'"));
    }
    if kind == TemplateType::Script {
        let source = container.get("source").and_then(Value::as_str).unwrap_or_default();
        std::fs::write(dir.script(), source).map_err(|it| format!("writing the script: {it}"))?;
        argv.push(dir.script().display().to_string());
    }
    argv.extend(strings(container, "args")?);
    for it in &mut argv {
        *it = expand(it, &env);
    }
    let directory = match container.get("workingDir").and_then(Value::as_str).filter(|it| !it.is_empty()) {
        Some(text) => below(work, text)?,
        None => work.to_owned(),
    };
    std::fs::create_dir_all(&directory).map_err(|it| format!("making {field}.workingDir: {it}"))?;
    let missing = (!is_program(&argv[0], &env["PATH"], &directory)).then(|| argv[0].clone());
    Ok(Line { argv, directory, env, missing })
}

fn container(template: &Template) -> Result<(TemplateType, &Value), String> {
    match (&template.container, &template.script) {
        (Some(container), _) => Ok((TemplateType::Container, container)),
        (_, Some(script)) => Ok((TemplateType::Script, script)),
        _ => {
            let kind = template.kind().map_or("unknown", TemplateType::field);
            Err(format!("templates of type {kind} are not supported by the process executor"))
        }
    }
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

fn input_artifacts(template: &Template, work: &Path) -> Result<(), String> {
    for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
        let raw = it.extra.get("raw").and_then(|it| it.get("data")).and_then(Value::as_str);
        match (raw, &it.path) {
            (Some(data), Some(path)) => {
                let path = below(work, path)?;
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)
                        .map_err(|error| format!("input artifact '{}': {error}", it.name))?;
                    if !super::is_below(work, parent) {
                        return Err(format!("input artifact '{}' leads out of the working directory", it.name));
                    }
                }
                std::fs::write(path, data).map_err(|error| format!("input artifact '{}': {error}", it.name))?;
            }
            _ if !it.has_location() && it.optional == Some(true) => {}
            _ => {
                return Err(format!(
                    "inputs.artifacts.{} is not supported by the process executor: only raw artifacts with a path are",
                    it.name
                ));
            }
        }
    }
    if let Some(it) = template.outputs.iter().flat_map(|it| &it.artifacts).find(|it| it.optional != Some(true)) {
        return Err(format!("outputs.artifacts.{} is not supported by the process executor", it.name));
    }
    Ok(())
}

fn environment(config: &Config, step: &StepRequest, dir: &StepDir, work: &Path) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([
        ("HOME".to_owned(), work.display().to_string()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TMPDIR".to_owned(), dir.path().join("tmp").display().to_string()),
        ("ARGO_CONTAINER_NAME".to_owned(), "main".to_owned()),
        ("ARGO_NODE_ID".to_owned(), step.node_id.clone()),
        ("ARGO_POD_NAME".to_owned(), step.pod_name.clone()),
        ("ARGO_WORKFLOW_NAME".to_owned(), step.workflow.name.clone()),
        ("ARGO_WORKFLOW_UID".to_owned(), step.workflow_uid.clone()),
        ("ARGO_WORKSPACE".to_owned(), work.display().to_string()),
    ]);
    env.extend(config.env.clone());
    env
}

fn own_environment(field: &str, container: &Value, env: &mut BTreeMap<String, String>) -> Result<(), String> {
    for it in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) =
            it.get("name").and_then(Value::as_str).filter(|it| !it.is_empty() && !it.contains(['=', '\0']))
        else {
            return Err(format!("{field}.env has an entry without a usable name"));
        };
        if it.get("valueFrom").is_some_and(|it| !it.is_null()) {
            return Err(format!("{field}.env.{name}.valueFrom is not supported by the process executor"));
        }
        let value = it.get("value").and_then(Value::as_str).unwrap_or_default();
        let value = expand(value, env);
        env.insert(name.to_owned(), value);
    }
    Ok(())
}

fn strings(container: &Value, field: &str) -> Result<Vec<String>, String> {
    let list = container.get(field).and_then(Value::as_array).into_iter().flatten();
    list.map(|it| match it.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!("{field} must be a list of texts")),
    })
    .collect()
}

fn is_empty(value: &Value) -> bool {
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

fn is_program(name: &str, path: &str, directory: &Path) -> bool {
    if name.contains('/') {
        return directory.join(name).is_file();
    }
    path.split(':').any(|it| Path::new(it).join(name).is_file())
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
