//! Text to steps.

use super::{
    Bound, Pick, Step,
    script::{MAX_DEPTH, Script},
};

/// Steps after the `$` or `@` that a path begins with.
pub(super) fn path(text: &str, depth: usize) -> Result<Vec<Step>, String> {
    if depth > MAX_DEPTH {
        return Err("too deep".to_owned());
    }
    let mut chars = text.chars();
    let unexpected = |token: Option<char>, at: usize| {
        Err(format!("unexpected token '{}' at index {at}", token.map(String::from).unwrap_or_default()))
    };
    match chars.next() {
        Some('$' | '@') => {}
        other => return unexpected(other, 0),
    }
    match chars.clone().next() {
        None | Some('.' | '[') => {}
        other => return unexpected(other, 1),
    }
    let mut rest = chars.as_str();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Recursive);
            rest = after;
            if rest.starts_with('[') {
                continue;
            }
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        let end = if rest.starts_with('[') { subscript_end(rest) } else { rest.find(['.', '[']).unwrap_or(rest.len()) };
        let (token, after) = rest.split_at(end);
        if !(token.is_empty() && matches!(steps.last(), Some(Step::Recursive)) && after.is_empty()) {
            steps.push(step(token.trim(), depth)?);
        }
        rest = after;
    }
    Ok(steps)
}

/// Length of a subscript with its brackets; all of the text where it does not end.
fn subscript_end(text: &str) -> usize {
    let (mut square, mut round, mut quote) = (0_usize, 0_usize, None);
    for (at, it) in text.char_indices() {
        match (quote, it) {
            (Some(open), _) if open == it && !text[..at].ends_with('\\') => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(it),
            (None, '(') => round += 1,
            (None, ')') => round = round.saturating_sub(1),
            (None, '[') if round == 0 => square += 1,
            (None, ']') if round == 0 => {
                square = square.saturating_sub(1);
                if square == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn step(token: &str, depth: usize) -> Result<Step, String> {
    let wrong = || format!("invalid token. '{token}' does not match any token format");
    if !token.starts_with('[') {
        return match token {
            "" => Err("invalid token. token string is empty".to_owned()),
            "*" => Ok(Step::Wildcard),
            "length" => Ok(Step::Length),
            key => Ok(Step::Key(key.to_owned())),
        };
    }
    let inner = token[1..].strip_suffix(']').map(str::trim).filter(|it| !it.is_empty()).ok_or_else(wrong)?;
    if inner == "*" {
        return Ok(Step::Wildcard);
    }
    if let Some(filter) = inner.strip_prefix('?') {
        let filter = filter.strip_prefix('(').and_then(|it| it.strip_suffix(')')).ok_or_else(wrong)?;
        return Ok(Step::Filter(Script::parse(filter, depth + 1)?));
    }
    let script =
        |text: &str| text.strip_prefix('(').and_then(|it| it.strip_suffix(')')).map(|it| Script::parse(it, depth + 1));
    let (commas, colons) = (split(inner, ','), split(inner, ':'));
    match (commas.as_slice(), colons.as_slice()) {
        ([one], [_]) => match pick(one, script).ok_or_else(wrong)?? {
            Pick::Key(key) => Ok(Step::Key(key)),
            Pick::Index(index) => Ok(Step::Index(index)),
            Pick::Script(script) => Ok(Step::Script(script)),
        },
        (many, [_]) => {
            let picks = many.iter().map(|it| pick(it, script).unwrap_or_else(|| Err(wrong())));
            picks.collect::<Result<_, _>>().map(Step::Union)
        }
        ([_], bounds @ ([_, _] | [_, _, _])) => {
            let bound = |at: usize| match bounds.get(at).copied().unwrap_or_default() {
                "" => Ok(Bound::Open),
                text => match script(text) {
                    Some(script) => script.map(Bound::Script),
                    None => text.parse().map(Bound::At).map_err(|_| wrong()),
                },
            };
            Ok(Step::Range(bound(0)?, bound(1)?, bound(2)?))
        }
        _ => Err(wrong()),
    }
}

/// A member of a union; `None` where it is none.
fn pick(text: &str, script: impl Fn(&str) -> Option<Result<Script, String>>) -> Option<Result<Pick, String>> {
    for quote in ['\'', '"'] {
        if let Some(key) = text.strip_prefix(quote).and_then(|it| it.strip_suffix(quote)) {
            return Some(Ok(Pick::Key(key.replace(&format!("\\{quote}"), &quote.to_string()))));
        }
    }
    match script(text) {
        Some(script) => Some(script.map(Pick::Script)),
        None => text.parse().ok().map(Pick::Index).map(Ok),
    }
}

/// Parts between separators that stand in no quotes or brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut round, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, it) in text.char_indices() {
        match (quote, it) {
            (Some(open), _) if open == it && !text[..at].ends_with('\\') => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if round == 0 => quote = Some(it),
            (None, '(') => round += 1,
            (None, ')') => round = round.saturating_sub(1),
            (None, _) if it == separator && round == 0 => {
                parts.push(text[start..at].trim());
                start = at + it.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}
