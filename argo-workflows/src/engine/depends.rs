//! The grammar of `depends`: task results joined by `&&`, `||`, `!` and parentheses.

use crate::api::{DagTask, NodePhase, NodeStatus, NodeType};

/// What a task must have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskResult {
    Succeeded,
    Failed,
    Errored,
    Skipped,
    Omitted,
    Daemoned,
    AnySucceeded,
    AllFailed,
}

impl TaskResult {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Errored" => Self::Errored,
            "Skipped" => Self::Skipped,
            "Omitted" => Self::Omitted,
            "Daemoned" => Self::Daemoned,
            "AnySucceeded" => Self::AnySucceeded,
            "AllFailed" => Self::AllFailed,
            _ => return None,
        })
    }

    /// Whether `node` has this result; `children` gives the expansions of a loop.
    fn holds<'n>(self, node: &NodeStatus, children: impl Fn() -> Vec<&'n NodeStatus>) -> bool {
        let phase = node.phase();
        let group = node.kind == NodeType::TaskGroup;
        match self {
            Self::Succeeded => phase == NodePhase::Succeeded,
            Self::Failed => phase == NodePhase::Failed,
            Self::Errored => phase == NodePhase::Error,
            Self::Skipped => phase == NodePhase::Skipped,
            Self::Omitted => phase == NodePhase::Omitted,
            Self::Daemoned => node.is_daemoned() && phase != NodePhase::Pending,
            Self::AnySucceeded => group && children().iter().any(|it| it.phase() == NodePhase::Succeeded),
            Self::AllFailed => {
                let children = children();
                group && !children.is_empty() && children.iter().all(|it| it.phase() == NodePhase::Failed)
            }
        }
    }
}

/// A parsed condition over tasks, by their index in the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Depends {
    True,
    Result(usize, TaskResult),
    /// A bare name: succeeded, skipped or daemoned, and what the task's own `continueOn` lets pass.
    Done {
        task: usize,
        or_failed: bool,
        or_errored: bool,
    },
    Not(Box<Depends>),
    All(Vec<Depends>),
    Any(Vec<Depends>),
}

/// Why a `depends` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DependsError {
    #[error("dependency '{0}' not defined")]
    Unknown(String),
    #[error("task result '{result}' for task '{task}' is invalid")]
    Result { task: String, result: String },
    #[error("invalid depends condition '{0}': {1}")]
    Syntax(String, String),
}

impl Depends {
    /// Reads the condition of `task`; `index` finds tasks by name.
    pub(crate) fn of(
        task: &DagTask,
        tasks: &[DagTask],
        index: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, DependsError> {
        let done = |name: &str| -> Result<Self, DependsError> {
            let at = index(name).ok_or_else(|| DependsError::Unknown(name.to_owned()))?;
            let on = tasks[at].step.continue_on.unwrap_or_default();
            Ok(Self::Done { task: at, or_failed: on.failed, or_errored: on.error })
        };
        if let Some(depends) = task.depends.as_deref().filter(|it| !it.trim().is_empty()) {
            let mut parser = Parser { source: depends, rest: depends, depth: 0, index: &index, done: &done };
            let condition = parser.any()?;
            parser.space();
            if !parser.rest.is_empty() {
                return Err(parser.error("unexpected text"));
            }
            return Ok(condition);
        }
        let names = task.dependencies.iter().flatten();
        let mut all = names.map(|it| done(it)).collect::<Result<Vec<_>, _>>()?;
        Ok(match all.len() {
            0 => Self::True,
            1 => all.remove(0),
            _ => Self::All(all),
        })
    }

    /// The tasks it speaks of, each once, in order of appearance.
    pub(crate) fn tasks(&self, into: &mut Vec<usize>) {
        match self {
            Self::True => {}
            Self::Result(task, _) | Self::Done { task, .. } => {
                if !into.contains(task) {
                    into.push(*task);
                }
            }
            Self::Not(inner) => inner.tasks(into),
            Self::All(list) | Self::Any(list) => list.iter().for_each(|it| it.tasks(into)),
        }
    }

    /// The tasks of which it asks how their expansions ended.
    pub(crate) fn group_results(&self) -> Vec<usize> {
        match self {
            Self::Result(task, TaskResult::AnySucceeded | TaskResult::AllFailed) => vec![*task],
            Self::Not(inner) => inner.group_results(),
            Self::All(list) | Self::Any(list) => list.iter().flat_map(Self::group_results).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it holds, once every task it speaks of is fulfilled.
    pub(crate) fn eval<'n>(
        &self,
        node: &impl Fn(usize) -> Option<&'n NodeStatus>,
        children: &impl Fn(&NodeStatus) -> Vec<&'n NodeStatus>,
    ) -> bool {
        match self {
            Self::True => true,
            Self::Result(task, result) => node(*task).is_some_and(|it| result.holds(it, || children(it))),
            Self::Done { task, or_failed, or_errored } => node(*task).is_some_and(|it| match it.phase() {
                NodePhase::Succeeded | NodePhase::Skipped => true,
                NodePhase::Failed => *or_failed,
                NodePhase::Error => *or_errored,
                phase => it.is_daemoned() && phase != NodePhase::Pending,
            }),
            Self::Not(inner) => !inner.eval(node, children),
            Self::All(list) => list.iter().all(|it| it.eval(node, children)),
            Self::Any(list) => list.iter().any(|it| it.eval(node, children)),
        }
    }
}

struct Parser<'s, I, D> {
    source: &'s str,
    rest: &'s str,
    depth: usize,
    index: &'s I,
    done: &'s D,
}

impl<I: Fn(&str) -> Option<usize>, D: Fn(&str) -> Result<Depends, DependsError>> Parser<'_, I, D> {
    fn error(&self, what: &str) -> DependsError {
        DependsError::Syntax(
            self.source.to_owned(),
            format!("{what} at column {}", self.source.len() - self.rest.len() + 1),
        )
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Result<Depends, DependsError> {
        let mut list = vec![self.all()?];
        while self.eat("||") {
            list.push(self.all()?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Depends::Any(list) })
    }

    fn all(&mut self) -> Result<Depends, DependsError> {
        let mut list = vec![self.unary()?];
        while self.eat("&&") {
            list.push(self.unary()?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Depends::All(list) })
    }

    fn unary(&mut self) -> Result<Depends, DependsError> {
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.error("nested too deeply"));
        }
        let result = if self.eat("!") {
            Ok(Depends::Not(Box::new(self.unary()?)))
        } else if self.eat("(") {
            let inner = self.any()?;
            if self.eat(")") { Ok(inner) } else { Err(self.error("missing closing parenthesis")) }
        } else {
            self.operand()
        };
        self.depth -= 1;
        result
    }

    fn operand(&mut self) -> Result<Depends, DependsError> {
        self.space();
        let end = self.rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '-' || it == '_' || it == '.'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            return Err(self.error("expected a task"));
        }
        self.rest = rest;
        let Some((task, result)) = word.rsplit_once('.') else {
            return (self.done)(word);
        };
        let at = (self.index)(task).ok_or_else(|| DependsError::Unknown(task.to_owned()))?;
        match TaskResult::parse(result) {
            Some(result) => Ok(Depends::Result(at, result)),
            None => Err(DependsError::Result { task: task.to_owned(), result: result.to_owned() }),
        }
    }
}
