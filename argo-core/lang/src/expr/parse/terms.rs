//! Operands: literals, names, calls, members, and what stands behind them.

use serde_json::Value;

use super::{PREDICATES, Parser, describe};
use crate::expr::ast::{Kind, Node, Unary};
use crate::expr::lex::Token;
use crate::expr::{ErrorKind, ExprError};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Node, ExprError> {
        let at = self.at();
        let unary = match self.peek() {
            Token::Op("not" | "!") => Some((Unary::Not, 50)),
            Token::Op("-") => Some((Unary::Minus, 90)),
            Token::Op("+") => Some((Unary::Plus, 90)),
            _ => None,
        };
        if let Some((op, power)) = unary {
            self.place += 1;
            let inner = self.expression(power)?;
            let node = Node::new(Kind::Unary(op, Box::new(inner)), at);
            return self.postfix(node);
        }
        if self.take("(") {
            let node = self.sequence()?;
            self.expect(")")?;
            return self.postfix(node);
        }
        if self.predicates > 0 && (self.is("#") || self.is(".")) {
            let mut name = String::new();
            let mut node_at = at;
            if self.take("#") {
                if let Token::Name(word) = self.peek()
                    && self.at() == at + 1
                {
                    name.clone_from(word);
                    self.place += 1;
                }
            } else {
                node_at = at;
            }
            return self.postfix(Node::new(Kind::Pointer(name), node_at));
        }
        if self.take("::") {
            let name_at = self.at();
            let Token::Name(name) = self.next() else {
                self.place -= 1;
                return Err(self.fail("expected a builtin"));
            };
            let node = self.call(name, name_at, None)?;
            return self.postfix(node);
        }
        self.secondary()
    }

    pub(super) fn secondary(&mut self) -> Result<Node, ExprError> {
        let at = self.at();
        let constant = |value: Value| Node::new(Kind::Constant(value), at);
        let node = match self.next() {
            Token::Name(name) => match name.as_str() {
                "true" => return Ok(constant(Value::Bool(true))),
                "false" => return Ok(constant(Value::Bool(false))),
                "nil" => return Ok(constant(Value::Null)),
                _ if self.is("(") => self.call(name, at, None)?,
                _ => Node::new(Kind::Name(name), at),
            },
            Token::Int(it) => return Ok(constant(it.into())),
            Token::Float(it) => {
                return Ok(constant(serde_json::Number::from_f64(it).map_or(Value::Null, Value::Number)));
            }
            Token::Str(it) => constant(Value::String(it)),
            Token::Op("[") => {
                let mut items = Vec::new();
                while !self.take("]") {
                    if !items.is_empty() {
                        self.expect(",")?;
                        if self.take("]") {
                            break;
                        }
                    }
                    items.push(self.expression(0)?);
                }
                Node::new(Kind::Array(items), at)
            }
            Token::Op("{") => self.map(at)?,
            other => {
                self.place -= 1;
                return Err(self.fail(format!("unexpected token {}", describe(&other))));
            }
        };
        self.postfix(node)
    }

    pub(super) fn map(&mut self, at: usize) -> Result<Node, ExprError> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        while !self.take("}") {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let key_at = self.at();
            let key = match self.peek().clone() {
                Token::Str(it) | Token::Name(it) => {
                    self.place += 1;
                    Node::new(Kind::Constant(Value::String(it)), key_at)
                }
                Token::Int(it) => {
                    self.place += 1;
                    Node::new(Kind::Constant(Value::String(it.to_string())), key_at)
                }
                Token::Op("(") => self.expression(0)?,
                other => {
                    return Err(self.fail(format!(
                        "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses (unexpected token {})",
                        describe(&other)
                    )));
                }
            };
            self.expect(":")?;
            let value = self.expression(0)?;
            pairs.push((key, value));
        }
        Ok(Node::new(Kind::Map(pairs), at))
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Node>, ExprError> {
        self.expect("(")?;
        let mut args = Vec::new();
        while !self.take(")") {
            if !args.is_empty() {
                self.expect(",")?;
                if self.take(")") {
                    break;
                }
            }
            args.push(self.expression(0)?);
        }
        Ok(args)
    }

    pub(super) fn call(&mut self, name: String, at: usize, piped: Option<Node>) -> Result<Node, ExprError> {
        let predicate =
            PREDICATES.iter().find(|it| it.0 == name).filter(|_| self.options.functions.get(&name).is_none());
        let Some(&(name, optional, extra)) = predicate else {
            let mut args: Vec<Node> = piped.into_iter().collect();
            args.extend(self.arguments()?);
            return Ok(Node::new(Kind::Call { name, args }, at));
        };
        self.expect("(")?;
        let mut args = Vec::new();
        match piped {
            Some(node) => args.push(node),
            None => {
                args.push(self.expression(0)?);
                if !self.is(")") {
                    self.expect(",")?;
                }
            }
        }
        let mut body = None;
        if self.is(")") {
            if !optional {
                return Err(self.fail(format!("not enough arguments to call {name}")));
            }
        } else {
            body = Some(Box::new(self.predicate()?));
            for _ in 0..extra {
                if self.take(",") && !self.is(")") {
                    args.push(self.expression(0)?);
                }
            }
            self.take(",");
        }
        self.expect(")")?;
        Ok(Node::new(Kind::Predicate { name, args, body }, at))
    }

    pub(super) fn predicate(&mut self) -> Result<Node, ExprError> {
        self.predicates += 1;
        let node = if self.take("{") {
            let node = self.sequence()?;
            self.expect("}")?;
            node
        } else {
            self.expression(0)?
        };
        self.predicates -= 1;
        Ok(node)
    }

    pub(super) fn postfix(&mut self, mut node: Node) -> Result<Node, ExprError> {
        let mut chained = false;
        // `.field` right after a bare pointer is its member
        loop {
            let at = self.at();
            if self.is(".") || self.is("?.") {
                let optional = self.is("?.");
                self.place += 1;
                if optional && self.is("[") {
                    self.place += 1;
                    chained = true;
                    node = self.index(node, at, true)?;
                    continue;
                }
                let name = match self.next() {
                    Token::Name(name) => name,
                    Token::Op(word) if word.starts_with(|it: char| it.is_ascii_alphabetic()) => word.to_owned(),
                    _ => {
                        self.place -= 1;
                        return Err(self.fail("expected name"));
                    }
                };
                chained |= optional;
                if self.is("(") {
                    let args = self.arguments()?;
                    node = Node::new(Kind::Method { of: Box::new(node), name, args, optional }, at);
                } else {
                    let key = Node::new(Kind::Constant(Value::String(name)), at);
                    node = Node::new(
                        Kind::Member { of: Box::new(node), key: Box::new(key), optional, is_field: true },
                        at,
                    );
                }
            } else if self.take("[") {
                node = self.index(node, at, false)?;
            } else {
                break;
            }
            self.check(&node)?;
        }
        if chained {
            let at = node.at;
            node = Node::new(Kind::Chain(Box::new(node)), at);
        }
        Ok(node)
    }

    /// Operators and members nest to the left without recursion here, but are walked with recursion.
    pub(super) fn check(&self, node: &Node) -> Result<(), ExprError> {
        if usize::from(node.height) > self.options.limits.depth.saturating_mul(3) {
            return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, node.at));
        }
        Ok(())
    }

    pub(super) fn index(&mut self, of: Node, at: usize, optional: bool) -> Result<Node, ExprError> {
        let of = Box::new(of);
        if self.take(":") {
            let to = if self.is("]") { None } else { Some(Box::new(self.expression(0)?)) };
            self.expect("]")?;
            return Ok(Node::new(Kind::Slice { of, from: None, to }, at));
        }
        let first = Box::new(self.expression(0)?);
        if self.take(":") {
            let to = if self.is("]") { None } else { Some(Box::new(self.expression(0)?)) };
            self.expect("]")?;
            return Ok(Node::new(Kind::Slice { of, from: Some(first), to }, at));
        }
        self.expect("]")?;
        Ok(Node::new(Kind::Member { of, key: first, optional, is_field: false }, at))
    }
}
