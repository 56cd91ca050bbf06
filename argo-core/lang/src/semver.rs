//! Versions and constraints as `Masterminds/semver` v3: `>=1.2, <2 || ~3.1`, `1.2.x`, `1.2 - 1.4`, `^0.2`.
//!
//! A pre-release matches only where a constraint of the same group names one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// Longest accepted text.
const MAX_TEXT: usize = 4096;

/// Why a version or constraint was refused; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SemverError {
    /// Not a version.
    #[error("invalid semantic version")]
    Invalid,
    /// Empty, where strict.
    #[error("version string empty")]
    Empty,
    /// A character that no version has, where strict.
    #[error("invalid characters in version")]
    Characters,
    /// A number with a leading zero, where that matters.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// A number beyond 64 bits.
    #[error("error parsing version segment: {0}: value out of range")]
    Range(String),
    /// A bad pre-release part.
    #[error("invalid prerelease string")]
    Prerelease,
    /// Not a constraint.
    #[error("improper constraint: {0}")]
    Constraint(String),
}

/// A version. Order and equality ignore the metadata and the way it was written.
#[derive(Debug, Clone)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
    meta: String,
    original: String,
}

static LOOSE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?$").ok()
});

impl Version {
    /// Reads a version loosely: a leading `v`, missing minor or patch, and leading zeros are allowed.
    ///
    /// # Errors
    /// The text is no version.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > MAX_TEXT {
            return Err(SemverError::Invalid);
        }
        let parts = LOOSE.as_ref().and_then(|it| it.captures(text)).ok_or(SemverError::Invalid)?;
        let number = |place: usize| match parts.get(place) {
            Some(it) => {
                let digits = it.as_str().trim_start_matches('.');
                digits.parse::<u64>().map_err(|_| SemverError::Range(digits.to_owned()))
            }
            None => Ok(0),
        };
        let part = |place: usize| parts.get(place).map_or_else(String::new, |it| it.as_str().to_owned());
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: part(5),
            meta: part(8),
            original: text.to_owned(),
        };
        check_prerelease(&version.pre)?;
        Ok(version)
    }

    /// Reads a version strictly: three numbers, no `v`, no leading zeros.
    ///
    /// # Errors
    /// The text is no strict version.
    pub fn parse_strict(text: &str) -> Result<Self, SemverError> {
        if text.is_empty() {
            return Err(SemverError::Empty);
        }
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [major, minor, tail] = parts.as_slice() else { return Err(SemverError::Invalid) };
        let patch = &tail[..tail.find(['-', '+']).unwrap_or(tail.len())];
        for number in [*major, *minor, patch] {
            if number.is_empty() || !number.bytes().all(|it| it.is_ascii_digit()) {
                return Err(SemverError::Characters);
            }
            if number.len() > 1 && number.starts_with('0') {
                return Err(SemverError::LeadingZero);
            }
        }
        Self::parse(text)
    }

    /// The major number.
    #[must_use]
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The minor number.
    #[must_use]
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The patch number.
    #[must_use]
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// The pre-release, without its hyphen; empty for a release.
    #[must_use]
    pub fn prerelease(&self) -> &str {
        &self.pre
    }

    /// The metadata, without its plus.
    #[must_use]
    pub fn metadata(&self) -> &str {
        &self.meta
    }

    /// The text it was read from.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    fn of(major: u64, minor: u64, patch: u64, v: bool) -> Self {
        let original = format!("{}{major}.{minor}.{patch}", if v { "v" } else { "" });
        Self { major, minor, patch, pre: String::new(), meta: String::new(), original }
    }

    /// The next major release.
    #[must_use]
    pub fn inc_major(&self) -> Self {
        Self::of(self.major.saturating_add(1), 0, 0, self.original.starts_with('v'))
    }

    /// The next minor release.
    #[must_use]
    pub fn inc_minor(&self) -> Self {
        Self::of(self.major, self.minor.saturating_add(1), 0, self.original.starts_with('v'))
    }

    /// The next patch release; of a pre-release, its release.
    #[must_use]
    pub fn inc_patch(&self) -> Self {
        let step = u64::from(self.pre.is_empty());
        Self::of(self.major, self.minor, self.patch.saturating_add(step), self.original.starts_with('v'))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.meta.is_empty() {
            write!(f, "+{}", self.meta)?;
        }
        Ok(())
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prereleases(&self.pre, &other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

fn check_prerelease(text: &str) -> Result<(), SemverError> {
    if text.is_empty() {
        return Ok(());
    }
    for part in text.split('.') {
        if part.is_empty() {
            return Err(SemverError::Prerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|it| it.is_ascii_digit()) {
            return Err(SemverError::LeadingZero);
        }
    }
    Ok(())
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        _ => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

// === constraints ===

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
        operator,
        version: Version::parse(&source).map_err(|_| SemverError::Constraint(text.to_owned()))?,
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

/// What changed between two versions: `Major`, `Minor`, `Patch`, `Metadata`, `None`, or `Incomparable` when one is no version
/// (Kargo's `semverDiff`).
#[must_use]
pub fn diff(a: &str, b: &str) -> &'static str {
    let (Ok(a), Ok(b)) = (Version::parse(a), Version::parse(b)) else { return "Incomparable" };
    if a.major != b.major {
        "Major"
    } else if a.minor != b.minor {
        "Minor"
    } else if a.patch != b.patch {
        "Patch"
    } else if a.pre != b.pre || a.meta != b.meta {
        "Metadata"
    } else {
        "None"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_precedence() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.2",
            "2",
        ];
        for pair in ordered.windows(2) {
            assert!(Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(), "{pair:?}");
        }
        assert_eq!(Version::parse("v1.2").unwrap().to_string(), "1.2.0");
        assert_eq!(Version::parse("1.0.0+a").unwrap(), Version::parse("1.0.0+b").unwrap());
        assert!(Version::parse_strict("v1.2.3").is_err());
        assert!(Version::parse_strict("1.2").is_err());
        assert_eq!(Version::parse("1.2.3-01"), Err(SemverError::LeadingZero));
    }

    #[test]
    fn constraints_follow_the_wildcard_and_prerelease_rules() {
        for (constraint, version, wanted) in [
            ("^1.2", "1.9.0", true),
            ("^1.2", "2.0.0", false),
            ("^0.2.3", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            (">=1.2, <2 || 3.x", "3.7.1", true),
            ("*", "4.0.0", true),
            ("*", "4.0.0-rc1", false),
            (">=1.0.0-0", "1.1.0-rc1", true),
            ("!=1.2.x", "1.2.5", false),
            ("1.2.3", "v1.2.3", true),
            (">11", "11.1.0", false),
            ("<=11", "11.9.0", true),
        ] {
            assert_eq!(
                Constraint::parse(constraint).unwrap().matches(&Version::parse(version).unwrap()),
                wanted,
                "{constraint} {version}"
            );
        }
        assert_eq!(Constraint::parse("a b").unwrap_err().to_string(), "improper constraint: a b");
    }

    #[test]
    fn the_difference_is_named_by_its_highest_part() {
        assert_eq!(
            (diff("1.2.3", "2.0.0"), diff("1.2.3", "1.2.3-a"), diff("1", "1.0.0"), diff("x", "1")),
            ("Major", "Metadata", "None", "Incomparable")
        );
    }
}
