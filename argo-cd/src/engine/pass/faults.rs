//! What is wrong with an Application before anything is compared.

use super::World;
use crate::{
    api::{Application, Condition, ConditionType},
    engine::{conditions::condition, project},
};

/// What is wrong with the spec, or not permitted.
pub(super) fn faults(app: &Application, world: &World<'_>) -> Vec<Condition> {
    let invalid = |message: String| condition(ConditionType::InvalidSpecError, message);
    let mut found = Vec::new();
    let project_name = app.spec.project_name();
    let Some(project) = world.project else {
        return vec![invalid(format!("Application referencing project {project_name} which does not exist"))];
    };
    let namespace = app.metadata.namespace.as_deref().unwrap_or_default();
    if namespace != world.settings.namespace
        && !project.spec.source_namespaces.iter().any(|it| project::glob_or_regex(it, namespace))
    {
        let name = app.metadata.name.as_deref().unwrap_or_default();
        found.push(invalid(format!(
            "application '{name}' in namespace '{namespace}' is not permitted to use project '{project_name}'"
        )));
    }
    let sources = app.spec.effective_sources();
    if sources.is_empty() {
        found.push(invalid("spec.source.repoURL and either spec.source.path or spec.source.chart are required".into()));
    }
    for source in &sources {
        if source.repo_url.is_empty()
            || (source.path.is_empty() && source.chart.is_empty() && source.reference.is_empty())
        {
            found.push(invalid(
                "spec.source.repoURL and either spec.source.path or spec.source.chart are required".into(),
            ));
        } else if !project.spec.permits_source(&source.repo_url) {
            let url = argo_core::git::Repository::new(&source.repo_url);
            found.push(invalid(format!("application repo {url} is not permitted in project '{project_name}'")));
        }
    }
    match world.clusters.of(&app.spec.destination) {
        Err(message) => found.push(invalid(message)),
        Ok(it) if !project.permits_cluster(&it, &app.spec.destination.namespace) => {
            found.push(invalid(format!(
                "application destination server '{}' and namespace '{}' do not match any of the allowed destinations \
                 in project '{project_name}'",
                it.server, app.spec.destination.namespace
            )));
        }
        Ok(_) => {}
    }
    found
}
