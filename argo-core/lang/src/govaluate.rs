//! govaluate: the language of a workflow's `when` and of Sensor expression filters.
//!
//! [`when`] evaluates a workflow condition, where bare words are strings. [`Expression`] is the general form, where
//! they are variables. All numbers are float64; quoted text that looks like a date is its Unix time.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::Value;

use crate::{gofloat, regexp, time};

/// Longest accepted source in bytes.
pub const MAX_SOURCE: usize = 64 << 10;
/// Deepest accepted nesting of parentheses.
pub const MAX_DEPTH: usize = 100;

/// Why an expression was refused or failed; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GovaluateError {
    /// The source is not an expression.
    #[error("{0}")]
    Parse(String),
    /// A value does not fit an operator, or a variable is not there.
    #[error("{0}")]
    Evaluate(String),
}

/// Why a `when` gave no answer; the text is what a workflow shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhenError {
    /// It is not an expression.
    #[error("Invalid 'when' expression '{when}': {message}")]
    Invalid {
        /// The condition.
        when: String,
        /// Why, with a hint where quotes may help.
        message: String,
    },
    /// With bare words as strings it is not an expression.
    #[error("Failed to parse 'when' expression '{when}': {message}")]
    Parse {
        /// The condition.
        when: String,
        /// Why.
        message: String,
    },
    /// It failed.
    #[error("Failed to evaluate 'when' expresion '{when}': {message}")]
    Evaluate {
        /// The condition.
        when: String,
        /// Why.
        message: String,
    },
    /// It gave something else than a bool.
    #[error("Expected boolean evaluation for '{when}'. Got {got}")]
    NotBool {
        /// The condition.
        when: String,
        /// What it gave.
        got: String,
    },
}

#[derive(Debug, Clone)]
enum Val {
    Nil,
    Bool(bool),
    Num(f64),
    Str(String),
    List(Vec<Val>),
    /// An object: only comparable.
    Other(Value),
}

impl Val {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => Self::Num(it.as_f64().unwrap_or(f64::NAN)),
            Value::String(it) => Self::Str(it.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(_) => Self::Other(value.clone()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Nil => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Num(it) => serde_json::Number::from_f64(*it).map_or(Value::Null, Value::Number),
            Self::Str(it) => Value::String(it.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Other(it) => it.clone(),
        }
    }

    fn display(&self) -> String {
        match self {
            Self::Num(it) => gofloat::format_g(*it, None),
            Self::List(items) => format!("[{}]", items.iter().map(Self::display).collect::<Vec<_>>().join(" ")),
            other => crate::fmt::display(&other.to_json()),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Num(a), Self::Num(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => false,
        }
    }
}

// === tokens ===

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
    fn name(self) -> &'static str {
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

    fn may_end(self) -> bool {
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

    fn may_precede(self, next: Self) -> bool {
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
struct Token {
    kind: Kind,
    text: String,
    number: f64,
}

impl Token {
    fn shown(&self) -> String {
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
}

fn parse_error<T>(message: impl Into<String>) -> Result<T, GovaluateError> {
    Err(GovaluateError::Parse(message.into()))
}

impl Lexer {
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

    fn token(&mut self, state: Kind) -> Result<Option<Token>, GovaluateError> {
        let token = |kind, text: String| Ok(Some(Token { kind, text, number: 0.0 }));
        let numeric = |it: char| it.is_numeric() || it == '.';
        let quote = |it: char| it == '\'' || it == '"';
        let symbol =
            |it: char| !(it.is_numeric() || it.is_alphabetic() || matches!(it, '(' | ')' | '[' | ']') || quote(it));
        while let Some(&it) = self.chars.get(self.at) {
            if it.is_whitespace() {
                self.at += 1;
                continue;
            }
            if numeric(it) {
                if it == '0' && self.chars.get(self.at + 1) == Some(&'x') && self.chars.len() > self.at + 2 {
                    self.at += 2;
                    let (text, _) = self.until(false, true, |it| it.is_ascii_hexdigit() || it.is_numeric());
                    return match u64::from_str_radix(&text, 16) {
                        Ok(value) => Ok(Some(Token { kind: Kind::Numeric, text, number: value as f64 })),
                        Err(_) => parse_error(format!("Unable to parse hex value '{text}' to uint64\n")),
                    };
                }
                let (text, _) = self.until(false, true, numeric);
                return match gofloat::parse_float(&text) {
                    Some(number) => Ok(Some(Token { kind: Kind::Numeric, text, number })),
                    None => parse_error(format!("Unable to parse numeric value '{text}' to float64\n")),
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
                        return parse_error("Unclosed parameter bracket");
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
                    return parse_error("Unclosed string literal");
                }
                self.at += 1;
                return match date(&text) {
                    Some(number) => Ok(Some(Token { kind: Kind::Time, text, number })),
                    None => token(Kind::Str, text),
                };
            }
            let before = self.at;
            let (text, _) = self.until(false, true, symbol);
            if self.at == before {
                // a character that is neither symbol nor anything else cannot make progress
                self.at += 1;
                return parse_error(format!("Invalid token: '{it}'"));
            }
            if state.may_precede(Kind::Prefix) && matches!(text.as_str(), "-" | "!" | "~") {
                return token(Kind::Prefix, text);
            }
            let kind = match text.as_str() {
                "+" | "-" | "*" | "/" | "%" | "**" | "&" | "|" | "^" | ">>" | "<<" => Kind::Modifier,
                "&&" | "||" => Kind::Logical,
                "==" | "!=" | ">" | ">=" | "<" | "<=" | "=~" | "!~" => Kind::Comparator,
                "?" | ":" | "??" => Kind::Ternary,
                _ => return parse_error(format!("Invalid token: '{text}'")),
            };
            return token(kind, text);
        }
        Ok(None)
    }

    fn word(&self, text: String) -> Result<Token, GovaluateError> {
        let mut token = Token { kind: Kind::Variable, number: 0.0, text };
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
                return parse_error(format!("Hanging accessor on token '{}'", token.text));
            }
            for part in token.text.split('.').skip(1) {
                if part.chars().next().is_some_and(|it| it.to_uppercase().next() != Some(it)) {
                    return parse_error(format!(
                        "Unable to access unexported field '{part}' in token '{}'",
                        token.text
                    ));
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

fn tokens(source: &str) -> Result<Vec<Token>, GovaluateError> {
    if source.len() > MAX_SOURCE {
        return parse_error("Expression is too long");
    }
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0 };
    let mut out: Vec<Token> = Vec::new();
    let mut state = Kind::Unknown;
    while let Some(token) = lexer.token(state)? {
        state = token.kind;
        out.push(token);
    }
    let open = out.iter().filter(|it| it.kind == Kind::Clause).count();
    let close = out.iter().filter(|it| it.kind == Kind::ClauseClose).count();
    if open != close {
        return parse_error("Unbalanced parenthesis");
    }
    Ok(out)
}

fn check_syntax(tokens: &[Token]) -> Result<(), GovaluateError> {
    let mut state = Kind::Unknown;
    let mut last: Option<&Token> = None;
    for token in tokens {
        if !state.may_precede(token.kind) {
            if let Some(last) = last
                && last.kind == Kind::Variable
                && token.kind == Kind::Clause
            {
                return parse_error(format!("Undefined function {}", last.text));
            }
            let shown = last.map_or_else(|| "<nil>".to_owned(), Token::shown);
            return parse_error(format!(
                "Cannot transition token types from {} [{shown}] to {} [{}]",
                state.name(),
                token.kind.name(),
                token.shown()
            ));
        }
        state = token.kind;
        last = Some(token);
    }
    if last.is_none() || !state.may_end() {
        return parse_error("Unexpected end of expression");
    }
    Ok(())
}

// === the tree ===

#[derive(Debug, Clone)]
enum Stage {
    Literal(Val),
    Pattern(Regex),
    Variable(String),
    Accessor(String),
    Prefix(String, Box<Stage>),
    Binary(String, Box<Stage>, Box<Stage>),
    /// `()`: nothing inside.
    Empty,
}

/// Operators from the loosest to the tightest; all associate to the left.
const LEVELS: [&[&str]; 10] = [
    &[","],
    &["?", ":", "??"],
    &["||"],
    &["&&"],
    &["==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"],
    &["^", "&", "|"],
    &[">>", "<<"],
    &["+", "-"],
    &["*", "/", "%"],
    &["**"],
];

struct Planner<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    height: usize,
}

impl Planner<'_> {
    fn level(&mut self, level: usize) -> Result<Stage, GovaluateError> {
        let Some(operators) = LEVELS.get(level) else { return self.value() };
        let mut left = self.level(level + 1)?;
        while let Some(token) = self.tokens.get(self.at) {
            let is_operator = matches!(
                token.kind,
                Kind::Separator | Kind::Ternary | Kind::Logical | Kind::Comparator | Kind::Modifier
            );
            if !is_operator || !operators.contains(&token.text.as_str()) {
                break;
            }
            self.at += 1;
            self.height += 1;
            if self.height > 400 {
                return parse_error("Expression is too long");
            }
            let mut right = self.level(level + 1)?;
            if matches!(token.text.as_str(), "=~" | "!~")
                && let Stage::Literal(Val::Str(pattern)) = &right
            {
                right =
                    Stage::Pattern(regexp::compile(pattern).map_err(|error| GovaluateError::Parse(error.to_string()))?);
            }
            left = Stage::Binary(token.text.clone(), Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn value(&mut self) -> Result<Stage, GovaluateError> {
        let Some(token) = self.tokens.get(self.at) else { return Ok(Stage::Empty) };
        self.at += 1;
        Ok(match token.kind {
            Kind::Clause => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return parse_error("Expression is nested too deeply");
                }
                let inner = self.level(0)?;
                self.at += 1;
                self.depth -= 1;
                inner
            }
            Kind::ClauseClose => {
                self.at -= 1;
                Stage::Empty
            }
            Kind::Prefix => Stage::Prefix(token.text.clone(), Box::new(self.value()?)),
            Kind::Variable => Stage::Variable(token.text.clone()),
            Kind::Accessor => Stage::Accessor(token.text.clone()),
            Kind::Numeric | Kind::Time => Stage::Literal(Val::Num(token.number)),
            Kind::Boolean => Stage::Literal(Val::Bool(token.text == "true")),
            Kind::Str => Stage::Literal(Val::Str(token.text.clone())),
            other => {
                return parse_error(format!(
                    "Unable to plan token kind: '{}', value: '{}'",
                    other.name(),
                    token.shown()
                ));
            }
        })
    }
}

fn plan(tokens: &[Token]) -> Result<Stage, GovaluateError> {
    check_syntax(tokens)?;
    let mut planner = Planner { tokens, at: 0, depth: 0, height: 0 };
    planner.level(0)
}

// === evaluation ===

fn type_error<T>(value: &Val, what: &str, operator: &str, wanted: &str) -> Result<T, GovaluateError> {
    let operator = if operator == "==" { "=" } else { operator };
    Err(GovaluateError::Evaluate(format!(
        "Value '{}' cannot be used with the {what} '{operator}'{wanted}",
        value.display()
    )))
}

const NOT_A_NUMBER: &str = ", it is not a number";
const NOT_A_BOOL: &str = ", it is not a bool";

fn evaluate(stage: &Stage, vars: &Value) -> Result<Val, GovaluateError> {
    Ok(match stage {
        Stage::Literal(value) => value.clone(),
        Stage::Pattern(pattern) => Val::Str(pattern.as_str().to_owned()),
        Stage::Empty => Val::Nil,
        Stage::Variable(name) => match vars.get(name) {
            Some(value) => Val::of(value),
            None => return Err(GovaluateError::Evaluate(format!("No parameter '{name}' found."))),
        },
        Stage::Accessor(path) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let field = rest.split('.').next().unwrap_or_default();
            return Err(GovaluateError::Evaluate(match vars.get(head) {
                None => format!("No parameter '{head}' found."),
                Some(_) => format!("Unable to access '{field}', '{head}' is not a struct"),
            }));
        }
        Stage::Prefix(operator, inner) => {
            let value = evaluate(inner, vars)?;
            match (operator.as_str(), &value) {
                ("-", Val::Num(it)) => Val::Num(-it),
                ("!", Val::Bool(it)) => Val::Bool(!it),
                ("~", Val::Num(it)) => Val::Num(!(*it as i64) as f64),
                _ => return type_error(&value, "prefix", operator, ""),
            }
        }
        Stage::Binary(operator, left, right) => return binary(operator, left, right, vars),
    })
}

fn binary(operator: &str, left_stage: &Stage, right_stage: &Stage, vars: &Value) -> Result<Val, GovaluateError> {
    let left = evaluate(left_stage, vars)?;
    match (operator, &left) {
        ("&&", Val::Bool(false)) => return Ok(Val::Bool(false)),
        ("||", Val::Bool(true)) => return Ok(Val::Bool(true)),
        ("?", Val::Bool(false)) => return Ok(Val::Nil),
        ("??" | ":", it) if !matches!(it, Val::Nil) => return Ok(left),
        _ => {}
    }
    if let (Stage::Pattern(pattern), "=~" | "!~") = (right_stage, operator) {
        let Val::Str(text) = &left else { return type_error(&left, "comparator", operator, NOT_A_NUMBER) };
        return Ok(Val::Bool(pattern.is_match(text) == (operator == "=~")));
    }
    let right = evaluate(right_stage, vars)?;
    let numbers = |what: &str| match (&left, &right) {
        (Val::Num(a), Val::Num(b)) => Ok((*a, *b)),
        (Val::Num(_), other) | (other, _) => type_error(other, what, operator, NOT_A_NUMBER),
    };
    Ok(match operator {
        "," => match left {
            Val::List(mut items) => {
                items.push(right);
                Val::List(items)
            }
            other => Val::List(vec![other, right]),
        },
        "?" => match left {
            Val::Bool(_) => right,
            _ => return type_error(&left, "ternary operator", operator, NOT_A_BOOL),
        },
        ":" | "??" => right,
        "&&" | "||" => match (&left, &right) {
            (Val::Bool(_), Val::Bool(it)) => Val::Bool(*it),
            (Val::Bool(_), other) | (other, _) => return type_error(other, "logical operator", operator, NOT_A_BOOL),
        },
        "==" => Val::Bool(left.equals(&right)),
        "!=" => Val::Bool(!left.equals(&right)),
        ">" | ">=" | "<" | "<=" => {
            let order = match (&left, &right) {
                (Val::Num(a), Val::Num(b)) => a.partial_cmp(b),
                (Val::Str(a), Val::Str(b)) => Some(a.cmp(b)),
                _ => return type_error(&left, "comparator", operator, NOT_A_NUMBER),
            };
            Val::Bool(order.is_some_and(|it| match operator {
                ">" => it.is_gt(),
                ">=" => it.is_ge(),
                "<" => it.is_lt(),
                _ => it.is_le(),
            }))
        }
        "=~" | "!~" => match (&left, &right) {
            (Val::Str(text), Val::Str(pattern)) => {
                let regex = regexp::compile(pattern).map_err(|error| {
                    GovaluateError::Evaluate(format!("Unable to compile regexp pattern '{pattern}': {error}"))
                })?;
                Val::Bool(regex.is_match(text) == (operator == "=~"))
            }
            (Val::Str(_), other) | (other, _) => return type_error(other, "comparator", operator, NOT_A_NUMBER),
        },
        "in" => match &right {
            Val::List(items) => Val::Bool(items.iter().any(|it| it.equals(&left))),
            other => return type_error(other, "comparator", operator, NOT_A_NUMBER),
        },
        "+" => match (&left, &right) {
            (Val::Num(a), Val::Num(b)) => Val::Num(a + b),
            (Val::Str(_), _) | (_, Val::Str(_)) => Val::Str(format!("{}{}", left.display(), right.display())),
            _ => return type_error(&left, "modifier", operator, NOT_A_NUMBER),
        },
        _ => {
            let (a, b) = numbers("modifier")?;
            let shift = |it: f64| u32::try_from(it as u64).unwrap_or(u32::MAX);
            Val::Num(match operator {
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "%" => a % b,
                "**" => a.powf(b),
                "&" => (a as i64 & b as i64) as f64,
                "|" => (a as i64 | b as i64) as f64,
                "^" => (a as i64 ^ b as i64) as f64,
                "<<" => (a as u64).checked_shl(shift(b)).unwrap_or(0) as f64,
                _ => (a as u64).checked_shr(shift(b)).unwrap_or(0) as f64,
            })
        }
    })
}

/// A compiled expression whose bare words are variables.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Stage,
    variables: Vec<String>,
}

impl Expression {
    /// Compiles a source.
    ///
    /// # Errors
    /// The source is not an expression.
    pub fn parse(source: &str) -> Result<Self, GovaluateError> {
        let tokens = tokens(source)?;
        let variables = tokens.iter().filter(|it| it.kind == Kind::Variable).map(|it| it.text.clone()).collect();
        Ok(Self { root: plan(&tokens)?, variables })
    }

    /// The variables it reads, in order of appearance.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Evaluates with the keys of an object as variables.
    ///
    /// # Errors
    /// A variable is missing or a value does not fit an operator.
    pub fn eval(&self, variables: &Value) -> Result<Value, GovaluateError> {
        evaluate(&self.root, variables).map(|it| it.to_json())
    }

    /// [`Expression::eval`] for a filter: only the boolean true passes.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn eval_bool(&self, variables: &Value) -> Result<bool, GovaluateError> {
        Ok(matches!(evaluate(&self.root, variables)?, Val::Bool(true)))
    }

    /// [`Expression::eval`] with variables in a map.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn eval_map(&self, variables: &BTreeMap<String, Value>) -> Result<Value, GovaluateError> {
        self.eval(&Value::Object(variables.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}

/// Evaluates a workflow's `when`, after substitution: bare words are strings, empty is true.
///
/// # Errors
/// It is no expression, fails, or gives no bool; the messages are upstream's.
///
/// # Example
/// ```
/// assert_eq!(argo_lang::govaluate::when("heads == heads"), Ok(true));
/// assert_eq!(argo_lang::govaluate::when("1 > 2 || 'a' in ('a', 'b')"), Ok(true));
/// ```
pub fn when(when: &str) -> Result<bool, WhenError> {
    if when.is_empty() {
        return Ok(true);
    }
    let owned = when.to_owned();
    let invalid = |error: GovaluateError| {
        let mut message = error.to_string();
        if message.contains("Invalid token") {
            message.push_str(" (hint: try wrapping the affected expression in quotes (\"))");
        }
        WhenError::Invalid { when: owned.clone(), message }
    };
    let mut tokens = tokens(when).map_err(invalid)?;
    plan(&tokens).map_err(invalid)?;
    for token in &mut tokens {
        if token.kind == Kind::Variable {
            token.kind = Kind::Str;
        }
    }
    let root = plan(&tokens).map_err(|error| WhenError::Parse { when: owned.clone(), message: error.to_string() })?;
    match evaluate(&root, &Value::Null) {
        Ok(Val::Bool(it)) => Ok(it),
        Ok(other) => Err(WhenError::NotBool { when: owned, got: other.display() }),
        Err(error) => Err(WhenError::Evaluate { when: owned, message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_words_are_strings_in_when() {
        for (text, wanted) in [
            ("", true),
            ("yes == yes", true),
            ("heads != tails && 3 > 2", true),
            ("'a' in ('a','b')", true),
            ("abc =~ '^a'", true),
            ("(1 + 2) * 3 == 9", true),
            ("!(a == a)", false),
            ("true ? false : true", false),
            ("8 - 2 - 1 == 5", true),
            ("'2024-01-02' > '2024-01-01'", true),
        ] {
            assert_eq!(when(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn messages_are_those_that_workflows_show() {
        let message = |text: &str| when(text).unwrap_err().to_string();
        assert_eq!(
            message("a = b"),
            "Invalid 'when' expression 'a = b': Invalid token: '=' (hint: try wrapping the affected expression in quotes (\"))"
        );
        assert_eq!(message("1 + 1"), "Expected boolean evaluation for '1 + 1'. Got 2");
        assert_eq!(message("foo"), "Expected boolean evaluation for 'foo'. Got foo");
        assert_eq!(
            message("a-b == c"),
            "Failed to evaluate 'when' expresion 'a-b == c': Value 'a' cannot be used with the modifier '-', it is not a number"
        );
        assert_eq!(
            message("a.b == c"),
            "Invalid 'when' expression 'a.b == c': Unable to access unexported field 'b' in token 'a.b'"
        );
        assert_eq!(message("(a == b"), "Invalid 'when' expression '(a == b': Unbalanced parenthesis");
        assert_eq!(
            message("!foo"),
            "Failed to parse 'when' expression '!foo': Cannot transition token types from PREFIX [!] to STRING [foo]"
        );
    }

    #[test]
    fn variables_come_from_the_environment() {
        let expression = Expression::parse("a > 3 && [b-c] == 'x'").unwrap();
        assert_eq!(expression.variables(), ["a", "b-c"]);
        assert_eq!(expression.eval(&json!({"a": 4, "b-c": "x"})), Ok(json!(true)));
        assert_eq!(expression.eval(&json!({"a": 4})).unwrap_err().to_string(), "No parameter 'b-c' found.");
    }
}
