//! Commit statuses that hold environments back: the phase of each branch.

use super::{Judged, Look, degraded, healthy, progressing, unready, words, words::Words};

pub(super) fn git(object: Look<'_>) -> Judged {
    judge(object, &words::GIT_COMMIT_STATUS, "Git commit validation reconciled", "Git commit validation", "passed")
}

pub(super) fn timed(object: Look<'_>) -> Judged {
    judge(object, &words::TIMED_COMMIT_STATUS, "Timed commit gate reconciled", "Timed commit gate", "satisfied")
}

pub(super) fn web_request(object: Look<'_>) -> Judged {
    let none = "Web request commit validation reconciled";
    judge(object, &words::WEB_REQUEST_COMMIT_STATUS, none, "Web request validation", "passed")
}

fn judge(object: Look<'_>, words: &Words, none: &str, gate: &str, done: &str) -> Judged {
    if let Some(verdict) = unready(object, words)? {
        return Ok(verdict);
    }
    let environments = object.path("status.environments");
    if environments.length() == 0 {
        return healthy(none);
    }
    let (mut waiting, mut failed, mut passed) = (Vec::new(), Vec::new(), 0);
    for environment in environments.list() {
        let branch = environment.get("branch").or("?");
        match environment.get("phase").str() {
            Some("failure") => failed.push(branch),
            Some("success") => passed += 1,
            _ => waiting.push(branch),
        }
    }
    if !failed.is_empty() {
        return degraded(format!("{gate} failed for branch(es): {}", failed.join(", ")));
    }
    if !waiting.is_empty() {
        return progressing(format!("{gate} pending for branch(es): {}", waiting.join(", ")));
    }
    healthy(format!("{gate} {done} for {passed} environment(s)"))
}
