//! Dag templates: tasks as soon as what they depend on is done.

use std::{collections::BTreeSet, rc::Rc};

use super::{
    children::{Children, State},
    compile::{CompiledStep, DagPlan},
    expansions::Loop,
    leaf::EMPTY_LOOP,
    loops,
    pass::{Boundary, Halt, NewNode, Pass},
    steps::Expanded,
    template::{Call, Ready},
    vars::{How, Scope},
};
use crate::api::{DagTask, DagTemplate, NodeFlag, NodePhase, NodeStatus, NodeType};

/// Message of a task whose condition did not come true.
const OMITTED: &str = "omitted: depends condition not met";

/// One walk over a graph.
struct Walk<'w> {
    plan: &'w DagPlan,
    boundary: &'w Boundary,
    /// What is known of the tasks.
    children: &'w mut Children,
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
        let known = self.ledger.children.remove(&id);
        let known = known.and_then(|it| it.due(self, &id).map(|due| (it, Some(due))));
        let (mut children, due) = match known {
            Some(known) => known,
            None => match self.tasks(&boundary, dag, plan) {
                Ok(children) => (children, None),
                Err(message) => {
                    self.mark(&id, NodePhase::Error, &message);
                    return Ok(Some(id));
                }
            },
        };
        let mut walk = Walk { plan, boundary: &boundary, children: &mut children };
        match due {
            // Places in the order: what comes of a task that is done lies behind it.
            Some(due) => {
                let mut due: BTreeSet<usize> = due.into_iter().map(|it| walk.children.position[it]).collect();
                while let Some(at) = due.pop_first() {
                    let task = walk.children.order[at];
                    if self.look_at(&mut walk, task) {
                        let next = plan.dependents[task].iter().map(|it| walk.children.position[*it]);
                        due.extend(next.filter(|it| *it != usize::MAX));
                    }
                }
            }
            None => {
                for at in 0..walk.children.order.len() {
                    let task = walk.children.order[at];
                    self.look_at(&mut walk, task);
                }
            }
        }
        self.close_dag(&walk, dag);
        if self.nodes.get(&id).is_some_and(|it| !it.phase().is_fulfilled()) {
            self.ledger.children.insert(id.clone(), children);
        }
        Ok(Some(id))
    }

    /// The tasks of a graph of which nothing is known yet.
    fn tasks(&self, boundary: &Boundary, dag: &DagTemplate, plan: &DagPlan) -> Result<Children, String> {
        let targets = self.targets(boundary, dag, plan)?;
        let id = |it: &CompiledStep<DagTask>| self.id(&format!("{}.{}", boundary.name, it.source.step.name));
        let mut children = Children::new(plan.tasks.iter().map(id).collect());
        children.order = plan.order(&targets);
        children.position = vec![usize::MAX; plan.tasks.len()];
        for (at, task) in children.order.iter().enumerate() {
            children.position[*task] = at;
        }
        children.targets = targets;
        Ok(children)
    }

    /// Runs a task, and notes what came of it. Says whether it became done.
    fn look_at(&mut self, walk: &mut Walk<'_>, task: usize) -> bool {
        if walk.children.is_done(task) {
            return false;
        }
        let (done, restless) = self.watched(|it| it.run_task(walk, task));
        let absent = self.nodes.get(&walk.children.ids[task]).is_none();
        let state = match (done, absent) {
            (true, _) => State::Done,
            (false, true) => State::Absent,
            (false, false) => State::Open,
        };
        // One that could run and has no node is to be tried again.
        let held_back = absent && walk.plan.dependencies[task].iter().all(|it| walk.children.is_done(*it));
        self.restless |= held_back && !done;
        walk.children.set(task, state, restless || held_back);
        done
    }

    fn targets(&self, boundary: &Boundary, dag: &DagTemplate, plan: &DagPlan) -> Result<Vec<usize>, String> {
        let Some(target) = &dag.target else { return plan.targets(None).map_err(|it| it.to_string()) };
        let scope = Scope::inside(vec![boundary.inputs.clone(), self.globals.clone()]);
        let target = scope.render(target, How::Keep).map_err(|it| it.to_string())?;
        plan.targets(Some(&target)).map_err(|it| it.to_string())
    }

    /// Says whether the task and its hooks are done.
    fn run_task(&mut self, walk: &Walk<'_>, task: usize) -> bool {
        let compiled = &walk.plan.tasks[task];
        let source = &compiled.source.step;
        let id = &walk.children.ids[task];
        let has_hooks = source.hooks.is_some() || source.on_exit.is_some();
        let name = format!("{}.{}", walk.boundary.name, source.name);
        let node = self.nodes.get(id);
        if node.is_some_and(NodeStatus::is_fulfilled) && !has_hooks {
            return true;
        }
        if walk.plan.dependencies[task].iter().any(|it| !walk.children.is_done(*it)) {
            return false;
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
            return true;
        }
        let is_group = node.is_some_and(|it| it.kind == NodeType::TaskGroup);
        let siblings = Rc::new(self.task_scope(walk, task));
        if loops::is_loop(source) {
            return self.run_task_loop(walk, task, &name, is_group, &siblings);
        }
        let expanded = if settled {
            Ok(vec![Expanded { name: source.name.clone(), step: source.clone(), absent: Vec::new() }])
        } else {
            self.expand_task(walk, task, &siblings)
        };
        let expanded = match expanded {
            Ok(expanded) => expanded,
            Err(message) => {
                self.skip_task(walk, task, &name, NodePhase::Error, &message);
                return true;
            }
        };
        let existed = self.nodes.get(id).is_some();
        let mut done = false;
        for it in &expanded {
            let ran = self.run_child(walk.boundary, it, source, &name, "", "tasks", &siblings);
            done = ran.unwrap_or_else(|message| {
                self.mark(id, NodePhase::Error, &message);
                true
            });
        }
        if !existed && self.nodes.get(id).is_some() {
            self.connect(walk, task);
        }
        done
    }

    fn expand_task(&self, walk: &Walk<'_>, task: usize, siblings: &Rc<Scope>) -> Result<Vec<Expanded>, String> {
        let scope = Scope::inside(vec![siblings.clone(), walk.boundary.inputs.clone(), self.globals.clone()]);
        self.resolve_and_expand(&scope, walk.boundary, &walk.plan.tasks[task].document)
    }

    fn run_task_loop(
        &mut self,
        walk: &Walk<'_>,
        task: usize,
        name: &str,
        is_group: bool,
        siblings: &Rc<Scope>,
    ) -> bool {
        let source = &walk.plan.tasks[task].source.step;
        let id = &walk.children.ids[task];
        let place = Loop { key: id.clone(), parent: id, prefix: &format!("{}.", walk.boundary.name), kind: "tasks" };
        let mut first = None;
        if !is_group {
            match self.expand_task(walk, task, siblings) {
                Ok(expanded) if expanded.is_empty() => {
                    self.skip_task(walk, task, name, NodePhase::Skipped, EMPTY_LOOP);
                    return true;
                }
                Ok(expanded) => first = Some(expanded),
                Err(message) => {
                    self.skip_task(walk, task, name, NodePhase::Error, &message);
                    return true;
                }
            }
            let new = self.task_node(walk, task, NodeType::TaskGroup, NodePhase::Running);
            self.create(name, new);
            self.connect(walk, task);
        }
        let expand = |it: &mut Self| first.map_or_else(|| it.expand_task(walk, task, siblings), Ok);
        match self.run_loop(walk.boundary, source, &place, siblings, expand) {
            Ok(ran) => {
                if ran.complete {
                    self.mark(id, ran.failed.last().map_or(NodePhase::Succeeded, |it| it.1), "");
                }
                ran.complete
            }
            Err(message) => {
                self.skip_task(walk, task, name, NodePhase::Error, &message);
                true
            }
        }
    }

    /// A node for a task that ends before it began.
    fn skip_task(&mut self, walk: &Walk<'_>, task: usize, name: &str, phase: NodePhase, message: &str) {
        let id = &walk.children.ids[task];
        if self.nodes.get(id).is_some() {
            self.mark(id, phase, message);
        } else {
            let mut new = self.task_node(walk, task, NodeType::Skipped, phase);
            new.message = Some(message.to_owned());
            self.create(name, new);
            self.connect(walk, task);
        }
    }

    /// A node that stands for a task itself, not for what its template runs.
    fn task_node(&self, walk: &Walk<'_>, task: usize, kind: NodeType, phase: NodePhase) -> NewNode {
        let source = &walk.plan.tasks[task].source.step;
        NewNode {
            kind,
            phase,
            flag: Some(NodeFlag::default()),
            template_name: source.template.clone(),
            template_ref: source.template_ref.clone(),
            template_scope: Some(walk.boundary.origin.scope(&self.name)),
            boundary: Some(walk.boundary.id.clone()),
            ..NewNode::default()
        }
    }

    /// Whether the condition of a task holds, its dependencies being done.
    fn may_run(&self, walk: &Walk<'_>, task: usize) -> bool {
        let node = |it: usize| self.nodes.get(&walk.children.ids[it]);
        let children = |it: &NodeStatus| -> Vec<&NodeStatus> {
            // The group's own list decides; look it up by id to borrow from the pass.
            self.nodes.get(&it.id).map(|it| self.children(it).collect()).unwrap_or_default()
        };
        walk.plan.depends[task].eval(&node, &children)
    }

    /// Hangs a new task under the last nodes of its dependencies, or under the graph.
    fn connect(&mut self, walk: &Walk<'_>, task: usize) {
        let id = walk.children.ids[task].clone();
        let dependencies = &walk.plan.dependencies[task];
        if dependencies.is_empty() {
            self.link(&walk.boundary.id, &id);
            return;
        }
        for dependency in dependencies {
            for parent in self.outbound(&walk.children.ids[*dependency]) {
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
        let Some(node) = self.nodes.get(&walk.children.ids[task]).cloned() else { return };
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
    fn close_dag(&mut self, walk: &Walk<'_>, dag: &DagTemplate) {
        if walk.children.has_open() {
            return;
        }
        let id = &walk.boundary.id;
        let targets = &walk.children.targets;
        let phase = self.dag_phase(walk, dag);
        if phase == NodePhase::Running {
            return;
        }
        let ends: Vec<String> = targets.iter().map(|it| walk.children.ids[*it].clone()).collect();
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

    /// What a graph in which nothing is under way comes to; Running where there is more to come.
    fn dag_phase(&self, walk: &Walk<'_>, dag: &DagTemplate) -> NodePhase {
        let (targets, order) = (&walk.children.targets, &walk.children.order);
        // The phases that reach a task along its branches: bits for Succeeded, Failed, Error.
        let mut branch = vec![0_u8; walk.plan.tasks.len()];
        for task in order {
            let Some(node) = self.nodes.get(&walk.children.ids[*task]) else { continue };
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
