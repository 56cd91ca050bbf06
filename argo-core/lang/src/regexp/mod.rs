//! Go's RE2 syntax on the `regex` crate, with bounds and a small cache-free API.

mod syntax;

use regex::{Regex, RegexBuilder};

/// Most bytes of a compiled pattern.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern that is not RE2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct RegexError(String);

/// Compiles a pattern as `regexp.Compile`: RE2 syntax, at most 1 MiB compiled.
///
/// # Errors
/// The pattern is no RE2 expression or too large.
pub fn compile(source: &str) -> Result<Regex, RegexError> {
    let pattern = syntax::translate(source).map_err(RegexError)?;
    RegexBuilder::new(&pattern).size_limit(SIZE_LIMIT).nest_limit(1_000).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => RegexError(format!("expression is too large: `{source}`")),
        other => RegexError(other.to_string()),
    })
}

/// A Go replacement (`$1`, `${name}`, `$$`) is what the crate understands; `$1x` means the group `1x` in both.
#[must_use]
pub fn replace_all(regex: &Regex, text: &str, with: &str) -> String {
    regex.replace_all(text, with).into_owned()
}

/// `regexp.QuoteMeta`.
#[must_use]
pub fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        if r"\.+*?()|[]{}^$".contains(it) {
            out.push('\\');
        }
        out.push(it);
    }
    out
}
