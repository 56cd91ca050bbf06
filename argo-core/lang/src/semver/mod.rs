//! Versions and constraints as `Masterminds/semver` v3: `>=1.2, <2 || ~3.1`, `1.2.x`, `1.2 - 1.4`, `^0.2`.
//!
//! A pre-release matches only where a constraint of the same group names one.

mod constraint;
mod version;

pub use constraint::Constraint;
pub use version::Version;

use crate::position::{Located, Position};

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
    /// A part of a constraint whose version is none, as `1.2.3-01`.
    #[error("constraint parser error")]
    Comparator(String),
}

/// The place of the refused part in the version or constraint that was given.
impl Located for SemverError {
    fn position_in(&self, source: &str) -> Option<Position> {
        let part = match self {
            Self::Range(part) | Self::Constraint(part) | Self::Comparator(part) => part.trim(),
            _ => source.trim(),
        };
        // a range with a hyphen is refused in the form it was rewritten to
        let (at, len) = source.find(part).map_or((0, source.len()), |it| (it, part.len()));
        Some(Position::of(source, at..at + len))
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
    fn errors_are_shown_in_the_text_they_came_from() {
        let text = ">=1.2 || a b";
        assert_eq!(
            Constraint::parse(text).unwrap_err().show(text),
            "improper constraint:  a b (1:10)\n | >=1.2 || a b\n | .........^^^"
        );
        let text = "1.99999999999999999999.0";
        let place = Version::parse(text).unwrap_err().position_in(text).unwrap();
        assert_eq!((place.line, place.column, place.text.as_str()), (1, 3, "99999999999999999999"));
    }

    #[test]
    fn the_difference_is_named_by_its_highest_part() {
        assert_eq!(
            (diff("1.2.3", "2.0.0"), diff("1.2.3", "1.2.3-a"), diff("1", "1.0.0"), diff("x", "1")),
            ("Major", "Metadata", "None", "Incomparable")
        );
    }
}
