//! Tokens to a tree: which token may follow which, and how operators bind.

use regex::Regex;

use super::MAX_DEPTH;
use super::token::{Kind, Token, parse_error};
use crate::position::Fault;
use crate::regexp;

fn check_syntax(tokens: &[Token]) -> Result<(), Fault> {
    let mut state = Kind::Unknown;
    let mut last: Option<&Token> = None;
    for token in tokens {
        if !state.may_precede(token.kind) {
            if let Some(last) = last
                && last.kind == Kind::Variable
                && token.kind == Kind::Clause
            {
                return parse_error(last.chars.clone(), format!("Undefined function {}", last.text));
            }
            let shown = last.map_or_else(|| "<nil>".to_owned(), Token::shown);
            return parse_error(
                token.chars.clone(),
                format!(
                    "Cannot transition token types from {} [{shown}] to {} [{}]",
                    state.name(),
                    token.kind.name(),
                    token.shown()
                ),
            );
        }
        state = token.kind;
        last = Some(token);
    }
    if last.is_none() || !state.may_end() {
        let end = last.map_or(0, |it| it.chars.end);
        return parse_error(end..end, "Unexpected end of expression");
    }
    Ok(())
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Separate,
    Then,
    Else,
    Coalesce,
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Matches,
    MatchesNot,
    In,
    BitXor,
    BitAnd,
    BitOr,
    ShiftRight,
    ShiftLeft,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Operator {
    /// Its place among [`LEVELS`].
    pub(super) fn level(self) -> usize {
        LEVELS.iter().position(|it| it.iter().any(|it| it.1 == self)).unwrap_or(0)
    }

    pub(super) fn text(self) -> &'static str {
        LEVELS.iter().flat_map(|it| it.iter()).find(|it| it.1 == self).map_or("", |it| it.0)
    }
}

#[derive(Debug, Clone)]
pub(super) enum Stage {
    Number(f64),
    Bool(bool),
    Text(String),
    Pattern(Regex),
    Variable(String),
    Accessor(String),
    /// `-`, `!` or `~`.
    Prefix(char, Box<Stage>),
    Binary(Operator, Box<Stage>, Box<Stage>),
    /// `()`: nothing inside.
    Empty,
}

/// Operators from the loosest to the tightest; all associate to the left.
const LEVELS: [&[(&str, Operator)]; 10] = [
    &[(",", Operator::Separate)],
    &[("?", Operator::Then), (":", Operator::Else), ("??", Operator::Coalesce)],
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessEqual),
        ("=~", Operator::Matches),
        ("!~", Operator::MatchesNot),
        ("in", Operator::In),
    ],
    &[("^", Operator::BitXor), ("&", Operator::BitAnd), ("|", Operator::BitOr)],
    &[(">>", Operator::ShiftRight), ("<<", Operator::ShiftLeft)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Modulo)],
    &[("**", Operator::Power)],
];

struct Planner<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    height: usize,
}

impl Planner<'_> {
    fn level(&mut self, level: usize) -> Result<Stage, Fault> {
        let Some(operators) = LEVELS.get(level) else { return self.value() };
        let mut left = self.level(level + 1)?;
        while let Some(token) = self.tokens.get(self.at) {
            let is_operator = matches!(
                token.kind,
                Kind::Separator | Kind::Ternary | Kind::Logical | Kind::Comparator | Kind::Modifier
            );
            let Some((_, operator)) = operators.iter().find(|it| is_operator && it.0 == token.text) else { break };
            self.at += 1;
            self.height += 1;
            if self.height > 400 {
                return parse_error(token.chars.clone(), "Expression is too long");
            }
            let from = self.at;
            let mut right = self.level(level + 1)?;
            if matches!(operator, Operator::Matches | Operator::MatchesNot)
                && let Stage::Text(pattern) = &right
            {
                right = Stage::Pattern(regexp::compile(pattern).map_err(|error| Fault {
                    message: error.to_string(),
                    chars: self.tokens.get(from).map_or(0..0, |it| it.chars.clone()),
                })?);
            }
            left = Stage::Binary(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn value(&mut self) -> Result<Stage, Fault> {
        let Some(token) = self.tokens.get(self.at) else { return Ok(Stage::Empty) };
        self.at += 1;
        Ok(match token.kind {
            Kind::Clause => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return parse_error(token.chars.clone(), "Expression is nested too deeply");
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
            Kind::Prefix => Stage::Prefix(token.text.chars().next().unwrap_or('!'), Box::new(self.value()?)),
            Kind::Variable => Stage::Variable(token.text.clone()),
            Kind::Accessor => Stage::Accessor(token.text.clone()),
            Kind::Numeric | Kind::Time => Stage::Number(token.number),
            Kind::Boolean => Stage::Bool(token.text == "true"),
            Kind::Str => Stage::Text(token.text.clone()),
            other => {
                return parse_error(
                    token.chars.clone(),
                    format!("Unable to plan token kind: '{}', value: '{}'", other.name(), token.shown()),
                );
            }
        })
    }
}

pub(super) fn plan(tokens: &[Token]) -> Result<Stage, Fault> {
    check_syntax(tokens)?;
    let mut planner = Planner { tokens, at: 0, depth: 0, height: 0 };
    planner.level(0)
}
