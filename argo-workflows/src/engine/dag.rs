//! Dag templates: tasks as soon as what they depend on is done.

use std::rc::Rc;

use super::{
    compile::DagPlan,
    loops,
    pass::{Boundary, Halt, NewNode, Pass},
    steps::Expanded,
    template::{Call, Ready},
    vars::{How, Scope},
};
use crate::api::{DagTemplate, NodeFlag, NodePhase, NodeStatus, NodeType};

/// Message of a task whose condition did not come true.
const OMITTED: &str = "omitted: depends condition not met";

/// One walk over a graph.
struct Walk<'w> {
    plan: &'w DagPlan,
    boundary: &'w Boundary,
    /// Ids of the tasks' nodes.
    ids: Vec<String>,
    /// Whether a task and its hooks are done.
    done: Vec<bool>,
}

impl Pass<'_> {
    pub(crate) fn run_dag(
        &mut self,
        call: &Call<'_>,
        ready: &Ready,
        name: &str,
        flag: Option<NodeFlag>,
        locals: &Scope,
    ) -> Result<Option<String>, Halt> {
        let (id, _) = self.start(call, ready, name, NodeType::DAG, NodePhase::Running, flag)?;
        let template = ready.template.clone();
        let (Some(dag), Some(plan)) = (&template.template.dag, &template.dag) else { return Ok(Some(id)) };
        let boundary = self.boundary(call, ready, name, &id, locals);
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                self.mark(&id, NodePhase::Error, &error.to_string());
                return Ok(Some(id));
            }
        };
        let targets = match self.targets(&boundary, dag, plan) {
            Ok(targets) => targets,
            Err(message) => {
                self.mark(&id, NodePhase::Error, &message);
                return Ok(Some(id));
            }
        };
        let order = plan.order(&targets);
        let ids = plan.tasks.iter().map(|it| self.id(&format!("{name}.{}", it.source.step.name))).collect();
        let mut walk = Walk { plan, boundary: &boundary, ids, done: vec![false; plan.tasks.len()] };
        for task in &order {
            self.run_task(&mut walk, *task);
        }
        self.close_dag(&walk, dag, &targets, &order);
        Ok(Some(id))
    }

    fn targets(&self, boundary: &Boundary, dag: &DagTemplate, plan: &DagPlan) -> Result<Vec<usize>, String> {
        let Some(target) = &dag.target else { return plan.targets(None).map_err(|it| it.to_string()) };
        let scope = Scope::inside(vec![boundary.inputs.clone(), self.globals.clone()]);
        let target = scope.render(target, How::Keep).map_err(|it| it.to_string())?;
        plan.targets(Some(&target)).map_err(|it| it.to_string())
    }

    fn run_task(&mut self, walk: &mut Walk<'_>, task: usize) {
        let compiled = &walk.plan.tasks[task];
        let source = &compiled.source.step;
        let id = &walk.ids[task];
        let has_hooks = source.hooks.is_some() || source.on_exit.is_some();
        let name = format!("{}.{}", walk.boundary.name, source.name);
        let node = self.nodes.get(id);
        if node.is_some_and(NodeStatus::is_fulfilled) && !has_hooks {
            walk.done[task] = true;
            return;
        }
        if walk.plan.dependencies[task].iter().any(|it| !walk.done[*it]) {
            return;
        }
        let settled = node.is_some_and(|it| self.is_settled(it));
        if node.is_none() && !self.may_run(walk, task) {
            let new = NewNode {
                kind: NodeType::Skipped,
                phase: NodePhase::Omitted,
                message: Some(OMITTED.to_owned()),
                flag: Some(NodeFlag::default()),
                template_name: source.template.clone(),
                template_ref: source.template_ref.clone(),
                template_scope: Some(walk.boundary.origin.scope(&self.name)),
                boundary: Some(walk.boundary.id.clone()),
                ..NewNode::default()
            };
            self.create(&name, new);
            self.connect(walk, task);
            walk.done[task] = true;
            return;
        }
        let is_group = node.is_some_and(|it| it.kind == NodeType::TaskGroup);
        let siblings = Rc::new(self.task_scope(walk, task));
        let expanded = if settled && !loops::is_loop(source) {
            Ok(vec![Expanded { name: source.name.clone(), step: source.clone(), absent: Vec::new() }])
        } else {
            let scope = Scope::inside(vec![siblings.clone(), walk.boundary.inputs.clone(), self.globals.clone()]);
            self.resolve_and_expand(&scope, walk.boundary, &compiled.document)
        };
        let expanded = match expanded {
            Ok(expanded) => expanded,
            Err(message) => {
                self.skip_task(walk, task, &name, NodePhase::Error, &message);
                return;
            }
        };
        if !loops::is_loop(source) {
            let existed = self.nodes.get(id).is_some();
            for it in &expanded {
                let parent = String::new();
                let done = self.run_child(walk.boundary, it, source, &name, &parent, "tasks", &siblings);
                walk.done[task] = done.unwrap_or_else(|message| {
                    self.mark(id, NodePhase::Error, &message);
                    true
                });
            }
            if !existed && self.nodes.get(id).is_some() {
                self.connect(walk, task);
            }
            return;
        }
        if expanded.is_empty() && !is_group {
            self.skip_task(walk, task, &name, NodePhase::Skipped, "Skipped, empty params");
            return;
        }
        if !is_group {
            let new = NewNode {
                kind: NodeType::TaskGroup,
                phase: NodePhase::Running,
                flag: Some(NodeFlag::default()),
                template_name: source.template.clone(),
                template_ref: source.template_ref.clone(),
                template_scope: Some(walk.boundary.origin.scope(&self.name)),
                boundary: Some(walk.boundary.id.clone()),
                ..NewNode::default()
            };
            self.create(&name, new);
            self.connect(walk, task);
        }
        let mut complete = true;
        let mut phase = NodePhase::Succeeded;
        for it in &expanded {
            let child = format!("{}.{}", walk.boundary.name, it.name);
            complete &= self.run_child(walk.boundary, it, source, &child, id, "tasks", &siblings).unwrap_or(true);
            match self.named(&child) {
                Some(node) if node.phase().is_failed() => phase = node.phase(),
                Some(_) => {}
                None => complete = false,
            }
        }
        if complete {
            self.mark(id, phase, "");
            walk.done[task] = true;
        }
    }

    /// A node for a task that ends before it began.
    fn skip_task(&mut self, walk: &mut Walk<'_>, task: usize, name: &str, phase: NodePhase, message: &str) {
        let source = &walk.plan.tasks[task].source.step;
        let id = &walk.ids[task];
        if self.nodes.get(id).is_some() {
            self.mark(id, phase, message);
        } else {
            let new = NewNode {
                kind: NodeType::Skipped,
                phase,
                message: Some(message.to_owned()),
                flag: Some(NodeFlag::default()),
                template_name: source.template.clone(),
                template_ref: source.template_ref.clone(),
                template_scope: Some(walk.boundary.origin.scope(&self.name)),
                boundary: Some(walk.boundary.id.clone()),
                ..NewNode::default()
            };
            self.create(name, new);
            self.connect(walk, task);
        }
        walk.done[task] = true;
    }

    /// Whether the condition of a task holds, its dependencies being done.
    fn may_run(&self, walk: &Walk<'_>, task: usize) -> bool {
        let node = |it: usize| self.nodes.get(&walk.ids[it]);
        let children = |it: &NodeStatus| -> Vec<&NodeStatus> {
            // The group's own list decides; look it up by id to borrow from the pass.
            self.nodes.get(&it.id).map(|it| self.children(it).collect()).unwrap_or_default()
        };
        walk.plan.depends[task].eval(&node, &children)
    }

    /// Hangs a new task under the last nodes of its dependencies, or under the graph.
    fn connect(&mut self, walk: &Walk<'_>, task: usize) {
        let id = walk.ids[task].clone();
        let dependencies = &walk.plan.dependencies[task];
        if dependencies.is_empty() {
            self.link(&walk.boundary.id, &id);
            return;
        }
        for dependency in dependencies {
            for parent in self.outbound(&walk.ids[*dependency]) {
                self.link(&parent, &id);
            }
        }
    }

    /// `tasks.*` that a task mentions and may see: its ancestors.
    fn task_scope(&mut self, walk: &Walk<'_>, task: usize) -> Scope {
        let mut scope = Scope::default();
        for name in &walk.plan.tasks[task].mentions {
            let Some(other) = walk.plan.find(name) else { continue };
            if walk.plan.is_ancestor(other, task) {
                self.describe_task(walk, other, &mut scope);
            }
        }
        scope
    }

    fn describe_task(&mut self, walk: &Walk<'_>, task: usize, scope: &mut Scope) {
        let source = &walk.plan.tasks[task].source.step;
        let Some(node) = self.nodes.get(&walk.ids[task]).cloned() else { return };
        let prefix = format!("tasks.{}", source.name);
        let declared = self.declared(walk.boundary, source, &node);
        self.describe(scope, &prefix, &node, declared.as_deref());
        if node.kind == NodeType::TaskGroup {
            let children: Vec<&NodeStatus> = self.children(&node).collect();
            // A result that can not be aggregated is simply not there: whoever needs it says so.
            let _ = self.aggregate(scope, &prefix, &children);
        }
    }

    /// Ends the graph when nothing in it goes on.
    fn close_dag(&mut self, walk: &Walk<'_>, dag: &DagTemplate, targets: &[usize], order: &[usize]) {
        let id = &walk.boundary.id;
        let phase = self.dag_phase(walk, dag, targets, order);
        if phase == NodePhase::Running {
            return;
        }
        let ends: Vec<String> = targets.iter().map(|it| walk.ids[*it].clone()).collect();
        self.set_outbound(id, &ends);
        if phase.is_failed() {
            self.mark(id, phase, "");
            return;
        }
        let mut scope = Scope::default();
        if walk.boundary.template.template.outputs.is_some() {
            for task in 0..walk.plan.tasks.len() {
                self.describe_task(walk, task, &mut scope);
            }
        }
        self.finish_group(id, &walk.boundary.template.template, walk.boundary, Rc::new(scope));
    }

    fn dag_phase(&self, walk: &Walk<'_>, dag: &DagTemplate, targets: &[usize], order: &[usize]) -> NodePhase {
        // The phases that reach a task along its branches: bits for Succeeded, Failed, Error.
        let mut branch = vec![0_u8; walk.plan.tasks.len()];
        for task in order {
            let Some(node) = self.nodes.get(&walk.ids[*task]) else { continue };
            if !node.is_fulfilled() || !walk.done[*task] {
                return NodePhase::Running;
            }
            branch[*task] = match node.phase() {
                NodePhase::Failed => 2,
                NodePhase::Error => 4,
                NodePhase::Skipped | NodePhase::Omitted => {
                    let above = walk.plan.dependencies[*task].iter().fold(0, |all, it| all | branch[*it]);
                    if walk.plan.dependencies[*task].is_empty() { 1 } else { above }
                }
                _ => 1,
            };
        }
        if self.shutdown().is_some() && !walk.boundary.on_exit {
            return NodePhase::Failed;
        }
        let fail_fast = dag.fail_fast != Some(false);
        let mut result = NodePhase::Succeeded;
        for target in targets {
            let continues = walk.plan.tasks[*target].source.step.continue_on.unwrap_or_default();
            match branch[*target] {
                0 => {
                    result = NodePhase::Running;
                    if !fail_fast {
                        break;
                    }
                }
                phases if phases & 2 != 0 && !continues.failed => {
                    result = NodePhase::Failed;
                    if fail_fast {
                        break;
                    }
                }
                phases if phases & 4 != 0 && !continues.error => {
                    result = NodePhase::Error;
                    if fail_fast {
                        break;
                    }
                }
                _ => {}
            }
        }
        result
    }
}
