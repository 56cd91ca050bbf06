//! Calls: how many arguments builtins, methods and predicates take, and of which types.

use super::types::{ANY_LIST, Ty};
use super::{Checker, Outcome, Scope};
use crate::expr::ast::{Kind, Node};
use crate::expr::{ErrorKind, Undefined};

/// The parameters of one way to call a function, as messages name them, and what it gives.
struct Overload {
    params: &'static [Ty],
    result: Ty,
    variadic: bool,
}

const fn way(params: &'static [Ty], result: Ty) -> Overload {
    Overload { params, result, variadic: false }
}

/// `[]string` and the like as parameters.
const STRS: Ty = Ty::Named("[]string");
const INTS: Ty = Ty::Named("[]int");
const FLOATS: Ty = Ty::Named("[]float64");
const LIST: Ty = Ty::Named(ANY_LIST);

fn texts() -> Ty {
    Ty::Array("[]string", Box::new(Ty::Str))
}

/// The functions whose parameters have fixed types. The last way to call is the one that messages are about.
fn overloads(name: &str) -> Option<Vec<Overload>> {
    Some(match name {
        "type" | "string" | "toJSON" => vec![way(&[Ty::Any], Ty::Str)],
        "trim" => vec![way(&[Ty::Str], Ty::Str), way(&[Ty::Str, Ty::Str], Ty::Str)],
        "trimPrefix" | "trimSuffix" => vec![way(&[Ty::Str, Ty::Str], Ty::Str), way(&[Ty::Str], Ty::Str)],
        "upper" | "lower" | "toBase64" | "fromBase64" => vec![way(&[Ty::Str], Ty::Str)],
        "split" | "splitAfter" => {
            vec![way(&[Ty::Str, Ty::Str], texts()), way(&[Ty::Str, Ty::Str, Ty::Int], texts())]
        }
        "replace" => {
            vec![way(&[Ty::Str, Ty::Str, Ty::Str, Ty::Int], Ty::Str), way(&[Ty::Str, Ty::Str, Ty::Str], Ty::Str)]
        }
        "repeat" => vec![way(&[Ty::Str, Ty::Int], Ty::Str)],
        "join" => vec![
            way(&[STRS, Ty::Str], Ty::Str),
            way(&[LIST, Ty::Str], Ty::Str),
            way(&[LIST], Ty::Str),
            way(&[STRS, Ty::Str], Ty::Str),
            way(&[STRS], Ty::Str),
        ],
        "indexOf" | "lastIndexOf" => vec![way(&[Ty::Str, Ty::Str], Ty::Int)],
        "hasPrefix" | "hasSuffix" => vec![way(&[Ty::Str, Ty::Str], Ty::Bool)],
        "fromJSON" => vec![way(&[Ty::Str], Ty::Any)],
        "duration" => vec![way(&[Ty::Str], Ty::Duration)],
        "timezone" => vec![way(&[Ty::Str], Ty::Location)],
        "sort" => {
            let all = || Ty::Any.array_of();
            vec![
                way(&[LIST, Ty::Str], all()),
                way(&[INTS, Ty::Str], all()),
                way(&[FLOATS, Ty::Str], all()),
                way(&[STRS, Ty::Str], all()),
                way(&[LIST], all()),
                way(&[FLOATS], all()),
                way(&[STRS], all()),
                way(&[INTS], all()),
            ]
        }
        "bitand" | "bitor" | "bitxor" | "bitnand" | "bitshl" | "bitshr" | "bitushr" => {
            vec![way(&[Ty::Int, Ty::Int], Ty::Int)]
        }
        "bitnot" => vec![way(&[Ty::Int], Ty::Int)],
        _ => return None,
    })
}

impl<'a> Checker<'a> {
    pub(super) fn call(&mut self, node: &'a Node, name: &str, args: &'a [Node], builtin: bool) -> Outcome {
        if !builtin {
            return self.plain_call(node, name, args);
        }
        if name == "get" {
            return self.get(node, args);
        }
        if let Some(ways) = overloads(name) {
            return self.one_of(node, name, args, &ways);
        }
        let types = args.iter().map(|it| self.visit(it)).collect::<Result<Vec<_>, _>>()?;
        match validate(name, &types) {
            Ok(ty) => Ok(ty),
            Err(message) => self.fail_kind(node, ErrorKind::Function, message),
        }
    }

    fn plain_call(&mut self, node: &'a Node, name: &str, args: &'a [Node]) -> Outcome {
        if name == "$env" {
            return self.fail(node, "map[string]interface {} is not callable");
        }
        let local = self.locals.iter().rev().find(|it| it.0 == name).map(|it| it.1.clone());
        let ty = match (local, self.env.get(name)) {
            (Some(ty), _) => ty,
            (None, Some(value)) => Ty::of(value),
            (None, None) => {
                if self.options.functions.get(name).is_none() && self.options.undefined == Undefined::Error {
                    return self.fail_kind(node, ErrorKind::UnknownName, format!("unknown name {name}"));
                }
                for arg in args {
                    self.visit(arg)?;
                }
                return Ok(Ty::Unknown);
            }
        };
        match ty {
            ty if ty.is_unknown() => Ok(Ty::Unknown),
            Ty::Nil => self.fail(node, format!("{name} is nil; cannot call nil as function")),
            ty => self.fail(node, format!("{} is not callable", ty.name())),
        }
    }

    pub(super) fn method(&mut self, node: &'a Node, of: &'a Node, name: &str, args: &'a [Node]) -> Outcome {
        if let Some(prefix) = of.dotted()
            && self.options.functions.get(&format!("{prefix}.{name}")).is_some()
        {
            for arg in args {
                self.visit(arg)?;
            }
            return Ok(Ty::Unknown);
        }
        let whole = matches!(&of.kind, Kind::Name(it) if it == "$env");
        let base = self.visit(of)?;
        let found = match &base {
            _ if whole => Ty::Unknown,
            Ty::Nil => return self.fail(node, format!("type nil has no field {name}")),
            base if base.is_unknown() => return Ok(Ty::Unknown),
            base => match base.method(name) {
                Some(method) => Ty::Method(method),
                None if base.is_map() => base.element(),
                None if base.is_array() => {
                    let message = "array elements can only be selected using an integer (got string)";
                    return self.fail(node, message);
                }
                None => return self.fail(node, format!("type {} has no method {name}", base.name())),
            },
        };
        match found {
            Ty::Method(method) => {
                let way = Overload { params: method.params, result: method.result.clone(), variadic: false };
                self.arguments(node, name, args, &way)
            }
            ty if ty.is_unknown() => Ok(Ty::Unknown),
            ty => self.fail(node, format!("{} is not callable", ty.name())),
        }
    }

    fn one_of(&mut self, node: &'a Node, name: &str, args: &'a [Node], ways: &[Overload]) -> Outcome {
        let mut last = None;
        for way in ways {
            match self.arguments(node, name, args, way) {
                Ok(ty) => return Ok(ty),
                // what is wrong inside of an argument is wrong for all ways
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => Err(error),
            None => self.fail(node, format!("no matching overload for {name}")),
        }
    }

    fn arguments(&mut self, node: &'a Node, name: &str, args: &'a [Node], way: &Overload) -> Outcome {
        let wrong = if args.len() > way.params.len() && !way.variadic {
            Some("too many")
        } else if args.len() < way.params.len() {
            Some("not enough")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            for arg in args {
                self.visit(arg)?;
            }
            return self.fail_kind(node, ErrorKind::Function, format!("{wrong} arguments to call {name}"));
        }
        for (arg, wanted) in args.iter().zip(way.params) {
            let ty = self.visit(arg)?;
            if *wanted == Ty::Float && ty.is_integer() || wanted.is_integer() && ty.is_integer() {
                continue;
            }
            if ty == Ty::Nil {
                if *wanted == Ty::Any || *wanted == Ty::Location {
                    continue;
                }
                let message = format!("cannot use nil as argument (type {}) to call {name}", wanted.name());
                return self.fail_kind(arg, ErrorKind::Function, message);
            }
            if !ty.is_unknown() && !ty.assignable_to(wanted) {
                let message = format!("cannot use {} as argument (type {}) to call {name} ", ty.name(), wanted.name());
                return self.fail_kind(arg, ErrorKind::Function, message);
            }
        }
        Ok(way.result.clone())
    }

    fn get(&mut self, node: &'a Node, args: &'a [Node]) -> Outcome {
        let [of, key] = args else {
            let message = format!("invalid number of arguments (expected 2, got {})", args.len());
            return self.fail_kind(node, ErrorKind::Function, message);
        };
        let base = self.visit(of)?;
        let property = self.visit(key)?;
        if matches!(&of.kind, Kind::Name(it) if it == "$env") {
            return Ok(match &key.kind {
                Kind::Constant(serde_json::Value::String(name)) => self.env.get(name).map_or(Ty::Unknown, Ty::of),
                _ => Ty::Unknown,
            });
        }
        if base.is_unknown() {
            return Ok(Ty::Unknown);
        }
        if base.is_array() {
            if !property.is_integer() && !property.is_unknown() {
                return self.fail(key, format!("non-integer slice index {}", property.name()));
            }
            return Ok(base.element());
        }
        if base.is_map() {
            if base == Ty::Map && property != Ty::Str && !property.is_unknown() {
                let message = format!("cannot use {} to get an element from {}", property.name(), base.name());
                return self.fail(key, message);
            }
            return Ok(base.element());
        }
        self.fail(of, format!("type {} does not support indexing", base.name()))
    }

    pub(super) fn predicate(
        &mut self,
        node: &'a Node,
        name: &str,
        args: &'a [Node],
        body: Option<&'a Node>,
    ) -> Outcome {
        let Some(first) = args.first() else {
            return self.fail(node, format!("not enough arguments to call {name}"));
        };
        let collection = self.visit(first)?;
        if !collection.is_array() && !collection.is_unknown() {
            return self.fail(first, format!("builtin {name} takes only array (got {})", collection.name()));
        }
        let unknown = collection.is_unknown();
        let element = collection.element();
        let Some(body) = body else {
            return Ok(match name {
                "count" => Ty::Int,
                _ if unknown => Ty::Unknown,
                _ => element,
            });
        };
        self.predicates.push(Scope { collection, index: matches!(name, "map" | "reduce"), acc: name == "reduce" });
        let result = self.visit(body);
        self.predicates.pop();
        let result = result?;
        if let Some(more) = args.get(1) {
            let ty = self.visit(more)?;
            if name == "sortBy" && ty != Ty::Str && !ty.is_unknown() {
                return self.fail(more, format!("sortBy order argument must be a string (got {})", ty.name()));
            }
        }
        if result == Ty::Nil {
            let count = if name == "reduce" { "two" } else { "one" };
            return self.fail(body, format!("predicate should has {count} input and one output param"));
        }
        let tests = matches!(
            name,
            "all" | "none" | "any" | "one" | "filter" | "count" | "find" | "findLast" | "findIndex" | "findLastIndex"
        );
        if tests && result != Ty::Bool && !result.is_unknown() {
            return self.fail(body, format!("predicate should return boolean (got {})", result.name()));
        }
        Ok(match name {
            "all" | "none" | "any" | "one" => Ty::Bool,
            "count" | "findIndex" | "findLastIndex" => Ty::Int,
            "filter" if unknown => Ty::Any.array_of(),
            "filter" => element.array_of(),
            "find" | "findLast" if unknown => Ty::Unknown,
            "find" | "findLast" => element,
            "map" => result.array_of(),
            "groupBy" => Ty::Table("map[interface {}][]interface {}"),
            "sortBy" if unknown => Ty::Unknown,
            "sortBy" => Ty::Array(ANY_LIST, Box::new(element)),
            _ => result,
        })
    }
}

fn count(types: &[Ty], wanted: usize) -> Result<(), String> {
    if types.len() == wanted {
        return Ok(());
    }
    Err(format!("invalid number of arguments (expected {wanted}, got {})", types.len()))
}

/// The functions that look at the types of their arguments themselves.
fn validate(name: &str, types: &[Ty]) -> Result<Ty, String> {
    let first = types.first().unwrap_or(&Ty::Nil);
    let list = |ty: &Ty| ty.is_unknown() || ty.is_array();
    let map = |ty: &Ty| ty.is_unknown() || ty.is_map();
    let invalid = || Err(format!("invalid argument for {name} (type {})", first.reflected()));
    let any_list = || Ok(Ty::Any.array_of());
    match name {
        "len" => {
            count(types, 1)?;
            if list(first) || map(first) || *first == Ty::Str { Ok(Ty::Int) } else { invalid() }
        }
        "abs" => {
            count(types, 1)?;
            match first {
                it if it.is_number() => Ok(it.clone()),
                Ty::Duration => Ok(Ty::Duration),
                it if it.is_unknown() => Ok(Ty::Unknown),
                _ => invalid(),
            }
        }
        "ceil" | "floor" | "round" => {
            count(types, 1)?;
            if first.is_number() || first.is_unknown() || matches!(first, Ty::Duration | Ty::Named(_)) {
                Ok(Ty::Float)
            } else {
                invalid()
            }
        }
        "int" | "float" => {
            count(types, 1)?;
            let fits =
                first.is_number() || first.is_unknown() || matches!(first, Ty::Str | Ty::Duration | Ty::Named(_));
            match (fits, name) {
                (false, _) => invalid(),
                (true, "int") => Ok(Ty::Int),
                (true, _) => Ok(Ty::Float),
            }
        }
        "max" | "min" | "mean" | "median" => {
            if types.is_empty() {
                return Err(format!("not enough arguments to call {name}"));
            }
            for ty in types {
                if list(ty) {
                    return Ok(Ty::Unknown);
                }
                if !ty.is_number() && !matches!(ty, Ty::Duration | Ty::Named(_)) {
                    return Err(format!("invalid argument for {name} (type {})", ty.reflected()));
                }
            }
            Ok(first.clone())
        }
        "now" => match types {
            [] | [Ty::Location] => Ok(Ty::Time),
            _ => Err(format!("invalid number of arguments (expected 0, got {})", types.len())),
        },
        "date" => {
            if types.is_empty() {
                return Err("invalid number of arguments (expected at least 1, got 0)".to_owned());
            }
            let rest = if *first == Ty::Location { types.len() - 1 } else { types.len() };
            if rest > 3 {
                return Err(format!("invalid number of arguments (expected at most 3, got {rest})"));
            }
            Ok(Ty::Time)
        }
        "first" | "last" => {
            count(types, 1)?;
            match first {
                it if it.is_unknown() => Ok(Ty::Unknown),
                // Go looks at the type of the list, not at what is in it
                Ty::Array("[]string", element) => Ok((**element).clone()),
                it if it.is_array() => Ok(Ty::Any),
                it => Err(format!("cannot get {name} element from {}", it.reflected())),
            }
        }
        "take" => {
            count(types, 2)?;
            if !list(first) {
                return Err(format!("cannot take from {}", first.reflected()));
            }
            let second = types.get(1).unwrap_or(&Ty::Nil);
            if !(second.is_integer() || second.is_unknown() || matches!(second, Ty::Duration | Ty::Named(_))) {
                return Err(format!("cannot take {} elements", second.reflected()));
            }
            Ok(match first {
                Ty::Array("[]string", _) => texts(),
                it if it.is_unknown() => Ty::Unknown,
                _ => Ty::Any.array_of(),
            })
        }
        "keys" | "values" => {
            count(types, 1)?;
            if map(first) { any_list() } else { Err(format!("cannot get {name} from {}", first.reflected())) }
        }
        "toPairs" => {
            count(types, 1)?;
            if map(first) { any_list() } else { Err(format!("cannot transform {} to pairs", first.reflected())) }
        }
        "fromPairs" => {
            count(types, 1)?;
            if list(first) {
                Ok(Ty::Table("map[interface {}]interface {}"))
            } else {
                Err(format!("cannot transform {} from pairs", first.reflected()))
            }
        }
        "reverse" | "uniq" | "flatten" => {
            count(types, 1)?;
            if list(first) { any_list() } else { Err(format!("cannot {name} {}", first.reflected())) }
        }
        "concat" => {
            if types.is_empty() {
                return Err("invalid number of arguments (expected at least 1, got 0)".to_owned());
            }
            match types.iter().find(|it| !list(it)) {
                None => any_list(),
                Some(other) => Err(format!("cannot concat {}", other.reflected())),
            }
        }
        _ => Ok(Ty::Unknown),
    }
}
