//! Exit handlers and lifecycle hooks of steps and tasks.

use std::rc::Rc;

use super::{
    names::{hook_name, on_exit_name},
    pass::Pass,
    template::Call,
    vars::{How, Scope},
};
use crate::api::{Arguments, LifecycleHook, NodeFlag, WorkflowStep};

/// Name of the hook that runs at the end.
pub(crate) const EXIT: &str = "exit";

impl Pass<'_> {
    /// Runs what hangs on the child `id`. Says whether the child and all of its hooks are done.
    pub(crate) fn run_hooks(
        &mut self,
        call: &Call<'_>,
        source: &WorkflowStep,
        id: &str,
        prefix: &str,
        siblings: &Rc<Scope>,
    ) -> Result<bool, String> {
        let Some(node) = self.nodes.get(id).cloned() else { return Ok(false) };
        let mut own = Scope::default();
        self.describe(&mut own, prefix, &node, None);
        let mut outer = vec![Rc::new(own), siblings.clone()];
        outer.extend(call.boundary.map(|it| it.inputs.clone()));
        outer.push(self.globals.clone());
        let scope = Scope::inside(outer);
        let mut done = node.is_fulfilled();
        for (name, hook) in source.hooks.iter().flatten().filter(|(name, _)| *name != EXIT) {
            let hook_node = hook_name(&node.name, name);
            done &= self.run_hook(call, hook, &hook_node, id, &scope, false)?;
        }
        let exit = source.hooks.as_ref().and_then(|it| it.get(EXIT)).cloned();
        let exit = exit.or_else(|| {
            let template = source.on_exit.clone().filter(|it| !it.is_empty())?;
            Some(LifecycleHook { template: Some(template), ..LifecycleHook::default() })
        });
        if let Some(exit) = exit.filter(|_| node.phase().is_completed()) {
            done &= self.run_hook(call, &exit, &on_exit_name(&node.name), id, &scope, true)?;
        }
        // What a hook waits for may be anything that its expression speaks of.
        self.restless |= !done;
        Ok(done)
    }

    /// Runs one hook, if its expression holds. Says whether nothing more is to come of it now.
    fn run_hook(
        &mut self,
        call: &Call<'_>,
        hook: &LifecycleHook,
        name: &str,
        parent: &str,
        scope: &Scope,
        is_exit: bool,
    ) -> Result<bool, String> {
        let id = self.id(name);
        let existed = self.nodes.get(&id).is_some();
        if !existed {
            if !self.may_execute(is_exit || call.on_exit) {
                return Ok(true);
            }
            if let Some(expression) = hook.expression.as_deref().filter(|it| !it.is_empty())
                && !scope.eval_bool(expression)?
            {
                return Ok(true);
            }
        }
        let arguments = render_arguments(hook, scope)?;
        let step = WorkflowStep {
            template: hook.template.clone(),
            template_ref: hook.template_ref.clone(),
            ..WorkflowStep::default()
        };
        let call = Call {
            name: name.to_owned(),
            step: &step,
            arguments: arguments.as_ref(),
            absent: &[],
            boundary: call.boundary,
            origin: call.origin.clone(),
            on_exit: is_exit || call.on_exit,
            flag: Some(NodeFlag { hooked: true, retried: false }),
            step_variable: None,
        };
        let settled = self.nodes.get(&id).is_some_and(|it| self.is_settled(it));
        // What a hook comes to does not change its parent; its own node tells.
        let _ = if settled { Ok(None) } else { self.execute(&call) };
        if !existed && self.nodes.get(&id).is_some() {
            self.link(parent, &id);
        }
        Ok(self.nodes.get(&id).is_some_and(crate::api::NodeStatus::is_fulfilled))
    }

    /// Runs a hook or the exit handler of the workflow itself. Says whether it is done.
    pub(crate) fn run_workflow_hook(
        &mut self,
        hook: &LifecycleHook,
        name: &str,
        is_exit: bool,
    ) -> Result<bool, String> {
        let id = self.id(name);
        let scope = Scope::inside(vec![self.globals.clone()]);
        if self.nodes.get(&id).is_none() {
            if !self.may_execute(is_exit) {
                return Ok(true);
            }
            if let Some(expression) = hook.expression.as_deref().filter(|it| !it.is_empty())
                && !scope.eval_bool(expression)?
            {
                return Ok(true);
            }
        }
        let own = render_arguments(hook, &scope)?;
        let arguments = own.or_else(|| self.compiled.spec.arguments.clone().filter(|_| is_exit));
        let step = WorkflowStep {
            template: hook.template.clone(),
            template_ref: hook.template_ref.clone(),
            ..WorkflowStep::default()
        };
        let call = Call {
            name: name.to_owned(),
            step: &step,
            arguments: arguments.as_ref(),
            absent: &[],
            boundary: None,
            origin: super::pass::Origin::Local,
            on_exit: is_exit,
            flag: Some(NodeFlag { hooked: true, retried: false }),
            step_variable: None,
        };
        match self.execute(&call) {
            Err(super::pass::Halt::Error(message)) => return Err(message),
            Err(super::pass::Halt::Depth) => return Err("Maximum recursion depth exceeded".to_owned()),
            Err(super::pass::Halt::Parallelism) | Ok(_) => {}
        }
        Ok(self.nodes.get(&id).is_some_and(crate::api::NodeStatus::is_fulfilled))
    }
}

fn render_arguments(hook: &LifecycleHook, scope: &Scope) -> Result<Option<Arguments>, String> {
    let Some(arguments) = &hook.arguments else { return Ok(None) };
    let json = serde_json::to_value(arguments).map_err(|it| it.to_string())?;
    let json = scope.render_value(&json, How::Keep).map_err(|it| it.to_string())?;
    serde_json::from_value(json).map(Some).map_err(|it| it.to_string())
}
