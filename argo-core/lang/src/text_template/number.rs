//! Constants: one text, every kind of number it can stand for.

use super::lex::unquote;
use crate::gofloat;

/// A number in a template: what it is as each type that can hold it.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    /// Real and imaginary part.
    pub(super) complex: Option<(f64, f64)>,
    pub(super) text: String,
}

impl Number {
    /// What a constant of unknown type is.
    pub(super) fn is_float(&self) -> bool {
        let hex_int =
            self.text.len() > 2 && matches!(self.text.get(..2), Some("0x" | "0X")) && !self.text.contains(['p', 'P']);
        self.float.is_some()
            && !hex_int
            && !self.text.starts_with('\'')
            && self.text.contains(['.', 'e', 'E', 'p', 'P'])
    }

    fn simplify(mut self) -> Self {
        if let Some((real, imaginary)) = self.complex
            && imaginary == 0.0
        {
            self.float = Some(real);
            self.int = (real as i64 as f64 == real).then_some(real as i64);
            self.uint = (real as u64 as f64 == real).then_some(real as u64);
        }
        self
    }

    fn blank(text: &str) -> Self {
        Self { int: None, uint: None, float: None, complex: None, text: text.to_owned() }
    }

    /// A character constant.
    pub(super) fn character(text: &str) -> Result<Self, String> {
        let value = unquote(text).ok_or_else(|| "invalid syntax".to_owned())?;
        let mut chars = value.chars();
        let (Some(it), None) = (chars.next(), chars.next()) else {
            return Err(if value.is_empty() {
                "invalid syntax".to_owned()
            } else {
                format!("malformed character constant: {text}")
            });
        };
        let code = u32::from(it);
        Ok(Self {
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            ..Self::blank(text)
        })
    }

    /// Two numbers with a sign between and `i` at the end.
    pub(super) fn complex(text: &str) -> Result<Self, String> {
        let bad = || format!("syntax error scanning complex number: {text}");
        let body = text.strip_suffix('i').ok_or_else(bad)?;
        let cut = body
            .char_indices()
            .skip(1)
            .filter(|(at, it)| matches!(it, '+' | '-') && !body[..*at].ends_with(['e', 'E', 'p', 'P']))
            .map(|(at, _)| at)
            .last()
            .ok_or_else(bad)?;
        let part = |it: &str| gofloat::parse_float(&it.replace('_', "")).ok_or_else(bad);
        Ok(Self { complex: Some((part(&body[..cut])?, part(&body[cut..])?)), ..Self::blank(text) }.simplify())
    }

    /// Any other number.
    pub(super) fn plain(text: &str) -> Result<Self, String> {
        if let Some(body) = text.strip_suffix('i')
            && let Some(imaginary) = gofloat::parse_float(body)
        {
            return Ok(Self { complex: Some((0.0, imaginary)), ..Self::blank(text) }.simplify());
        }
        let mut number = Self::blank(text);
        number.uint = gofloat::parse_uint(text, 0);
        number.int = gofloat::parse_int(text, 0);
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        number.float = match (number.int, number.uint) {
            (Some(it), _) => Some(it as f64),
            (None, Some(it)) => Some(it as f64),
            (None, None) => {
                let float = gofloat::parse_float(text);
                if let Some(float) = float {
                    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                        return Err(format!("integer overflow: {}", crate::fmt::quote(text)));
                    }
                    number.int = (float as i64 as f64 == float && float.abs() < 9.3e18).then_some(float as i64);
                    number.uint = (float >= 0.0 && float as u64 as f64 == float).then_some(float as u64);
                }
                float
            }
        };
        if number.float.is_none() {
            return Err(format!("illegal number syntax: {}", crate::fmt::quote(text)));
        }
        Ok(number)
    }
}
