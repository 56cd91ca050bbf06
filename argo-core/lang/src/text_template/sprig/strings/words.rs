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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Connector,
    Other,
}

fn class(it: char) -> Class {
    if it.is_uppercase() {
        Class::Upper
    } else if it.is_numeric() {
        Class::Digit
    } else if matches!(it, '_' | '-' | '.') || it.is_whitespace() {
        Class::Connector
    } else if it.is_alphabetic() {
        Class::Lower
    } else {
        Class::Other
    }
}

/// `xstrings.ToSnakeCase` and `ToKebabCase`.
pub(super) fn snake(text: &str, mark: char) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut gaps: Vec<usize> = Vec::new();
    let mut at = 0;
    let mut gap = 0;
    while at < chars.len() {
        if class(chars[at]) == Class::Connector {
            gap += 1;
            at += 1;
            continue;
        }
        let start = at;
        match class(chars[at]) {
            Class::Upper => {
                at += 1;
                while at < chars.len() && class(chars[at]) == Class::Upper {
                    at += 1;
                }
                let run = at - start;
                if run > 1 && at < chars.len() && class(chars[at]) == Class::Lower {
                    // the last capital begins the next word
                    at -= 1;
                } else if run == 1 || at < chars.len() && class(chars[at]) == Class::Digit {
                    while at < chars.len() && class(chars[at]) == Class::Lower {
                        at += 1;
                    }
                    if run > 1 {
                        while at < chars.len() && class(chars[at]) == Class::Digit {
                            at += 1;
                        }
                    }
                }
            }
            Class::Digit => {
                while at < chars.len() && class(chars[at]) == Class::Digit {
                    at += 1;
                }
                if at < chars.len() && class(chars[at]) == Class::Lower && words.is_empty() {
                    while at < chars.len() && class(chars[at]) == Class::Lower {
                        at += 1;
                    }
                }
            }
            kind => {
                while at < chars.len() && class(chars[at]) == kind {
                    at += 1;
                }
            }
        }
        words.push(chars[start..at].iter().collect::<String>().to_lowercase());
        gaps.push(gap);
        gap = 0;
    }
    let mut out = String::new();
    for (place, word) in words.iter().enumerate() {
        let count = if place == 0 { gaps[0] } else { gaps[place].max(1) };
        out.extend(std::iter::repeat_n(mark, count));
        out.push_str(word);
    }
    out.extend(std::iter::repeat_n(mark, gap));
    out
}

/// `xstrings.ToPascalCase`: a capital at the beginning of each word; a run of capitals there is lowered.
pub(super) fn camel(text: &str) -> String {
    let is_connector = |it: char| matches!(it, '_' | '-') || it.is_whitespace();
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
