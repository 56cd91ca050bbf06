//! [`IntOrString`]: a count or a share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A whole number, or a text such as `25%`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

impl IntOrString {
    /// The text, or the number as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Int(it) => it.to_string(),
            Self::Text(it) => it.clone(),
        }
    }

    /// The number, also from a text of digits.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(it) => Some(*it),
            Self::Text(it) => it.trim().parse().ok(),
        }
    }

    /// A count, given the whole: `25%` of 10 is 3 rounded up, 2 rounded down. A text without `%` is
    /// a percentage too. `None` when the text is no number.
    #[must_use]
    pub fn of(&self, total: i64, round_up: bool) -> Option<i64> {
        match self {
            Self::Int(it) => Some(*it),
            Self::Text(text) => {
                let percent: i64 = text.trim().trim_end_matches('%').parse().ok()?;
                let scaled = percent.checked_mul(total)?;
                Some(if round_up {
                    scaled.div_euclid(100) + i64::from(scaled.rem_euclid(100) != 0)
                } else {
                    scaled.div_euclid(100)
                })
            }
        }
    }
}

impl From<i64> for IntOrString {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for IntOrString {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_as_asked() {
        assert_eq!(IntOrString::from("25%").of(10, true), Some(3));
        assert_eq!(IntOrString::from("25%").of(10, false), Some(2));
        assert_eq!(IntOrString::from("25").of(10, false), Some(2), "a text without % is a percentage too");
        assert_eq!(IntOrString::from(7).of(10, true), Some(7));
        assert_eq!(IntOrString::from("many").of(10, true), None);
    }
}
