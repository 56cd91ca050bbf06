//! The two shapes that most kinds have: the first condition that matches, and a phase.

use super::{Judged, Look, Unjudged, verdict};
use crate::api::HealthState;

/// How objects of a kind are judged.
pub(super) enum Rule {
    /// Conditions in their order, each against the lines of a pass in theirs; the next pass where none matches.
    Conditions { passes: &'static [&'static [On]], otherwise: (HealthState, &'static str) },
    /// One text.
    Phase {
        path: &'static [&'static str],
        cases: &'static [(&'static [&'static str], HealthState, Say)],
        absent: (HealthState, Say),
        other: (HealthState, Say),
    },
    /// Anything else.
    Code(fn(Look<'_>) -> Judged),
    /// Anything else, with a word of the kind in its messages.
    Named(&'static str, fn(Look<'_>, &'static str) -> Judged),
}

/// A condition that decides.
pub(super) struct On {
    kind: &'static str,
    status: Is,
    reason: Is,
    then: HealthState,
    say: Say,
}

/// What a field has to be.
#[derive(Clone, Copy)]
pub(super) enum Is {
    Any,
    Equal(&'static str),
    Not(&'static str),
}

impl Is {
    fn holds(self, value: Look<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(text) => value.is(text),
            Self::Not(text) => !value.is(text),
        }
    }
}

/// Where the message comes from.
#[derive(Clone, Copy)]
pub(super) enum Say {
    Text(&'static str),
    /// The condition's message.
    Message,
    MessageOr(&'static str),
    MessageOrReason,
    Reason,
    /// The phase itself.
    Value,
    /// The phase after a text.
    After(&'static str),
    /// The object's kind before a text.
    Kind(&'static str),
    /// `status.message`.
    Status,
    /// `status.message`, or a text.
    StatusOr(&'static str),
}

impl Say {
    fn about(self, subject: Look<'_>, object: Look<'_>) -> Result<String, Unjudged> {
        Ok(match self {
            Self::Text(text) => text.to_owned(),
            Self::Message => subject.get("message").message(),
            Self::MessageOr(text) => subject.get("message").or(text),
            Self::MessageOrReason => subject.get("message").or(subject.get("reason").str().unwrap_or_default()),
            Self::Reason => subject.get("reason").message(),
            Self::Value => subject.message(),
            Self::After(text) => format!("{text}{}", subject.text()?),
            Self::Kind(text) => format!("{}{text}", object.get("kind").text()?),
            Self::Status => object.path("status.message").message(),
            Self::StatusOr(text) => object.path("status.message").or(text),
        })
    }
}

pub(super) const fn on(kind: &'static str, status: &'static str, then: HealthState, say: Say) -> On {
    On { kind, status: Is::Equal(status), reason: Is::Any, then, say }
}

/// A condition of the type whatever its status.
pub(super) const fn any(kind: &'static str, then: HealthState, say: Say) -> On {
    On { kind, status: Is::Any, reason: Is::Any, then, say }
}

pub(super) const fn because(kind: &'static str, status: Is, reason: Is, then: HealthState, say: Say) -> On {
    On { kind, status, reason, then, say }
}

impl Rule {
    pub(super) fn judge(&self, object: Look<'_>) -> Judged {
        match self {
            Self::Conditions { passes, otherwise } => {
                for pass in *passes {
                    for condition in object.conditions() {
                        if let Some(line) = pass.iter().find(|it| it.matches(condition)) {
                            return verdict(line.then, line.say.about(condition, object)?);
                        }
                    }
                }
                verdict(otherwise.0, otherwise.1)
            }
            Self::Phase { path, cases, absent, other } => {
                let phase = path.iter().fold(object, |it, key| it.get(key));
                let known = cases.iter().find(|(texts, ..)| phase.is_one(texts)).map(|(_, state, say)| (*state, *say));
                let (state, say) = known.unwrap_or_else(|| if phase.absent() { *absent } else { *other });
                verdict(state, say.about(phase, object)?)
            }
            Self::Code(judge) => judge(object),
            Self::Named(name, judge) => judge(object, name),
        }
    }
}

impl On {
    fn matches(&self, condition: Look<'_>) -> bool {
        condition.get("type").is(self.kind)
            && self.status.holds(condition.get("status"))
            && self.reason.holds(condition.get("reason"))
    }
}
