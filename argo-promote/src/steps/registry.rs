//! The kinds of steps a controller knows.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::git::GitWriter;

use super::{
    ArgoCdUpdate, ComposeOutput, Copy, Fail, GitClear, GitClone, GitCommit, GitPush, StepDefaults, StepRunner,
    YamlUpdate,
};
use crate::engine::promotion::Kinds;

/// Kinds of steps by name.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn StepRunner>>);

impl Registry {
    /// No kinds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The built-in kinds that need no git.
    #[must_use]
    pub fn built_in() -> Self {
        let registry = Self::new()
            .with(Arc::new(ArgoCdUpdate::default()))
            .with(Arc::new(ComposeOutput))
            .with(Arc::new(Copy))
            .with(Arc::new(Fail))
            .with(Arc::new(YamlUpdate));
        #[cfg(feature = "http")]
        let registry = registry.with(Arc::new(super::HttpStep));
        registry
    }

    /// With the git kinds, on this implementation.
    #[must_use]
    pub fn with_git(self, git: Arc<dyn GitWriter>) -> Self {
        self.with(Arc::new(GitClear))
            .with(Arc::new(GitClone::new(git.clone())))
            .with(Arc::new(GitCommit::new(git.clone())))
            .with(Arc::new(GitPush::new(git)))
    }

    /// With one more kind; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, runner: Arc<dyn StepRunner>) -> Self {
        self.0.insert(runner.kind().to_owned(), runner);
        self
    }

    /// The runner of a kind.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn StepRunner>> {
        self.0.get(kind)
    }

    /// All kinds, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Kinds for Registry {
    fn defaults(&self, kind: &str) -> Option<StepDefaults> {
        self.0.get(kind).map(|it| it.defaults())
    }
}
