//! Answers of the world outside to what a pass asks.

use super::{
    clusters::{Handle, HandleError},
    reconcile::Reconciler,
};
use crate::{
    engine::{Effect, KindScope, Seen},
    sources::repositories,
};

impl Reconciler {
    /// Tells what an effect asks for.
    pub(super) async fn observe(&self, effect: &Effect, project: &str, handle: Option<&Handle>, seen: &mut Seen) {
        let namespace = self.clusters.namespace();
        match effect {
            Effect::Resolve(request) => {
                let repository = self.repository(&request.source.repo_url, project);
                let answer = self.source.resolve(&repository, &request.source, &request.revision).await;
                seen.put_revision(request, answer.map_err(|it| it.to_string()));
            }
            Effect::Render(request) => {
                let repository = self.repository(&request.source.repo_url, project);
                let answer = self.source.manifests(&repository, &request.source, &request.revision, request.hard).await;
                seen.put_manifests(request, answer.map_err(|it| it.to_string()));
            }
            Effect::Discover(gvk) => {
                let Some(handle) = handle else { return };
                match handle.discover(namespace, gvk).await {
                    Ok(scope) => {
                        seen.kinds.insert(gvk.clone(), scope);
                    }
                    Err(error) => unseen(seen, &error),
                }
            }
            Effect::Catalog => {
                let Some(handle) = handle else { return };
                match handle.catalog(namespace).await {
                    Ok(kinds) => seen.catalog = Some(kinds),
                    Err(error) => unseen(seen, &error),
                }
            }
            Effect::Fetch(it) => {
                let Some(handle) = handle else { return };
                match handle.fetch(namespace, it).await {
                    Ok(found) => {
                        seen.asked.fetched.insert(it.clone(), found);
                    }
                    Err(error) => unseen(seen, &error),
                }
            }
            Effect::DryRun(it) => {
                let Some(handle) = handle else { return };
                match handle.dry_run(namespace, it).await {
                    Ok(answer) => {
                        seen.asked.predicted.insert(it.target.reference(), answer);
                    }
                    Err(error) => unseen(seen, &error),
                }
            }
            Effect::Observe(gvk) => {
                let Some(handle) = handle else { return };
                let scope = seen.kinds.get(gvk).copied().unwrap_or(KindScope::Namespaced);
                match handle.observe(namespace, gvk, scope).await {
                    Ok(()) => {
                        seen.observed.insert(gvk.clone());
                    }
                    Err(error) => unseen(seen, &error),
                }
            }
        }
    }

    fn repository(&self, url: &str, project: &str) -> argo_core::git::Repository {
        let secrets = self.caches.secrets.list();
        repositories::find(url, project, secrets.iter().map(|it| &**it))
    }
}

/// Nothing of the destination is asked for after this.
pub(super) fn unseen(seen: &mut Seen, error: &HandleError) {
    seen.live_error.get_or_insert_with(|| error.to_string());
}
