//! Tokens to a tree: precedence climbing, as upstream's parser.

mod terms;

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

pub(in crate::expr) fn parse(source: &str, options: &Options) -> Result<Node, ExprError> {
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
}
