//! Constraints.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::version::compare_prereleases;
use super::{MAX_TEXT, SemverError, Version};

const VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

struct Patterns {
    one: Regex,
    range: Regex,
    find: Regex,
    valid: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        one: Regex::new(&format!(r"^\s*({OPERATORS})\s*({VERSION})\s*$")).ok()?,
        range: Regex::new(&format!(r"\s*({VERSION})\s+-\s+({VERSION})\s*")).ok()?,
        find: Regex::new(&format!(r"({OPERATORS})\s*({VERSION})")).ok()?,
        valid: Regex::new(&format!(
            r"^(\s*({OPERATORS})\s*({VERSION})\s*)((?:\s+|,\s*)({OPERATORS})\s*({VERSION})\s*)*$"
        ))
        .ok()?,
    })
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone)]
struct Comparator {
    /// Operator and version as written.
    text: String,
    operator: Operator,
    version: Version,
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

/// A compiled constraint: groups joined by `||`, each of comparators that must all hold.
#[derive(Debug, Clone)]
pub struct Constraint {
    groups: Vec<(Vec<Comparator>, bool)>,
    include_prerelease: bool,
}

/// As upstream prints it: one space between comparators, ` || ` between groups, ranges with a hyphen as two comparators.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (comparators, _)) in self.groups.iter().enumerate() {
            if place > 0 {
                f.write_str(" || ")?;
            }
            let texts: Vec<&str> = comparators.iter().map(|it| it.text.as_str()).collect();
            f.write_str(&texts.join(" "))?;
        }
        Ok(())
    }
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// The text is no constraint.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        let improper = |it: &str| SemverError::Constraint(it.to_owned());
        let patterns = PATTERNS.as_ref().filter(|_| text.len() <= MAX_TEXT).ok_or_else(|| improper(text))?;
        let mut source = text.to_owned();
        for found in patterns.range.captures_iter(text) {
            let whole = found.get(0).map_or("", |it| it.as_str());
            let (low, high) = (found.get(1).map_or("", |it| it.as_str()), found.get(11).map_or("", |it| it.as_str()));
            source = source.replacen(whole, &format!(">= {low}, <= {high} "), 1);
        }
        let mut groups = Vec::new();
        for group in source.split("||") {
            if !patterns.valid.is_match(group) {
                return Err(improper(group));
            }
            let comparators = patterns
                .find
                .find_iter(group)
                .map(|it| comparator(patterns, it.as_str()))
                .collect::<Result<Vec<_>, _>>()?;
            let has_pre = comparators.iter().any(|it| !it.version.pre.is_empty());
            groups.push((comparators, has_pre));
        }
        Ok(Self { groups, include_prerelease: false })
    }

    /// Lets pre-releases match everywhere.
    #[must_use]
    pub fn include_prerelease(mut self) -> Self {
        self.include_prerelease = true;
        self
    }

    /// Whether a version satisfies it.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|(comparators, has_pre)| {
            let pre = self.include_prerelease || *has_pre;
            comparators.iter().all(|it| it.holds(version, pre))
        })
    }
}

fn comparator(patterns: &Patterns, text: &str) -> Result<Comparator, SemverError> {
    let improper = || SemverError::Constraint(text.to_owned());
    let found = patterns.one.captures(text).ok_or_else(improper)?;
    let part = |place: usize| found.get(place).map_or("", |it| it.as_str());
    let wild = |it: &str| it.is_empty() || matches!(it.trim_start_matches('.'), "x" | "X" | "*");
    let pre = part(6);
    let (mut dirty, mut minor_dirty, mut patch_dirty) = (true, false, false);
    let source = if wild(part(3)) {
        format!("0.0.0{pre}")
    } else if wild(part(4)) {
        minor_dirty = true;
        format!("{}.0.0{pre}", part(3))
    } else if wild(part(5)) {
        patch_dirty = true;
        format!("{}{}.0{pre}", part(3), part(4))
    } else {
        dirty = false;
        part(2).to_owned()
    };
    let operator = match part(1) {
        "" | "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::GreaterEqual,
        "<=" | "=<" => Operator::LessEqual,
        "^" => Operator::Caret,
        _ => Operator::Tilde,
    };
    Ok(Comparator {
        text: format!("{}{}", part(1), part(2)),
        operator,
        version: Version::parse(&source).map_err(|_| SemverError::Comparator(text.to_owned()))?,
        dirty,
        minor_dirty,
        patch_dirty,
    })
}

impl Comparator {
    fn holds(&self, version: &Version, include_pre: bool) -> bool {
        if !version.pre.is_empty() && !include_pre {
            return false;
        }
        let own = &self.version;
        match self.operator {
            Operator::Equal if self.dirty => self.tilde(version),
            Operator::Equal => version == own,
            Operator::NotEqual => {
                if self.dirty {
                    if own.major != version.major || (own.minor != version.minor && !self.minor_dirty) {
                        return true;
                    }
                    if self.minor_dirty {
                        return false;
                    }
                    if own.patch != version.patch && !self.patch_dirty {
                        return true;
                    }
                    if self.patch_dirty {
                        return compare_prereleases(&version.pre, &own.pre).is_ne();
                    }
                }
                version != own
            }
            Operator::Greater => {
                if !self.dirty {
                    return version > own;
                }
                match version.major.cmp(&own.major) {
                    Ordering::Greater => true,
                    Ordering::Less => false,
                    Ordering::Equal if self.minor_dirty => false,
                    Ordering::Equal if self.patch_dirty => version.minor > own.minor,
                    Ordering::Equal => version > own,
                }
            }
            Operator::Less => version < own,
            Operator::GreaterEqual => version >= own,
            Operator::LessEqual => {
                if !self.dirty {
                    return version <= own;
                }
                !(version.major > own.major
                    || (version.major == own.major && version.minor > own.minor && !self.minor_dirty))
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        if version < own {
            return false;
        }
        if own.major == 0 && own.minor == 0 && own.patch == 0 && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if version < own {
            return false;
        }
        if own.major > 0 || self.minor_dirty {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.patch_dirty {
            return version.minor == own.minor;
        }
        version.minor == 0 && version.patch == own.patch
    }
}
