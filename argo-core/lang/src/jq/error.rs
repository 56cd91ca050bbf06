//! What goes wrong, outside ([`JqError`]) and while running ([`Exc`]).

use std::fmt;

use serde_json::Value;

use super::value::{Val, to_json};
use crate::position::{Located, Position};

/// What kind of trouble a program had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source is no program: `unexpected token`, `unterminated string literal`.
    Syntax,
    /// A function, variable or label is not known, or a module is asked for.
    UnknownName,
    /// An operation, a builtin or `error` failed.
    Runtime,
    /// `halt` or `halt_error` ended the program.
    Halt,
    /// A bound of [`Limits`](super::Limits) was exceeded. `try` does not catch it.
    Limit,
}

/// An error: the text is gojq's.
#[derive(Debug, Clone, PartialEq)]
pub struct JqError {
    /// What kind.
    pub kind: ErrorKind,
    /// gojq's message, without the place.
    pub message: String,
    /// Line in the source, from 1; 0 for errors of a run.
    pub line: usize,
    /// Column in characters, from 1; 0 for errors of a run.
    pub column: usize,
    /// The text at the place that offends; empty at the end of the source and for errors of a run.
    pub token: String,
    /// What `error(value)` was given.
    pub value: Option<Value>,
}

impl std::error::Error for JqError {}

impl fmt::Display for JqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Located for JqError {
    fn line(&self) -> Option<usize> {
        (self.line > 0).then_some(self.line)
    }

    fn column(&self) -> Option<usize> {
        (self.line > 0).then_some(self.column)
    }

    fn position_in(&self, source: &str) -> Option<Position> {
        (self.line > 0).then(|| Position::at(source, self.line, self.column, self.token.chars().count()))
    }

    fn show(&self, source: &str) -> String {
        self.position_in(source).map_or_else(|| self.to_string(), |it| it.show(&self.message, source))
    }
}

impl JqError {
    pub(super) fn at(
        kind: ErrorKind,
        message: impl Into<String>,
        source: &str,
        offset: usize,
        token: impl Into<String>,
    ) -> Self {
        let offset = (0..=offset.min(source.len())).rev().find(|it| source.is_char_boundary(*it)).unwrap_or(0);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        Self {
            kind,
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            token: token.into(),
            value: None,
        }
    }

    pub(super) fn run(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: 0, column: 0, token: String::new(), value: None }
    }
}

/// Why a run leaves its way.
#[derive(Debug, Clone)]
pub(super) enum Exc<'a> {
    /// `error(value)`.
    Value(Val<'a>),
    /// A builtin or operation failed.
    Text(String),
    /// `halt`.
    Halt(Val<'a>),
    /// A bound was exceeded.
    Limit(String),
    /// A loop has what it wants.
    Stop,
}

pub(super) type Res<'a, T = Val<'a>> = Result<T, Exc<'a>>;

impl<'a> Exc<'a> {
    pub(super) fn is_caught(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Text(_))
    }

    /// What `catch` sees.
    pub(super) fn into_value(self) -> Val<'a> {
        match self {
            Self::Value(it) | Self::Halt(it) => it,
            Self::Text(it) | Self::Limit(it) => Val::text(it),
            Self::Stop => Val::Null,
        }
    }

    /// The message alone, where it becomes part of another.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Value(Val::Str(it)) => format!("error: {}", it.as_str()),
            Self::Value(it) => format!("error: {}", to_json(it)),
            Self::Halt(Val::Str(it)) => format!("halt error: {}", it.as_str()),
            Self::Halt(it) => format!("halt error: {}", to_json(it)),
            Self::Text(it) | Self::Limit(it) => it.clone(),
            Self::Stop => String::new(),
        }
    }

    pub(super) fn into_error(self) -> JqError {
        let message = self.message();
        match self {
            Self::Value(it) => JqError { value: Some(it.to_value()), ..JqError::run(ErrorKind::Runtime, message) },
            Self::Halt(it) => JqError { value: Some(it.to_value()), ..JqError::run(ErrorKind::Halt, message) },
            Self::Limit(_) => JqError::run(ErrorKind::Limit, message),
            Self::Text(_) | Self::Stop => JqError::run(ErrorKind::Runtime, message),
        }
    }
}

pub(super) fn fail<'a, T>(text: impl Into<String>) -> Res<'a, T> {
    Err(Exc::Text(text.into()))
}
