//! [`Compiled`]: a spec made ready once, walked many times.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use argo_lang::tags::Document;
use serde_json::Value;

use super::{
    depends::{Depends, DependsError},
    memoize::CacheData,
};
use crate::api::{DagTask, Template, TemplateType, Workflow, WorkflowSpec, WorkflowStep};

/// What the engine looks up beside the workflow: templates of the cluster and ConfigMaps.
pub trait References: Send + Sync {
    /// Spec of a WorkflowTemplate of the workflow's namespace, or of a ClusterWorkflowTemplate.
    fn workflow_template(&self, name: &str, cluster: bool) -> Option<Arc<WorkflowSpec>>;

    /// Data of a ConfigMap of the workflow's namespace that is labelled as one with parameters.
    fn parameters(&self, config_map: &str) -> Option<BTreeMap<String, String>>;

    /// What stands under every workflow (`workflowDefaults` of the controller's configuration).
    fn defaults(&self) -> Option<Arc<Workflow>> {
        None
    }

    /// A ConfigMap of the workflow's namespace that outputs are memoized in; `None` where it does not exist.
    fn cache(&self, config_map: &str) -> Option<CacheData> {
        let _ = config_map;
        None
    }

    /// How many places a semaphore has: the number under `key` of a ConfigMap of `namespace`.
    ///
    /// # Errors
    /// When there is no such ConfigMap or key, or what stands there is no number.
    fn semaphore_limit(&self, namespace: &str, config_map: &str, key: &str) -> Result<i64, String> {
        Err(format!("ConfigMap '{namespace}/{config_map}' with the key '{key}' does not exist"))
    }
}

/// [`References`] held in maps; empty by default.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// WorkflowTemplates by name.
    pub templates: BTreeMap<String, Arc<WorkflowSpec>>,
    /// ClusterWorkflowTemplates by name.
    pub cluster_templates: BTreeMap<String, Arc<WorkflowSpec>>,
    /// Data of ConfigMaps by name.
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// What stands under every workflow.
    pub defaults: Option<Arc<Workflow>>,
    /// Data of ConfigMaps that outputs are memoized in, by name.
    pub caches: BTreeMap<String, BTreeMap<String, String>>,
}

impl References for Catalog {
    fn workflow_template(&self, name: &str, cluster: bool) -> Option<Arc<WorkflowSpec>> {
        let map = if cluster { &self.cluster_templates } else { &self.templates };
        map.get(name).cloned()
    }

    fn parameters(&self, config_map: &str) -> Option<BTreeMap<String, String>> {
        self.config_maps.get(config_map).cloned()
    }

    fn defaults(&self) -> Option<Arc<Workflow>> {
        self.defaults.clone()
    }

    fn cache(&self, config_map: &str) -> Option<CacheData> {
        let data = self.caches.get(config_map).cloned()?;
        Some(CacheData { kind: Some("Cache".to_owned()), data })
    }

    fn semaphore_limit(&self, _: &str, config_map: &str, key: &str) -> Result<i64, String> {
        limit_of(self.config_maps.get(config_map).and_then(|it| it.get(key)).map(String::as_str), config_map, key)
    }
}

/// The number of places that stands under `key` of a ConfigMap.
pub(crate) fn limit_of(text: Option<&str>, config_map: &str, key: &str) -> Result<i64, String> {
    let text = text.ok_or_else(|| format!("ConfigMap '{config_map}' does not have the key '{key}'"))?;
    text.trim().parse().map_err(|_| format!("'{text}' under the key '{key}' of ConfigMap '{config_map}' is no number"))
}

/// Why no spec could be made for a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The WorkflowTemplate that the spec comes from is not there.
    #[error("{plural}.argoproj.io \"{name}\" not found")]
    NoTemplate {
        /// Plural of the kind.
        plural: &'static str,
        /// Its name.
        name: String,
    },
    /// The workflow has templates of its own beside the reference.
    #[error("invalid spec: Templates is invalid field in spec if workflow referred WorkflowTemplate reference")]
    TemplatesBesideReference,
    /// The merge of workflow and template is not a spec.
    #[error("cannot unmarshall spec: {0}")]
    Merge(String),
}

impl argo_core::Failure for CompileError {
    fn category(&self) -> argo_core::Category {
        match self {
            Self::NoTemplate { .. } => argo_core::Category::NotFound,
            _ => argo_core::Category::Invalid,
        }
    }
}

/// A spec with its templates parsed into segments and its graphs resolved.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The spec that runs: the workflow's, merged over its WorkflowTemplate's.
    pub spec: Arc<WorkflowSpec>,
    /// Set when the spec is not the workflow's own alone, and is not in the status yet.
    pub(crate) stored: Option<Arc<WorkflowSpec>>,
    /// What stands under the workflow; set until its spec is in the status.
    pub(crate) defaults: Option<Arc<Workflow>>,
    pub(crate) templates: BTreeMap<String, Arc<CompiledTemplate>>,
    pub(crate) has_parallelism: bool,
    /// Whether the spec names a lock itself; templates of other resources may, too.
    pub(crate) has_locks: bool,
    /// Whether there may be daemons.
    pub(crate) has_daemons: bool,
    /// Whether the spec asks for metrics itself; templates of other resources may, too.
    pub(crate) has_metrics: bool,
    /// Whether steps may have limits of time.
    pub(crate) has_limits: bool,
    /// What a pod takes from the spec: everything but templates and arguments.
    pub(crate) pod_spec: Arc<Value>,
}

impl Compiled {
    /// Whether the spec names a lock itself; templates of other resources may, too.
    #[must_use]
    pub fn uses_locks(&self) -> bool {
        self.has_locks
    }

    /// Resolves the spec of `workflow` and compiles it. Later changes of a WorkflowTemplate do not
    /// reach a workflow that has stored its spec.
    ///
    /// # Errors
    /// When the spec refers to a WorkflowTemplate that is not there.
    pub fn new(workflow: &Workflow, references: &dyn References) -> Result<Self, CompileError> {
        let own = &workflow.spec;
        if let Some(stored) = &workflow.status.stored_workflow_template_spec {
            let mut spec = stored.clone();
            // What clients change while it runs is read live.
            spec.shutdown.clone_from(&own.shutdown);
            spec.suspend = own.suspend;
            spec.active_deadline_seconds = own.active_deadline_seconds.clone().or(spec.active_deadline_seconds);
            return Ok(Self::of(Arc::new(spec), None));
        }
        let has_begun = workflow.status.started_at.is_some();
        let defaults = references.defaults().filter(|_| !has_begun);
        let under = |spec: &WorkflowSpec| match &defaults {
            Some(it) => merge_specs(spec, &it.spec).map_err(|it| CompileError::Merge(it.to_string())),
            None => Ok(spec.clone()),
        };
        let Some(reference) = &own.workflow_template_ref else {
            let spec = Arc::new(under(own)?);
            let stored = defaults.is_some().then(|| spec.clone());
            let mut compiled = Self::of(spec, stored);
            compiled.defaults = defaults;
            return Ok(compiled);
        };
        if !own.templates.is_empty() {
            return Err(CompileError::TemplatesBesideReference);
        }
        let cluster = reference.cluster_scope == Some(true);
        let Some(template) = references.workflow_template(&reference.name, cluster) else {
            let plural = if cluster { "clusterworkflowtemplates" } else { "workflowtemplates" };
            return Err(CompileError::NoTemplate { plural, name: reference.name.clone() });
        };
        let merged = merge_specs(own, &under(&template)?).map_err(|it| CompileError::Merge(it.to_string()))?;
        let merged = Arc::new(merged);
        let mut compiled = Self::of(merged.clone(), Some(merged));
        compiled.defaults = defaults;
        Ok(compiled)
    }

    fn of(spec: Arc<WorkflowSpec>, stored: Option<Arc<WorkflowSpec>>) -> Self {
        let templates: BTreeMap<_, _> = spec
            .templates
            .iter()
            .map(|it| {
                (it.name().to_owned(), Arc::new(CompiledTemplate::new(it.clone(), spec.template_defaults.as_ref())))
            })
            .collect();
        let has_parallelism = spec.parallelism.is_some()
            || spec.templates.iter().any(|it| it.parallelism.is_some() || it.fail_fast.is_some());
        let has_locks = spec.synchronization.is_some() || spec.templates.iter().any(|it| it.synchronization.is_some());
        // Templates of other resources may have daemons, too.
        let text = serde_json::to_string(&*spec).unwrap_or_default();
        let has_metrics = text.contains("\"prometheus\":");
        let has_daemons = text.contains("\"daemon\":true") || text.contains("\"templateRef\":");
        let has_limits = ["\"templateRef\":", "\"timeout\":", "\"pendingTimeout\":", "\"activeDeadlineSeconds\":"]
            .iter()
            .any(|it| text.contains(it));
        let pod_spec = Arc::new(pod_spec(&spec));
        Self {
            pod_spec,
            spec,
            stored,
            defaults: None,
            templates,
            has_parallelism,
            has_locks,
            has_daemons,
            has_metrics,
            has_limits,
        }
    }
}

/// The spec as pods see it.
fn pod_spec(spec: &WorkflowSpec) -> Value {
    let bare = WorkflowSpec {
        templates: Vec::new(),
        arguments: None,
        hooks: None,
        workflow_metadata: None,
        template_defaults: None,
        ..spec.clone()
    };
    serde_json::to_value(bare).unwrap_or_default()
}

/// The workflow's spec over its template's; lists of named things merge by name.
pub(super) fn merge_specs(own: &WorkflowSpec, template: &WorkflowSpec) -> Result<WorkflowSpec, serde_json::Error> {
    let mut base = serde_json::to_value(template)?;
    merge_named(&mut base, &serde_json::to_value(own)?);
    serde_json::from_value(base)
}

fn merge_named(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(it) => merge_named(it, value),
                    None => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over))
            if over.iter().all(|it| it.get("name").is_some()) && !over.is_empty() =>
        {
            for value in over {
                match base.iter_mut().find(|it| it.get("name") == value.get("name")) {
                    Some(it) => {
                        // A parameter has one source of its value.
                        if let (Some(it), Some(_)) =
                            (it.as_object_mut(), value.get("value").or_else(|| value.get("valueFrom")))
                        {
                            it.remove("value");
                            it.remove("valueFrom");
                        }
                        merge_named(it, value);
                    }
                    None => base.push(value.clone()),
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// A template made ready.
#[derive(Debug)]
pub(crate) struct CompiledTemplate {
    pub(crate) template: Template,
    pub(crate) kind: Option<TemplateType>,
    /// The template without its steps and tasks, which are resolved one by one.
    document: OnceLock<Document>,
    pub(crate) steps: Vec<Vec<CompiledStep<WorkflowStep>>>,
    pub(crate) dag: Option<Result<DagPlan, DependsError>>,
    /// The steps and tasks whose standard output somebody in the template reads.
    results_read: OnceLock<BTreeSet<String>>,
}

/// A step or task with its texts parsed.
#[derive(Debug)]
pub(crate) struct CompiledStep<S> {
    pub(crate) source: S,
    pub(crate) document: Document,
    /// Names of the siblings that it mentions.
    pub(crate) mentions: Vec<String>,
}

impl<S> CompiledStep<S> {
    fn new(source: S, json: &Value, index: &BTreeMap<String, usize>, prefix: &str) -> Self {
        // Hooks see what their own step gives: they are resolved when they run.
        let mut body = json.clone();
        if let Some(map) = body.as_object_mut() {
            map.remove("hooks");
        }
        Self { source, document: Document::compile(&body), mentions: mentioned(json, index, prefix) }
    }
}

/// A graph of tasks by index.
#[derive(Debug)]
pub(crate) struct DagPlan {
    pub(crate) tasks: Vec<CompiledStep<DagTask>>,
    pub(crate) depends: Vec<Depends>,
    pub(crate) dependencies: Vec<Vec<usize>>,
    /// Tasks that depend on a task directly.
    pub(crate) dependents: Vec<Vec<usize>>,
    index: BTreeMap<String, usize>,
    /// Tasks nobody depends on.
    leaves: Vec<usize>,
}

impl CompiledTemplate {
    pub(crate) fn new(template: Template, defaults: Option<&Value>) -> Self {
        let template = with_defaults(template, defaults);
        let kind = template.kind();
        let json = serde_json::to_value(&template).unwrap_or_default();
        let steps = template.steps.as_deref().map(|it| compile_steps(it, &json)).unwrap_or_default();
        let dag = template.dag.as_ref().map(|it| DagPlan::new(&it.tasks, &json));
        Self { template, kind, document: OnceLock::new(), steps, dag, results_read: OnceLock::new() }
    }

    /// The template's texts, without steps and tasks.
    pub(crate) fn document(&self) -> &Document {
        self.document.get_or_init(|| {
            let mut json = serde_json::to_value(&self.template).unwrap_or_default();
            if let Some(map) = json.as_object_mut() {
                map.remove("steps");
                if let Some(dag) = map.get_mut("dag").and_then(Value::as_object_mut) {
                    dag.insert("tasks".into(), Value::Array(Vec::new()));
                }
                // Inputs are resolved before, and outputs of groups after everything else.
                map.remove("inputs");
                if !self.kind.is_none_or(TemplateType::is_leaf) {
                    map.remove("outputs");
                }
            }
            Document::compile(&json)
        })
    }

    /// Whether the standard output of child `name` is read in this template.
    pub(crate) fn reads_result_of(&self, name: &str) -> bool {
        let read = self.results_read.get_or_init(|| {
            let text = serde_json::to_string(&self.template).unwrap_or_default();
            results_in(&text)
        });
        read.contains(name)
    }
}

fn with_defaults(template: Template, defaults: Option<&Value>) -> Template {
    let Some(defaults) = defaults else { return template };
    let Ok(own) = serde_json::to_value(&template) else { return template };
    let mut base = defaults.clone();
    // Only the fields of the template's own type apply.
    let types =
        ["container", "containerSet", "script", "resource", "data", "suspend", "http", "plugin", "steps", "dag"];
    if let Some(map) = base.as_object_mut() {
        map.retain(|key, _| !types.contains(&key.as_str()) || own.get(key).is_some());
        if template.steps.is_some() || template.dag.is_some() {
            for leaf_only in ["timeout", "pendingTimeout", "activeDeadlineSeconds"] {
                map.remove(leaf_only);
            }
        }
    }
    merge_named(&mut base, &own);
    serde_json::from_value(base).unwrap_or(template)
}

fn compile_steps(groups: &[Vec<WorkflowStep>], json: &Value) -> Vec<Vec<CompiledStep<WorkflowStep>>> {
    let index = groups.iter().enumerate().flat_map(|(i, it)| it.iter().map(move |it| (it.name.clone(), i))).collect();
    let step = |i: usize, j: usize, step: &WorkflowStep| {
        CompiledStep::new(step.clone(), &json["steps"][i][j], &index, "steps")
    };
    groups
        .iter()
        .enumerate()
        .map(|(i, group)| group.iter().enumerate().map(|(j, it)| step(i, j, it)).collect())
        .collect()
}

impl DagPlan {
    pub(super) fn new(tasks: &[DagTask], json: &Value) -> Result<Self, DependsError> {
        let index: BTreeMap<String, usize> =
            tasks.iter().enumerate().map(|(i, it)| (it.step.name.clone(), i)).collect();
        let depends = tasks
            .iter()
            .map(|it| Depends::of(it, tasks, |name| index.get(name).copied()))
            .collect::<Result<Vec<_>, _>>()?;
        let dependencies: Vec<Vec<usize>> = depends
            .iter()
            .map(|it| {
                let mut list = Vec::new();
                it.tasks(&mut list);
                list
            })
            .collect();
        let mut dependents = vec![Vec::new(); tasks.len()];
        for (task, before) in dependencies.iter().enumerate() {
            before.iter().for_each(|it| dependents[*it].push(task));
        }
        let leaves = (0..tasks.len()).filter(|it| dependents[*it].is_empty()).collect();
        let mut plan = Self { tasks: Vec::new(), depends, dependencies, dependents, index, leaves };
        plan.tasks = tasks
            .iter()
            .enumerate()
            .map(|(i, it)| CompiledStep::new(it.clone(), &json["dag"]["tasks"][i], &plan.index, "tasks"))
            .collect();
        Ok(plan)
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The tasks to reach: those named, or those nobody depends on.
    pub(crate) fn targets(&self, target: Option<&str>) -> Result<Vec<usize>, DependsError> {
        match target.filter(|it| !it.trim().is_empty()) {
            None => Ok(self.leaves.clone()),
            Some(target) => target
                .split_whitespace()
                .map(|it| self.find(it).ok_or_else(|| DependsError::Unknown(it.to_owned())))
                .collect(),
        }
    }

    /// `targets` and everything they depend on, dependencies first.
    pub(crate) fn order(&self, targets: &[usize]) -> Vec<usize> {
        let mut state = vec![false; self.tasks.len()];
        let mut order = Vec::with_capacity(self.tasks.len());
        // An explicit stack: graphs may be deep.
        for target in targets {
            let mut stack = vec![(*target, 0)];
            while let Some((task, next)) = stack.pop() {
                if next == 0 {
                    if state[task] {
                        continue;
                    }
                    state[task] = true;
                }
                match self.dependencies[task].get(next) {
                    Some(dependency) => {
                        stack.push((task, next + 1));
                        if !state[*dependency] {
                            stack.push((*dependency, 0));
                        }
                    }
                    None => order.push(task),
                }
            }
        }
        order
    }

    /// Whether `task` depends on `other`, directly or not.
    pub(crate) fn is_ancestor(&self, other: usize, task: usize) -> bool {
        if self.dependencies[task].contains(&other) {
            return true;
        }
        let mut seen = vec![false; self.tasks.len()];
        let mut stack = self.dependencies[task].clone();
        while let Some(at) = stack.pop() {
            if at == other {
                return true;
            }
            if !seen[at] {
                seen[at] = true;
                stack.extend(&self.dependencies[at]);
            }
        }
        false
    }
}

/// The names of `index` that follow `prefix.` or `prefix[` in the texts of `json`; all of them where
/// `prefix` stands alone in an expression or its name is itself a tag.
fn mentioned(json: &Value, index: &BTreeMap<String, usize>, prefix: &str) -> Vec<String> {
    let text = json.to_string();
    if !text.contains(prefix) {
        return Vec::new();
    }
    if text.contains("{{=") && mentions_all(&text, prefix) || text.contains(&format!("{prefix}.{{{{")) {
        return index.keys().cloned().collect();
    }
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = text[at + prefix.len()..].trim_start_matches(['.', '[', '\'', '"', '\\', '?']);
        let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '-' || it == '_')).unwrap_or(rest.len());
        // `tasks.a-b` in an expression may be a subtraction of `a`.
        let word = &rest[..end];
        for cut in std::iter::once(end).chain(word.match_indices('-').map(|(it, _)| it)) {
            if index.contains_key(&word[..cut]) {
                names.insert(word[..cut].to_owned());
            }
        }
    }
    names.into_iter().collect()
}

/// The names before `.outputs.result` in a JSON text: `a.outputs.result`, `['a'].outputs.result`,
/// `["a"].outputs.result`.
fn results_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(".outputs.result") {
        let before = text[..at].trim_end_matches([']', '\'', '"', '\\']);
        let start =
            before.rfind(|it: char| !(it.is_ascii_alphanumeric() || it == '-' || it == '_')).map_or(0, |it| it + 1);
        names.insert(before[start..].to_owned());
    }
    names
}

/// Whether `prefix` stands without a name after it.
fn mentions_all(text: &str, prefix: &str) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + prefix.len()..].chars().next();
        !before.is_some_and(|it| it.is_alphanumeric() || it == '.' || it == '"' || it == '-')
            && !after.is_some_and(|it| it.is_alphanumeric() || matches!(it, '.' | '[' | '"' | '?' | '-'))
    })
}
