//! Globs, each as the library reads them that the field in question uses. Compiled to one automaton: matching is linear.

use regex::{Regex, RegexBuilder};

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
        let mut translator = Translator {
            chars: pattern.chars().collect(),
            at: 0,
            mode,
            out: String::from(r"(?s)\A(?:"),
            depth: 0,
            from: 0,
        };
        translator.run().ok_or_else(|| wrong(translator.from, translator.at))?;
        translator.out.push_str(r")\z");
        let regex = RegexBuilder::new(&translator.out)
            .size_limit(4 << 20)
            .nest_limit(200)
            .build()
            .map_err(|_| wrong(0, pattern.len()))?;
        Ok(Self { regex, source: pattern.to_owned() })
    }

    /// Whether a text matches as a whole.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
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

struct Translator {
    chars: Vec<char>,
    at: usize,
    mode: Mode,
    out: String,
    depth: usize,
    /// Where the part starts that is being read, or the brace that is open.
    from: usize,
}

impl Translator {
    fn lenient(&self) -> bool {
        matches!(self.mode, Mode::Gobwas | Mode::GobwasPath)
    }

    fn path(&self) -> bool {
        self.mode != Mode::Gobwas
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn literal(&mut self, it: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&regex::escape(it.encode_utf8(&mut buffer)));
    }

    /// Whether the place is the beginning of a path component.
    fn component_start(&self) -> bool {
        self.at == 0
            || matches!(self.chars[self.at - 1], '/')
            || (self.depth > 0 && matches!(self.chars[self.at - 1], '{' | ','))
    }

    fn run(&mut self) -> Option<()> {
        let mut open = Vec::new();
        while let Some(it) = self.peek(0) {
            self.from = self.at;
            match it {
                '\\' => {
                    self.at += 1;
                    match self.peek(0) {
                        Some(escaped) => {
                            self.at += 1;
                            self.literal(escaped);
                        }
                        // gobwas overlooks it
                        None if self.lenient() => {}
                        None => return None,
                    }
                }
                '*' => self.star(),
                '?' => {
                    self.at += 1;
                    self.out.push_str(if self.path() { "[^/]" } else { "." });
                }
                '[' => self.class()?,
                '{' if self.mode != Mode::FilePath => {
                    self.depth += 1;
                    if self.depth > 50 {
                        return None;
                    }
                    open.push(self.at);
                    self.at += 1;
                    self.out.push_str("(?:");
                }
                '}' if self.depth > 0 => {
                    self.depth -= 1;
                    open.pop();
                    self.at += 1;
                    self.out.push(')');
                }
                ',' if self.depth > 0 => {
                    self.at += 1;
                    self.out.push('|');
                }
                // doublestar: `a/**` matches `a` as well
                '/' if self.mode == Mode::Doublestar
                    && self.peek(1) == Some('*')
                    && self.peek(2) == Some('*')
                    && self.component_end(3) =>
                {
                    if self.peek(3) == Some('/') {
                        self.at += 4;
                        self.out.push_str("/(?:[^/]*/)*");
                    } else {
                        self.at += 3;
                        self.out.push_str("(?:/.*)?");
                    }
                }
                it => {
                    self.at += 1;
                    self.literal(it);
                }
            }
        }
        if self.lenient() {
            // gobwas closes what is open
            self.out.extend(std::iter::repeat_n(')', self.depth));
            return Some(());
        }
        if let Some(open) = open.first() {
            self.from = *open;
            return None;
        }
        Some(())
    }

    fn component_end(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            None | Some('/') => true,
            Some(',' | '}') => self.depth > 0,
            _ => false,
        }
    }

    fn star(&mut self) {
        let count = self.chars[self.at..].iter().take_while(|it| **it == '*').count();
        match self.mode {
            Mode::Gobwas => {
                self.out.push_str(".*");
                self.at += count;
            }
            Mode::GobwasPath => {
                self.out.push_str(if count > 1 { ".*" } else { "[^/]*" });
                self.at += count;
            }
            Mode::Doublestar if count == 2 && self.component_start() && self.component_end(2) => {
                if self.peek(2) == Some('/') {
                    self.at += 3;
                    self.out.push_str("(?:[^/]*/)*");
                } else {
                    self.at += 2;
                    self.out.push_str(".*");
                }
            }
            _ => {
                self.out.push_str("[^/]*");
                self.at += count;
            }
        }
    }

    fn class(&mut self) -> Option<()> {
        self.at += 1;
        let negated = matches!(
            (self.mode, self.peek(0)?),
            (Mode::Gobwas | Mode::GobwasPath | Mode::Doublestar, '!') | (Mode::FilePath | Mode::Doublestar, '^')
        );
        if negated {
            self.at += 1;
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        if self.lenient() {
            return self.plain_class();
        }
        let mut items = 0;
        loop {
            let mut it = self.peek(0)?;
            if it == ']' && items > 0 {
                self.at += 1;
                break;
            }
            if it == ']' || (it == '-' && self.mode == Mode::FilePath) {
                return None;
            }
            if it == '\\' {
                self.at += 1;
                it = self.peek(0)?;
            }
            self.at += 1;
            self.class_char(it);
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|it| it != ']') {
                self.at += 1;
                let mut high = self.peek(0)?;
                if high == '\\' {
                    self.at += 1;
                    high = self.peek(0)?;
                }
                self.at += 1;
                if high < it {
                    if self.mode == Mode::FilePath || self.mode == Mode::Doublestar {
                        // an empty range matches nothing
                        items += 1;
                        continue;
                    }
                    return None;
                }
                self.out.push('-');
                self.class_char(high);
            }
            items += 1;
        }
        self.out.push(']');
        Some(())
    }

    /// gobwas: either one range or a list of characters, in which a hyphen is a hyphen.
    fn plain_class(&mut self) -> Option<()> {
        let mut list = Vec::new();
        loop {
            match self.peek(0)? {
                ']' if !list.is_empty() => break,
                ']' => return None,
                '\\' => {
                    self.at += 1;
                    list.push((self.peek(0)?, true));
                }
                it => list.push((it, false)),
            }
            self.at += 1;
        }
        self.at += 1;
        match list.as_slice() {
            [(low, _), ('-', false), (high, _)] => {
                if low > high {
                    return None;
                }
                self.class_char(*low);
                self.out.push('-');
                self.class_char(*high);
            }
            _ => {
                for (it, _) in &list {
                    self.class_char(*it);
                }
            }
        }
        self.out.push(']');
        Some(())
    }

    fn class_char(&mut self, it: char) {
        if matches!(it, '\\' | ']' | '[' | '^' | '-' | '&' | '~') {
            self.out.push('\\');
        }
        self.out.push(it);
    }
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
            ("a/**/c", "a/c", false, false, true, false),
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
