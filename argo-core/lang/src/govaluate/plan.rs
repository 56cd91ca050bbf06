//! Tokens to a tree: which token may follow which, and how operators bind.

use regex::Regex;

use super::token::{Kind, Token, parse_error};
use super::value::Val;
use super::{GovaluateError, MAX_DEPTH};
use crate::regexp;

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

#[derive(Debug, Clone)]
pub(super) enum Stage {
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

pub(super) fn plan(tokens: &[Token]) -> Result<Stage, GovaluateError> {
    check_syntax(tokens)?;
    let mut planner = Planner { tokens, at: 0, depth: 0, height: 0 };
    planner.level(0)
}
