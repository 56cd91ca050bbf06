//! Command lines as upstream's programs read them: what the flags of every controller binary share.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked<F> {
    /// To run.
    Run(Box<F>),
    /// The help text.
    Help,
    /// The version.
    Version,
}

/// The arguments behind the name of the program, flag by flag.
#[derive(Debug)]
pub struct Arguments<I>(I);

impl<I: Iterator<Item = String>> Arguments<I> {
    /// Of a whole command line, the name of the program first.
    pub fn new(arguments: impl IntoIterator<IntoIter = I>) -> Self {
        let mut arguments = arguments.into_iter();
        arguments.next();
        Self(arguments)
    }

    /// The next flag, with what stands behind its `=`.
    pub fn next_flag(&mut self) -> Option<Flag<'_, I>> {
        let argument = self.0.next()?;
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        Some(Flag { name, inline, rest: &mut self.0 })
    }
}

/// One flag.
#[derive(Debug)]
pub struct Flag<'a, I> {
    /// As it was written, with its dashes.
    pub name: String,
    inline: Option<String>,
    rest: &'a mut I,
}

impl<I: Iterator<Item = String>> Flag<'_, I> {
    /// Its value: behind `=`, or the next argument.
    ///
    /// # Errors
    /// When there is none.
    pub fn value(&mut self) -> Result<String> {
        self.inline.take().or_else(|| self.rest.next()).with_context(|| format!("{} needs a value", self.name))
    }

    /// Its value as a switch. As Go's flags, a switch takes its value only behind `=`.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn switch(&self) -> Result<bool> {
        match self.inline.as_deref() {
            None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(other) => bail!("{} takes true or false, not {other:?}", self.name),
        }
    }

    /// Its value as a number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let value = self.value()?;
        number(&self.name, &value)
    }

    /// Its value as a number of seconds.
    ///
    /// # Errors
    /// When it is no number.
    pub fn seconds(&mut self) -> Result<Duration> {
        self.number().map(Duration::from_secs)
    }

    /// Its value as Go writes durations: `1h30m`.
    ///
    /// # Errors
    /// When it is no duration.
    pub fn duration(&mut self) -> Result<Duration> {
        let value = self.value()?;
        let parsed = argo_lang::duration::parse(&value).ok().and_then(|it| Duration::try_from(it).ok());
        parsed.with_context(|| format!("{} takes a duration as 15s, not {value:?}", self.name))
    }
}

/// The number that a flag or a variable of the environment holds.
///
/// # Errors
/// Names whose value is no number.
pub fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().ok().with_context(|| format!("{name} takes a number, not {value:?}"))
}
