//! Permissive conversions, as `spf13/cast`.

use crate::gofloat;
use crate::text_template::value::Val;

pub(super) fn to_int(value: &Val) -> i64 {
    match value {
        Val::Int(it) | Val::Sized(it, _) => *it,
        Val::Float(it) => gofloat::to_int(*it),
        Val::Bool(it) => i64::from(*it),
        Val::Str(it) => {
            // a fraction of zeros is cut
            let text = it
                .split_once('.')
                .map_or(&**it, |(whole, rest)| if rest.bytes().all(|byte| byte == b'0') { whole } else { &**it });
            gofloat::parse_int(text, 0).unwrap_or(0)
        }
        Val::Duration(it) => i64::try_from(it.as_nanos()).unwrap_or(i64::MAX),
        _ => 0,
    }
}

pub(super) fn to_float(value: &Val) -> f64 {
    match value {
        Val::Float(it) => *it,
        Val::Int(it) | Val::Sized(it, _) => *it as f64,
        Val::Bool(it) => f64::from(u8::from(*it)),
        Val::Str(it) => gofloat::parse_float(it).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Sprig's `strval`.
pub(super) fn to_text(value: &Val) -> String {
    value.display()
}

/// Sprig's `strslice`: a list without nils, anything else as a list of one.
pub(super) fn to_texts(value: &Val) -> Vec<String> {
    match value {
        Val::Missing | Val::Nil => Vec::new(),
        other => match other.items() {
            Some(items) => items.iter().filter(|it| !it.is_nil()).map(to_text).collect(),
            None => vec![to_text(other)],
        },
    }
}

/// Sprig's `empty`.
pub(super) fn is_empty(value: &Val) -> bool {
    match value {
        Val::Object(_) => false,
        // a struct is never empty
        Val::Time(_) => false,
        other => !other.truth(),
    }
}
