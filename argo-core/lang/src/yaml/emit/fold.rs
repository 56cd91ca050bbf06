//! Strings on one line, or on more where the line is long: a space behind column 80 becomes a line break, as in go-yaml.

use super::style::{Style, is_break, push_code, push_escaped};

/// The column behind which a line is ended at its next space.
const WIDTH: usize = 80;

/// Writes a string that is no block; lines after the first are indented.
pub(super) fn write(out: &mut String, text: &str, indent: usize) {
    let style = Style::of(text, false);
    let mut folder = Folder { column: column(out), out, indent };
    match style {
        Style::Plain => folder.plain(text),
        Style::Single => folder.single(text),
        Style::Double => folder.double(text),
    }
}

/// Characters since the start of the line.
fn column(out: &str) -> usize {
    out.chars().rev().take_while(|it| !is_break(*it)).count()
}

struct Folder<'a> {
    out: &'a mut String,
    column: usize,
    indent: usize,
}

impl Folder<'_> {
    fn push(&mut self, it: char) {
        self.out.push(it);
        self.column += 1;
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.pad();
    }

    fn pad(&mut self) {
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.column = self.indent;
    }

    fn plain(&mut self, text: &str) {
        if self.column + text.len() <= WIDTH {
            self.out.push_str(text);
            return;
        }
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        while let Some(it) = chars.next() {
            if it == ' ' && !spaces && self.column > WIDTH && chars.peek() != Some(&' ') {
                self.new_line();
            } else {
                self.push(it);
            }
            spaces = it == ' ';
        }
    }

    fn single(&mut self, text: &str) {
        self.push('\'');
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(it) = chars.next() {
            let inside = !first && chars.peek().is_some_and(|it| *it != ' ');
            first = false;
            if it == ' ' {
                if !spaces && self.column > WIDTH && inside {
                    self.new_line();
                } else {
                    self.push(it);
                }
                spaces = true;
                continue;
            }
            if is_break(it) {
                self.out.push(it);
                self.column = 0;
                breaks = true;
                continue;
            }
            if breaks {
                self.pad();
            }
            if it == '\'' {
                self.push('\'');
            }
            self.push(it);
            (spaces, breaks) = (false, false);
        }
        self.push('\'');
    }

    fn double(&mut self, text: &str) {
        self.push('"');
        if text.starts_with('\u{feff}') {
            // upstream takes every character of such a text for the mark
            text.chars().for_each(|it| push_code(self.out, it));
            return self.push('"');
        }
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(it) = chars.next() {
            let inside = !first && chars.peek().is_some();
            first = false;
            if it != ' ' {
                let before = self.out.len();
                push_escaped(self.out, it);
                self.column += self.out[before..].chars().count();
            } else if !spaces && self.column > WIDTH && inside {
                self.new_line();
                // a space at the start of a line would be lost
                if chars.peek() == Some(&' ') {
                    self.push('\\');
                }
            } else {
                self.push(it);
            }
            spaces = it == ' ';
        }
        self.push('"');
    }
}
