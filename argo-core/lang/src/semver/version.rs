//! Versions and their order.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::{MAX_TEXT, SemverError};

/// A version. Order and equality ignore the metadata and the way it was written.
#[derive(Debug, Clone)]
pub struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
    pub(super) patch: u64,
    pub(super) pre: String,
    pub(super) meta: String,
    pub(super) original: String,
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

    pub(super) fn of(major: u64, minor: u64, patch: u64, v: bool) -> Self {
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

pub(super) fn compare_prereleases(a: &str, b: &str) -> Ordering {
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
