//! Tokens to a tree: precedence climbing, as upstream's parser.

use serde_json::Value;

use super::ast::{Binary, Kind, Node, Unary};
use super::lex::{Token, lex};
use super::{ErrorKind, ExprError, Options};

/// Builtins that take a predicate, with the number of arguments before it, whether it may be left out,
/// and how many plain arguments may follow.
const PREDICATES: [(&str, bool, usize); 16] = [
    ("all", false, 0),
    ("none", false, 0),
    ("any", false, 0),
    ("one", false, 0),
    ("filter", false, 0),
    ("map", false, 0),
    ("count", true, 0),
    ("sum", true, 0),
    ("find", false, 0),
    ("findIndex", false, 0),
    ("findLast", false, 0),
    ("findLastIndex", false, 0),
    ("groupBy", false, 0),
    ("sortBy", false, 1),
    ("reduce", false, 1),
    ("partition", false, 0),
];

pub(super) fn parse(source: &str, options: &Options) -> Result<Node, ExprError> {
    if source.len() > options.limits.source {
        return Err(ExprError::at(ErrorKind::Limit, "expression is too long", "", 0));
    }
    let mut parser = Parser { source, tokens: lex(source)?, place: 0, options, depth: 0, predicates: 0 };
    let node = parser.sequence()?;
    match parser.peek() {
        Token::End => Ok(node),
        other => {
            let message = format!("unexpected token {}", describe(other));
            Err(parser.fail(message))
        }
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("Identifier({name:?})"),
        Token::Int(it) => format!("Number(\"{it}\")"),
        Token::Float(it) => format!("Number(\"{it}\")"),
        Token::Str(it) => format!("String({it:?})"),
        Token::Op(it @ ("(" | ")" | "[" | "]" | "{" | "}")) => format!("Bracket({it:?})"),
        Token::Op(it) => format!("Operator({it:?})"),
        Token::End => "EOF".to_owned(),
    }
}

fn binary(token: &Token) -> Option<(Binary, u16, bool)> {
    let Token::Op(op) = token else { return None };
    Some(match *op {
        "||" | "or" => (Binary::Or, 10, false),
        "&&" | "and" => (Binary::And, 15, false),
        "==" => (Binary::Equal, 20, false),
        "!=" => (Binary::NotEqual, 20, false),
        "<" => (Binary::Less, 20, false),
        ">" => (Binary::Greater, 20, false),
        ">=" => (Binary::GreaterEqual, 20, false),
        "<=" => (Binary::LessEqual, 20, false),
        "in" => (Binary::In, 20, false),
        "matches" => (Binary::Matches, 20, false),
        "contains" => (Binary::Contains, 20, false),
        "startsWith" => (Binary::StartsWith, 20, false),
        "endsWith" => (Binary::EndsWith, 20, false),
        ".." => (Binary::Range, 25, false),
        "+" => (Binary::Add, 30, false),
        "-" => (Binary::Subtract, 30, false),
        "*" => (Binary::Multiply, 60, false),
        "/" => (Binary::Divide, 60, false),
        "%" => (Binary::Modulo, 60, false),
        "**" | "^" => (Binary::Power, 100, true),
        "??" => (Binary::Coalesce, 500, false),
        _ => return None,
    })
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<(Token, usize)>,
    place: usize,
    options: &'a Options,
    depth: usize,
    predicates: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.place).map_or(&Token::End, |it| &it.0)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.place).map_or(self.source.len(), |it| it.1)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.place += 1;
        token
    }

    fn fail(&self, message: impl Into<String>) -> ExprError {
        ExprError::at(ErrorKind::Syntax, message, self.source, self.at())
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(it) if *it == op)
    }

    fn take(&mut self, op: &str) -> bool {
        let found = self.is(op);
        if found {
            self.place += 1;
        }
        found
    }

    fn expect(&mut self, op: &str) -> Result<(), ExprError> {
        if self.take(op) {
            Ok(())
        } else {
            Err(self.fail(format!("unexpected token {}, expected {op:?}", describe(self.peek()))))
        }
    }

    fn sequence(&mut self) -> Result<Node, ExprError> {
        let at = self.at();
        let first = self.expression(0)?;
        if !self.is(";") {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.take(";") {
            if matches!(self.peek(), Token::End | Token::Op(")" | "}")) {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        Ok(Node::new(Kind::Sequence(nodes), at))
    }

    fn expression(&mut self, precedence: u16) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > self.options.limits.depth {
            return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, self.at()));
        }
        let node = self.expression_inner(precedence);
        self.depth -= 1;
        let node = node?;
        self.check(&node)?;
        Ok(node)
    }

    fn expression_inner(&mut self, precedence: u16) -> Result<Node, ExprError> {
        if precedence == 0 && self.is("let") {
            return self.declaration();
        }
        if precedence == 0 && matches!(self.peek(), Token::Name(it) if it == "if") {
            return self.conditional_if();
        }
        let mut left = self.primary()?;
        let mut previous_coalesce = false;
        loop {
            let at = self.at();
            if self.is("|") && precedence == 0 {
                self.place += 1;
                let name_at = self.at();
                let Token::Name(name) = self.next() else {
                    self.place -= 1;
                    return Err(self.fail(format!("unexpected token {}, expected Identifier", describe(self.peek()))));
                };
                left = self.call(name, name_at, Some(left))?;
                left = self.postfix(left)?;
                previous_coalesce = false;
                continue;
            }
            let negate = self.is("not")
                && matches!(
                    self.tokens.get(self.place + 1),
                    Some((Token::Op("in" | "matches" | "contains" | "startsWith" | "endsWith"), _))
                );
            let op_token = if negate { &self.tokens[self.place + 1].0 } else { self.peek() };
            let Some((op, power, right_first)) = binary(op_token) else {
                break;
            };
            if power < precedence {
                break;
            }
            if previous_coalesce && op != Binary::Coalesce {
                return Err(self.fail(format!(
                    "Operator ({}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
                    op.text()
                )));
            }
            self.place += if negate { 2 } else { 1 };
            let comparison = matches!(op, Binary::Less | Binary::Greater | Binary::LessEqual | Binary::GreaterEqual);
            if comparison {
                left = self.comparison(left, op, at)?;
            } else {
                let right = self.expression(if right_first { power } else { power + 1 })?;
                left = Node::new(Kind::Binary(op, Box::new(left), Box::new(right)), at);
            }
            if negate {
                left = Node::new(Kind::Unary(Unary::Not, Box::new(left)), at);
            }
            previous_coalesce = op == Binary::Coalesce;
            self.check(&left)?;
        }
        if precedence == 0 {
            left = self.ternary(left)?;
        }
        Ok(left)
    }

    /// `a < b < c` is `a < b && b < c`.
    fn comparison(&mut self, left: Node, op: Binary, at: usize) -> Result<Node, ExprError> {
        let mut rest = vec![(op, self.expression(21)?)];
        while let Some((op @ (Binary::Less | Binary::Greater | Binary::LessEqual | Binary::GreaterEqual), ..)) =
            binary(self.peek())
        {
            self.place += 1;
            rest.push((op, self.expression(21)?));
        }
        Ok(Node::new(Kind::Comparison(Box::new(left), rest), at))
    }

    fn ternary(&mut self, mut node: Node) -> Result<Node, ExprError> {
        while self.is("?") {
            let at = self.at();
            self.place += 1;
            let (yes, no) = if self.take(":") {
                (None, self.expression(0)?)
            } else {
                let yes = self.expression(0)?;
                self.expect(":")?;
                (Some(Box::new(yes)), self.expression(0)?)
            };
            node = Node::new(Kind::Conditional(Box::new(node), yes, Box::new(no)), at);
        }
        Ok(node)
    }

    fn declaration(&mut self) -> Result<Node, ExprError> {
        let at = self.at();
        self.place += 1;
        let Token::Name(name) = self.next() else {
            self.place -= 1;
            return Err(self.fail(format!("unexpected token {}, expected Identifier", describe(self.peek()))));
        };
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let body = self.sequence()?;
        Ok(Node::new(Kind::Let { name, value: Box::new(value), body: Box::new(body) }, at))
    }

    fn conditional_if(&mut self) -> Result<Node, ExprError> {
        let at = self.at();
        self.place += 1;
        let condition = self.expression(0)?;
        self.expect("{")?;
        let yes = self.sequence()?;
        self.expect("}")?;
        match self.next() {
            Token::Name(word) if word == "else" => {}
            _ => {
                self.place -= 1;
                return Err(self.fail(format!("unexpected token {}, expected \"else\"", describe(self.peek()))));
            }
        }
        let no = if matches!(self.peek(), Token::Name(it) if it == "if") {
            self.expression(0)?
        } else {
            self.expect("{")?;
            let no = self.sequence()?;
            self.expect("}")?;
            no
        };
        Ok(Node::new(Kind::Conditional(Box::new(condition), Some(Box::new(yes)), Box::new(no)), at))
    }

    fn primary(&mut self) -> Result<Node, ExprError> {
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

    fn secondary(&mut self) -> Result<Node, ExprError> {
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

    fn map(&mut self, at: usize) -> Result<Node, ExprError> {
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

    fn arguments(&mut self) -> Result<Vec<Node>, ExprError> {
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

    fn call(&mut self, name: String, at: usize, piped: Option<Node>) -> Result<Node, ExprError> {
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

    fn predicate(&mut self) -> Result<Node, ExprError> {
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

    fn postfix(&mut self, mut node: Node) -> Result<Node, ExprError> {
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
    fn check(&self, node: &Node) -> Result<(), ExprError> {
        if usize::from(node.height) > self.options.limits.depth.saturating_mul(3) {
            return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, node.at));
        }
        Ok(())
    }

    fn index(&mut self, of: Node, at: usize, optional: bool) -> Result<Node, ExprError> {
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
