//! Which way a string is written so that it reads back as one.

use crate::yaml::scalar::{Scalar, is_base60, resolve};

/// A string on one line: plain, or quoted as go-yaml quotes it.
pub(in crate::yaml) fn flow_scalar(text: &str, key: bool) -> String {
    match Style::of(text, key) {
        Style::Plain => text.to_owned(),
        Style::Single if !text.contains(is_break) => format!("'{}'", text.replace('\'', "''")),
        _ => double_quoted(text),
    }
}

/// How a string is written that is no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
}

impl Style {
    pub(super) fn of(text: &str, key: bool) -> Self {
        let means_string = matches!(resolve(text), Scalar::Str) && !is_base60(text);
        if !means_string || text.contains('\n') {
            return Self::Double;
        }
        let analysis = Analysis::of(text);
        if analysis.block_plain_allowed && !(text.is_empty() && key) {
            Self::Plain
        } else if analysis.single_quoted_allowed && !(key && analysis.line_breaks) {
            Self::Single
        } else {
            Self::Double
        }
    }
}

pub(super) fn is_break(it: char) -> bool {
    matches!(it, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A double-quoted scalar with go-yaml's escapes.
pub(in crate::yaml) fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let push = if text.starts_with('\u{feff}') { push_code } else { push_escaped };
    text.chars().for_each(|it| push(&mut out, it));
    out.push('"');
    out
}

/// A character inside of double quotes.
pub(super) fn push_escaped(out: &mut String, it: char) {
    match it {
        '\0' => out.push_str("\\0"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\x0b' => out.push_str("\\v"),
        '\x0c' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\x1b' => out.push_str("\\e"),
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{85}' => out.push_str("\\N"),
        '\u{a0}' if !is_printable(it) => out.push_str("\\_"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        it if is_printable(it) => out.push(it),
        it => push_code(out, it),
    }
}

/// A character as its number.
pub(super) fn push_code(out: &mut String, it: char) {
    out.push_str(&match u32::from(it) {
        code @ 0..=0xff => format!("\\x{code:02X}"),
        code @ 0..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    });
}

fn is_printable(it: char) -> bool {
    matches!(it, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && it != '\u{feff}'
}

pub(super) struct Analysis {
    block_plain_allowed: bool,
    single_quoted_allowed: bool,
    pub(super) block_allowed: bool,
    line_breaks: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self {
                block_plain_allowed: true,
                single_quoted_allowed: true,
                block_allowed: false,
                line_breaks: false,
            };
        }
        let chars: Vec<char> = text.chars().collect();
        let blank = |it: char| matches!(it, ' ' | '\t');
        let mut block_indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut line_breaks, mut break_space, mut space_break) = (false, false, false, false);
        let mut preceded_by_whitespace = true;
        let (mut previous_space, mut previous_break) = (false, false);
        for (place, &it) in chars.iter().enumerate() {
            let followed_by_whitespace = chars.get(place + 1).is_none_or(|next| blank(*next));
            if place == 0 {
                match it {
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                        block_indicators = true
                    }
                    '?' | ':' | '-' if followed_by_whitespace => block_indicators = true,
                    _ => {}
                }
            } else {
                match it {
                    ':' if followed_by_whitespace => block_indicators = true,
                    '#' if preceded_by_whitespace => block_indicators = true,
                    _ => {}
                }
            }
            special |= !is_printable(it);
            if it == ' ' {
                break_space |= previous_break;
                (previous_space, previous_break) = (true, false);
            } else if is_break(it) {
                line_breaks = true;
                space_break |= previous_space;
                (previous_space, previous_break) = (false, true);
            } else {
                (previous_space, previous_break) = (false, false);
            }
            preceded_by_whitespace = blank(it) || is_break(it);
        }
        let (first, last) = (chars[0], chars[chars.len() - 1]);
        let edges = first == ' ' || is_break(first) || last == ' ' || is_break(last);
        Self {
            block_plain_allowed: !(edges || break_space || space_break || special || line_breaks || block_indicators),
            single_quoted_allowed: !(break_space || space_break || special),
            block_allowed: !(last == ' ' || space_break || special),
            line_breaks,
        }
    }
}
