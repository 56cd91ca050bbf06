//! The tree to text that reads back as the same tree, with as few parentheses as that takes.

use std::fmt::{self, Display, Formatter, Write as _};

use super::Expression;
use super::plan::{Operator, Stage};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        stage(&self.root, f)
    }
}

fn stage(it: &Stage, f: &mut Formatter<'_>) -> fmt::Result {
    match it {
        // a number too large for a float64 is infinite
        Stage::Number(it) if it.is_infinite() => f.write_str(&"9".repeat(310)),
        Stage::Number(it) => write!(f, "{it}"),
        Stage::Bool(it) => write!(f, "{it}"),
        Stage::Text(text) => quoted(text, f),
        Stage::Pattern(pattern) => quoted(pattern.as_str(), f),
        Stage::Variable(name) => variable(name, f),
        Stage::Accessor(path) => f.write_str(path),
        Stage::Prefix(mark, inner) => {
            f.write_char(*mark)?;
            // upstream takes no text behind a prefix, and two prefixes are one mark
            nested(
                inner,
                matches!(**inner, Stage::Binary(..) | Stage::Prefix(..) | Stage::Text(_) | Stage::Pattern(_)),
                f,
            )
        }
        Stage::Binary(operator, left, right) => {
            let level = |it: &Stage| match it {
                Stage::Binary(operator, ..) => operator.level(),
                _ => usize::MAX,
            };
            nested(left, level(left) < operator.level(), f)?;
            match operator {
                Operator::Separate => f.write_str(", ")?,
                operator => write!(f, " {} ", operator.text())?,
            }
            nested(right, level(right) <= operator.level(), f)
        }
        Stage::Empty => f.write_str("()"),
    }
}

fn nested(it: &Stage, parentheses: bool, f: &mut Formatter<'_>) -> fmt::Result {
    if !parentheses {
        return stage(it, f);
    }
    f.write_char('(')?;
    stage(it, f)?;
    f.write_char(')')
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('\'')?;
    for it in text.chars() {
        if matches!(it, '\'' | '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(it)?;
    }
    f.write_char('\'')
}

fn variable(name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('[')?;
    for it in name.chars() {
        if matches!(it, ']' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(it)?;
    }
    f.write_char(']')
}
