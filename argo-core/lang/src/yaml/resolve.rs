//! What scalars mean: values and keys.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::Value;

use super::scalar::{Scalar, resolve};
use super::scan::Mark;
use super::{Options, YamlError};
use crate::gofloat;

/// A scalar as it stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Plain<'a> {
    pub(super) text: Cow<'a, str>,
    /// Neither quoted nor a block.
    pub(super) plain: bool,
    pub(super) tag: Option<String>,
    pub(super) mark: Mark,
}

impl Plain<'_> {
    /// The tag of YAML itself, without its prefix.
    fn core(&self) -> Option<&str> {
        self.tag.as_deref().and_then(|it| it.strip_prefix("tag:yaml.org,2002:"))
    }

    /// The key that brings in other objects.
    pub(super) fn is_merge(&self) -> bool {
        self.text == "<<" && (self.plain && self.tag.is_none() || self.core() == Some("merge"))
    }

    fn wrong(&self, message: impl Into<String>) -> YamlError {
        YamlError::Value { line: self.mark.line, column: self.mark.column, message: message.into() }
    }

    fn meaning(&self, options: &Options) -> Result<Scalar, YamlError> {
        let text = &*self.text;
        let resolve = |text: &str| match resolve(text) {
            Scalar::Bool(_) if options.only_true_and_false && !text.starts_with(['t', 'T', 'f', 'F']) => Scalar::Str,
            it => it,
        };
        let Some(_) = self.tag else { return Ok(if self.plain { resolve(text) } else { Scalar::Str }) };
        let refused = |kind: &str| self.wrong(format!("cannot decode !!str `{text}` as a !!{kind}"));
        Ok(match self.core() {
            Some("bool") => match resolve(text) {
                it @ Scalar::Bool(_) => it,
                _ => return Err(refused("bool")),
            },
            Some("int") => match resolve(text) {
                it @ (Scalar::Int(_) | Scalar::Uint(_)) => it,
                _ => return Err(refused("int")),
            },
            Some("float") => match resolve(text) {
                it @ Scalar::Float(_) => it,
                #[allow(clippy::cast_precision_loss)] // as upstream
                Scalar::Int(int) => Scalar::Float(int as f64),
                _ => return Err(refused("float")),
            },
            Some("null") => match resolve(text) {
                Scalar::Null => Scalar::Null,
                _ => return Err(refused("null")),
            },
            _ => Scalar::Str,
        })
    }
}

/// A scalar as JSON.
pub(super) fn scalar_value(scalar: Plain<'_>, options: &Options) -> Result<Value, YamlError> {
    Ok(match scalar.meaning(options)? {
        Scalar::Null => Value::Null,
        Scalar::Bool(it) => Value::Bool(it),
        Scalar::Int(it) => Value::from(it),
        Scalar::Uint(it) => Value::from(it),
        Scalar::Float(it) => match gofloat::json_number(it) {
            Some(number) => Value::Number(number),
            None => {
                return Err(scalar.wrong(format!("json: unsupported value: {}", gofloat::format_g(it, None))));
            }
        },
        Scalar::Str if scalar.core() == Some("binary") => {
            let clean: String = scalar.text.chars().filter(|it| !it.is_whitespace()).collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(clean);
            let bytes = bytes.map_err(|_| scalar.wrong("!!binary value contains invalid base64 data"))?;
            Value::String(String::from_utf8_lossy(&bytes).into_owned())
        }
        Scalar::Timestamp | Scalar::Str => Value::String(scalar.text.into_owned()),
    })
}

/// A scalar as the key of an object.
pub(super) fn key_text(scalar: Plain<'_>, options: &Options) -> Result<String, YamlError> {
    let meaning = scalar.meaning(options)?;
    if options.only_true_and_false && meaning != Scalar::Str {
        return Err(scalar.wrong("json: unsupported type: map[interface {}]interface {}"));
    }
    Ok(match meaning {
        Scalar::Null => return Err(scalar.wrong("unsupported map key of type: %!s(<nil>), key: <nil>")),
        Scalar::Bool(it) => it.to_string(),
        Scalar::Int(it) => it.to_string(),
        Scalar::Uint(it) => return Err(scalar.wrong(format!("unsupported map key of type: uint64, key: {it:#x}"))),
        Scalar::Float(it) if it.is_nan() => ".nan".to_owned(),
        Scalar::Float(it) if it.is_infinite() => (if it > 0.0 { ".inf" } else { "-.inf" }).to_owned(),
        #[allow(clippy::cast_possible_truncation)] // keys are printed as float32 there
        Scalar::Float(it) => gofloat::format_g32(it as f32),
        Scalar::Timestamp | Scalar::Str => scalar.text.into_owned(),
    })
}
