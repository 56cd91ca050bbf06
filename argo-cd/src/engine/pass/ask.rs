//! What has to be observed before a pass can decide.

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{Gvk, Object};

use super::Pass;
use crate::{
    api::Source,
    engine::{
        live::KindScope,
        observe::{Effect, ManifestRequest, Manifests, RevisionRequest, Seen},
    },
};

/// Collects what has to be observed.
pub(in crate::engine) struct Ask<'a> {
    pub(in crate::engine) seen: &'a Seen,
    pub(in crate::engine) effects: Vec<Effect>,
}

impl Ask<'_> {
    pub(super) fn want(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The pass, or the questions that stand before it.
    pub(super) fn or(self, pass: Pass) -> Pass {
        if self.effects.is_empty() {
            return pass;
        }
        let mut ask = Pass::default();
        self.effects.into_iter().for_each(|it| ask.plan.effect(it));
        ask
    }

    pub(super) fn revision(&mut self, source: &Source, revision: &str) -> Option<Result<String, String>> {
        let request = RevisionRequest { source: source.clone(), revision: revision.to_owned() };
        let found = self.seen.revision(&request).cloned();
        if found.is_none() {
            self.want(Effect::Resolve(Box::new(request)));
        }
        found
    }

    pub(super) fn manifests(
        &mut self,
        source: &Source,
        revision: &str,
        hard: bool,
    ) -> Option<Result<Arc<Manifests>, String>> {
        let request = ManifestRequest { source: source.clone(), revision: revision.to_owned(), hard };
        let found = self.seen.manifests(&request).cloned();
        if found.is_none() {
            self.want(Effect::Render(Box::new(request)));
        }
        found
    }

    /// Every kind of namespaced objects; `None` while it has yet to be told.
    pub(super) fn catalog(&mut self) -> Option<Arc<BTreeSet<Gvk>>> {
        if self.seen.live_error.is_some() {
            return Some(Arc::default());
        }
        if self.seen.catalog.is_none() {
            self.want(Effect::Catalog);
        }
        self.seen.catalog.clone()
    }

    /// Whether these kinds and what hangs below them are in view; asks for those that are not.
    pub(in crate::engine) fn kinds(&mut self, kinds: &BTreeSet<Gvk>) -> bool {
        let mut ready = true;
        if self.seen.live_error.is_some() {
            return true;
        }
        for gvk in kinds {
            match self.seen.kinds.get(gvk) {
                None => {
                    self.want(Effect::Discover(gvk.clone()));
                    ready = false;
                }
                Some(KindScope::NotServed) => {}
                Some(_) if !self.seen.observed.contains(gvk) => {
                    self.want(Effect::Observe(gvk.clone()));
                    ready = false;
                }
                Some(_) => {}
            }
        }
        ready
    }
}

/// What the sources of an Application gave.
pub(in crate::engine) struct Sourced {
    pub(in crate::engine) manifests: Vec<Object>,
    pub(in crate::engine) revisions: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) error: Option<String>,
}

/// Resolves and renders. `None` while something has yet to be observed.
pub(in crate::engine) fn sourced(
    ask: &mut Ask<'_>,
    sources: &[Source],
    known: Option<&[String]>,
    wanted: &[String],
    hard: bool,
) -> Option<Sourced> {
    let mut result = Sourced { manifests: Vec::new(), revisions: Vec::new(), types: Vec::new(), error: None };
    let mut missing = false;
    for (i, source) in sources.iter().enumerate() {
        let fail = |message: &str| {
            format!(
                "Failed to load target state: failed to generate manifest for source {} of {}: {message}",
                i + 1,
                sources.len()
            )
        };
        let pinned = known.and_then(|it| it.get(i)).filter(|it| !it.is_empty()).cloned();
        let revision = match pinned {
            Some(revision) => Ok(revision),
            None => match ask.revision(source, wanted.get(i).map_or("", String::as_str)) {
                Some(found) => found,
                None => {
                    missing = true;
                    continue;
                }
            },
        };
        let revision = match revision {
            Ok(revision) => revision,
            Err(message) => {
                result.revisions.push(String::new());
                result.error.get_or_insert_with(|| fail(&message));
                continue;
            }
        };
        result.revisions.push(revision.clone());
        if source.is_ref_only() {
            result.types.push(String::new());
            continue;
        }
        let types = source.explicit_types();
        if types.len() > 1 {
            let message = format!("multiple application sources defined: {}", types.join(","));
            result.error.get_or_insert_with(|| fail(&message));
            continue;
        }
        match ask.manifests(source, &revision, hard) {
            None => missing = true,
            Some(Ok(found)) => {
                result.manifests.extend(found.objects.iter().cloned());
                result.types.push(found.source_type.clone());
            }
            Some(Err(message)) => {
                result.error.get_or_insert_with(|| fail(&message));
            }
        }
    }
    (!missing).then_some(result)
}
