//! Where in a source an error is, and the picture of it: the line, and a mark under the text that offends.
//!
//! The messages of errors stay those of upstream, which mostly name no place; what implements [`Located`] knows it
//! besides, and [`Located::show`] prints both.

use std::ops::Range;

/// Most characters of a line in a picture.
const WINDOW: usize = 400;
/// Longest offending text kept in a position, in characters.
const MAX_TOKEN: usize = 200;

/// A place in a source and the text there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The offending text, at most 200 characters of one line; empty at the end of the source.
    pub text: String,
}

impl Position {
    /// The place of a range of bytes; a range outside the source is moved into it.
    #[must_use]
    pub fn of(source: &str, range: Range<usize>) -> Self {
        let inside = |at: usize| (0..=at.min(source.len())).rev().find(|it| source.is_char_boundary(*it)).unwrap_or(0);
        let offset = inside(range.start);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        let text = &source[offset..inside(range.end).max(offset)];
        Self {
            offset,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            text: text.split('\n').next().unwrap_or_default().chars().take(MAX_TOKEN).collect(),
        }
    }

    /// The place of a range of characters.
    pub(crate) fn of_chars(source: &str, range: Range<usize>) -> Self {
        let byte = |at: usize| source.char_indices().nth(at).map_or(source.len(), |it| it.0);
        Self::of(source, byte(range.start)..byte(range.end))
    }

    /// The place of a part that was cut out of the source; the start where it was not.
    pub(crate) fn of_part(source: &str, part: &str) -> Self {
        let start = (part.as_ptr() as usize).checked_sub(source.as_ptr() as usize).filter(|it| *it <= source.len());
        start.map_or_else(|| Self::of(source, 0..0), |it| Self::of(source, it..it + part.len()))
    }

    /// The place of so many characters at a line and a column, both from 1.
    #[must_use]
    pub fn at(source: &str, line: usize, column: usize, width: usize) -> Self {
        let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = source[start..].split('\n').next().unwrap_or_default();
        let byte = |at: usize| start + rest.char_indices().nth(at).map_or(rest.len(), |it| it.0);
        let column = column.saturating_sub(1);
        Self::of(source, byte(column)..byte(column.saturating_add(width)))
    }

    /// A message with the line of the source and a mark under the offending text.
    ///
    /// ```
    /// let place = argo_lang::position::Position::of("a = b", 2..3);
    /// assert_eq!(place.show("Invalid token", "a = b"), "Invalid token (1:3)\n | a = b\n | ..^");
    /// ```
    #[must_use]
    pub fn show(&self, message: &str, source: &str) -> String {
        picture(message, source, self.line, self.column.saturating_sub(1), self.text.chars().count())
    }
}

/// The picture for a line (from 1), a column (from 0) and the width of the offending text.
pub(crate) fn picture(message: &str, source: &str, line: usize, column: usize, width: usize) -> String {
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // a place far to the right is shown in the middle of the window
    let skipped = if column < WINDOW { 0 } else { column - WINDOW / 2 };
    let snippet: String = text.chars().skip(skipped).take(WINDOW).map(|it| if it == '\t' { ' ' } else { it }).collect();
    let mark = "^".repeat(width.clamp(1, WINDOW / 2));
    format!("{message} ({line}:{})\n | {snippet}\n | {}{mark}", column + 1, ".".repeat(column - skipped))
}

/// An error that knows its place in the source, or finds it there.
pub trait Located: std::error::Error {
    /// The place; `None` for what is not about one place (a failure of a run, a bound) and for what
    /// [`Located::position_in`] finds.
    fn position(&self) -> Option<&Position> {
        None
    }

    /// The place in the source that the error came from: [`Located::position`], or where the offending text stands first.
    fn position_in(&self, source: &str) -> Option<Position> {
        let _ = source;
        self.position().cloned()
    }

    /// Line, from 1.
    fn line(&self) -> Option<usize> {
        self.position().map(|it| it.line)
    }

    /// Column in characters, from 1.
    fn column(&self) -> Option<usize> {
        self.position().map(|it| it.column)
    }

    /// Bytes before the place.
    fn offset(&self) -> Option<usize> {
        self.position().map(|it| it.offset)
    }

    /// The message with the offending line of the source it came from and a mark under the text; without a place the
    /// message alone.
    fn show(&self, source: &str) -> String {
        match self.position_in(source) {
            Some(it) => it.show(&self.to_string(), source),
            None => self.to_string(),
        }
    }
}

/// A message about a range of characters, before it is known of which source.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) chars: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let source = "é: 1\nñb: x y";
        let place = Position::of_chars(source, 8..9);
        assert_eq!((place.offset, place.line, place.column, place.text.as_str()), (10, 2, 4, " "));
        assert_eq!(Position::of_part(source, &source[11..12]).column, 5);
        assert_eq!(Position::of(source, 1..1).offset, 0, "moved to the start of the character");
        assert_eq!(Position::of(source, 99..120).text, "");
        assert_eq!(Position::at(source, 2, 4, 1), place);
        assert_eq!(Position::at(source, 7, 9, 3).offset, source.len());
    }

    #[test]
    fn every_language_shows_its_errors_in_one_form() {
        let yaml = crate::yaml::decode("a: 1\na: 2\n").unwrap_err();
        assert_eq!(Located::show(&yaml, "a: 1\na: 2\n"), yaml.show("a: 1\na: 2\n"));
        let source = "1 +\n  )";
        let jq = crate::jq::Jq::compile("1 |\n  nope").unwrap_err();
        assert_eq!((jq.line(), jq.column()), (Some(jq.line), Some(jq.column)));
        let shown = Located::show(&jq, "1 |\n  nope");
        assert!(shown.starts_with(&jq.message) && shown.ends_with("\n |   nope\n | ..^^^^"), "{shown}");
        let expr = crate::expr::Program::compile(source, &crate::expr::Options::default()).unwrap_err();
        let place = expr.position_in(source).unwrap();
        assert_eq!((Some(place.line), Some(place.column)), (Located::line(&expr), Located::column(&expr)));
        assert_eq!(Located::show(&expr, source), expr.to_string());
    }

    #[test]
    fn a_place_far_to_the_right_is_still_in_the_picture() {
        let source = format!("{}!{}", "a".repeat(5000), "b".repeat(5000));
        let shown = Position::of(&source, 5000..5001).show("no", &source);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "no (1:5001)");
        assert_eq!(lines[1].find('!'), lines[2].find('^'));
        assert!(shown.len() < 1000);
    }
}
