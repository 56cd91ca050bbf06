//! The containers of a pod: the executor's own, the template's, and what is put around them.

use serde_json::{Value, json};

use super::{INIT, TemplateType, WAIT, is_argo, list, text};
use crate::{
    api::Template,
    engine::StepRequest,
    exec::outputs::{MAIN, archives_logs},
    executor::pods::config::PodConfig,
};

/// Where the executor's program is found in containers that are not the executor's.
const ARGOEXEC: &str = "/var/run/argo/argoexec";

/// A pod under construction.
pub(super) struct Pod<'a> {
    pub(super) step: &'a StepRequest,
    pub(super) config: &'a PodConfig,
    pub(super) template: &'a Template,
    pub(super) kind: TemplateType,
    pub(super) executor_account: Option<String>,
    pub(super) volumes: Vec<Value>,
    pub(super) inits: Vec<Value>,
    pub(super) containers: Vec<Value>,
}

/// Appends to a list of an object.
pub(super) fn push(object: &mut Value, field: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        match map.entry(field.to_owned()).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(list) => list.push(value),
            other => *other = Value::Array(vec![value]),
        }
    }
}

impl<'a> Pod<'a> {
    pub(super) fn new(
        step: &'a StepRequest,
        config: &'a PodConfig,
        template: &'a Template,
        kind: TemplateType,
        executor_account: Option<String>,
    ) -> Self {
        let volumes =
            vec![json!({"name": "var-run-argo", "emptyDir": {}}), json!({"name": "tmp-dir-argo", "emptyDir": {}})];
        let (inits, containers) = (Vec::new(), Vec::new());
        Self { step, config, template, kind, executor_account, volumes, inits, containers }
    }

    /// The executor's containers and those that do the work.
    pub(super) fn add_main(&mut self) -> Result<(), String> {
        let is_resource = self.kind == TemplateType::Resource;
        let no_wait = (is_resource && !archives_logs(self.template)) || self.kind == TemplateType::Data;
        if !no_wait {
            let wait = self.exec_container(WAIT, &["argoexec", "wait"]);
            self.containers.push(wait);
        }
        let mains: Vec<Value> = match self.kind {
            TemplateType::Container => vec![self.template.container.clone().unwrap_or_default()],
            TemplateType::Script => {
                let mut main = self.template.script.clone().unwrap_or_default();
                let source = main.as_object_mut().and_then(|it| it.remove("source"));
                if source.as_ref().and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
                    push(&mut main, "args", "/argo/staging/script".into());
                }
                vec![main]
            }
            TemplateType::ContainerSet => {
                let set = self.template.container_set.clone().unwrap_or_default();
                let mut all = list(set.get("containers"));
                for it in &mut all {
                    if let Some(map) = it.as_object_mut() {
                        map.remove("dependencies");
                    }
                    let mut mounts = list(it.get("volumeMounts"));
                    mounts.extend(list(set.get("volumeMounts")));
                    if !mounts.is_empty() {
                        it["volumeMounts"] = mounts.into();
                    }
                }
                all
            }
            TemplateType::Resource => {
                let action = self.template.resource.as_ref().and_then(|it| text(it.get("action"))).unwrap_or_default();
                vec![self.exec_container(MAIN, &["argoexec", "resource", &action])]
            }
            TemplateType::Data => {
                let data = serde_json::to_string(&self.template.data).map_err(|it| it.to_string())?;
                vec![self.exec_container(MAIN, &["argoexec", "data", &data])]
            }
            other => return Err(format!("templates of type {} do not run as pods", other.field())),
        };
        for mut main in mains {
            let named = text(main.get("name")).is_some();
            if !named || self.kind != TemplateType::ContainerSet {
                main["name"] = MAIN.into();
            }
            if self.config.main_container.is_object() {
                let schema =
                    argo_merge::schema::Schema::of("", "v1", "Pod").field("spec").field("containers").element();
                main = argo_merge::strategic::apply(&self.config.main_container, &main, &schema)
                    .map_err(|it| format!("merging the controller's mainContainer: {it}"))?;
            }
            self.containers.push(main);
        }
        let init = self.exec_container(INIT, &["argoexec", "init"]);
        self.inits.push(init);
        Ok(())
    }

    /// Init containers and sidecars of the template.
    pub(super) fn add_user_containers(&mut self) {
        let extra = &self.template.extra;
        for (field, is_init) in [("initContainers", true), ("sidecars", false)] {
            for mut container in list(extra.get(field)) {
                let mirror = container.as_object_mut().and_then(|it| it.remove("mirrorVolumeMounts"));
                if mirror == Some(Value::Bool(true)) {
                    let main = self.containers.iter().find(|it| it["name"] == MAIN);
                    for mount in list(main.and_then(|it| it.get("volumeMounts"))) {
                        push(&mut container, "volumeMounts", mount);
                    }
                }
                if is_init { self.inits.push(container) } else { self.containers.push(container) }
            }
        }
    }

    fn exec_container(&self, name: &str, command: &[&str]) -> Value {
        let config = self.config;
        let mut all: Vec<Value> = command.iter().map(|it| (*it).into()).collect();
        all.extend(log_options(config));
        let mut container = json!({
            "name": name, "image": config.executor_image, "command": all, "env": self.exec_environment(), "resources": {},
        });
        for field in ["resources", "securityContext", "args"] {
            if let Some(value) = super::set(config.executor.get(field)) {
                container[field] = value.clone();
            }
        }
        if let Some(policy) = &config.executor_image_pull_policy {
            container["imagePullPolicy"] = policy.clone().into();
        }
        if self.kind == TemplateType::Resource && container.get("securityContext").is_none() {
            let mut context = json!({
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                "runAsUser": 8737, "seccompProfile": {"type": "RuntimeDefault"},
            });
            if name != INIT && name != WAIT {
                context["readOnlyRootFilesystem"] = true.into();
            }
            container["securityContext"] = context;
        }
        if self.executor_account.is_some() {
            let mount = json!({"name": "exec-sa-token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true});
            push(&mut container, "volumeMounts", mount);
        }
        container
    }

    fn exec_environment(&self) -> Vec<Value> {
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
        let mut env = vec![
            field("ARGO_POD_NAME", "metadata.name"),
            field("ARGO_POD_UID", "metadata.uid"),
            json!({"name": "ARGO_WORKFLOW_NAME", "value": self.step.workflow.name}),
            json!({"name": "ARGO_WORKFLOW_UID", "value": self.step.workflow_uid}),
        ];
        if let Some(id) = &self.config.instance_id {
            env.push(json!({"name": "ARGO_INSTANCE_ID", "value": id}));
        }
        env.extend(list(self.config.executor.get("env")));
        env
    }

    /// What every container is told.
    pub(super) fn add_environment(&mut self, template: &str) {
        let deadline = match self.step.deadline {
            // Go's zero time.
            None => "0001-01-01T00:00:00Z".to_owned(),
            Some(at) => argo_core::Time::new(at).to_string(),
        };
        let value = |name: &str, value: &str| json!({"name": name, "value": value});
        let shared = [
            value("ARGO_NODE_ID", &self.step.node_id),
            value("ARGO_INCLUDE_SCRIPT_OUTPUT", if self.step.include_result { "true" } else { "false" }),
            value("ARGO_DEADLINE", &deadline),
            value("ARGO_WORKFLOW_NAME", &self.step.workflow.name),
            value("ARGO_PROGRESS_FILE", "/var/run/argo/progress"),
            value("ARGO_PROGRESS_PATCH_TICK_DURATION", &super::go_duration(self.config.progress_patch)),
            value("ARGO_PROGRESS_FILE_TICK_DURATION", &super::go_duration(self.config.progress_read)),
        ];
        let shared_dir = json!({"name": "var-run-argo", "mountPath": "/var/run/argo"});
        for container in &mut self.inits {
            push(container, "volumeMounts", shared_dir.clone());
            let name = text(container.get("name")).unwrap_or_default();
            push(container, "env", value("ARGO_CONTAINER_NAME", &name));
            push(container, "env", value("ARGO_TEMPLATE", template));
            shared.iter().for_each(|it| push(container, "env", it.clone()));
        }
        for container in &mut self.containers {
            let name = text(container.get("name")).unwrap_or_default();
            push(container, "env", value("ARGO_CONTAINER_NAME", &name));
            shared.iter().for_each(|it| push(container, "env", it.clone()));
        }
    }
}

fn log_options(config: &PodConfig) -> Vec<Value> {
    ["--loglevel", &config.log_level, "--log-format", "text", "--gloglevel", "0"]
        .iter()
        .map(|it| (*it).into())
        .collect()
}

/// After the patches: commands run under the executor, and share its directory.
pub(super) fn finish(spec: &mut Value, config: &PodConfig) -> Result<(), String> {
    let grace = spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    for (number, container) in spec["containers"].as_array_mut().into_iter().flatten().enumerate() {
        let name = text(container.get("name")).unwrap_or_default();
        if !is_argo(&name) {
            supervise(container, config)?;
        }
        if container["image"] == config.executor_image.as_str() {
            push(
                container,
                "volumeMounts",
                json!({"name": "tmp-dir-argo", "mountPath": "/tmp", "subPath": number.to_string()}),
            );
        }
        push(container, "volumeMounts", json!({"name": "var-run-argo", "mountPath": "/var/run/argo"}));
        if let Some(grace) = grace {
            push(
                container,
                "env",
                json!({"name": "ARGO_TERMINATION_GRACE_PERIOD_SECONDS", "value": grace.to_string()}),
            );
        }
    }
    Ok(())
}

fn supervise(container: &mut Value, config: &PodConfig) -> Result<(), String> {
    let mut command = list(container.get("command"));
    if command.is_empty() {
        let image = text(container.get("image")).unwrap_or_default();
        let Some(known) = config.images.get(&image) else {
            return Err(format!(
                "failed to look-up entrypoint/cmd for image \"{image}\", you must either explicitly specify the command, or list the image's command in the index: https://argo-workflows.readthedocs.io/en/latest/workflow-executors/#emissary-emissary: the image is not in the index"
            ));
        };
        command = known.entrypoint.iter().map(|it| it.as_str().into()).collect();
        if container.get("args").is_none_or(Value::is_null) && !known.cmd.is_empty() {
            container["args"] = known.cmd.clone().into();
        }
    }
    let mut all: Vec<Value> = vec![ARGOEXEC.into(), "emissary".into()];
    all.extend(log_options(config));
    all.push("--".into());
    all.extend(command);
    container["command"] = all.into();
    Ok(())
}
