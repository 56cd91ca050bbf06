//! `status.conditions`.

use argo_core::{Time, Timestamp};

use crate::api::{Condition, ConditionType};

/// A condition that is yet to be dated.
#[must_use]
pub fn condition(kind: ConditionType, message: impl Into<String>) -> Condition {
    Condition { kind, message: message.into(), last_transition_time: None }
}

/// The conditions after an evaluation: types that were not evaluated stay, evaluated ones become `new`; one that was
/// there with the same message keeps its time. Ordered by type, message and time.
#[must_use]
pub fn set(old: &[Condition], new: Vec<Condition>, evaluated: &[ConditionType], now: Timestamp) -> Vec<Condition> {
    let mut result: Vec<Condition> = old.iter().filter(|it| !evaluated.contains(&it.kind)).cloned().collect();
    for mut condition in new {
        let earlier = old.iter().find(|it| it.kind == condition.kind && it.message == condition.message);
        condition.last_transition_time =
            earlier.and_then(|it| it.last_transition_time).or_else(|| Some(Time::new(now)));
        if !result.contains(&condition) {
            result.push(condition);
        }
    }
    result.sort_by(|a, b| {
        (a.kind.as_str(), &a.message, a.last_transition_time).cmp(&(
            b.kind.as_str(),
            &b.message,
            b.last_transition_time,
        ))
    });
    result
}

/// Error conditions as one text: `Type: message;Type: message`.
#[must_use]
pub fn describe<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> String {
    let lines: Vec<String> = conditions.into_iter().map(|it| format!("{}: {}", it.kind.as_str(), it.message)).collect();
    lines.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_types_stay_and_equal_ones_keep_their_time() {
        let early: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let late: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let evaluated = [ConditionType::ComparisonError, ConditionType::SharedResourceWarning];
        let old = set(
            &[],
            vec![condition(ConditionType::SyncError, "s"), condition(ConditionType::ComparisonError, "a")],
            &[],
            early,
        );
        let new = set(
            &old,
            vec![condition(ConditionType::ComparisonError, "a"), condition(ConditionType::ComparisonError, "b")],
            &evaluated,
            late,
        );
        let seen: Vec<_> =
            new.iter().map(|it| (it.kind.as_str(), it.message.as_str(), it.last_transition_time.unwrap())).collect();
        assert_eq!(
            seen,
            [
                ("ComparisonError", "a", Time::new(early)),
                ("ComparisonError", "b", Time::new(late)),
                ("SyncError", "s", Time::new(early))
            ]
        );
        assert_eq!(set(&new, vec![], &evaluated, late).len(), 1, "evaluated and not found again: gone");
        assert_eq!(describe(&new[..2]), "ComparisonError: a;ComparisonError: b");
    }
}
