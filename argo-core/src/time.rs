//! Points in time: [`Timestamp`] inside, [`Time`] on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, as every engine takes and returns it.
pub use jiff::Timestamp;

/// `metav1.Time`: RFC 3339 in UTC with whole seconds on the wire.
///
/// Fractions are cut when the value is made, so that a status written and read back compares equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// Cuts `at` to whole seconds.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Timestamp::from_second(at.as_second()).unwrap_or(at))
    }

    /// The instant.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }

    /// How long ago this was at `now`, in whole and fractional seconds; negative in the future.
    #[must_use]
    pub fn seconds_until(self, now: Timestamp) -> f64 {
        now.duration_since(self.0).as_secs_f64()
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self::new(at)
    }
}

impl From<Time> for Timestamp {
    fn from(at: Time) -> Self {
        at.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", rfc3339(self.0))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        parse(&text).map(Self::new).map_err(serde::de::Error::custom)
    }
}

/// Parses RFC 3339, with or without fractions and with any offset.
///
/// # Errors
/// Says what was wrong with the text.
pub fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse()
}

/// Prints whole seconds in UTC, as Kubernetes does: `2026-01-02T03:04:05Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Prints six decimals in UTC, as `metav1.MicroTime` does (Leases, Events).
#[must_use]
pub fn rfc3339_micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// `at + duration`, saturating at the ends of time.
#[must_use]
pub fn after(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration).ok().and_then(|it| at.checked_add(it).ok()).unwrap_or(Timestamp::MAX)
}

/// `at - duration`, saturating at the ends of time.
#[must_use]
pub fn before(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration).ok().and_then(|it| at.checked_sub(it).ok()).unwrap_or(Timestamp::MIN)
}

/// How long from `from` to `to`; zero if `to` is not later.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_has_whole_seconds_and_round_trips() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let json = serde_json::to_string(&Time::new(at)).unwrap();
        assert_eq!(json, "\"2026-01-02T03:04:05Z\"");
        assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), Time::new(at));
        assert_eq!(rfc3339_micro(at), "2026-01-02T03:04:05.678000Z");
    }

    #[test]
    fn offsets_are_read() {
        let time: Time = serde_json::from_str("\"2026-01-02T03:04:05+02:00\"").unwrap();
        assert_eq!(time.to_string(), "2026-01-02T01:04:05Z");
    }
}
