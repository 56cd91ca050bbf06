//! Words: cases, initials, wrapping and shortening.

use super::bytes;

/// `goutils.AbbreviateFull`.
pub(super) fn abbrev(text: &str, offset: i64, width: i64) -> String {
    let (Ok(width), len) = (usize::try_from(width), text.len()) else { return text.to_owned() };
    if width < 4 || len <= width {
        return text.to_owned();
    }
    let mut offset = usize::try_from(offset).unwrap_or(0).min(len);
    if len - offset < width - 3 {
        offset = len - (width - 3);
    }
    if offset <= 4 {
        return format!("{}...", bytes(text, 0, width - 3));
    }
    if width < 7 {
        return String::new();
    }
    if offset + width - 3 < len {
        return format!("...{}", abbrev(&bytes(text, offset, len), 0, width as i64 - 3));
    }
    format!("...{}", bytes(text, len - (width - 3), len))
}

/// `strings.Title`.
pub(super) fn title(text: &str) -> String {
    let mut fresh = true;
    text.chars()
        .map(|it| {
            let out = if fresh { it.to_uppercase().next().unwrap_or(it) } else { it };
            fresh = if it.is_ascii() {
                !(it.is_ascii_alphanumeric() || it == '_')
            } else {
                !(it.is_alphanumeric()) && it.is_whitespace()
            };
            out
        })
        .collect()
}

pub(super) fn swap_case(text: &str) -> String {
    text.chars()
        .map(|it| match it {
            it if it.is_uppercase() => it.to_lowercase().next().unwrap_or(it),
            it if it.is_lowercase() => it.to_uppercase().next().unwrap_or(it),
            it => it,
        })
        .collect()
}

/// The kinds of words that `xstrings` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Number,
    /// Capitals, or one capital and what follows it.
    Upper,
    Lower,
    Connector,
    Punctuation,
    Other,
}

fn is_connector(it: char) -> bool {
    matches!(it, '_' | '-') || it.is_whitespace()
}

/// `unicode.IsPunct`, of what is common.
fn is_punctuation(it: char) -> bool {
    if it.is_ascii() {
        return it.is_ascii_punctuation() && !"$+<=>^`|~".contains(it);
    }
    matches!(it, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}'
        | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        | '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}' | '\u{ff0c}'..='\u{ff0f}')
}

/// The word that a text starts with: its kind and length in characters.
fn word(chars: &[char]) -> (Class, usize) {
    let run = |keep: &dyn Fn(char) -> bool| chars.iter().take_while(|it| keep(**it)).count();
    let lower = |it: char| it.is_alphabetic() && !it.is_uppercase();
    match chars.first().copied() {
        Some(it) if is_connector(it) => (Class::Connector, run(&is_connector)),
        Some(it) if is_punctuation(it) => (Class::Punctuation, run(&is_punctuation)),
        Some(it) if it.is_uppercase() => {
            let capitals = run(&char::is_uppercase);
            let tail = chars[capitals..].iter().take_while(|it| lower(**it)).count();
            // the last of several capitals begins the next word
            let len = if capitals == 1 { 1 + tail } else { capitals - usize::from(tail > 0) };
            (Class::Upper, len)
        }
        Some(it) if it.is_alphabetic() => (Class::Lower, run(&lower)),
        Some(it) if it.is_numeric() => (Class::Number, run(&char::is_numeric)),
        _ => {
            let other = |it: char| !(is_connector(it) || it.is_alphabetic() || it.is_numeric() || is_punctuation(it));
            (Class::Other, run(&other).max(1))
        }
    }
}

/// `xstrings.ToSnakeCase` and `ToKebabCase`: a number stays with letters that follow it, else with the word before it.
pub(super) fn snake(text: &str, mark: char) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut words: Vec<(Class, String)> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (class, len) = word(&chars[at..]);
        let text = chars[at..at + len].iter();
        words.push((
            class,
            match class {
                Class::Connector => std::iter::repeat_n(mark, len).collect(),
                Class::Upper => text.flat_map(|it| it.to_lowercase()).collect(),
                _ => text.collect(),
            },
        ));
        at += len;
    }
    let class = |place: usize| words.get(place).map(|it| it.0);
    let joins = |place: usize| matches!(class(place), None | Some(Class::Connector | Class::Punctuation));
    let mut out = String::new();
    let mut place = 0;
    while let Some((kind, text)) = words.get(place) {
        out.push_str(text);
        place += 1;
        match kind {
            Class::Connector | Class::Punctuation => continue,
            Class::Number => {}
            _ if class(place) == Some(Class::Number) => {
                if class(place + 1) == Some(Class::Lower) {
                    out.push(mark);
                } else {
                    out.push_str(&words[place].1);
                    place += 1;
                    if !joins(place) {
                        out.push(mark);
                    }
                    continue;
                }
            }
            _ => {
                if !joins(place) {
                    out.push(mark);
                }
                continue;
            }
        }
        while let Some(Class::Lower | Class::Number) = class(place) {
            out.push_str(&words[place].1);
            place += 1;
        }
        if !joins(place) {
            out.push(mark);
        }
    }
    out
}

/// `xstrings.ToPascalCase`: a capital at the beginning of each word; a run of capitals there is lowered.
pub(super) fn camel(text: &str) -> String {
    let upper = |it: char| it.to_uppercase().next().unwrap_or(it);
    let chars: Vec<char> = text.chars().collect();
    let Some(start) = chars.iter().position(|it| !is_connector(*it)) else {
        return text.to_owned();
    };
    let mut out: String = chars[..start].iter().collect();
    let mut lowering = chars[start].is_uppercase();
    let mut current = upper(chars[start]);
    for &next in &chars[start + 1..] {
        let previous = std::mem::replace(&mut current, next);
        if is_connector(previous) && is_connector(next) {
            out.push(previous);
        } else if is_connector(previous) {
            lowering = next.is_uppercase();
            current = upper(next);
        } else {
            if lowering && next.is_uppercase() {
                current = next.to_lowercase().next().unwrap_or(next);
            } else if lowering {
                lowering = false;
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

/// `goutils.WrapCustom`.
pub(super) fn wrap(text: &str, width: i64, new_line: &str, long_words: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let len = chars.len();
    let mut out = String::new();
    let mut offset = 0;
    while len - offset > width {
        if chars[offset] == ' ' {
            offset += 1;
            continue;
        }
        let end = offset + width;
        let space = (offset..=end.min(len - 1)).rev().find(|it| chars[*it] == ' ');
        match space {
            Some(space) if space >= offset => {
                out.extend(&chars[offset..space]);
                out.push_str(new_line);
                offset = space + 1;
            }
            _ if long_words => {
                out.extend(&chars[offset..end]);
                out.push_str(new_line);
                offset = end;
            }
            _ => match (end..len).find(|it| chars[*it] == ' ') {
                Some(space) => {
                    out.extend(&chars[offset..space]);
                    out.push_str(new_line);
                    offset = space + 1;
                }
                None => {
                    out.extend(&chars[offset..]);
                    offset = len;
                }
            },
        }
    }
    out.extend(&chars[offset..]);
    out
}
