//! The words of an expression, and where they stand.

#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Characters before it.
    pub(super) at: usize,
    pub(super) word: Word,
}

#[derive(Clone, Debug)]
pub(super) enum Word {
    Name(String),
    /// A type, and a size.
    Literal(&'static str, u64),
    Sign(String),
}

const SIGNS: [&str; 26] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", "[", "]", "{", "}", ".", ",",
    "?", ":", "=", "|",
];

/// The words of a text; nothing if it has some that are not read.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let starts = |sign: &str| sign.chars().enumerate().all(|(index, it)| chars.get(at + index) == Some(&it));
        if c.is_whitespace() {
            at += 1;
        } else if starts("//") {
            while chars.get(at).is_some_and(|c| *c != '\n') {
                at += 1;
            }
        } else if let Some((length, kind, size)) = quoted(&chars[at..]) {
            found.push(Token { at, word: Word::Literal(kind, size) });
            at += length;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let length = chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
            found.push(Token { at, word: Word::Name(chars[at..at + length].iter().collect()) });
            at += length;
        } else if c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let (length, kind) = number(&chars[at..]);
            found.push(Token { at, word: Word::Literal(kind, 1) });
            at += length;
        } else {
            let sign = SIGNS.iter().find(|sign| starts(sign))?;
            found.push(Token { at, word: Word::Sign((*sign).to_owned()) });
            at += sign.len();
        }
    }
    Some(found)
}

fn number(chars: &[char]) -> (usize, &'static str) {
    let digits = |from: usize| chars[from.min(chars.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
    let is = |at: usize, any: &str| chars.get(at).is_some_and(|c| any.contains(*c));
    if chars[0] == '0' && is(1, "xX") {
        let length = 2 + chars[2..].iter().take_while(|c| c.is_ascii_hexdigit()).count();
        return if is(length, "uU") { (length + 1, "uint") } else { (length, "int") };
    }
    let mut length = digits(0);
    let mut kind = "int";
    if is(length, ".") && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
        kind = "double";
    }
    if is(length, "eE") {
        let sign = usize::from(is(length + 1, "+-"));
        if digits(length + 1 + sign) > 0 {
            length += 1 + sign + digits(length + 1 + sign);
            kind = "double";
        }
    }
    if kind == "int" && is(length, "uU") { (length + 1, "uint") } else { (length, kind) }
}

/// The length of a literal in quotes, its type and its size.
fn quoted(chars: &[char]) -> Option<(usize, &'static str, u64)> {
    let prefix = chars.iter().take(2).take_while(|c| "rRbB".contains(**c)).count();
    let quote = *chars.get(prefix).filter(|c| matches!(c, '"' | '\''))?;
    let [raw, bytes] = ["rR", "bB"].map(|any| chars[..prefix].iter().any(|c| any.contains(*c)));
    let triple = chars.get(prefix + 1) == Some(&quote) && chars.get(prefix + 2) == Some(&quote);
    let marks = if triple { 3 } else { 1 };
    let (mut at, mut size) = (prefix + marks, 0_u64);
    loop {
        let c = *chars.get(at)?;
        if c == quote && (!triple || (chars.get(at + 1) == Some(&quote) && chars.get(at + 2) == Some(&quote))) {
            return Some((at + marks, if bytes { "bytes" } else { "string" }, size));
        }
        size += if bytes { c.len_utf8() as u64 } else { 1 };
        at += match (c, raw) {
            ('\\', false) => match chars.get(at + 1)? {
                'x' | 'X' => 4,
                'u' => 6,
                'U' => 10,
                '0'..='3' => 4,
                _ => 2,
            },
            _ => 1,
        };
    }
}
