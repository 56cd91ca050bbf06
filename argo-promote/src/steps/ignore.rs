//! Patterns in `.gitignore` syntax.

use regex::Regex;

use crate::engine::selection::{SelectionError, glob_regex};

/// What is left out. The last pattern that matches decides.
#[derive(Debug, Default)]
pub(super) struct Ignore(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    regex: Regex,
    negated: bool,
    only_folders: bool,
}

impl Ignore {
    pub(super) fn parse(text: &str) -> Result<Self, SelectionError> {
        let mut rules = Vec::new();
        for line in text.lines() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (only_folders, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
            let anchored = line.contains('/');
            let pattern = line.strip_prefix('/').unwrap_or(line);
            let glob = if anchored { pattern.to_owned() } else { format!("**/{pattern}") };
            rules.push(Rule { regex: glob_regex(&glob)?, negated, only_folders });
        }
        Ok(Self(rules))
    }

    pub(super) fn is_ignored(&self, path: &str, is_folder: bool) -> bool {
        let rule = self.0.iter().rev().find(|it| (is_folder || !it.only_folders) && it.regex.is_match(path));
        rule.is_some_and(|it| !it.negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_decides() {
        let ignore = Ignore::parse("# comment\n*.md\n!README.md\n/build/\ndocs/*.txt\n").unwrap();
        for (path, folder, expected) in [
            ("a/b.md", false, true),
            ("a/README.md", false, false),
            ("build", true, true),
            ("build", false, false),
            ("a/build", true, false),
            ("docs/x.txt", false, true),
            ("docs/a/x.txt", false, false),
            ("main.go", false, false),
        ] {
            assert_eq!(ignore.is_ignored(path, folder), expected, "{path}");
        }
    }
}
