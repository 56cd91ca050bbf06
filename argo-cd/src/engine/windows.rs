//! Sync windows: when a project lets synchronisations happen.

use std::time::Duration;

use argo_core::{Timestamp, time};
use argo_lang::cron::Schedule;
use jiff::tz::TimeZone;

use super::project::glob;
use crate::api::{Destination, SyncWindow};

/// Who wants to synchronise what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Name of the Application.
    pub app: &'a str,
    /// Where it goes.
    pub destination: &'a Destination,
    /// Asked for by a person rather than by the policy.
    pub manual: bool,
    /// When the operation under way began.
    pub started_at: Option<Timestamp>,
}

/// Whether a synchronisation may happen at `now`. Windows that can not be read count as denying ones that are active:
/// what was meant to hold back must not let through.
#[must_use]
pub fn permits(windows: &[SyncWindow], request: Request<'_>, now: Timestamp) -> bool {
    let matching: Vec<&SyncWindow> = windows.iter().filter(|it| applies(it, request)).collect();
    if matching.is_empty() {
        return true;
    }
    let allows_at = |at: Timestamp, manual: bool| {
        let active = |it: &&&SyncWindow| is_active(it, at);
        let denies: Vec<_> = matching.iter().filter(|it| it.kind != "allow").filter(active).collect();
        if !denies.is_empty() {
            return manual && denies.iter().all(|it| it.manual_sync);
        }
        let allows: Vec<_> = matching.iter().filter(|it| it.kind == "allow").collect();
        allows.is_empty()
            || allows.iter().any(|it| is_active(it, at))
            || manual && allows.iter().all(|it| it.manual_sync)
    };
    if allows_at(now, request.manual) {
        return true;
    }
    // What began while it was allowed may end, where every window in its way says so.
    let denies: Vec<_> = matching.iter().filter(|it| it.kind != "allow" && is_active(it, now)).collect();
    let overruns = if denies.is_empty() {
        matching.iter().filter(|it| it.kind == "allow").all(|it| it.sync_overrun)
    } else {
        denies.iter().all(|it| it.sync_overrun)
    };
    overruns && request.started_at.is_some_and(|at| allows_at(at, request.manual))
}

fn applies(window: &SyncWindow, request: Request<'_>) -> bool {
    let any = |patterns: &[String], text: &str| patterns.iter().any(|it| glob(it, text, false));
    let app = any(&window.applications, request.app);
    let namespace = any(&window.namespaces, &request.destination.namespace);
    let cluster =
        any(&window.clusters, &request.destination.server) || any(&window.clusters, &request.destination.name);
    if !window.and_operator {
        return app || namespace || cluster;
    }
    let lists = [(&window.applications, app), (&window.namespaces, namespace), (&window.clusters, cluster)];
    lists.iter().any(|(list, _)| !list.is_empty()) && lists.iter().all(|(list, matched)| list.is_empty() || *matched)
}

/// Whether a window is open at `at`; one that can not be read is open if it denies and closed if it allows.
fn is_active(window: &SyncWindow, at: Timestamp) -> bool {
    read(window).map_or(window.kind != "allow", |(schedule, duration, zone)| {
        let Ok(length) = jiff::SignedDuration::try_from(duration) else { return window.kind != "allow" };
        let from = at.checked_sub(length).unwrap_or(Timestamp::MIN);
        schedule.next(from, &zone).is_some_and(|it| it <= at && at < time::after(it, duration))
    })
}

fn read(window: &SyncWindow) -> Option<(Schedule, Duration, TimeZone)> {
    let schedule = Schedule::parse(&window.schedule).ok()?;
    let duration = argo_lang::duration::parse(&window.duration).ok()?;
    let zone = if window.time_zone.is_empty() { TimeZone::UTC } else { TimeZone::get(&window.time_zone).ok()? };
    Some((schedule, Duration::try_from(duration).ok()?, zone))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn windows(list: Value) -> Vec<SyncWindow> {
        serde_json::from_value(list).unwrap()
    }

    fn at(windows: &[SyncWindow], now: &str, manual: bool, started: Option<&str>) -> bool {
        let destination = Destination { server: "https://s".into(), namespace: "prod".into(), ..Default::default() };
        let started_at = started.map(|it| it.parse().unwrap());
        let request = Request { app: "shop", destination: &destination, manual, started_at };
        permits(windows, request, now.parse().unwrap())
    }

    #[test]
    fn deny_wins_over_allow_and_allow_closes_the_rest_of_the_day() {
        let list = windows(json!([
            {"kind": "allow", "schedule": "0 8 * * *", "duration": "8h", "applications": ["*"]},
            {"kind": "deny", "schedule": "0 12 * * *", "duration": "1h", "namespaces": ["prod"], "manualSync": true}
        ]));
        assert!(at(&list, "2026-01-01T09:00:00Z", false, None));
        assert!(!at(&list, "2026-01-01T12:30:00Z", false, None));
        assert!(at(&list, "2026-01-01T12:30:00Z", true, None), "the denial lets people through");
        assert!(at(&list, "2026-01-01T13:00:00Z", false, None), "its end is not part of it");
        assert!(!at(&list, "2026-01-01T20:00:00Z", true, None), "outside an allow window");
        assert!(at(&[], "2026-01-01T20:00:00Z", false, None));
    }

    #[test]
    fn windows_of_others_do_not_count_and_all_lists_must_match_with_and() {
        let other =
            windows(json!([{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["x"]}]));
        assert!(at(&other, "2026-01-01T09:00:00Z", false, None));
        let both = |namespace: &str| {
            windows(json!([{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["shop"],
                "namespaces": [namespace], "andOperator": true}]))
        };
        assert!(at(&both("dev"), "2026-01-01T09:00:00Z", false, None));
        assert!(!at(&both("prod"), "2026-01-01T09:00:00Z", false, None));
    }

    #[test]
    fn what_began_in_time_may_overrun_where_the_window_says_so() {
        let list = |overrun: bool| {
            windows(json!([{"kind": "allow", "schedule": "0 8 * * *", "duration": "1h", "applications": ["*"],
                "syncOverrun": overrun, "timeZone": "Europe/Berlin"}]))
        };
        let (during, after) = ("2026-01-01T07:30:00Z", "2026-01-01T08:30:00Z");
        assert!(at(&list(false), during, false, None), "eight in Berlin");
        assert!(!at(&list(false), after, false, Some(during)));
        assert!(at(&list(true), after, false, Some(during)));
        assert!(!at(&list(true), after, false, Some(after)));
    }

    #[test]
    fn a_denial_that_can_not_be_read_denies() {
        let list = windows(json!([{"kind": "deny", "schedule": "nonsense", "duration": "1h", "applications": ["*"]}]));
        assert!(!at(&list, "2026-01-01T09:00:00Z", false, None));
    }
}
