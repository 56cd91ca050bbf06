//! Whether AWS knows the pods of a Service.

use std::{fmt, sync::Arc};

use argo_core::{BoxFailure, Category, Failure, Gvk, Note, ObjectRef};

use super::Routes;
use crate::{
    api::names::reason,
    engine::{self, World},
    routers::{LoadBalancers, bindings_of, registration},
};

/// AWS, and where TargetGroupBindings are served.
#[derive(Clone)]
pub(in crate::controller) struct TargetGroups {
    aws: Arc<dyn LoadBalancers>,
    bindings: Gvk,
}

impl TargetGroups {
    pub(in crate::controller) fn new(aws: Arc<dyn LoadBalancers>, api_version: &str) -> Self {
        Self { aws, bindings: Gvk::from_api_version(api_version, "TargetGroupBinding") }
    }
}

impl fmt::Debug for TargetGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetGroups").field("bindings", &self.bindings).finish_non_exhaustive()
    }
}

/// A Service whose targets can not be told.
#[derive(Debug, thiserror::Error)]
enum TargetsError {
    #[error("endpoints \"{0}\" not found")]
    NoEndpoints(String),
    #[error("Failed to verify Service {service} (TargetGroup {group}): {cause}")]
    Aws { service: String, group: String, cause: BoxFailure },
}

impl Failure for TargetsError {
    fn category(&self) -> Category {
        match self {
            Self::NoEndpoints(_) => Category::NotFound,
            Self::Aws { cause, .. } => cause.category(),
        }
    }

    fn is_transient(&self) -> bool {
        true
    }
}

impl Routes {
    /// Asks AWS about the pods of the Service that matters now, into `world`.
    ///
    /// # Errors
    /// When the API server or AWS does not answer; then nothing goes on.
    pub(in crate::controller) async fn verify_targets(
        &self,
        world: &mut World,
        notes: &mut Vec<Note>,
    ) -> Result<(), BoxFailure> {
        let Some(targets) = &self.targets else { return Ok(()) };
        world.verifies_targets = true;
        let Some(service) = engine::targets_to_verify(world, self.context.now()) else { return Ok(()) };
        let bindings = self.context.list(&targets.bindings, service.namespace(), None).await?;
        let bindings = bindings_of(&service, &bindings);
        if bindings.is_empty() {
            // No load balancer leads to this Service.
            world.targets_verified = Some(true);
            return Ok(());
        }
        let name = service.name();
        let target = ObjectRef::new(Gvk::new("", "v1", "Endpoints"), service.namespace(), name);
        let endpoints = self.context.get(&target).await?.ok_or_else(|| TargetsError::NoEndpoints(name.to_owned()))?;
        for binding in bindings {
            let group = binding.text("/spec/targetGroupARN");
            if registration(binding, &service, &endpoints, &[]).is_none() {
                continue;
            }
            let registered = targets.aws.registered(group).await.map_err(|cause| {
                let error = TargetsError::Aws { service: name.to_owned(), group: group.to_owned(), cause };
                notes.push(Note::warning(reason::TARGET_GROUP_ERROR, error.to_string()));
                error
            })?;
            let Some(found) = registration(binding, &service, &endpoints, &registered) else { continue };
            let (all, known) = (found.endpoints, found.registered);
            if !found.is_complete() {
                let message =
                    format!("Service {name} (TargetGroup {group}) not verified: {known}/{all} endpoints registered");
                notes.push(Note::warning(reason::TARGET_GROUP_UNVERIFIED, message));
                world.targets_verified = Some(false);
                return Ok(());
            }
            let message = format!("Service {name} (TargetGroup {group}) verified: {known} endpoints registered");
            notes.push(Note::normal(reason::TARGET_GROUP_VERIFIED, message));
        }
        world.targets_verified = Some(true);
        Ok(())
    }
}
