//! Executing a template: resolve it, give it its inputs, run it by its type.

use std::{rc::Rc, sync::Arc};

use argo_lang::tags::TagError;
use serde_json::Value;

use super::{
    compile::CompiledTemplate,
    names::pod_name,
    pass::{Boundary, Halt, MAX_DEPTH, NewNode, Origin, Pass},
    step::PodNameFormat,
    vars::{How, Scope},
};
use crate::api::{
    ANNOTATION_POD_NAME_FORMAT, Arguments, Inputs, NodeFlag, NodePhase, NodeStatus, NodeType, Template, TemplateType,
    WorkflowStep,
};

/// One invocation of a template.
#[derive(Clone)]
pub(crate) struct Call<'c> {
    /// Name of the node.
    pub(crate) name: String,
    /// What names the template.
    pub(crate) step: &'c WorkflowStep,
    /// Arguments that the step's own template gets.
    pub(crate) arguments: Option<&'c Arguments>,
    /// Arguments that turned out to have no value, with the reason.
    pub(crate) absent: &'c [(String, String)],
    pub(crate) boundary: Option<&'c Boundary>,
    pub(crate) origin: Origin,
    pub(crate) on_exit: bool,
    pub(crate) flag: Option<NodeFlag>,
    /// `steps.name` or `tasks.name`.
    pub(crate) step_variable: Option<(&'static str, String)>,
}

impl Call<'_> {
    fn depth(&self) -> usize {
        self.boundary.map_or(0, |it| it.depth)
    }

    pub(crate) fn boundary_id(&self) -> Option<String> {
        self.boundary.map(|it| it.id.clone())
    }
}

/// A template with what it gets, ready to run.
pub(crate) struct Ready {
    pub(crate) template: Arc<CompiledTemplate>,
    pub(crate) origin: Origin,
    pub(crate) inputs: Option<Inputs>,
}

impl Pass<'_> {
    /// Makes or advances the node of one invocation. Returns its id once it is there.
    pub(crate) fn execute(&mut self, call: &Call<'_>) -> Result<Option<String>, Halt> {
        if call.depth() >= MAX_DEPTH {
            return Err(Halt::Depth);
        }
        let id = self.id(&call.name);
        let existing = self.nodes.get(&id);
        if existing.is_some_and(NodeStatus::is_fulfilled) {
            return Ok(Some(id));
        }
        let inputs = existing.map(|it| it.inputs.clone());
        let resolved = self.resolve(&call.origin, call.step).and_then(|(origin, template)| {
            let inputs = match inputs {
                Some(inputs) => inputs,
                None => self.inputs(&template.template, call)?,
            };
            Ok(Ready { template, origin, inputs })
        });
        let ready = match resolved {
            Ok(ready) => ready,
            Err(message) => {
                self.refuse(call, &message);
                return Err(Halt::Error(message));
            }
        };
        self.check_parallelism(call, &ready, &id)?;
        let strategy = self.retry_strategy(call, &ready)?;
        if !self.take_locks(call, &ready, strategy.is_some())? {
            return Ok(Some(id));
        }
        if self.recall(call, &ready, strategy.is_some())? {
            return Ok(Some(id));
        }
        match strategy {
            Some(strategy) => self.run_attempts(call, &ready, &strategy),
            None => self.run(call, &ready, &call.name, call.flag, &Scope::default()),
        }
    }

    /// Runs a template as the node `name`.
    pub(crate) fn run(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        flag: Option<NodeFlag>,
        locals: &Scope,
    ) -> Result<Option<String>, Halt> {
        let Some(kind) = ready.template.kind else {
            let message = format!("templates.{} must have exactly one type", ready.template.template.name());
            self.refuse(call, &message);
            return Err(Halt::Error(message));
        };
        match kind {
            TemplateType::Steps => self.run_steps(call, ready, name, flag, locals),
            TemplateType::Dag => self.run_dag(call, ready, name, flag, locals),
            TemplateType::Suspend => self.run_suspend(call, ready, name, flag, locals),
            _ => self.run_leaf(call, ready, name, flag, locals, kind),
        }
    }

    /// A node that says why it could not run, unless there is one.
    pub(crate) fn refuse(&mut self, call: &Call<'_>, message: &str) {
        let id = self.id(&call.name);
        if self.nodes.get(&id).is_some() {
            self.mark(&id, NodePhase::Error, message);
            return;
        }
        let new = NewNode {
            kind: NodeType::Skipped,
            phase: NodePhase::Error,
            message: Some(message.to_owned()),
            flag: call.flag,
            ..self.node_of(call, &call.origin.clone())
        };
        self.create(&call.name, new);
    }

    /// What every node of an invocation says of where it comes from.
    pub(crate) fn node_of(&self, call: &Call<'_>, origin: &Origin) -> NewNode {
        NewNode {
            template_name: call.step.template.clone().filter(|it| !it.is_empty()),
            template_ref: call.step.template_ref.clone(),
            template_scope: Some(origin.scope(&self.name)),
            boundary: call.boundary_id(),
            ..NewNode::default()
        }
    }

    /// Makes the node of a template that runs, with its inputs. Says whether it is new.
    pub(crate) fn start(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        kind: NodeType,
        phase: NodePhase,
        flag: Option<NodeFlag>,
    ) -> Result<(String, bool), Halt> {
        let id = self.id(name);
        if let Some(node) = self.nodes.get(&id) {
            // It waited for a lock, or its outputs were not to be had.
            if phase == NodePhase::Running && node.phase() == NodePhase::Pending {
                self.mark(&id, phase, "");
            }
            return Ok((id, false));
        }
        let display_name = Self::annotated_name(&ready.template.template).map_err(Halt::Error)?;
        let new = NewNode { kind, phase, flag, display_name, ..self.node_of(call, &call.origin.clone()) };
        let id = self.create(name, new);
        if let Some(inputs) = ready.inputs.as_ref().filter(|it| !it.parameters.is_empty() || !it.artifacts.is_empty())
            && let Some(node) = self.nodes.edit(&id)
        {
            node.inputs = Some(inputs.clone());
        }
        Ok((id, true))
    }

    /// Finds the template that a step names.
    pub(crate) fn resolve(
        &mut self,
        origin: &Origin,
        step: &WorkflowStep,
    ) -> Result<(Origin, Arc<CompiledTemplate>), String> {
        if let Some(inline) = &step.inline {
            let defaults = self.compiled.spec.template_defaults.as_ref();
            return Ok((origin.clone(), Arc::new(CompiledTemplate::new((**inline).clone(), defaults))));
        }
        if let Some(reference) = &step.template_ref {
            let name = reference.name.as_deref().unwrap_or_default();
            let template = reference.template.as_deref().unwrap_or_default();
            let origin = if reference.cluster_scope == Some(true) {
                Origin::Cluster(name.to_owned())
            } else {
                Origin::Namespaced(name.to_owned())
            };
            let found = self.fetch(&origin, template)?;
            return Ok((origin, found));
        }
        let name = step.template.as_deref().unwrap_or_default();
        let found = self.fetch(origin, name)?;
        Ok((origin.clone(), found))
    }

    /// A template by name. Those of WorkflowTemplates are stored in the status when first used, so
    /// that a running workflow does not change under way.
    fn fetch(&mut self, origin: &Origin, template: &str) -> Result<Arc<CompiledTemplate>, String> {
        let (resource, cluster) = match origin {
            Origin::Local => {
                let found = self.compiled.templates.get(template).cloned();
                return found.ok_or_else(|| format!("template name '{template}' undefined"));
            }
            Origin::Namespaced(name) => (name, false),
            Origin::Cluster(name) => (name, true),
        };
        let key = format!("{}/{template}", origin.scope(&self.name));
        if let Some(found) = self.fetched.get(&key) {
            return Ok(found.clone());
        }
        let stored = self.world.workflow.status.stored_templates.get(&key).cloned();
        let source = match stored {
            Some(source) => source,
            None => {
                let spec = self.world.references.workflow_template(resource, cluster);
                let source = spec.as_ref().and_then(|it| it.templates.iter().find(|it| it.name() == template));
                let source =
                    source.cloned().ok_or_else(|| format!("template reference {resource}.{template} not found"))?;
                self.stored.insert(key.clone(), source.clone());
                source
            }
        };
        let compiled = Arc::new(CompiledTemplate::new(source, self.compiled.spec.template_defaults.as_ref()));
        self.fetched.insert(key, compiled.clone());
        Ok(compiled)
    }

    /// `inputs.*`, `outputs.*.path` and the names of the node.
    pub(crate) fn local_scope(&self, call: &Call<'_>, ready: &Ready, name: &str) -> Scope {
        let mut scope = Scope::default();
        scope.set("node.name", name);
        scope.set("pod.name", pod_name(&self.name, name, &template_name(call.step, ready), self.pod_names()));
        if let Some((kind, step)) = &call.step_variable {
            scope.set(format!("{kind}.name"), step.as_str());
        }
        if let Some(inputs) = &ready.inputs {
            for it in &inputs.parameters {
                scope.set(format!("inputs.parameters.{}", it.name), it.effective().unwrap_or_default());
            }
            let json = serde_json::to_string(&inputs.parameters).unwrap_or_default();
            scope.set("inputs.parameters", json);
            for it in &inputs.artifacts {
                if let Some(path) = &it.path {
                    scope.set(format!("inputs.artifacts.{}.path", it.name), path.as_str());
                }
                let given = it.has_location().then(|| it.clone());
                scope.set_artifact(format!("inputs.artifacts.{}", it.name), given);
            }
        }
        if let Some(outputs) = &ready.template.template.outputs {
            for it in &outputs.parameters {
                if let Some(path) = it.value_from.as_ref().and_then(|it| it.path.as_ref()) {
                    scope.set(format!("outputs.parameters.{}.path", it.name), path.as_str());
                }
            }
            for it in &outputs.artifacts {
                if let Some(path) = &it.path {
                    scope.set(format!("outputs.artifacts.{}.path", it.name), path.as_str());
                }
            }
        }
        scope
    }

    /// The template with every tag resolved that can be, and its inputs in place.
    pub(crate) fn process(
        &self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        locals: &Scope,
    ) -> Result<Template, String> {
        let own = Rc::new(self.local_scope(call, ready, name));
        let tagged = own.has_tagged_values();
        let scope = Scope::inside(vec![Rc::new(locals.clone()), own, self.globals.clone()]);
        let error = |it: TagError| it.to_string();
        let mut json = ready.template.document().render(&scope, scope.how(How::Keep)).map_err(error)?;
        if tagged {
            json = scope.render_value(&json, How::Keep).map_err(error)?;
        }
        let mut template: Template = serde_json::from_value(json).map_err(|it| it.to_string())?;
        template.inputs.clone_from(&ready.inputs);
        Ok(template)
    }

    /// Resolves a step's or task's references. Arguments whose value is an absent output are left
    /// out and named, so that the template's own default can take their place.
    pub(crate) fn resolve_step(
        &self,
        document: &argo_lang::tags::Document,
        scope: &Scope,
        tagged: bool,
    ) -> Result<(Value, Vec<(String, String)>), TagError> {
        let mut absent = Vec::new();
        let mut json = match document.render(scope, scope.how(How::Strict)) {
            Ok(json) => json,
            Err(TagError::Absent { .. }) => {
                // The slow way: take the arguments out that have no value.
                let mut json = document.render(&Scope::default(), How::Keep.render())?;
                if let Some(list) = json.pointer_mut("/arguments/parameters").and_then(Value::as_array_mut) {
                    list.retain(|it| {
                        let value = it.get("value").and_then(Value::as_str).unwrap_or_default();
                        match scope.render(value, How::Keep) {
                            Err(error @ TagError::Absent { .. }) => {
                                let name = it.get("name").and_then(Value::as_str).unwrap_or_default();
                                absent.push((name.to_owned(), error.to_string()));
                                false
                            }
                            _ => true,
                        }
                    });
                }
                scope.render_value(&json, How::Strict)?
            }
            Err(other) => return Err(other),
        };
        if tagged && super::vars::has_tags(&json) {
            json = scope.render_value(&json, How::Strict)?;
        }
        Ok((json, absent))
    }

    /// How this workflow's pods are named.
    pub(crate) fn pod_names(&self) -> PodNameFormat {
        match self.world.workflow.metadata.annotation(ANNOTATION_POD_NAME_FORMAT) {
            Some("v1") => PodNameFormat::V1,
            _ => PodNameFormat::V2,
        }
    }

    /// Name of the pod of a node.
    pub(crate) fn pod_name(&self, node: &NodeStatus) -> String {
        let template =
            node.template_ref.as_ref().and_then(|it| it.template.as_deref()).or(node.template_name.as_deref());
        pod_name(&self.name, &node.name, template.unwrap_or_default(), self.pod_names())
    }
}

/// The name that goes into pod names.
pub(crate) fn template_name(step: &WorkflowStep, ready: &Ready) -> String {
    let reference = step.template_ref.as_ref().and_then(|it| it.template.clone());
    reference.or_else(|| step.template.clone()).unwrap_or_else(|| ready.template.template.name().to_owned())
}
