//! A step as a group of processes: its containers, what is mounted into them, and what comes out.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Config,
    command::{self, Line, Shared, below},
    files::StepDir,
    isolation::{self, Bind},
    volumes::Volumes,
};
use crate::{
    api::{Artifact, NodePhase, Template},
    engine::{ContainerResult, StepRequest, StepResult},
    exec::{
        Layout,
        artifacts::has_location_or_key,
        inputs,
        outputs::{self, MAIN, main_containers},
    },
};

/// The arguments of the supervisor: names of init containers, main containers and sidecars.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) inits: Vec<String>,
    pub(super) mains: Vec<String>,
    pub(super) sidecars: Vec<String>,
}

/// Why a step ends before its processes start.
pub(super) enum Refused {
    /// Something around the work went wrong.
    Error(String),
    /// The work itself can not be started.
    Failed(String),
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self::Error(message)
    }
}

/// A pod on this machine, made ready on disk.
pub(super) struct Pod<'a> {
    config: &'a Config,
    step: &'a StepRequest,
    dir: &'a StepDir,
    work: PathBuf,
}

impl<'a> Pod<'a> {
    pub(super) fn new(config: &'a Config, step: &'a StepRequest, dir: &'a StepDir, work: PathBuf) -> Self {
        Self { config, step, dir, work }
    }

    /// Loads inputs and writes the scripts of all containers.
    pub(super) async fn prepare(&self) -> Result<Names, Refused> {
        let io = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let template = with_repository(self.config, self.step);
        let has_root = self.config.isolation.has_roots();
        for it in template.outputs.iter().flat_map(|it| &it.artifacts) {
            if !template.extra.contains_key("archiveLocation") && it.optional != Some(true) && !has_location_or_key(it)
            {
                let message = format!(
                    "outputs.artifacts.{} is not supported by the process executor: it has no repository",
                    it.name
                );
                return Err(Refused::Error(message));
            }
        }
        let shared_dir = self.dir.path().parent().unwrap_or_else(|| self.dir.path());
        let volumes = Volumes::make(self.config, self.step, self.dir.path(), shared_dir).await?;
        let containers = containers(&template)?;
        let script = template.script.is_some().then(|| {
            if has_root { PathBuf::from("/argo/staging/script") } else { self.dir.path().join("staging/script") }
        });
        let mut names = Names::default();
        let mut lines: Vec<(Part, String, Line, PathBuf)> = Vec::new();
        for it in &containers {
            let root = if has_root { self.dir.root(&it.name) } else { self.work.clone() };
            std::fs::create_dir_all(&root).map_err(io("making the working directory"))?;
            let script = script.as_deref().filter(|_| it.name == MAIN && it.part == Part::Main);
            let shared = Shared {
                config: self.config,
                step: self.step,
                volumes: &volumes,
                work: &root,
                temporary: self.dir.path().join("tmp"),
                has_root,
            };
            let line = command::prepare(&shared, &it.field, &it.name, &it.value, script).await?;
            if let Some(missing) = &line.missing {
                return Err(match it.part {
                    Part::Main => Refused::Failed(format!(
                        "{}: Error (exit code 64): failed to find name in PATH: {missing}",
                        it.name
                    )),
                    _ => Refused::Failed(format!("{}: Error (exit code 64): {missing}", it.name)),
                });
            }
            lines.push((it.part, it.name.clone(), line, root));
        }
        let main_binds = lines.iter().find(|it| it.1 == MAIN && it.0 == Part::Main).map(|it| it.2.binds.clone());
        self.save_mounts(main_binds.as_deref().unwrap_or_default()).map_err(io("keeping the step's mounts"))?;
        let layout = self.layout();
        inputs::stage(&template, &layout)?;
        let loaded = inputs::load(&template, &layout, &self.config.drivers).await;
        loaded.map_err(|it| format!("init: Error (exit code 64): {it}"))?;
        let artifacts = self.place_artifacts(&template, &layout)?;
        for (part, name, mut line, root) in lines {
            if part == Part::Main && name == MAIN {
                line.binds.extend(artifacts.clone());
            }
            self.write(&name, &line, &root).map_err(io("writing the step's script"))?;
            match part {
                Part::Init => names.inits.push(name),
                Part::Main => names.mains.push(name),
                Part::Sidecar => {
                    let tenths = (self.config.grace.as_millis() / 100).to_string();
                    std::fs::write(self.dir.line(&format!("{name}.side")), tenths)
                        .map_err(io("writing the step's script"))?;
                    names.sidecars.push(name);
                }
            }
        }
        for it in containers.iter().filter(|it| !it.after.is_empty()) {
            std::fs::write(self.dir.line(&format!("{}.after", it.name)), it.after.join("\n"))
                .map_err(io("writing the step's script"))?;
        }
        let retries = template.container_set.as_ref().and_then(|it| it.pointer("/retryStrategy/retries"));
        let retries = retries.and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok())).unwrap_or(0).min(1000);
        for name in names.mains.iter().filter(|_| retries > 0) {
            std::fs::write(self.dir.line(&format!("{name}.retries")), retries.to_string())
                .map_err(io("writing the step's script"))?;
        }
        Ok(names)
    }

    /// What came out, once all processes are over.
    pub(super) async fn collect(&self, code: i32) -> StepResult {
        let template = with_repository(self.config, self.step);
        let layout = self.layout();
        let mains = main_containers(&template);
        let mut result = self.inferred(&template, &mains, code);
        for name in &mains {
            let log = self.dir.container(name);
            if let Err(error) = join_logs(&log) {
                tracing::warn!(node = self.step.node_id, %error, "the log of a container can not be read");
            }
        }
        let root = if self.config.isolation.has_roots() { self.dir.root(MAIN) } else { self.work.clone() };
        let mut errors = Vec::new();
        if self.dir.container(MAIN).exists()
            && let Err(error) = outputs::save_base_layer(&template, &root, &layout)
        {
            errors.push(error);
        }
        let collected = outputs::collect(&template, &layout, &self.config.drivers, self.step.include_result).await;
        errors.extend(collected.errors);
        result.parameters = collected.parameters.into_iter().collect();
        result.artifacts = collected.artifacts;
        result.result = collected.result;
        result.progress = progress(&layout);
        if let (NodePhase::Succeeded, Some(first)) = (result.phase, errors.first()) {
            result.phase = NodePhase::Error;
            result.message = format!("wait: Error (exit code 64): {first}");
        }
        result
    }

    /// A result that no container gave, with the log artifact that a pod would leave.
    pub(super) async fn logged(&self, mut result: StepResult) -> StepResult {
        let mut template = with_repository(self.config, self.step);
        if template.resource.is_none() || !outputs::archives_logs(&template) {
            return result;
        }
        template.outputs = None;
        let log = self.dir.container(MAIN);
        let written =
            std::fs::create_dir_all(&log).and_then(|()| std::fs::write(log.join("combined"), &result.message));
        if let Err(error) = written {
            tracing::warn!(node = self.step.node_id, %error, "the log of a step can not be written");
        }
        result.artifacts = outputs::collect(&template, &self.layout(), &self.config.drivers, false).await.artifacts;
        result
    }

    /// Phase and message from exit codes, as the controller reads them from a pod.
    fn inferred(&self, template: &Template, mains: &[String], code: i32) -> StepResult {
        let code_of = |name: &str| self.dir.exit_of(name);
        let mut result = StepResult { phase: NodePhase::Succeeded, ..StepResult::default() };
        let text = |name: &str, code: i32| format!("{name}: Error (exit code {code})");
        let listed = |field: &str| {
            let list = template.extra.get(field).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|it| it.get("name").and_then(Value::as_str)).map(str::to_owned).collect::<Vec<_>>()
        };
        let failed_init =
            listed("initContainers").into_iter().find_map(|it| Some((code_of(&it)?, it)).filter(|it| it.0 != 0));
        if let Some((code, name)) = failed_init {
            result.phase = NodePhase::Failed;
            result.message = text(&name, code);
            return result;
        }
        if mains.iter().any(|it| it == MAIN) {
            // Killed with its supervisor, it left no code.
            result.exit_code = Some(code_of(MAIN).unwrap_or(if mains.len() == 1 { code } else { 137 }));
        }
        if template.container_set.is_some() {
            for name in mains {
                let code = code_of(name);
                let message = code
                    .filter(|it| *it != 0)
                    .map(|it| format!("{name}: Error (exit code {it}): "))
                    .unwrap_or_default();
                result.containers.insert(name.clone(), ContainerResult { exit_code: code, message });
            }
        }
        let mut codes = mains.iter().map(|it| (it, code_of(it).unwrap_or(if code == 0 { 137 } else { code })));
        if let Some((name, code)) = codes.find(|it| it.1 != 0) {
            result.phase = NodePhase::Failed;
            result.message = text(name, code);
            return result;
        }
        let sidecars = listed("sidecars").into_iter();
        let failed = sidecars.filter_map(|it| Some((code_of(&it)?, it))).find(|it| !matches!(it.0, 0 | 137 | 143));
        if let Some((code, name)) = failed {
            result.phase = NodePhase::Failed;
            result.message = text(&name, code);
        }
        result
    }

    fn layout(&self) -> Layout {
        let mounts = std::fs::read(self.dir.path().join("mounts")).ok();
        let mounts: Vec<(String, PathBuf)> = mounts.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
        let mounts = mounts.into_iter().map(|(path, at)| crate::exec::Mount { path, at }).collect();
        Layout::below(self.dir.path(), mounts)
    }

    fn save_mounts(&self, binds: &[Bind]) -> std::io::Result<()> {
        let mounts: Vec<_> = Volumes::mounts(binds).into_iter().map(|it| (it.path, it.at)).collect();
        std::fs::write(self.dir.path().join("mounts"), serde_json::to_vec(&mounts)?)
    }

    /// Puts loaded artifacts where the main container looks for them.
    fn place_artifacts(&self, template: &Template, layout: &Layout) -> Result<Vec<Bind>, String> {
        let mut binds = Vec::new();
        for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
            let loaded = layout.artifacts.join(&it.name);
            let (Some(path), true) = (it.path.as_deref().filter(|it| !it.is_empty()), loaded.exists()) else {
                continue;
            };
            if self.config.isolation.has_roots() {
                binds.push(Bind { from: loaded, to: path.to_owned(), read_only: false });
                continue;
            }
            let to = below(&self.work, path)?;
            let moved = || {
                if let Some(parent) = to.parent() {
                    std::fs::create_dir_all(parent)?;
                    if !super::is_below(&self.work, parent) {
                        return Err(std::io::Error::other("it leads out of the working directory"));
                    }
                }
                if to.is_dir() {
                    std::fs::remove_dir_all(&to)?;
                }
                std::fs::rename(&loaded, &to)?;
                std::os::unix::fs::symlink(&to, &loaded)
            };
            moved().map_err(|error| format!("input artifact '{}': {error}", it.name))?;
        }
        Ok(binds)
    }

    fn write(&self, name: &str, line: &Line, root: &Path) -> std::io::Result<()> {
        if !self.config.isolation.has_roots() {
            return std::fs::write(self.dir.line(name), line.script(false));
        }
        for it in ["tmp", "root", "run", "var/run/argo", ".argo"] {
            std::fs::create_dir_all(root.join(it))?;
        }
        std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
        std::fs::write(root.join(".argo/run"), line.script(true))?;
        let mut binds = vec![
            Bind { from: self.dir.path().join("argo"), to: "/var/run/argo".into(), read_only: false },
            Bind { from: self.dir.path().join("staging"), to: "/argo/staging".into(), read_only: false },
        ];
        binds.extend(line.binds.clone());
        let script = isolation::script(&self.config.isolation, root, &line.env["PATH"], &binds, "/.argo/run");
        std::fs::write(self.dir.line(name), script.unwrap_or_default())
    }
}

fn progress(layout: &Layout) -> Option<String> {
    let text = outputs::tail(&layout.var_run.join("progress"), 1 << 10).ok()?;
    let last = text.trim().lines().last()?.trim();
    let (done, all) = last.split_once('/')?;
    let (done, all): (u64, u64) = (done.parse().ok()?, all.parse().ok()?);
    (done <= all && all > 0).then(|| format!("{done}/{all}"))
}

/// `combined` is what an artifact of logs holds.
fn join_logs(container: &Path) -> std::io::Result<()> {
    let mut all = std::fs::File::create(container.join("combined"))?;
    for it in ["stdout", "stderr"] {
        match std::fs::File::open(container.join(it)) {
            Ok(mut from) => drop(std::io::copy(&mut from, &mut all)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The template with the place where its outputs go.
pub(super) fn with_repository(config: &Config, step: &StepRequest) -> Template {
    let mut template = step.template.clone();
    let Some(repository) = &config.repository else { return template };
    let own = template.extra.get("archiveLocation").cloned().unwrap_or(Value::Null);
    let has_own = crate::api::LOCATIONS.iter().any(|it| own.get(*it).is_some_and(Value::is_object));
    let flag = |it: Option<&Value>| it.and_then(Value::as_bool);
    let logs = repository.archive_logs
        || flag(own.get("archiveLogs")).or_else(|| flag(step.spec.extra.get("archiveLogs"))).unwrap_or(false);
    let prefix =
        repository.key_format.replace("{{workflow.name}}", &step.workflow.name).replace("{{pod.name}}", &step.pod_name);
    let mut location = if has_own { own } else { repository.location.clone() };
    if !has_own {
        let mut probe = Artifact::default();
        for (kind, value) in location.as_object().into_iter().flatten() {
            probe.extra.insert(kind.clone(), value.clone());
        }
        let kind = crate::exec::artifacts::kind(&probe).unwrap_or("s3");
        crate::exec::artifacts::set_key(&mut probe, kind, &prefix);
        location = json!({ kind: probe.extra.get(kind) });
        location["archiveLogs"] = logs.into();
    }
    template.extra.insert("archiveLocation".to_owned(), location);
    template
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Init,
    Main,
    Sidecar,
}

struct Container {
    part: Part,
    name: String,
    field: String,
    value: Value,
    after: Vec<String>,
}

/// Every container of a template, in the order they are started.
fn containers(template: &Template) -> Result<Vec<Container>, String> {
    let mut all = Vec::new();
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let main = template.container.as_ref().map(|it| ("container", it));
    let main = main.or_else(|| template.script.as_ref().map(|it| ("script", it)));
    let mirrored = |value: &Value| {
        let mut value = value.clone();
        if value.get("mirrorVolumeMounts") == Some(&Value::Bool(true))
            && let Some(mounts) = main.and_then(|it| it.1.get("volumeMounts")).and_then(Value::as_array)
        {
            let mut own = list(value.get("volumeMounts"));
            own.extend(mounts.clone());
            value["volumeMounts"] = own.into();
        }
        value
    };
    let mut add = |part: Part, field: String, value: Value, fallback: &str| -> Result<(), String> {
        let name = value.get("name").and_then(Value::as_str).filter(|it| !it.is_empty()).unwrap_or(fallback).to_owned();
        let plain = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
        if !plain {
            return Err(format!("{field}: '{name}' can not name a container"));
        }
        let after = list(value.get("dependencies")).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        all.push(Container { part, name, field, value, after });
        Ok(())
    };
    for it in list(template.extra.get("initContainers")) {
        add(Part::Init, "initContainers".into(), mirrored(&it), "")?;
    }
    if let Some((field, value)) = main {
        let mut value = value.clone();
        value["name"] = MAIN.into();
        add(Part::Main, field.into(), value, MAIN)?;
    }
    if let Some(set) = &template.container_set {
        for it in list(set.get("containers")) {
            let mut it = it;
            let mut mounts = list(it.get("volumeMounts"));
            mounts.extend(list(set.get("volumeMounts")));
            it["volumeMounts"] = mounts.into();
            add(Part::Main, "containerSet.containers".into(), it, "")?;
        }
    }
    for it in list(template.extra.get("sidecars")) {
        add(Part::Sidecar, "sidecars".into(), mirrored(&it), "")?;
    }
    Ok(all)
}
