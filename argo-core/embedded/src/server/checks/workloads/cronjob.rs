//! Cron jobs: a schedule, its zone, and a job to be made.

use argo_lang::cron::Schedule;
use jiff::tz::TimeZone;

use super::super::place::Place;
use super::super::shown::Go;
use super::job::job_spec;

/// A cron job; `live` is what it was.
pub(in super::super) fn cron_job(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    let schedule = spec.at("schedule");
    if schedule.is_empty() {
        schedule.required("");
    } else {
        let before = live.map(|live| live.at("spec.schedule").text()).unwrap_or_default();
        check_schedule(&schedule, before.contains("TZ"), spec.has("timeZone"));
    }
    spec.at("startingDeadlineSeconds").not_negative();
    let zone = spec.at("timeZone");
    if live.is_none_or(|live| live.at("spec.timeZone").value() != zone.value()) && zone.is_set() {
        check_zone(&zone);
    }
    spec.at("concurrencyPolicy").required_choice(&["Allow", "Forbid", "Replace"]);
    let job = spec.at("jobTemplate.spec");
    job_spec(&job);
    if job.has("selector") {
        job.at("selector").invalid_struct(&Go::Selector, "`selector` will be auto-generated");
    }
    if job.at("manualSelector").flag() {
        job.at("manualSelector").unsupported(true, &["nil", "false"]);
    }
    spec.at("successfulJobsHistoryLimit").not_negative();
    spec.at("failedJobsHistoryLimit").not_negative();
    let name = object.at("metadata.name");
    if live.is_none() && name.text().len() > 52 {
        name.invalid_text("must be no more than 52 characters");
    }
}

fn check_schedule(schedule: &Place<'_, '_>, had_zone: bool, has_zone: bool) {
    if let Err(error) = Schedule::parse(schedule.text()) {
        schedule.invalid(&error.to_string());
    }
    if schedule.text().contains("TZ") {
        match (had_zone, has_zone) {
            (true, true) => schedule.invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule"),
            (true, false) => {}
            _ => schedule.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        }
    }
}

fn check_zone(zone: &Place<'_, '_>) {
    let text = zone.text();
    if text.is_empty() {
        return zone.invalid("timeZone must be nil or non-empty string");
    }
    let unknown = || zone.invalid(&format!("unknown time zone {text}"));
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.len() <= 14
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'))
    };
    if !text.split('/').all(part) {
        return unknown();
    }
    if text.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        zone.invalid(why);
    }
    if text != "Local" && TimeZone::get(text).is_err() {
        unknown();
    }
}
