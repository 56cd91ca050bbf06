//! YAML read and written as Go's `sigs.k8s.io/yaml` does it: YAML 1.1 scalars, JSON values.
//!
//! [`decode`] and [`decode_all`] read, [`to_yaml`] prints, [`edit`] changes scalars inside YAML text and leaves the rest of the text alone.

mod decode;
pub mod edit;
mod emit;
mod read;
mod resolve;
pub(crate) mod scalar;
mod scan;

pub use decode::{Options, decode, decode_all, decode_all_with, decode_bytes, decode_with, text_of_bytes};
pub use emit::{to_yaml, to_yaml_pretty};

/// Why a YAML text was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// The text is not YAML.
    #[error("yaml: line {line}: {message}")]
    Syntax {
        /// Line of the trouble, from 1.
        line: usize,
        /// Column of the trouble, from 0.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A key stands twice in one mapping.
    #[error("yaml: unmarshal errors:\n  line {line}: key {key:?} already set in map")]
    DuplicateKey {
        /// Line of the second key, from 1.
        line: usize,
        /// Column of the second key, from 0.
        column: usize,
        /// The key.
        key: String,
    },
    /// The document is YAML but has no JSON form, or is against a rule of merges, tags or aliases.
    #[error("yaml: line {line}: {message}")]
    Value {
        /// Line, from 1.
        line: usize,
        /// Column, from 0.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A bound of [`Options`] was exceeded.
    #[error("yaml: {0}")]
    Limit(&'static str),
}

impl YamlError {
    /// Line (from 1) and column (from 0) of the trouble, where it has a place.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { line, column, .. }
            | Self::DuplicateKey { line, column, .. }
            | Self::Value { line, column, .. } => Some((*line, *column)),
            Self::Limit(_) => None,
        }
    }

    /// The error with the offending line of the text it came from and a mark under the place.
    ///
    /// ```
    /// let text = "a: 1\nb: [2\n";
    /// let error = argo_lang::yaml::decode(text).unwrap_err();
    /// assert!(error.show(text).contains("\n | "), "{}", error.show(text));
    /// ```
    #[must_use]
    pub fn show(&self, text: &str) -> String {
        let Some((line, column)) = self.place() else { return self.to_string() };
        crate::position::picture(&self.to_string(), text, line, column, 1)
    }
}

impl crate::position::Located for YamlError {
    fn line(&self) -> Option<usize> {
        self.place().map(|it| it.0)
    }

    fn column(&self) -> Option<usize> {
        self.place().map(|it| it.1 + 1)
    }

    fn position_in(&self, source: &str) -> Option<crate::position::Position> {
        self.place().map(|(line, column)| crate::position::Position::at(source, line, column + 1, 1))
    }

    fn show(&self, source: &str) -> String {
        Self::show(self, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_scalar_cut_off_by_the_end_has_no_line_break() {
        for (text, wanted) in [
            ("a: |\n  b", "b"),
            ("a: |\n  b\n", "b\n"),
            ("a: |+\n  b", "b"),
            ("a: |-\n  b", "b"),
            ("a: >\n  b\n  c", "b c"),
            ("a: >\n  b\n  c\n", "b c\n"),
        ] {
            assert_eq!(decode(text).unwrap()["a"], wanted, "{text:?}");
        }
    }

    #[test]
    fn errors_show_line_column_and_text() {
        for (text, place, shown) in [
            ("a: 1\nb:\n  a: 1\n  a: 2\n", (4, 2), "key \"a\" already set in map (4:3)\n |   a: 2\n | ..^"),
            ("a: !!int x\n", (1, 9), "cannot decode !!str `x` as a !!int (1:10)\n | a: !!int x\n | .........^"),
            (
                "ok: 1\n<<: 3\n",
                (2, 4),
                "map merge requires map or sequence of maps as the value (2:5)\n | <<: 3\n | ....^",
            ),
        ] {
            let error = decode(text).unwrap_err();
            assert_eq!(error.place(), Some(place), "{error}");
            assert!(error.show(text).ends_with(shown), "{}", error.show(text));
        }
    }
}
