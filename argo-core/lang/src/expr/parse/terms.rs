//! Operands: literals, names, calls, members, and what stands behind them.

use serde_json::Value;

use super::{Arg, Parser, predicate};
use crate::expr::ExprError;
use crate::expr::ast::{Kind, Node, Unary};
use crate::expr::builtins;
use crate::expr::lex::{Class, Token};
use crate::gofloat;

impl Parser<'_> {
    // Operands nest: what recurs has a small frame each, so that the deepest allowed source fits a thread's stack also
    // in a build without optimisation.

    pub(super) fn primary(&mut self) -> Result<Node, ExprError> {
        if self.is(Class::Bracket, "(") {
            return self.parenthesised();
        }
        if self.current().class != Class::Operator {
            return self.secondary();
        }
        match self.current().text.as_str() {
            "not" => self.prefixed(Unary::NotWord, 50),
            "!" => self.prefixed(Unary::Not, 50),
            "-" => self.prefixed(Unary::Minus, 90),
            "+" => self.prefixed(Unary::Plus, 90),
            "#" | "." if self.predicates > 0 => self.pointer(),
            "::" => self.builtin_call(),
            _ => self.secondary(),
        }
    }

    fn prefixed(&mut self, op: Unary, power: u16) -> Result<Node, ExprError> {
        let at = self.next()?.at;
        let inner = Box::new(self.expression(power)?);
        self.unary(op, inner, at)
    }

    fn unary(&mut self, op: Unary, inner: Box<Node>, at: usize) -> Result<Node, ExprError> {
        let node = self.node(Kind::Unary(op, inner), at)?;
        self.postfix(node)
    }

    fn parenthesised(&mut self) -> Result<Node, ExprError> {
        self.next()?;
        let node = self.sequence()?;
        self.closed(node)
    }

    fn closed(&mut self, node: Node) -> Result<Node, ExprError> {
        self.expect(Class::Bracket, ")")?;
        self.postfix(node)
    }

    fn pointer(&mut self) -> Result<Node, ExprError> {
        let at = self.current().at;
        let mut name = String::new();
        if self.is_operator("#") {
            self.next()?;
            if self.current().class == Class::Identifier {
                name = self.next()?.text;
            }
        }
        let node = self.node(Kind::Pointer(name), at)?;
        self.postfix(node)
    }

    fn builtin_call(&mut self) -> Result<Node, ExprError> {
        self.next()?;
        let name = self.identifier()?;
        let node = self.call(name, None, false)?;
        self.postfix(node)
    }

    fn secondary(&mut self) -> Result<Node, ExprError> {
        let token = self.current();
        let node = match (token.class, token.text.as_str()) {
            (Class::Identifier, "true") => return self.constant(Value::Bool(true)),
            (Class::Identifier, "false") => return self.constant(Value::Bool(false)),
            (Class::Identifier, "nil") => return self.constant(Value::Null),
            (Class::Identifier, _) => self.name()?,
            (Class::Number, _) => {
                let token = self.next()?;
                return self.number(&token);
            }
            (Class::Str | Class::Bytes, _) => self.literal()?,
            (Class::Bracket, "[") => self.array()?,
            (Class::Bracket, "{") => self.map()?,
            _ => return self.unexpected(),
        };
        self.postfix(node)
    }

    fn constant(&mut self, value: Value) -> Result<Node, ExprError> {
        let at = self.next()?.at;
        self.node(Kind::Constant(value), at)
    }

    fn literal(&mut self) -> Result<Node, ExprError> {
        let token = self.next()?;
        let kind = match token.class {
            Class::Bytes => Kind::Bytes(token.bytes),
            _ => Kind::Constant(Value::String(token.text)),
        };
        self.node(kind, token.at)
    }

    fn name(&mut self) -> Result<Node, ExprError> {
        let token = self.next()?;
        if self.is(Class::Bracket, "(") {
            return self.call(token, None, true);
        }
        self.node(Kind::Name(token.text), token.at)
    }

    fn number(&mut self, token: &Token) -> Result<Node, ExprError> {
        let text = token.text.replace('_', "");
        let lower = text.to_ascii_lowercase();
        let quoted = crate::fmt::quote(&text);
        let (what, base) = match lower.get(..2) {
            Some("0x") => ("hex", 0),
            _ if lower.contains(['.', 'e']) => {
                return match gofloat::parse_float(&text).filter(|it| it.is_finite()) {
                    Some(it) => {
                        let number = serde_json::Number::from_f64(it).map_or(Value::Null, Value::Number);
                        self.node(Kind::Constant(number), token.at)
                    }
                    None => {
                        let digits = lower.bytes().filter(u8::is_ascii_digit).count();
                        let range = digits > 0
                            && !lower.ends_with(['e', '+', '-'])
                            && !lower.starts_with("0b")
                            && !lower.starts_with("0o");
                        let why = if range { "value out of range" } else { "invalid syntax" };
                        self.fail(format!("invalid float literal: strconv.ParseFloat: parsing {quoted}: {why}"))
                    }
                };
            }
            Some("0b") => ("binary", 0),
            Some("0o") => ("octal", 0),
            _ => ("integer", 10),
        };
        match gofloat::parse_int(&text, base) {
            Some(it) => self.node(Kind::Constant(it.into()), token.at),
            None => {
                let digits = if base == 0 { text.get(2..).unwrap_or_default() } else { &text };
                let why = if digits.is_empty() { "invalid syntax" } else { "value out of range" };
                self.fail(format!("invalid {what} literal: strconv.ParseInt: parsing {quoted}: {why}"))
            }
        }
    }

    fn array(&mut self) -> Result<Node, ExprError> {
        let at = self.next()?.at;
        let mut items = Vec::new();
        while !self.is(Class::Bracket, "]") {
            if !items.is_empty() {
                self.expect(Class::Operator, ",")?;
                if self.is(Class::Bracket, "]") {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        self.next()?;
        self.node(Kind::Array(items), at)
    }

    fn map(&mut self) -> Result<Node, ExprError> {
        let at = self.next()?.at;
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        while !self.is(Class::Bracket, "}") {
            if !pairs.is_empty() {
                self.expect(Class::Operator, ",")?;
                if self.is(Class::Bracket, "}") {
                    break;
                }
                if self.is_operator(",") {
                    return self.unexpected();
                }
            }
            let token = self.current().clone();
            let key = match token.class {
                Class::Number | Class::Str | Class::Identifier => {
                    self.next()?;
                    self.node(Kind::Constant(Value::String(token.text)), token.at)?
                }
                Class::Bracket if token.text == "(" => self.expression(0)?,
                _ => {
                    return self.fail(format!(
                        "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses (unexpected token {})",
                        token.shown()
                    ));
                }
            };
            self.expect(Class::Operator, ":")?;
            let value = self.expression(0)?;
            pairs.push((key, value));
        }
        self.next()?;
        self.node(Kind::Map(pairs), at)
    }

    fn arguments(&mut self, mut args: Vec<Node>) -> Result<Vec<Node>, ExprError> {
        let given = args.len();
        self.expect(Class::Bracket, "(")?;
        while !self.is(Class::Bracket, ")") {
            if args.len() > given {
                self.expect(Class::Operator, ",")?;
            }
            if self.is(Class::Bracket, ")") {
                break;
            }
            args.push(self.expression(0)?);
        }
        self.next()?;
        Ok(args)
    }

    /// A call of a name, after the name. What was piped in is the first argument.
    pub(super) fn call(&mut self, name: Token, piped: Option<Node>, overrides: bool) -> Result<Node, ExprError> {
        let overridden =
            overrides && (self.options.functions.get(&name.text).is_some() || self.overridden.contains(&name.text));
        let piped: Vec<Node> = piped.into_iter().collect();
        match predicate(&name.text).filter(|_| !overridden) {
            Some((builtin, params)) => self.predicate_call(name.at, builtin, params, piped, !overrides),
            None => self.plain_call(name, piped, !overridden, !overrides),
        }
    }

    fn plain_call(&mut self, name: Token, piped: Vec<Node>, builtins: bool, marked: bool) -> Result<Node, ExprError> {
        let builtin = builtins && builtins::is_builtin(&name.text);
        let args = self.arguments(piped)?;
        self.node(Kind::Call { name: name.text, args, builtin, marked }, name.at)
    }

    fn predicate_call(
        &mut self,
        at: usize,
        builtin: &'static str,
        params: &'static [Arg],
        piped: Vec<Node>,
        marked: bool,
    ) -> Result<Node, ExprError> {
        self.expect(Class::Bracket, "(")?;
        let params = &params[piped.len()..];
        let mut args = piped;
        let mut body = None;
        for (place, param) in params.iter().enumerate() {
            if self.is(Class::Bracket, ")") {
                if matches!(param, Arg::OptionalExpression | Arg::OptionalPredicate) {
                    break;
                }
                return self.fail(format!("expected at least {} arguments", params.len()));
            }
            if place > 0 {
                self.expect(Class::Operator, ",")?;
                // a comma may end the arguments
                if self.is(Class::Bracket, ")") && matches!(param, Arg::OptionalExpression | Arg::OptionalPredicate) {
                    return self.unexpected();
                }
            }
            match param {
                Arg::Expression | Arg::OptionalExpression => args.push(self.expression(0)?),
                Arg::Predicate | Arg::OptionalPredicate => body = Some(Box::new(self.predicate()?)),
            }
        }
        if self.is_operator(",") {
            self.next()?;
        }
        self.expect(Class::Bracket, ")")?;
        self.node(Kind::Predicate { name: builtin, args, body, marked }, at)
    }

    fn predicate(&mut self) -> Result<Node, ExprError> {
        let at = self.current().at;
        let braces = self.is(Class::Bracket, "{");
        if braces {
            self.next()?;
        }
        self.predicates += 1;
        let node = if braces {
            self.sequence()?
        } else {
            let node = self.expression(0)?;
            if self.is_operator(";") {
                return self.fail("wrap predicate with brackets { and }");
            }
            node
        };
        self.predicates -= 1;
        if braces {
            self.expect(Class::Bracket, "}")?;
        }
        self.node(Kind::Closure(Box::new(node)), at)
    }

    fn postfix(&mut self, mut node: Node) -> Result<Node, ExprError> {
        loop {
            let mut token = self.current().clone();
            let optional = token.is(Class::Operator, "?.");
            if optional || token.is(Class::Operator, ".") {
                self.next()?;
                let property = self.current().clone();
                if !(optional && property.is(Class::Bracket, "[")) {
                    node = self.member(node, &property, optional)?;
                    continue;
                }
                token = property;
            }
            if !token.is(Class::Bracket, "[") {
                return Ok(node);
            }
            self.next()?;
            node = self.index(node, token.at, optional)?;
        }
    }

    fn member(&mut self, node: Node, property: &Token, optional: bool) -> Result<Node, ExprError> {
        // words that are operators are names here
        let named = property.class == Class::Identifier
            || property.class == Class::Operator && property.text.starts_with(|it: char| it.is_ascii_alphabetic());
        if !named {
            // upstream reads on before it complains
            self.next()?;
            return self.fail("expected name");
        }
        self.next()?;
        let at = property.at;
        let (inner, chained) = match node.kind {
            Kind::Chain(inner) => (inner, true),
            kind => (Box::new(Node { kind, ..node }), false),
        };
        let member = if self.is(Class::Bracket, "(") {
            let args = self.arguments(Vec::new())?;
            self.node(Kind::Method { of: inner, name: property.text.clone(), args, optional }, at)?
        } else {
            let key = self.node(Kind::Constant(Value::String(property.text.clone())), at)?;
            self.node(Kind::Member { of: inner, key: Box::new(key), optional }, at)?
        };
        if chained || optional { self.node(Kind::Chain(Box::new(member)), at) } else { Ok(member) }
    }

    fn index(&mut self, of: Node, at: usize, optional: bool) -> Result<Node, ExprError> {
        let of = Box::new(of);
        let from = if self.is_operator(":") { None } else { Some(Box::new(self.expression(0)?)) };
        if self.is_operator(":") {
            self.next()?;
            let to = if self.is(Class::Bracket, "]") { None } else { Some(Box::new(self.expression(0)?)) };
            let node = self.node(Kind::Slice { of, from, to }, at)?;
            self.expect(Class::Bracket, "]")?;
            return Ok(node);
        }
        let Some(key) = from else { return self.unexpected() };
        let mut node = self.node(Kind::Member { of, key, optional }, at)?;
        if optional {
            node = self.node(Kind::Chain(Box::new(node)), at)?;
        }
        self.expect(Class::Bracket, "]")?;
        Ok(node)
    }
}
