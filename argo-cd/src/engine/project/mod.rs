//! What a project permits.
//!
//! | file | what |
//! |---|---|
//! | `permits` | sources, destinations, kinds |
//! | `merged` | what global projects, and repositories and clusters of the project's own, add to it |
//! | `accounts` | whom to act as in a destination |

mod accounts;
mod merged;
mod permits;

use argo_lang::glob::{Mode, is_match};

pub use accounts::{acting_as, service_account};
pub use merged::{with_globals, with_scoped};

use crate::api::{AppProject, AppProjectSpec, GroupKindPattern, ProjectDestination, names};

/// The project that permits everything, made when it is missing.
#[must_use]
pub fn default_project(namespace: &str) -> AppProject {
    use argo_core::{ObjectMeta, Resource};
    AppProject {
        api_version: AppProject::gvk().api_version(),
        kind: AppProject::KIND.to_owned(),
        metadata: ObjectMeta {
            name: Some(names::DEFAULT_PROJECT.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: AppProjectSpec {
            source_repos: vec!["*".to_owned()],
            destinations: vec![ProjectDestination {
                server: "*".to_owned(),
                namespace: "*".to_owned(),
                ..ProjectDestination::default()
            }],
            cluster_resource_whitelist: vec![GroupKindPattern {
                group: "*".to_owned(),
                kind: "*".to_owned(),
                ..GroupKindPattern::default()
            }],
            ..AppProjectSpec::default()
        },
        ..AppProject::default()
    }
}

/// Whether `text` matches a glob in which `*` stops at `separator`, if one is given.
#[must_use]
pub fn glob(pattern: &str, text: &str, separator: bool) -> bool {
    // Most patterns are a star or a plain name; compiling a matcher for those would be most of a pass's cost.
    if pattern == "*" {
        return !separator || !text.contains('/');
    }
    if !pattern.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return pattern == text;
    }
    is_match(pattern, text, if separator { Mode::GobwasPath } else { Mode::Gobwas })
}

/// Whether `text` matches a glob, or a regular expression between slashes (`/^team-/`), as lists of namespaces are
/// read. An expression that is none matches nothing.
#[must_use]
pub fn glob_or_regex(pattern: &str, text: &str) -> bool {
    match pattern.strip_prefix('/').and_then(|it| it.strip_suffix('/')) {
        Some(source) => argo_lang::regexp::compile(source).is_ok_and(|it| it.is_match(text)),
        None => glob(pattern, text, false),
    }
}

/// A repository URL as comparisons see it: lower case, without `.git`, scheme `ssh` and blanks; scp form as a path.
#[must_use]
pub fn normal_repo(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    if let Some((user_host, path)) = url.split_once(':').filter(|(it, _)| it.contains('@') && !it.contains('/')) {
        url = format!("{user_host}/{path}");
    }
    let url = url.strip_prefix("ssh://").unwrap_or(&url);
    let url = url.strip_suffix('/').unwrap_or(url);
    url.strip_suffix(".git").unwrap_or(url).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_compare_in_one_form() {
        assert_eq!(normal_repo("git@github.com:Org/App.git"), "git@github.com/org/app");
        assert_eq!(normal_repo("ssh://git@github.com/org/app"), "git@github.com/org/app");
    }

    #[test]
    fn lists_of_namespaces_hold_globs_and_expressions() {
        assert!(glob_or_regex("team-*", "team-a") && glob_or_regex("/^team-[0-9]+$/", "team-7"));
        assert!(!glob_or_regex("/^team-[0-9]+$/", "team-x") && !glob_or_regex("/(/", "("));
    }
}
