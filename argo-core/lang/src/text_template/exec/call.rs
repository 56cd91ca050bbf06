//! Commands: operands, fields, methods and functions, with the types that Go asks of their arguments.

use super::place::Place;
use super::{Held, Outcome, State};
use crate::text_template::ast::{Command, Kind, Operand, Pipe};
use crate::text_template::functions::Entry;
use crate::text_template::number::Number;
use crate::text_template::signature::Type;
use crate::text_template::value::{Complex, Interface, Val};
use crate::text_template::{ErrorKind, MissingKey, builtins};

impl<'t> State<'_, '_, 't> {
    pub(super) fn command(&mut self, command: &'t Command, dot: &Held, last: Option<Held>) -> Outcome<Held> {
        let Some((first, rest)) = command.args.split_first() else { return Ok(Held::missing()) };
        match &first.kind {
            Kind::Field(names) => return self.fields(first, names, dot, Some(rest), last),
            Kind::Chain(inner, names) => return self.chain(first, inner, names, dot, Some(rest), last),
            Kind::Identifier(name) => {
                return self.function(first, name, Place::Command(command), dot, Some(rest), last);
            }
            Kind::Pipe(pipe) => {
                self.not_a_function(first, rest, last.as_ref())?;
                return self.pipeline(pipe, dot);
            }
            Kind::Variable(name, names) => return self.variable(first, name, names, dot, Some(rest), last),
            _ => {}
        }
        self.at = Place::Operand(first);
        self.not_a_function(first, rest, last.as_ref())?;
        match &first.kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Nil => self.fail("nil is not a command"),
            _ => self.constant(first).map(Held::plain),
        }
    }

    fn not_a_function(&self, operand: &Operand, rest: &[Operand], last: Option<&Held>) -> Outcome<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        self.fail(&format!("can't give argument to non-function {}", operand.text()))
    }

    /// A constant where any type will do.
    fn constant(&self, operand: &'t Operand) -> Outcome<Val> {
        match &operand.kind {
            Kind::Bool(it) => Ok(Val::Bool(*it)),
            Kind::Str(it, _) => Ok(Val::str(it)),
            Kind::Number(it) => self.number(it),
            _ => self.fail(&format!("can't evaluate command {}", crate::fmt::quote(&operand.text()))),
        }
    }

    fn number(&self, number: &Number) -> Outcome<Val> {
        if let Some((real, imaginary)) = number.complex {
            return Ok(Val::object(Complex(real, imaginary)));
        }
        if number.is_float() {
            return Ok(Val::Float(number.float.unwrap_or_default()));
        }
        match number.int {
            Some(it) => Ok(Val::Int(it)),
            None => self.fail(&format!("{} overflows int", number.text)),
        }
    }

    fn fields(
        &mut self,
        operand: &'t Operand,
        names: &'t [String],
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        self.at = Place::Operand(operand);
        self.step()?;
        self.path(operand, dot.clone(), names, dot, args, last)
    }

    fn variable(
        &mut self,
        operand: &'t Operand,
        name: &str,
        names: &'t [String],
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        self.at = Place::Operand(operand);
        self.step()?;
        let Some(held) = self.variables.iter().rev().find(|it| it.0 == name).map(|it| it.1.clone()) else {
            return self.fail(&format!("undefined variable: {name}"));
        };
        if names.is_empty() {
            self.not_a_function(operand, args.unwrap_or_default(), last.as_ref())?;
            return Ok(held);
        }
        self.path(operand, held, names, dot, args, last)
    }

    fn chain(
        &mut self,
        operand: &'t Operand,
        inner: &'t Operand,
        names: &'t [String],
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        self.at = Place::Operand(operand);
        if matches!(inner.kind, Kind::Nil) {
            return self.fail(&format!("indirection through explicit nil in {}", operand.text()));
        }
        self.at = Place::Operand(inner);
        let held = match &inner.kind {
            Kind::Pipe(pipe) => self.pipeline(pipe, dot)?,
            Kind::Identifier(name) => self.function(inner, name, Place::Operand(inner), dot, None, None)?,
            Kind::Chain(deeper, path) => self.chain(inner, deeper, path, dot, None, None)?,
            _ => Held::plain(self.constant(inner)?),
        };
        self.path(operand, held, names, dot, args, last)
    }

    /// `.X.Y.Z`, the last of which may be a method with arguments.
    fn path(
        &mut self,
        operand: &'t Operand,
        from: Held,
        names: &'t [String],
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        let Some((name, path)) = names.split_last() else { return Ok(from) };
        let mut held = from;
        for name in path {
            held = self.field(operand, &held, name, dot, None, None)?;
        }
        self.field(operand, &held, name, dot, args, last)
    }

    fn field(
        &mut self,
        operand: &'t Operand,
        of: &Held,
        name: &str,
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        let missing = self.context.template.missing_key;
        let type_name = of.type_name();
        let has_args = args.is_some_and(|it| !it.is_empty()) || last.is_some();
        match &of.value {
            Val::Missing if missing == MissingKey::Error => {
                let message = format!("nil data; no entry for key {}", crate::fmt::quote(name));
                self.fail_kind(ErrorKind::MissingKey, &message)
            }
            Val::Missing => Ok(Held::missing()),
            Val::Nil => self.fail(&format!("nil pointer evaluating {type_name}.{name}")),
            Val::Map(map) | Val::Dict(map, _) => {
                if has_args {
                    return self.fail(&format!("{name} is not a method but has arguments"));
                }
                let boxed = matches!(of.value, Val::Map(_));
                let found = map.borrow().get(name).cloned();
                match (found, missing) {
                    (Some(value), _) => Ok(Held { value, boxed }),
                    (None, MissingKey::Invalid) => Ok(Held::missing()),
                    (None, MissingKey::Zero) => {
                        Ok(if boxed { Held::boxed(Val::Nil) } else { Held::plain(Val::str("")) })
                    }
                    (None, MissingKey::Error) => {
                        let message = format!("map has no entry for key {}", crate::fmt::quote(name));
                        self.fail_kind(ErrorKind::MissingKey, &message)
                    }
                }
            }
            Val::Object(_) | Val::Time(_) | Val::Duration(_) => {
                let mut values = Vec::new();
                for arg in args.unwrap_or_default() {
                    values.push(self.argument(arg, Type::Any, dot)?.value);
                }
                values.extend(last.map(|it| it.value));
                let found = match &of.value {
                    Val::Object(object) if values.is_empty() => object.field(name).map(Ok),
                    Val::Object(object) => object.call(name, &values),
                    other => builtins::method(other, name, &values),
                };
                match found {
                    Some(Ok(value)) => Ok(Held::plain(value)),
                    Some(Err(message)) => {
                        self.at = Place::Operand(operand);
                        self.fail(&format!("error calling {name}: {message}"))
                    }
                    None => self.fail(&format!("can't evaluate field {name} in type {type_name}")),
                }
            }
            _ => self.fail(&format!("can't evaluate field {name} in type {type_name}")),
        }
    }

    /// An argument for a parameter of a type.
    fn argument(&mut self, operand: &'t Operand, wanted: Type, dot: &Held) -> Outcome<Held> {
        self.at = Place::Operand(operand);
        self.step()?;
        let held = match &operand.kind {
            Kind::Dot => dot.clone(),
            Kind::Nil => {
                return match wanted.zero() {
                    Some(zero) => Ok(Held::plain(zero)),
                    None => self.fail(&format!("cannot assign nil to {}", wanted.name())),
                };
            }
            Kind::Field(names) => self.fields(operand, names, dot, None, None)?,
            Kind::Variable(name, names) => self.variable(operand, name, names, dot, None, None)?,
            Kind::Pipe(pipe) => self.inner_pipeline(pipe, dot)?,
            Kind::Identifier(name) => self.function(operand, name, Place::Operand(operand), dot, None, None)?,
            Kind::Chain(inner, names) => self.chain(operand, inner, names, dot, None, None)?,
            Kind::Bool(_) | Kind::Number(_) | Kind::Str(..) => return self.literal(operand, wanted).map(Held::plain),
        };
        let boxed = held.boxed;
        self.validate(held, wanted).map(|value| Held { value, boxed })
    }

    fn inner_pipeline(&mut self, pipe: &'t Pipe, dot: &Held) -> Outcome<Held> {
        self.pipeline(pipe, dot)
    }

    fn literal(&mut self, operand: &'t Operand, wanted: Type) -> Outcome<Val> {
        let found = |what: &str| format!("expected {what}; found {}", operand.text());
        match (wanted, &operand.kind) {
            (Type::Any | Type::Value, _) => self.constant(operand),
            (Type::Str, Kind::Str(it, _)) => Ok(Val::str(it)),
            (Type::Str, _) => self.fail(&found("string")),
            (Type::Bool, Kind::Bool(it)) => Ok(Val::Bool(*it)),
            (Type::Bool, _) => self.fail(&found("bool")),
            (Type::Int, Kind::Number(Number { int: Some(it), .. })) => Ok(Val::Int(*it)),
            (Type::Int, _) => self.fail(&found("integer")),
            (Type::Uint, Kind::Number(Number { uint: Some(it), .. })) => {
                Ok(Val::Sized(i64::try_from(*it).unwrap_or(i64::MAX), "uint32"))
            }
            (Type::Uint, _) => self.fail(&found("unsigned integer")),
            (Type::Float, Kind::Number(Number { float: Some(it), .. })) => Ok(Val::Float(*it)),
            (Type::Float, _) => self.fail(&found("float")),
            _ => self.fail(&format!("can't handle {} for arg of type {}", operand.text(), wanted.name())),
        }
    }

    fn validate(&self, held: Held, wanted: Type) -> Outcome<Val> {
        if matches!(held.value, Val::Missing) {
            return match wanted.zero() {
                Some(zero) => Ok(zero),
                None => self.fail(&format!("invalid value; expected {}", wanted.name())),
            };
        }
        if wanted.takes(&held.value) {
            return Ok(held.value);
        }
        let got = if matches!(held.value, Val::Nil) { "interface {}" } else { held.value.type_name() };
        self.fail(&format!("wrong type for value; expected {}; got {got}", wanted.name()))
    }

    fn function(
        &mut self,
        operand: &'t Operand,
        name: &'t str,
        place: Place<'t>,
        dot: &Held,
        args: Option<&'t [Operand]>,
        last: Option<Held>,
    ) -> Outcome<Held> {
        self.at = Place::Operand(operand);
        let Some(entry) = self.context.template.functions.entry(name).cloned() else {
            return self.fail(&format!("{} is not a defined function", crate::fmt::quote(name)));
        };
        let args = args.unwrap_or_default();
        let given = args.len() + usize::from(last.is_some());
        if let Some(complaint) = entry.signature.complaint(args.len(), given) {
            return self.fail(&format!("wrong number of args for {name}: {complaint}"));
        }
        if entry.builtin && matches!(name, "and" | "or") {
            // the rest is not evaluated once the answer is known
            let mut value = Val::Missing;
            for arg in args {
                value = self.argument(arg, Type::Value, dot)?.value;
                if value.truth() == (name == "or") {
                    return Ok(Held::plain(value));
                }
            }
            return Ok(last.unwrap_or_else(|| Held::plain(value)));
        }
        let mut values = Vec::with_capacity(given);
        for (index, arg) in args.iter().enumerate() {
            let held = self.argument(arg, entry.signature.at(index), dot)?;
            // Go's slice does not look into interfaces for its bounds
            let opaque = held.boxed && index > 0 && entry.builtin && name == "slice";
            values.push(if opaque { Val::object(Interface) } else { held.value });
        }
        if let Some(last) = last {
            let shown = last.value.clone();
            values.push(self.validate(last, entry.signature.at(given - 1))?);
            if args.is_empty() && name == "call" {
                return self.call_of(&entry, name, place, &values, &reflected(&shown));
            }
        }
        if entry.builtin && name == "call" {
            let callee = args.first().map_or_else(String::new, Operand::text);
            return self.call_of(&entry, name, place, &values, &callee);
        }
        self.invoke(&entry, name, place, &values)
    }

    /// Go's `call` of a function among the values.
    fn call_of(&mut self, entry: &Entry, name: &str, place: Place<'t>, values: &[Val], callee: &str) -> Outcome<Held> {
        if !entry.builtin {
            return self.invoke(entry, name, place, values);
        }
        self.at = place;
        if let Some((Val::Object(object), rest)) = values.split_first() {
            match object.call("", rest) {
                Some(Ok(value)) => return Ok(Held::plain(value)),
                Some(Err(message)) => return self.fail(&format!("error calling call: {message}")),
                None => {}
            }
        }
        match values.first() {
            Some(value) if !value.is_nil() => {
                self.fail(&format!("error calling call: non-function {callee} of type {}", value.type_name()))
            }
            _ => self.fail("error calling call: call of nil"),
        }
    }

    fn invoke(&mut self, entry: &Entry, name: &str, place: Place<'t>, values: &[Val]) -> Outcome<Held> {
        let limit = self.context.run.limits.depth;
        if self.context.depth >= limit {
            return self.fail_kind(ErrorKind::Limit, &format!("exceeded maximum template depth ({limit})"));
        }
        self.context.depth += 1;
        let result = (entry.function)(self.context, values);
        self.context.depth -= 1;
        match result {
            Ok(value) => Ok(Held::plain(value)),
            Err(message) => {
                let kind = self.context.kind.take().unwrap_or(ErrorKind::Execute);
                self.context.inner = None;
                self.at = place;
                self.fail_kind(kind, &format!("error calling {name}: {message}"))
            }
        }
    }
}

/// What `reflect.Value.String` gives.
fn reflected(value: &Val) -> String {
    match value {
        Val::Str(it) => it.to_string(),
        Val::Missing | Val::Nil => "<invalid Value>".to_owned(),
        other => format!("<{} Value>", other.type_name()),
    }
}
