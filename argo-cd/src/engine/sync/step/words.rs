//! The sentences of an operation.

use crate::{
    api::ResultCode,
    engine::{key::ResourceKey, sync::tasks::Task},
};

/// `waiting for completion of hook batch/Job/migrate and 2 more hooks`; `deletion` says that the tasks wait for something
/// to go, `unconfirmed` what must not go before somebody says so.
pub(super) fn waiting(tasks: &[&Task], deletion: bool, unconfirmed: &[ResourceKey]) -> String {
    let hook = tasks.iter().find(|it| it.is_hook);
    let Some(first) = hook.or_else(|| tasks.first()) else { return String::new() };
    let more = if tasks.iter().all(|it| it.is_hook) { "hooks" } else { "resources" };
    let asked: Vec<&&Task> = tasks.iter().filter(|it| it.is_prune() && unconfirmed.contains(&it.key)).collect();
    let (reason, first, count) = match (asked.first(), deletion, hook.is_some()) {
        (Some(asked_first), ..) => ("pruning confirmation of", *asked_first, asked.len()),
        (None, true, true) => ("deletion of hook", first, tasks.len()),
        (None, true, false) => ("deletion of", first, tasks.len()),
        (None, false, true) => ("completion of hook", first, tasks.len()),
        (None, false, false) => ("healthy state of", first, tasks.len()),
    };
    let tail = if count > 1 { format!(" and {} more {more}", count - 1) } else { String::new() };
    format!("waiting for {reason} {}{tail}", first.label())
}

/// A sentence with what the API server said of the tasks that it refused.
pub(super) fn because(what: &str, tasks: &[Task]) -> String {
    let refused = tasks.iter().filter(|it| it.status() == Some(ResultCode::SyncFailed));
    let reasons: Vec<&str> = refused.map(Task::message).collect();
    if reasons.is_empty() { what.to_owned() } else { format!("{what}, reason: {}", reasons.join(",")) }
}
