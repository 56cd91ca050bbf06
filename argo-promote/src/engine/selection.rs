//! Choosing among tags, commits and paths.

use argo_lang::regexp;
use regex::Regex;

/// A pattern or setting that can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Not a regular expression.
    #[error("error compiling string {pattern:?} into a regular expression: {message}")]
    Regex {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// A path that climbs, or a glob that is none.
    #[error("invalid path pattern {pattern:?}: {message}")]
    Path {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// Not a version constraint.
    #[error("error parsing semver constraint {constraint:?}: {message}")]
    Constraint {
        /// The constraint.
        constraint: String,
        /// What is wrong.
        message: String,
    },
    /// An expression that does not compile or evaluate.
    #[error("error evaluating expression {expression:?}: {message}")]
    Expression {
        /// The expression.
        expression: String,
        /// What is wrong.
        message: String,
    },
}

fn regex(pattern: &str) -> Result<Regex, SelectionError> {
    regexp::compile(pattern)
        .map_err(|it| SelectionError::Regex { pattern: pattern.to_owned(), message: it.to_string() })
}

/// Which names of tags count.
#[derive(Debug, Clone, Default)]
pub struct NameFilter {
    allow: Vec<Regex>,
    ignore: Vec<Regex>,
}

impl NameFilter {
    /// From patterns: a name must match one of `allow` (unless it is empty) and none of `ignore`.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn new(allow: &[String], ignore: &[String]) -> Result<Self, SelectionError> {
        let all = |list: &[String]| list.iter().map(|it| regex(it)).collect::<Result<Vec<_>, _>>();
        Ok(Self { allow: all(allow)?, ignore: all(ignore)? })
    }

    /// Whether a name counts.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        !self.ignore.iter().any(|it| it.is_match(name))
            && (self.allow.is_empty() || self.allow.iter().any(|it| it.is_match(name)))
    }
}

/// Which changed paths make a commit count.
#[derive(Debug, Clone, Default)]
pub struct PathFilter {
    include: Vec<PathPattern>,
    exclude: Vec<PathPattern>,
}

#[derive(Debug, Clone)]
enum PathPattern {
    Prefix(String),
    Pattern(Regex),
}

impl PathFilter {
    /// From patterns: `glob:`, `regex:` or `regexp:` in front, otherwise a folder or file.
    ///
    /// # Errors
    /// When a pattern is none, or a path climbs.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, SelectionError> {
        let all = |list: &[String]| list.iter().map(|it| PathPattern::parse(it)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: all(include)?, exclude: all(exclude)? })
    }

    /// Whether every commit counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a commit that changed these paths counts: one of them is included and not excluded.
    #[must_use]
    pub fn matches<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> bool {
        self.is_empty()
            || paths.into_iter().any(|path| {
                (self.include.is_empty() || self.include.iter().any(|it| it.matches(path)))
                    && !self.exclude.iter().any(|it| it.matches(path))
            })
    }
}

impl PathPattern {
    fn parse(text: &str) -> Result<Self, SelectionError> {
        if let Some(glob) = text.strip_prefix("glob:") {
            return glob_regex(glob).map(Self::Pattern);
        }
        if let Some(pattern) = text.strip_prefix("regex:").or_else(|| text.strip_prefix("regexp:")) {
            return regex(pattern).map(Self::Pattern);
        }
        let path = argo_core::files::normal(text.trim_start_matches('/'));
        let climbs = || SelectionError::Path { pattern: text.to_owned(), message: "must not climb".to_owned() };
        path.map(Self::Prefix).ok_or_else(climbs)
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => {
                prefix.is_empty()
                    || path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Pattern(regex) => regex.is_match(path),
        }
    }
}

/// A glob as a regular expression: `*` and `?` stay within a folder, `**` crosses folders, `[…]` and `{a,b}` as usual.
///
/// # Errors
/// When brackets are not closed.
pub fn glob_regex(glob: &str) -> Result<Regex, SelectionError> {
    let mut out = String::from("^");
    let mut rest = glob.chars().peekable();
    let mut alternatives = 0;
    while let Some(it) = rest.next() {
        match it {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                out.push('[');
                if matches!(rest.peek(), Some('!' | '^')) {
                    rest.next();
                    out.push('^');
                }
            }
            ']' => out.push(']'),
            '{' => {
                alternatives += 1;
                out.push_str("(?:");
            }
            '}' if alternatives > 0 => {
                alternatives -= 1;
                out.push(')');
            }
            ',' if alternatives > 0 => out.push('|'),
            '\\' => {
                if let Some(next) = rest.next() {
                    out.push_str(&regexp::quote_meta(&next.to_string()));
                }
            }
            '-' => out.push('-'),
            other => out.push_str(&regexp::quote_meta(&other.to_string())),
        }
    }
    out.push('$');
    regexp::compile(&out).map_err(|it| SelectionError::Path { pattern: glob.to_owned(), message: it.to_string() })
}

/// Whether a name matches a selector: exact, or a pattern behind `glob:`, `regex:` or `regexp:`. A pattern that can
/// not be read matches nothing.
#[must_use]
pub fn name_matches(selector: &str, name: &str) -> bool {
    if let Some(glob) = selector.strip_prefix("glob:") {
        return glob_regex(glob).is_ok_and(|it| it.is_match(name));
    }
    match selector.strip_prefix("regex:").or_else(|| selector.strip_prefix("regexp:")) {
        Some(pattern) => regex(pattern).is_ok_and(|it| it.is_match(name)),
        None => selector == name,
    }
}

/// Cuts a commit's subject to 80 characters.
#[must_use]
pub fn subject(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    if line.chars().count() <= 80 {
        return line.to_owned();
    }
    format!("{}...", line.chars().take(77).collect::<String>())
}

/// The number of artifacts to list: 20 by default, between 1 and 100.
#[must_use]
pub fn limit(wanted: i64) -> usize {
    if wanted <= 0 { 20 } else { usize::try_from(wanted).unwrap_or(100).min(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn names_are_allowed_and_ignored_by_pattern() {
        let filter = NameFilter::new(&owned(&["^v1", "^main-"]), &owned(&["-rc"])).unwrap();
        let kept: Vec<_> =
            ["v1.0", "v1.0-rc1", "v2.0", "main-abc"].into_iter().filter(|it| filter.matches(it)).collect();
        assert_eq!(kept, ["v1.0", "main-abc"]);
        assert!(NameFilter::new(&owned(&["("]), &[]).is_err());
    }

    #[test]
    fn one_path_that_counts_is_enough() {
        let filter =
            PathFilter::new(&owned(&["apps/web", "glob:charts/**/*.yaml"]), &owned(&["regex:\\.md$"])).unwrap();
        assert!(filter.matches(["apps/web/main.go", "README.md"]));
        assert!(filter.matches(["charts/a/b/values.yaml"]));
        assert!(!filter.matches(["apps/web/README.md"]));
        assert!(!filter.matches(["apps/website/main.go"]));
        assert!(!filter.matches(["charts/x.txt"]));
        assert!(PathFilter::new(&owned(&["../x"]), &[]).is_err());
    }

    #[test]
    fn selectors_of_stages_are_exact_or_patterns() {
        assert!(name_matches("dev", "dev") && !name_matches("dev", "dev2"));
        assert!(name_matches("glob:dev-*", "dev-eu") && name_matches("regexp:^d.v$", "dev"));
        assert!(!name_matches("regex:(", "("));
    }

    #[test]
    fn subjects_are_cut_at_eighty() {
        assert_eq!(subject("short\n\nbody"), "short");
        let long = subject(&"é".repeat(100));
        assert_eq!((long.chars().count(), long.ends_with("...")), (80, true));
    }
}
