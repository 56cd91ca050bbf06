//! `intstr`: a count or a percentage.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A number, or a text such as `25%`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A count.
    Int(i64),
    /// A text, normally a percentage.
    String(String),
}

/// Which way a share of a total is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// To the next higher count.
    Up,
    /// To the next lower count.
    Down,
}

/// Why a value gave no count; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for IntOrString: {0}")]
pub struct IntOrStringError(String);

impl IntOrString {
    /// Reads a JSON value; `None` when it is neither integer nor string.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(it) => it.as_i64().map(Self::Int),
            Value::String(it) => Some(Self::String(it.clone())),
            _ => None,
        }
    }

    /// The count it means of a total: `GetScaledValueFromIntOrPercent`.
    ///
    /// # Errors
    /// The text is no percentage.
    pub fn scaled(&self, total: i64, round: Round) -> Result<i64, IntOrStringError> {
        let text = match self {
            Self::Int(it) => return Ok(*it),
            Self::String(text) => text,
        };
        let Some(number) = text.strip_suffix('%') else {
            return Err(IntOrStringError("invalid type: string is not a percentage".to_owned()));
        };
        let percent: i64 = number.parse().map_err(|_| {
            let (text, number) = (crate::fmt::quote(text), crate::fmt::quote(number));
            IntOrStringError(format!("invalid value {text}: strconv.Atoi: parsing {number}: invalid syntax"))
        })?;
        let product = i128::from(percent) * i128::from(total);
        let share = match round {
            Round::Up => -((-product).div_euclid(100)),
            Round::Down => product.div_euclid(100),
        };
        Ok(i64::try_from(share).unwrap_or(if share < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The percentage, when it is one.
    #[must_use]
    pub fn percent(&self) -> Option<i64> {
        match self {
            Self::Int(_) => None,
            Self::String(text) => text.strip_suffix('%')?.parse().ok(),
        }
    }

    /// As a plain number: the count, or a text of digits (`IntValue`); anything else is 0.
    #[must_use]
    pub fn int_value(&self) -> i64 {
        match self {
            Self::Int(it) => *it,
            Self::String(text) => text.parse().unwrap_or(0),
        }
    }
}

impl std::fmt::Display for IntOrString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(it) => write!(f, "{it}"),
            Self::String(it) => f.write_str(it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        let quarter = IntOrString::String("25%".to_owned());
        assert_eq!((quarter.scaled(10, Round::Up), quarter.scaled(10, Round::Down)), (Ok(3), Ok(2)));
        assert_eq!(IntOrString::Int(4).scaled(10, Round::Up), Ok(4));
        assert_eq!(
            IntOrString::String("x".to_owned()).scaled(1, Round::Up).unwrap_err().to_string(),
            "invalid value for IntOrString: invalid type: string is not a percentage"
        );
        assert_eq!(serde_json::from_str::<IntOrString>("\"25%\"").unwrap(), quarter);
    }
}
