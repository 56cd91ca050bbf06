//! `metav1.Condition`.

use argo_core::{Time, Timestamp};

use super::wire;

/// A condition holds.
pub const TRUE: &str = "True";
/// A condition does not hold.
pub const FALSE: &str = "False";
/// Not known yet.
pub const UNKNOWN: &str = "Unknown";

wire! {
    /// One aspect of an object's state.
    pub struct Condition {
        /// What it is about, unique in the list.
        #[serde(rename = "type")]
        pub kind: String,
        /// True, False or Unknown.
        pub status: String,
        /// The generation it was observed at.
        pub observed_generation: Option<i64>,
        /// When the status last changed.
        pub last_transition_time: Option<Time>,
        /// One word in CamelCase.
        pub reason: String,
        /// A sentence for people.
        pub message: String,
    }
}

/// Operations on a list of conditions.
pub trait Conditions {
    /// The condition of a type.
    fn condition(&self, kind: &str) -> Option<&Condition>;
    /// Sets a condition; its transition time changes only with its status.
    fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str, generation: i64, now: Timestamp);
    /// Removes a condition.
    fn remove_condition(&mut self, kind: &str);
    /// Whether the condition is there with status True.
    fn is_true(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|it| it.status == TRUE)
    }
}

impl Conditions for Vec<Condition> {
    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.iter().find(|it| it.kind == kind)
    }

    fn set_condition(
        &mut self,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
        generation: i64,
        now: Timestamp,
    ) {
        let message = bounded(message);
        let fresh = |since: Option<Time>| Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            observed_generation: (generation > 0).then_some(generation),
            last_transition_time: since,
            reason: reason.to_owned(),
            message: message.clone(),
            ..Condition::default()
        };
        match self.iter_mut().find(|it| it.kind == kind) {
            Some(old) => {
                let since = if old.status == status { old.last_transition_time } else { None };
                let extra = std::mem::take(&mut old.extra);
                *old = Condition { extra, ..fresh(Some(since.unwrap_or_else(|| Time::new(now)))) };
            }
            None => self.push(fresh(Some(Time::new(now)))),
        }
    }

    fn remove_condition(&mut self, kind: &str) {
        self.retain(|it| it.kind != kind);
    }
}

/// The API refuses condition messages of more than 32,768 bytes; people read far less.
const MESSAGE_LIMIT: usize = 8 << 10;

/// Cuts texts from outside to what a status can hold.
pub(crate) fn bounded(text: &str) -> String {
    if text.len() <= MESSAGE_LIMIT {
        return text.to_owned();
    }
    let end = (0..=MESSAGE_LIMIT - 3).rev().find(|it| text.is_char_boundary(*it)).unwrap_or_default();
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let mut list = Vec::new();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        list.set_condition("Ready", TRUE, "A", "", 1, at(1));
        list.set_condition("Ready", TRUE, "B", "more", 2, at(2));
        assert_eq!(list[0].last_transition_time, Some(Time::new(at(1))));
        assert_eq!((list[0].reason.as_str(), list[0].observed_generation), ("B", Some(2)));
        list.set_condition("Ready", FALSE, "C", "", 2, at(3));
        assert_eq!(list[0].last_transition_time, Some(Time::new(at(3))));
        assert!(!list.is_true("Ready"));
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(bounded(&"é".repeat(10_000)).len(), MESSAGE_LIMIT - 1);
        assert_eq!(bounded("short"), "short");
    }
}
