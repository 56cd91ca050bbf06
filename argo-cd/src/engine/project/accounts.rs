//! Whom to act as in a destination.

use argo_lang::glob::{Glob, Mode};

use crate::{
    api::{AppProjectSpec, Destination},
    engine::settings::Settings,
};

/// Characters that no service account has.
const WRONG: [char; 8] = ['!', '*', '[', ']', '{', '}', '\\', '/'];

/// The user that stands for the first service account whose destination matches, if any does.
///
/// # Errors
/// In upstream's words, when a pattern or a name is wrong.
pub fn service_account(
    project: &AppProjectSpec,
    destination: &Destination,
    application_namespace: &str,
) -> Result<Option<String>, String> {
    for it in &project.destination_service_accounts {
        let server = matches(&it.server, &destination.server, "server")?;
        if !matches(&it.namespace, &destination.namespace, "namespace")? || !server {
            continue;
        }
        let account = &it.default_service_account;
        if account.trim_matches(' ').is_empty() || account.contains(WRONG) {
            return Err(format!("default service account contains invalid chars '{account}'"));
        }
        if account.contains(':') {
            return Ok(Some(format!("system:serviceaccount:{account}")));
        }
        let namespace = match destination.namespace.as_str() {
            "" => application_namespace,
            namespace => namespace,
        };
        return Ok(Some(format!("system:serviceaccount:{namespace}:{account}")));
    }
    Ok(None)
}

fn matches(pattern: &str, text: &str, what: &str) -> Result<bool, String> {
    match Glob::new(pattern, Mode::Gobwas) {
        Ok(glob) => Ok(glob.is_match(text)),
        Err(error) => Err(format!("invalid glob pattern for destination {what}: {error}")),
    }
}

/// The user to act as when settings ask for impersonation; `None` is the controller itself.
///
/// # Errors
/// In upstream's words, when there is no account and there must be one.
pub fn acting_as(
    settings: &Settings,
    project: &AppProjectSpec,
    destination: &Destination,
    application_namespace: &str,
) -> Result<Option<String>, String> {
    if !settings.impersonation {
        return Ok(None);
    }
    let found = service_account(project, destination, application_namespace)
        .map_err(|it| format!("failed to derive service account to impersonate: {it}"))?;
    if found.is_none() && settings.impersonation_enforced {
        return Err(format!(
            "no matching service account found for destination server {} and namespace {}",
            destination.server, destination.namespace
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn accounts_are_upstreams() {
        let mut count = 0;
        for line in include_str!("../../../tests/data/project/tables.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            if case["table"] != "account" {
                continue;
            }
            let text = |field: &str| case[field].as_str().unwrap().to_owned();
            let destination =
                Destination { server: text("server"), namespace: text("namespace"), ..Destination::default() };
            let spec = AppProjectSpec {
                destination_service_accounts: serde_json::from_value(case["accounts"].clone()).unwrap(),
                ..AppProjectSpec::default()
            };
            match service_account(&spec, &destination, &text("application")) {
                Ok(found) => {
                    assert_eq!((found.unwrap_or_default(), ""), (text("wanted"), text("error").as_str()), "{case}")
                }
                Err(error) => assert!(!text("error").is_empty() && error.contains(&text("error")), "{error} {case}"),
            }
            count += 1;
        }
        assert_eq!(count, 19);
    }

    #[test]
    fn without_an_account_the_controller_acts_only_where_it_may() {
        let destination = Destination { server: "https://s".into(), namespace: "n".into(), ..Destination::default() };
        let of = |impersonation: bool, impersonation_enforced: bool| {
            let settings = Settings { impersonation, impersonation_enforced, ..Settings::default() };
            acting_as(&settings, &AppProjectSpec::default(), &destination, "argocd")
        };
        assert_eq!(of(false, true), Ok(None));
        assert_eq!(of(true, false), Ok(None));
        assert_eq!(
            of(true, true).unwrap_err(),
            "no matching service account found for destination server https://s and namespace n"
        );
    }
}
