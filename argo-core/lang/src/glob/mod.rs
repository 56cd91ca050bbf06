//! Globs, each as the library reads them that the field in question uses. Compiled to one automaton: matching is linear.

mod defects;
mod expand;
mod translate;

use regex::{Regex, RegexBuilder};

use self::defects::Ends;
use self::translate::Translator;
use crate::position::{Located, Position};

/// Longest accepted pattern in bytes.
const MAX_PATTERN: usize = 16 << 10;

/// Which library's globs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// `gobwas/glob` without separators: `*` matches anything (Argo CD projects, directory include and exclude).
    Gobwas,
    /// `gobwas/glob` with `/` as separator: `*` stops there, `**` does not (clusters, namespaces).
    GobwasPath,
    /// `doublestar`: `**` is any number of path components (ApplicationSet git files).
    Doublestar,
    /// `filepath.Match`: `*`, `?` and classes within one component, no braces.
    FilePath,
}

/// A pattern that is not a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern {pattern:?}")]
pub struct GlobError {
    pattern: String,
    position: Position,
}

impl Located for GlobError {
    fn position(&self) -> Option<&Position> {
        Some(&self.position)
    }
}

/// A compiled glob.
#[derive(Debug, Clone)]
pub struct Glob {
    regex: Regex,
    source: String,
    /// What gobwas matches otherwise than its own grammar says.
    ends: Option<Ends>,
}

/// The pattern.
impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)
    }
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The pattern is malformed in its mode.
    pub fn new(pattern: &str, mode: Mode) -> Result<Self, GlobError> {
        let wrong = |from: usize, to: usize| GlobError {
            pattern: pattern.to_owned(),
            position: Position::of_chars(pattern, from..to),
        };
        if pattern.len() > MAX_PATTERN {
            return Err(wrong(MAX_PATTERN, MAX_PATTERN));
        }
        let mut whole = String::from(r"(?s)\A(?:");
        // doublestar looks at what stands around a star after it has put in one of the alternatives
        let expanded = if mode == Mode::Doublestar { expand::alternatives(pattern) } else { None };
        match &expanded {
            Some(patterns) if patterns.len() > 1 => {
                for (place, it) in patterns.iter().enumerate() {
                    if place > 0 {
                        whole.push('|');
                    }
                    let mut translator = Translator::new(it, mode);
                    translator.run().ok_or_else(|| wrong(0, pattern.chars().count()))?;
                    whole.push_str(&translator.out);
                }
            }
            _ => {
                let mut translator = Translator::new(pattern, mode);
                translator.run().ok_or_else(|| wrong(translator.from, translator.at))?;
                whole.push_str(&translator.out);
            }
        }
        whole.push_str(r")\z");
        let regex = RegexBuilder::new(&whole)
            .size_limit(4 << 20)
            .nest_limit(200)
            .build()
            .map_err(|_| wrong(0, pattern.len()))?;
        let ends = if translate::is_lenient(mode) { Ends::of(pattern, mode) } else { None };
        Ok(Self { regex, source: pattern.to_owned(), ends })
    }

    /// Whether a text matches as a whole.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.ends.as_ref().is_some_and(|it| it.is_match(text)) || self.regex.is_match(text)
    }

    /// The pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.source
    }
}

/// Compiles and matches in one step; a malformed pattern matches nothing.
#[must_use]
pub fn is_match(pattern: &str, text: &str, mode: Mode) -> bool {
    Glob::new(pattern, mode).is_ok_and(|it| it.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_know_line_column_and_text() {
        for (pattern, mode, column, offending) in [
            ("é/[z-a]", Mode::Gobwas, 3, "[z-a]"),
            ("a/{b,c", Mode::Doublestar, 3, "{b,c"),
            ("ab\\", Mode::FilePath, 3, "\\"),
            ("x[", Mode::FilePath, 2, "["),
        ] {
            let error = Glob::new(pattern, mode).unwrap_err();
            let place = (error.line(), error.column(), error.position().map(|it| it.text.as_str()));
            assert_eq!(place, (Some(1), Some(column), Some(offending)), "{pattern}");
        }
        let error = Glob::new("é/[z-a]", Mode::Gobwas).unwrap_err();
        assert_eq!(error.show("é/[z-a]"), "syntax error in pattern \"é/[z-a]\" (1:3)\n | é/[z-a]\n | ..^^^^^");
    }

    #[test]
    fn each_mode_has_its_own_star() {
        for (pattern, text, gobwas, gobwas_path, doublestar, file_path) in [
            ("a*", "a/b", true, false, false, false),
            ("a/*", "a/b", true, true, true, true),
            ("**/x", "x", false, false, true, false),
            ("a/**", "a/b/c", true, true, true, false),
            ("a/**", "a", false, false, true, false),
            ("a/**/c", "a/c", true, true, true, false),
            ("{a,b}/c", "b/c", true, true, true, false),
            ("[a-c]x", "bx", true, true, true, true),
            ("?", "/", true, false, false, false),
        ] {
            assert_eq!(
                (
                    is_match(pattern, text, Mode::Gobwas),
                    is_match(pattern, text, Mode::GobwasPath),
                    is_match(pattern, text, Mode::Doublestar),
                    is_match(pattern, text, Mode::FilePath)
                ),
                (gobwas, gobwas_path, doublestar, file_path),
                "{pattern} {text}"
            );
        }
        for bad in ["[", "[]", "[z-a]"] {
            assert!(Glob::new(bad, Mode::Gobwas).is_err(), "{bad}");
        }
    }
}
