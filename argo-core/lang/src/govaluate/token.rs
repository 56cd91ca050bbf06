//! Text to tokens.

use std::ops::Range;

use jiff::tz::TimeZone;

use super::MAX_SOURCE;
use crate::position::Fault;
use crate::{gofloat, time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Prefix,
    Numeric,
    Boolean,
    Str,
    Time,
    Variable,
    Accessor,
    Separator,
    Comparator,
    Logical,
    Modifier,
    Clause,
    ClauseClose,
    Ternary,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Prefix => "PREFIX",
            Self::Numeric => "NUMERIC",
            Self::Boolean => "BOOLEAN",
            Self::Str => "STRING",
            Self::Time => "TIME",
            Self::Variable => "VARIABLE",
            Self::Accessor => "ACCESSOR",
            Self::Separator => "SEPARATOR",
            Self::Comparator => "COMPARATOR",
            Self::Logical => "LOGICALOP",
            Self::Modifier => "MODIFIER",
            Self::Clause => "CLAUSE",
            Self::ClauseClose => "CLAUSE_CLOSE",
            Self::Ternary => "TERNARY",
        }
    }

    pub(super) fn may_end(self) -> bool {
        matches!(
            self,
            Self::ClauseClose
                | Self::Numeric
                | Self::Boolean
                | Self::Str
                | Self::Time
                | Self::Variable
                | Self::Accessor
        )
    }

    pub(super) fn may_precede(self, next: Self) -> bool {
        use Kind::{
            Accessor, Boolean, Clause, ClauseClose, Comparator, Logical, Modifier, Numeric, Prefix, Separator, Str,
            Ternary, Time, Unknown, Variable,
        };
        match self {
            Unknown => matches!(next, Prefix | Numeric | Boolean | Variable | Accessor | Str | Time | Clause),
            Clause => {
                matches!(next, Prefix | Numeric | Boolean | Variable | Accessor | Str | Time | Clause | ClauseClose)
            }
            ClauseClose => matches!(
                next,
                Comparator
                    | Modifier
                    | Numeric
                    | Boolean
                    | Variable
                    | Str
                    | Time
                    | Clause
                    | ClauseClose
                    | Logical
                    | Ternary
                    | Separator
            ),
            Numeric | Boolean | Str | Variable => {
                matches!(next, Modifier | Comparator | Logical | ClauseClose | Ternary | Separator)
            }
            Time => matches!(next, Modifier | Comparator | Logical | ClauseClose | Separator),
            Modifier => matches!(next, Prefix | Numeric | Variable | Accessor | Str | Boolean | Clause | ClauseClose),
            Comparator => {
                matches!(next, Prefix | Numeric | Boolean | Variable | Accessor | Str | Time | Clause | ClauseClose)
            }
            Logical => {
                matches!(next, Prefix | Numeric | Boolean | Variable | Accessor | Str | Time | Clause | ClauseClose)
            }
            Prefix => matches!(next, Numeric | Boolean | Variable | Accessor | Clause | ClauseClose),
            Ternary => {
                matches!(next, Prefix | Numeric | Boolean | Str | Time | Variable | Accessor | Clause | Separator)
            }
            Accessor => matches!(next, Clause | Modifier | Comparator | Logical | ClauseClose | Ternary | Separator),
            Separator => matches!(next, Prefix | Numeric | Boolean | Str | Time | Variable | Accessor | Clause),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) number: f64,
    /// Where it stands, in characters.
    pub(super) chars: Range<usize>,
}

impl Token {
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::Numeric => gofloat::format_g(self.number, None),
            Kind::Clause => "40".to_owned(),
            Kind::ClauseClose => "41".to_owned(),
            Kind::Accessor => format!("[{}]", self.text.replace('.', " ")),
            _ => self.text.clone(),
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    /// Where the token starts that is being read.
    from: usize,
}

pub(super) fn parse_error<T>(chars: Range<usize>, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { message: message.into(), chars })
}

impl Lexer {
    /// What was read of the token, without the spaces after it.
    fn span(&self) -> Range<usize> {
        let spaces = self.chars[self.from..self.at].iter().rev().take_while(|it| it.is_whitespace()).count();
        self.from..self.at - spaces
    }

    /// Reads on while the condition holds; says whether it ended by the condition or a space.
    fn until(&mut self, keep_space: bool, break_at_space: bool, condition: impl Fn(char) -> bool) -> (String, bool) {
        let mut out = String::new();
        while let Some(&it) = self.chars.get(self.at) {
            self.at += 1;
            if it == '\\' {
                if let Some(&escaped) = self.chars.get(self.at) {
                    out.push(escaped);
                    self.at += 1;
                }
                continue;
            }
            if it.is_whitespace() {
                if break_at_space && !out.is_empty() {
                    return (out, true);
                }
                if !keep_space {
                    continue;
                }
            }
            if condition(it) {
                out.push(it);
            } else {
                self.at -= 1;
                return (out, true);
            }
        }
        (out, false)
    }

    fn token(&mut self, state: Kind) -> Result<Option<Token>, Fault> {
        let token = |kind, text: String| Ok(Some(Token { kind, text, number: 0.0, chars: 0..0 }));
        let numeric = |it: char| it.is_numeric() || it == '.';
        let quote = |it: char| it == '\'' || it == '"';
        let symbol =
            |it: char| !(it.is_numeric() || it.is_alphabetic() || matches!(it, '(' | ')' | '[' | ']') || quote(it));
        while let Some(&it) = self.chars.get(self.at) {
            if it.is_whitespace() {
                self.at += 1;
                continue;
            }
            self.from = self.at;
            if numeric(it) {
                if it == '0' && self.chars.get(self.at + 1) == Some(&'x') && self.chars.len() > self.at + 2 {
                    self.at += 2;
                    let (text, _) = self.until(false, true, |it| it.is_ascii_hexdigit() || it.is_numeric());
                    return match u64::from_str_radix(&text, 16) {
                        Ok(value) => Ok(Some(Token { kind: Kind::Numeric, text, number: value as f64, chars: 0..0 })),
                        Err(_) => parse_error(self.span(), format!("Unable to parse hex value '{text}' to uint64\n")),
                    };
                }
                let (text, _) = self.until(false, true, numeric);
                return match gofloat::parse_float(&text) {
                    Some(number) => Ok(Some(Token { kind: Kind::Numeric, text, number, chars: 0..0 })),
                    None => parse_error(self.span(), format!("Unable to parse numeric value '{text}' to float64\n")),
                };
            }
            match it {
                ',' => {
                    self.at += 1;
                    return token(Kind::Separator, ",".to_owned());
                }
                '(' => {
                    self.at += 1;
                    return token(Kind::Clause, "(".to_owned());
                }
                ')' => {
                    self.at += 1;
                    return token(Kind::ClauseClose, ")".to_owned());
                }
                '[' => {
                    self.at += 1;
                    let (text, complete) = self.until(true, false, |it| it != ']');
                    if !complete {
                        return parse_error(self.span(), "Unclosed parameter bracket");
                    }
                    self.at += 1;
                    return token(Kind::Variable, text);
                }
                _ => {}
            }
            if it.is_alphabetic() {
                let (text, _) =
                    self.until(false, true, |it| it.is_alphabetic() || it.is_numeric() || it == '_' || it == '.');
                return self.word(text).map(Some);
            }
            if quote(it) {
                self.at += 1;
                let (text, complete) = self.until(true, false, |it| !quote(it));
                if !complete {
                    return parse_error(self.span(), "Unclosed string literal");
                }
                self.at += 1;
                return match date(&text) {
                    Some(number) => Ok(Some(Token { kind: Kind::Time, text, number, chars: 0..0 })),
                    None => token(Kind::Str, text),
                };
            }
            let before = self.at;
            let (text, _) = self.until(false, true, symbol);
            if self.at == before {
                // a character that is neither symbol nor anything else cannot make progress
                self.at += 1;
                return parse_error(self.span(), format!("Invalid token: '{it}'"));
            }
            if state.may_precede(Kind::Prefix) && matches!(text.as_str(), "-" | "!" | "~") {
                return token(Kind::Prefix, text);
            }
            let kind = match text.as_str() {
                "+" | "-" | "*" | "/" | "%" | "**" | "&" | "|" | "^" | ">>" | "<<" => Kind::Modifier,
                "&&" | "||" => Kind::Logical,
                "==" | "!=" | ">" | ">=" | "<" | "<=" | "=~" | "!~" => Kind::Comparator,
                "?" | ":" | "??" => Kind::Ternary,
                _ => return parse_error(self.span(), format!("Invalid token: '{text}'")),
            };
            return token(kind, text);
        }
        Ok(None)
    }

    fn word(&self, text: String) -> Result<Token, Fault> {
        let mut token = Token { kind: Kind::Variable, number: 0.0, text, chars: 0..0 };
        match token.text.as_str() {
            "true" | "false" => token.kind = Kind::Boolean,
            "in" | "IN" => {
                token.kind = Kind::Comparator;
                token.text = "in".to_owned();
            }
            _ => {}
        }
        if token.text.find('.').is_some_and(|it| it > 0) {
            if token.text.ends_with('.') {
                return parse_error(self.span(), format!("Hanging accessor on token '{}'", token.text));
            }
            for part in token.text.split('.').skip(1) {
                if part.chars().next().is_some_and(|it| it.to_uppercase().next() != Some(it)) {
                    return parse_error(
                        self.span(),
                        format!("Unable to access unexported field '{part}' in token '{}'", token.text),
                    );
                }
            }
            token.kind = Kind::Accessor;
        }
        Ok(token)
    }
}

fn date(text: &str) -> Option<f64> {
    const LAYOUTS: [&str; 14] = [
        "Mon Jan _2 15:04:05 2006",
        "Mon Jan _2 15:04:05 MST 2006",
        "Mon Jan 02 15:04:05 -0700 2006",
        "3:04PM",
        "2006-01-02T15:04:05Z07:00",
        "2006-01-02T15:04:05.999999999Z07:00",
        "2006-01-02",
        "2006-01-02 15:04",
        "2006-01-02 15:04:05",
        "2006-01-02 15:04:05-07:00",
        "2006-01-02T15Z0700",
        "2006-01-02T15:04Z0700",
        "2006-01-02T15:04:05Z0700",
        "2006-01-02T15:04:05.999999999Z0700",
    ];
    if text.len() < 6 || !text.contains(|it: char| it.is_ascii_digit()) {
        return None;
    }
    LAYOUTS
        .iter()
        .find_map(|layout| time::parse_layout(text, layout, &TimeZone::UTC))
        .map(|it| it.timestamp().as_second() as f64)
}

pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Fault> {
    if source.len() > MAX_SOURCE {
        return parse_error(0..0, "Expression is too long");
    }
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, from: 0 };
    let mut out: Vec<Token> = Vec::new();
    let mut state = Kind::Unknown;
    while let Some(mut token) = lexer.token(state)? {
        state = token.kind;
        token.chars = lexer.span();
        out.push(token);
    }
    let open = out.iter().filter(|it| it.kind == Kind::Clause).count();
    let close = out.iter().filter(|it| it.kind == Kind::ClauseClose).count();
    if open != close {
        // the first that has no partner
        let mut unpaired = Vec::new();
        for token in &out {
            match token.kind {
                Kind::Clause => unpaired.push(token.chars.clone()),
                Kind::ClauseClose if unpaired.pop().is_none() => {
                    return parse_error(token.chars.clone(), "Unbalanced parenthesis");
                }
                _ => {}
            }
        }
        let chars = unpaired.first().cloned().unwrap_or_default();
        return parse_error(chars, "Unbalanced parenthesis");
    }
    Ok(out)
}
