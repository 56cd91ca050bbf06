//! The alternatives of doublestar's braces, each put in its place.

/// Most patterns that one becomes; beyond that alternatives are matched in their place.
const MOST: usize = 256;

/// The patterns without braces that one stands for; none where braces are not closed or there are too many.
pub(super) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut waiting = vec![(String::new(), pattern.to_owned())];
    let mut out = Vec::new();
    while let Some((done, rest)) = waiting.pop() {
        if waiting.len() + out.len() >= MOST {
            return None;
        }
        let Some(open) = find(&rest, 0, '{') else {
            out.push(done + &rest);
            continue;
        };
        let close = closing(&rest, open + 1)?;
        let mut from = open + 1;
        let mut parts = Vec::new();
        while let Some(comma) = next_comma(&rest[..close], from) {
            parts.push(&rest[from..comma]);
            from = comma + 1;
        }
        parts.push(&rest[from..close]);
        for part in parts {
            waiting.push((format!("{done}{}", &rest[..open]), format!("{part}{}", &rest[close + 1..])));
        }
    }
    Some(out)
}

/// The first character of the kind that stands behind no backslash and in no class.
fn find(text: &str, from: usize, wanted: char) -> Option<usize> {
    let mut class = false;
    scan(text, from, |it| {
        match it {
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
        it == wanted && !class
    })
}

/// The brace that closes; those inside a class count too, as upstream counts them.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut depth = 1;
    scan(text, from, |it| {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn next_comma(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    let mut class = false;
    scan(text, from, |it| {
        match it {
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        it == ',' && depth == 0 && !class
    })
}

fn scan(text: &str, from: usize, mut found: impl FnMut(char) -> bool) -> Option<usize> {
    let mut escaped = false;
    for (at, it) in text[from..].char_indices() {
        if escaped {
            escaped = false;
        } else if it == '\\' {
            escaped = true;
        } else if found(it) {
            return Some(from + at);
        }
    }
    None
}
