//! Credentials of repositories, from Secrets.

use argo_core::{
    Object,
    git::{Credentials, Repository},
};

use crate::{
    api::names,
    engine::{project::normal_repo, secrets},
};

/// The repository behind a URL, with the credentials that these Secrets hold for it in a project: an exact `repository`
/// first (the project's own before an unscoped one), else the `repo-creds` with the longest URL prefix.
pub fn find<'a>(url: &str, project: &str, secrets: impl IntoIterator<Item = &'a Object>) -> Repository {
    let wanted = normal_repo(url);
    let mut exact: Option<(bool, Repository)> = None;
    let mut templates: Vec<(usize, Repository)> = Vec::new();
    for secret in secrets {
        let Some(secret_url) = value(secret, "url") else { continue };
        let known = normal_repo(&secret_url);
        match secret.label(names::SECRET_TYPE) {
            Some("repository") if known == wanted => {
                let scope = value(secret, "project").unwrap_or_default();
                let own = scope == project;
                if (own || scope.is_empty()) && exact.as_ref().is_none_or(|(it, _)| own && !it) {
                    exact = Some((own, read(url, secret)));
                }
            }
            Some("repo-creds") if wanted.starts_with(&known) => templates.push((known.len(), read(url, secret))),
            _ => {}
        }
    }
    templates.sort_by_key(|(length, _)| *length);
    let template = templates.pop().map(|(_, it)| it);
    match exact {
        Some((_, mut repository)) => {
            if repository.credentials.is_none() {
                repository.credentials = template.and_then(|it| it.credentials);
            }
            repository
        }
        None => template.unwrap_or_else(|| Repository::new(url)),
    }
}

/// The URLs of the repositories that belong to a project alone.
pub fn of_project<'a>(project: &str, secrets: impl IntoIterator<Item = &'a Object>) -> Vec<String> {
    let own = secrets.into_iter().filter(|it| {
        it.label(names::SECRET_TYPE) == Some("repository") && value(it, "project").as_deref() == Some(project)
    });
    own.filter_map(|it| value(it, "url")).collect()
}

fn read(url: &str, secret: &Object) -> Repository {
    let mut repository = Repository::new(url);
    let is = |key: &str| value(secret, key).is_some_and(|it| it == "true");
    repository.insecure = is("insecure") || is("insecureIgnoreHostKey");
    repository.credentials = if let Some(private_key) = value(secret, "sshPrivateKey") {
        Some(Credentials::Ssh { private_key })
    } else {
        let password = value(secret, "password").or_else(|| value(secret, "bearerToken"));
        password
            .map(|password| Credentials::Basic { username: value(secret, "username").unwrap_or_default(), password })
    };
    repository
}

fn value(secret: &Object, key: &str) -> Option<String> {
    secrets::text(secret, key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::normalize::base64;

    fn secret(kind: &str, data: &[(&str, &str)]) -> Object {
        let data: serde_json::Map<_, _> =
            data.iter().map(|(key, value)| ((*key).to_owned(), base64(value.as_bytes()).into())).collect();
        Object::from_value(json!({"metadata": {"labels": {names::SECRET_TYPE: kind}}, "data": data}))
    }

    fn user(repository: &Repository) -> Option<String> {
        match &repository.credentials {
            Some(Credentials::Basic { username, .. }) => Some(username.clone()),
            _ => None,
        }
    }

    #[test]
    fn the_closest_secret_wins() {
        let secrets = [
            secret("repo-creds", &[("url", "https://git/"), ("username", "org"), ("password", "p")]),
            secret("repo-creds", &[("url", "https://git/team"), ("username", "team"), ("password", "p")]),
            secret("repository", &[("url", "https://git/team/a.git"), ("username", "a"), ("password", "p")]),
            secret("repository", &[("url", "https://git/team/b"), ("project", "other"), ("password", "p")]),
            secret("repository", &[("url", "https://git/team/c")]),
        ];
        let of = |url: &str| user(&find(url, "default", &secrets));
        assert_eq!(of("https://git/team/a"), Some("a".into()));
        assert_eq!(of("https://git/team/b"), Some("team".into()), "another project's secret does not count");
        assert_eq!(of("https://git/team/c"), Some("team".into()), "credentials come from the template");
        assert_eq!(of("https://git/x"), Some("org".into()));
        assert_eq!(find("https://elsewhere/x", "default", &secrets), Repository::new("https://elsewhere/x"));
    }
}
