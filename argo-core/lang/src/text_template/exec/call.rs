//! Commands: operands, fields, methods and functions.

use super::{At, Outcome, State};
use crate::text_template::ast::{Command, Kind, Operand};
use crate::text_template::value::Val;
use crate::text_template::{ErrorKind, MissingKey, builtins};

impl State<'_, '_> {
    pub(super) fn command(&mut self, command: &Command, dot: &Val, last: Option<Val>) -> Outcome<Val> {
        let Some(first) = command.args.first() else { return Ok(Val::Nil) };
        let rest = &command.args[1..];
        let at = At { offset: first.at, text: &|| first.text() };
        match &first.kind {
            Kind::Field(names) => return self.chain(dot.clone(), names, first, dot, rest, last),
            Kind::Variable(name, names) => {
                let value = self.variable(name);
                if names.is_empty() {
                    self.not_a_function(first, rest, last.as_ref())?;
                    return Ok(value);
                }
                return self.chain(value, names, first, dot, rest, last);
            }
            Kind::Chain(inner, names) => {
                let value = self.operand(inner, dot)?;
                return self.chain(value, names, first, dot, rest, last);
            }
            Kind::Identifier(name) => return self.function(name, command, dot, rest, last),
            Kind::Pipe(pipe) => {
                self.not_a_function(first, rest, last.as_ref())?;
                return self.pipeline(pipe, dot);
            }
            _ => {}
        }
        self.not_a_function(first, rest, last.as_ref())?;
        match &first.kind {
            Kind::Nil => self.fail(&at, "nil is not a command"),
            _ => self.operand(first, dot),
        }
    }

    fn not_a_function(&self, operand: &Operand, rest: &[Operand], last: Option<&Val>) -> Outcome<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        let at = At { offset: operand.at, text: &|| operand.text() };
        self.fail(&at, &format!("can't give argument to non-function {}", operand.text()))
    }

    fn variable(&self, name: &str) -> Val {
        self.variables.iter().rev().find(|it| it.0 == name).map_or(Val::Nil, |it| it.1.clone())
    }

    fn operand(&mut self, operand: &Operand, dot: &Val) -> Outcome<Val> {
        self.step(operand.at)?;
        Ok(match &operand.kind {
            Kind::Dot => dot.clone(),
            Kind::Nil => Val::Nil,
            Kind::Bool(it) => Val::Bool(*it),
            Kind::Int(it, _) => Val::Int(*it),
            Kind::Float(it, _) => Val::Float(*it),
            Kind::Str(it, _) => Val::str(it),
            Kind::Field(names) => return self.chain(dot.clone(), names, operand, dot, &[], None),
            Kind::Variable(name, names) => {
                let value = self.variable(name);
                return self.chain(value, names, operand, dot, &[], None);
            }
            Kind::Chain(inner, names) => {
                let value = self.operand(inner, dot)?;
                return self.chain(value, names, operand, dot, &[], None);
            }
            Kind::Pipe(pipe) => return self.pipeline(pipe, dot),
            Kind::Identifier(name) => {
                let command = Command { at: operand.at, args: vec![operand.clone()] };
                return self.function(name, &command, dot, &[], None);
            }
        })
    }

    fn chain(
        &mut self,
        from: Val,
        names: &[String],
        node: &Operand,
        dot: &Val,
        rest: &[Operand],
        last: Option<Val>,
    ) -> Outcome<Val> {
        let at = At { offset: node.at, text: &|| node.text() };
        let mut value = from;
        let Some((final_name, path)) = names.split_last() else { return Ok(value) };
        for name in path {
            value = self.field(&value, name, &at)?;
        }
        let has_args = !rest.is_empty() || last.is_some();
        if !has_args {
            return self.field(&value, final_name, &at);
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for operand in rest {
            args.push(self.operand(operand, dot)?);
        }
        args.extend(last);
        match &value {
            Val::Object(object) => match object.call(final_name, &args) {
                Some(Ok(value)) => Ok(value),
                Some(Err(message)) => self.fail(&at, &format!("error calling {final_name}: {message}")),
                None => self.fail(&at, &format!("can't evaluate field {final_name} in type {}", object.type_name())),
            },
            Val::Time(_) | Val::Duration(_) => match builtins::method(&value, final_name, &args) {
                Some(Ok(value)) => Ok(value),
                Some(Err(message)) => self.fail(&at, &format!("error calling {final_name}: {message}")),
                None => self.fail(&at, &format!("can't evaluate field {final_name} in type {}", value.type_name())),
            },
            Val::Map(_) => {
                let field = self.field(&value, final_name, &at)?;
                if field.is_nil() {
                    return Ok(field);
                }
                self.fail(&at, &format!("{final_name} is not a method but has arguments"))
            }
            other => {
                let message = format!("can't evaluate field {final_name} in type {}", other.type_name());
                self.fail(&at, &message)
            }
        }
    }

    fn field(&self, of: &Val, name: &str, at: &At<'_>) -> Outcome<Val> {
        let missing = self.context.template.missing_key;
        match of {
            Val::Missing => {
                if missing == MissingKey::Error {
                    return self.fail_kind(
                        at,
                        ErrorKind::MissingKey,
                        &format!("nil data; no entry for key {}", crate::fmt::quote(name)),
                    );
                }
                Ok(Val::Missing)
            }
            Val::Nil => self.fail(at, &format!("nil pointer evaluating interface {{}}.{name}")),
            Val::Map(map) => match (map.borrow().get(name), missing) {
                (Some(value), _) => Ok(value.clone()),
                (None, MissingKey::Invalid) => Ok(Val::Missing),
                (None, MissingKey::Zero) => Ok(Val::Nil),
                (None, MissingKey::Error) => self.fail_kind(
                    at,
                    ErrorKind::MissingKey,
                    &format!("map has no entry for key {}", crate::fmt::quote(name)),
                ),
            },
            Val::Object(object) => match object.field(name) {
                Some(value) => Ok(value),
                None => self.fail(at, &format!("can't evaluate field {name} in type {}", object.type_name())),
            },
            Val::Time(_) | Val::Duration(_) => match builtins::method(of, name, &[]) {
                Some(Ok(value)) => Ok(value),
                Some(Err(message)) => self.fail(at, &format!("error calling {name}: {message}")),
                None => self.fail(at, &format!("can't evaluate field {name} in type {}", of.type_name())),
            },
            // values of maps and lists are interfaces in Go
            _ => self.fail(at, &format!("can't evaluate field {name} in type interface {{}}")),
        }
    }

    fn function(
        &mut self,
        name: &str,
        command: &Command,
        dot: &Val,
        rest: &[Operand],
        last: Option<Val>,
    ) -> Outcome<Val> {
        let at = At { offset: command.at, text: &|| command.text() };
        let Some(entry) = self.context.template.functions.entry(name).cloned() else {
            return self.fail(&at, &format!("{} is not a defined function", crate::fmt::quote(name)));
        };
        let count = rest.len() + usize::from(last.is_some());
        if count < entry.least || count > entry.most {
            let at = At { offset: command.args.first().map_or(command.at, |it| it.at), text: &|| name.to_owned() };
            let message = if entry.most == usize::MAX {
                format!("wrong number of args for {name}: want at least {} got {count}", entry.least)
            } else {
                format!(
                    "wrong number of args for {name}: want {} got {count}",
                    if count < entry.least { entry.least } else { entry.most }
                )
            };
            return self.fail(&at, &message);
        }
        // and, or: the rest is not evaluated once the answer is known
        if matches!(name, "and" | "or") {
            let mut value = Val::Nil;
            for operand in rest {
                value = self.operand(operand, dot)?;
                if value.truth() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut args = Vec::with_capacity(count);
        for operand in rest {
            args.push(match self.operand(operand, dot)? {
                Val::Missing => Val::Nil,
                other => other,
            });
        }
        args.extend(last.map(|it| if matches!(it, Val::Missing) { Val::Nil } else { it }));
        if self.context.depth >= self.context.run.limits.depth {
            return self.fail_kind(
                &at,
                ErrorKind::Limit,
                &format!("exceeded maximum template depth ({})", self.context.run.limits.depth),
            );
        }
        self.context.depth += 1;
        let result = (entry.function)(self.context, &args);
        self.context.depth -= 1;
        match result {
            Ok(value) => Ok(value),
            Err(message) => {
                let kind = self.context.kind.take().unwrap_or(ErrorKind::Execute);
                self.context.inner = None;
                // a refused argument, which Go reports at the argument and before it calls
                if let Some((place, wanted)) = message.strip_prefix('\0').and_then(|it| it.split_once('\0')) {
                    let place: usize = place.parse().unwrap_or(usize::MAX);
                    let got = args.get(place).unwrap_or(&Val::Nil);
                    return match rest.get(place) {
                        Some(operand) => {
                            let at = At { offset: operand.at, text: &|| operand.text() };
                            self.fail(&at, &refused(operand, wanted, got))
                        }
                        None => self.fail(&at, &wrong_type(wanted, got)),
                    };
                }
                let message = match message.strip_prefix('\0') {
                    // a refused argument, which Go reports before it calls
                    Some(message) => message.to_owned(),
                    None => format!("error calling {name}: {message}"),
                };
                self.fail_kind(&at, kind, &message)
            }
        }
    }
}

fn wrong_type(wanted: &str, got: &Val) -> String {
    if got.is_nil() {
        return format!("invalid value; expected {wanted}");
    }
    format!("wrong type for value; expected {wanted}; got {}", got.type_name())
}

/// What Go says of an argument that does not fit its parameter.
fn refused(operand: &Operand, wanted: &str, got: &Val) -> String {
    let constant = matches!(operand.kind, Kind::Bool(_) | Kind::Int(..) | Kind::Float(..) | Kind::Str(..));
    match (constant, wanted) {
        (true, "string" | "bool") => format!("expected {wanted}; found {}", operand.text()),
        (true, "int") => format!("expected integer; found {}", operand.text()),
        (true, _) => format!("can't handle {} for arg of type {wanted}", operand.text()),
        _ => wrong_type(wanted, got),
    }
}
