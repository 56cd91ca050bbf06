//! Go's RE2 syntax on the `regex` crate, with bounds and a small cache-free API.

use regex::{Regex, RegexBuilder};

/// A pattern that is not RE2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct RegexError(String);

/// Compiles a pattern as `regexp.Compile`: RE2 syntax, at most 1 MiB compiled.
///
/// # Errors
/// The pattern is no RE2 expression or too large.
pub fn compile(source: &str) -> Result<Regex, RegexError> {
    let pattern = translate(source);
    RegexBuilder::new(&pattern)
        .size_limit(1 << 20)
        .nest_limit(200)
        .build()
        .map_err(|error| RegexError(go_message(source, &error.to_string())))
}

/// The message in Go's words where they are known.
fn go_message(pattern: &str, text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    let last = last.trim_start_matches("error: ");
    match last {
        "unclosed character class" => {
            format!("missing closing ]: `{}`", pattern.rfind('[').map_or(pattern, |at| &pattern[at..]))
        }
        "unclosed group" => format!("missing closing ): `{pattern}`"),
        "unopened group" => format!("unexpected ): `{pattern}`"),
        other => other.to_owned(),
    }
}

/// Where the crate's syntax differs from RE2: `\z` is the same, `\pN` is the same, `\C` and `\Q…\E` are ours to translate.
fn translate(pattern: &str) -> String {
    if !pattern.contains("\\Q") && !pattern.contains("(?P<") {
        return pattern.to_owned();
    }
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find("\\Q") {
        // an escaped backslash before Q is no quote
        let slashes = rest[..at].bytes().rev().take_while(|it| *it == b'\\').count();
        if slashes % 2 == 1 {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let (literal, tail) = inside.split_once("\\E").unwrap_or((inside, ""));
        out.push_str(&regex::escape(literal));
        rest = tail;
    }
    out.push_str(rest);
    out
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
