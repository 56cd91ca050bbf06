//! MariaDB's operator.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule};

pub(super) const KINDS: &[Entry] = &[
    ("k8s.mariadb.com", "Backup", Rule::Code(backup)),
    ("k8s.mariadb.com", "Database", Rule::Code(ready)),
    ("k8s.mariadb.com", "Grant", Rule::Code(ready)),
    ("k8s.mariadb.com", "MariaDB", Rule::Code(server)),
    ("k8s.mariadb.com", "SqlJob", Rule::Code(job)),
    ("k8s.mariadb.com", "User", Rule::Code(ready)),
    ("mariadb.mmontes.io", "MariaDB", Rule::Code(server)),
];

const NONE: &str = "No status info available";

fn reason_and_message(condition: Look<'_>) -> Result<String, Unjudged> {
    Ok(format!("{} {}", condition.get("reason").text()?, condition.get("message").text()?))
}

fn backup(object: Look<'_>) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing(NONE);
    }
    let mut message = String::new();
    for condition in object.conditions() {
        message = reason_and_message(condition)?;
        if condition.get("status").is("False") {
            let failed = condition.get("reason").is("CronJobScheduled") && condition.get("message").is("Failed");
            return if failed { degraded(message) } else { progressing(message) };
        }
    }
    healthy(message)
}

fn server(object: Look<'_>) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing(NONE);
    }
    let mut message = String::new();
    for condition in object.conditions() {
        message = condition.get("message").message();
        if condition.get("status").is("False") {
            return if condition.get("reason").is("Failed") { degraded(message) } else { progressing(message) };
        }
    }
    healthy(message)
}

fn ready(object: Look<'_>) -> Judged {
    let mut message = NONE.to_owned();
    for condition in object.conditions() {
        message = condition.get("message").message();
        if condition.get("type").is("Ready") {
            return if condition.get("status").is("True") { healthy(message) } else { degraded(message) };
        }
    }
    progressing(message)
}

fn job(object: Look<'_>) -> Judged {
    let mut message = NONE.to_owned();
    for condition in object.conditions() {
        message = reason_and_message(condition)?;
        let (reason, holds) = (condition.get("reason"), condition.get("status").is("True"));
        if holds && reason.is("JobComplete") {
            return healthy(message);
        }
        if holds && reason.is("JobFailed") {
            return degraded(message);
        }
    }
    progressing(message)
}
