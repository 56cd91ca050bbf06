//! `.gitignore` files, read as git reads them: what they name is left alone by whatever walks a tree.
//!
//! The rules are git's (`gitignore(5)`, `wildmatch.c`): the last rule that matches decides, `!` takes back, a slash before
//! the end ties a rule to the root, a slash at the end asks for a directory, `**` crosses components, and nothing inside an
//! ignored directory can be taken back. Like git, patterns match bytes: `?` is one byte, and a malformed rule matches nothing.
//!
//! ```
//! use argo_lang::gitignore::Gitignore;
//! let ignore = Gitignore::parse("*.log\n!keep.log\n/build/\n")?;
//! assert!(ignore.is_ignored("a/b.log", false));
//! assert!(!ignore.is_ignored("a/keep.log", false));
//! assert!(ignore.is_ignored("build/keep.log", false));
//! # Ok::<(), argo_lang::gitignore::GitignoreError>(())
//! ```

use regex::bytes::{Regex, RegexBuilder};

/// Longest accepted file in bytes.
const MAX_FILE: usize = 1 << 20;
/// Most rules of one file.
const MAX_RULES: usize = 10_000;
/// Longest accepted rule in bytes.
const MAX_RULE: usize = 4096;

/// A file that is too large to be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GitignoreError {
    /// The whole file.
    #[error("a gitignore file of {0} bytes; at most {MAX_FILE} are read")]
    TooLarge(usize),
    /// Too many rules.
    #[error("line {0}: more than {MAX_RULES} rules")]
    TooManyRules(usize),
    /// One rule.
    #[error("line {line}: a rule of {length} bytes; at most {MAX_RULE} are read")]
    RuleTooLong {
        /// Counted from one.
        line: usize,
        /// In bytes.
        length: usize,
    },
}

/// The rules of one file.
#[derive(Debug, Clone, Default)]
pub struct Gitignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    line: usize,
    pattern: Regex,
    /// Whether it is held against the last component only.
    anywhere: bool,
    directory: bool,
    negated: bool,
}

impl Gitignore {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The file or a rule is too large. A malformed rule is no error: it matches nothing, as in git.
    pub fn parse(text: &str) -> Result<Self, GitignoreError> {
        if text.len() > MAX_FILE {
            return Err(GitignoreError::TooLarge(text.len()));
        }
        let mut rules = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
            let (number, line) = (index + 1, line.strip_suffix('\r').unwrap_or(line));
            if line.len() > MAX_RULE {
                return Err(GitignoreError::RuleTooLong { line: number, length: line.len() });
            }
            rules.extend(Rule::parse(line, number));
            if rules.len() > MAX_RULES {
                return Err(GitignoreError::TooManyRules(number));
            }
        }
        Ok(Self { rules })
    }

    /// Whether a path, relative to the file's folder and with `/` between its components, is ignored: by itself or within an
    /// ignored directory.
    #[must_use]
    pub fn is_ignored(&self, path: &str, directory: bool) -> bool {
        let path = path.trim_matches('/');
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        above.clone().any(|it| self.decide(it, true).is_some_and(|rule| !rule.negated))
            || self.decide(path, directory).is_some_and(|rule| !rule.negated)
    }

    /// The line (from one) of the rule that decides on the path itself, be it to ignore it or to take it back.
    #[must_use]
    pub fn deciding_line(&self, path: &str, directory: bool) -> Option<usize> {
        self.decide(path.trim_matches('/'), directory).map(|rule| rule.line)
    }

    fn decide(&self, path: &str, directory: bool) -> Option<&Rule> {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.rules.iter().rev().find(|rule| {
            (directory || !rule.directory) && rule.pattern.is_match(if rule.anywhere { name } else { path }.as_bytes())
        })
    }
}

impl Rule {
    fn parse(line: &str, number: usize) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let mut it = trim_end(line);
        let negated = it.starts_with('!');
        it = it.strip_prefix('!').unwrap_or(it);
        let directory = it.ends_with('/');
        it = it.strip_suffix('/').unwrap_or(it);
        let anywhere = !it.contains('/');
        it = it.strip_prefix('/').unwrap_or(it);
        if it.is_empty() {
            return None;
        }
        let pattern = Translator { pattern: it.as_bytes(), at: 0, out: String::from(r"(?s-u)\A") }.run()?;
        let pattern = RegexBuilder::new(&pattern).size_limit(1 << 20).build().ok()?;
        Some(Self { line: number, pattern, anywhere, directory, negated })
    }
}

/// Without the spaces at the end that no backslash keeps.
fn trim_end(line: &str) -> &str {
    let bytes = line.as_bytes();
    let (mut at, mut spaces) = (0, None);
    while at < bytes.len() {
        match bytes[at] {
            b' ' => spaces = spaces.or(Some(at)),
            b'\\' => {
                spaces = None;
                at += 1;
            }
            _ => spaces = None,
        }
        at += 1;
    }
    spaces.map_or(line, |at| &line[..at])
}

struct Translator<'a> {
    pattern: &'a [u8],
    at: usize,
    out: String,
}

impl Translator<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.pattern.get(self.at + ahead).copied()
    }

    fn byte(&mut self, it: u8) {
        self.out.push_str(&format!(r"\x{it:02X}"));
    }

    /// The regular expression; nothing where the rule is malformed.
    fn run(mut self) -> Option<String> {
        while let Some(it) = self.peek(0) {
            match it {
                b'\\' => {
                    let escaped = self.peek(1)?;
                    self.at += 2;
                    self.byte(escaped);
                }
                b'?' => {
                    self.at += 1;
                    self.out.push_str("[^/]");
                }
                b'*' => self.stars(),
                b'[' => self.class()?,
                it => {
                    self.at += 1;
                    self.byte(it);
                }
            }
        }
        self.out.push_str(r"\z");
        Some(self.out)
    }

    /// `**` as a whole component crosses components, any other run of stars stays within one.
    fn stars(&mut self) {
        let start = self.at;
        let count = self.pattern[start..].iter().take_while(|it| **it == b'*').count();
        self.at += count;
        // git first takes off what comes before the first special byte: stars right behind it begin the rest
        let begins = start == 0
            || self.pattern[start - 1] == b'/'
            || !self.pattern[..start].iter().any(|it| matches!(it, b'*' | b'?' | b'[' | b'\\'));
        let whole = begins && matches!(self.peek(0), None | Some(b'/'));
        if count < 2 || !whole {
            self.out.push_str("[^/]*");
        } else if self.peek(0).is_some() {
            self.at += 1;
            self.out.push_str("(?:.*/)?");
        } else {
            self.out.push_str(".*");
        }
    }

    fn class(&mut self) -> Option<()> {
        self.at += 1;
        let negated = matches!(self.peek(0), Some(b'!' | b'^'));
        self.at += usize::from(negated);
        let (mut items, mut previous, mut first) = (String::new(), None, true);
        loop {
            let mut it = self.peek(0)?;
            if it == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if it == b'[' && self.peek(1) == Some(b':') {
                // without its end `[` is a member like any other
                let rest = &self.pattern[self.at + 2..];
                if let Some(close) = rest.iter().position(|it| *it == b']').filter(|at| *at > 0 && rest[at - 1] == b':')
                {
                    let name = std::str::from_utf8(&rest[..close - 1]).ok()?;
                    if !POSIX.contains(&name) {
                        return None;
                    }
                    items.push_str(&format!("[:{name}:]"));
                    self.at += close + 3;
                    previous = None;
                    continue;
                }
            }
            if let (b'-', Some(low), Some(next)) = (it, previous, self.peek(1).filter(|it| *it != b']')) {
                self.at += 1;
                let mut high = next;
                if high == b'\\' {
                    self.at += 1;
                    high = self.peek(0)?;
                }
                self.at += 1;
                previous = None;
                if low <= high {
                    items.push_str(&format!(r"\x{low:02X}-\x{high:02X}"));
                }
                continue;
            }
            if it == b'\\' {
                self.at += 1;
                it = self.peek(0)?;
            }
            self.at += 1;
            items.push_str(&format!(r"\x{it:02X}"));
            previous = Some(it);
        }
        // a class never matches the slash
        match (negated, items.is_empty()) {
            (true, _) => self.out.push_str(&format!("[^/{items}]")),
            (false, true) => self.out.push_str(r"[^\x00-\xFF]"),
            (false, false) => self.out.push_str(&format!("[[{items}]&&[^/]]")),
        }
        Some(())
    }
}

/// The named classes that git knows.
const POSIX: &[&str] =
    &["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_decides_except_inside_ignored_directories() {
        let ignore = Gitignore::parse("# logs\n*.log\n!keep.log\nout/\n!out/keep.log\n").unwrap();
        assert!(ignore.is_ignored("a/x.log", false));
        assert!(!ignore.is_ignored("keep.log", false));
        assert!(ignore.is_ignored("out/keep.log", false));
        assert!(!ignore.is_ignored("out", false), "a file of that name");
        assert_eq!(ignore.deciding_line("x/keep.log", false), Some(3));
    }

    #[test]
    fn files_out_of_bounds_are_refused_with_their_line() {
        let long = format!("a\n{}\n", "x".repeat(5000));
        assert_eq!(Gitignore::parse(&long).unwrap_err(), GitignoreError::RuleTooLong { line: 2, length: 5000 });
        assert!(matches!(Gitignore::parse(&"a\n".repeat(10_001)), Err(GitignoreError::TooManyRules(10_001))));
        assert!(matches!(Gitignore::parse(&"a\n".repeat(600_000)), Err(GitignoreError::TooLarge(_))));
    }
}
