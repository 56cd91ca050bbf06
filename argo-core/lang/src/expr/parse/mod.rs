//! Tokens to a tree: precedence climbing, as upstream's parser, with its words where it refuses.

mod terms;

use super::ast::{Binary, Kind, Node, Unary};
use super::lex::{Class, Token, lex};
use super::{ErrorKind, ExprError, Options};

/// Most nodes of one expression, as upstream.
const MAX_NODES: usize = 10_000;
/// Longest run of operators that nest to the left.
const MAX_SPINE: u16 = 1_000;

/// What a builtin with a predicate takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arg {
    Expression,
    Predicate,
    OptionalExpression,
    OptionalPredicate,
}

const WITH_PREDICATE: [Arg; 2] = [Arg::Expression, Arg::Predicate];
const WITH_OPTIONAL: [Arg; 2] = [Arg::Expression, Arg::OptionalPredicate];
const WITH_MORE: [Arg; 3] = [Arg::Expression, Arg::Predicate, Arg::OptionalExpression];

/// The builtins that take a predicate.
fn predicate(name: &str) -> Option<(&'static str, &'static [Arg])> {
    const TABLE: [(&str, &[Arg]); 15] = [
        ("all", &WITH_PREDICATE),
        ("none", &WITH_PREDICATE),
        ("any", &WITH_PREDICATE),
        ("one", &WITH_PREDICATE),
        ("filter", &WITH_PREDICATE),
        ("map", &WITH_PREDICATE),
        ("count", &WITH_OPTIONAL),
        ("sum", &WITH_OPTIONAL),
        ("find", &WITH_PREDICATE),
        ("findIndex", &WITH_PREDICATE),
        ("findLast", &WITH_PREDICATE),
        ("findLastIndex", &WITH_PREDICATE),
        ("groupBy", &WITH_PREDICATE),
        ("sortBy", &WITH_MORE),
        ("reduce", &WITH_MORE),
    ];
    TABLE.iter().find(|it| it.0 == name).copied()
}

/// Parses a source. The names in `overridden` are variables, so calls of them are no calls of builtins.
pub(super) fn parse(source: &str, options: &Options, overridden: &[String]) -> Result<Node, ExprError> {
    if source.len() > options.limits.source {
        return Err(ExprError::at(ErrorKind::Limit, "expression is too long", "", 0));
    }
    let (tokens, error) = lex(source);
    let mut parser = Parser { source, tokens, error, place: 0, options, overridden, depth: 0, predicates: 0, nodes: 0 };
    parser.readable()?;
    let node = parser.sequence()?;
    if parser.current().class == Class::End { Ok(node) } else { parser.unexpected() }
}

fn binary(token: &Token) -> Option<(Binary, u16, bool)> {
    if token.class != Class::Operator {
        return None;
    }
    let op = match token.text.as_str() {
        "||" => Binary::Or,
        "or" => Binary::OrWord,
        "&&" => Binary::And,
        "and" => Binary::AndWord,
        "==" => Binary::Equal,
        "!=" => Binary::NotEqual,
        "<" => Binary::Less,
        ">" => Binary::Greater,
        ">=" => Binary::GreaterEqual,
        "<=" => Binary::LessEqual,
        "in" => Binary::In,
        "matches" => Binary::Matches,
        "contains" => Binary::Contains,
        "startsWith" => Binary::StartsWith,
        "endsWith" => Binary::EndsWith,
        ".." => Binary::Range,
        "+" => Binary::Add,
        "-" => Binary::Subtract,
        "*" => Binary::Multiply,
        "/" => Binary::Divide,
        "%" => Binary::Modulo,
        "**" => Binary::Power,
        "^" => Binary::PowerCaret,
        "??" => Binary::Coalesce,
        _ => return None,
    };
    let (power, right_first) = power(op);
    Some((op, power, right_first))
}

/// How strongly an operator binds, and whether its right side comes first.
pub(super) fn power(op: Binary) -> (u16, bool) {
    match op {
        Binary::Or | Binary::OrWord => (10, false),
        Binary::And | Binary::AndWord => (15, false),
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::Greater
        | Binary::GreaterEqual
        | Binary::LessEqual
        | Binary::In
        | Binary::Matches
        | Binary::Contains
        | Binary::StartsWith
        | Binary::EndsWith => (20, false),
        Binary::Range => (25, false),
        Binary::Add | Binary::Subtract => (30, false),
        Binary::Multiply | Binary::Divide | Binary::Modulo => (60, false),
        Binary::Power | Binary::PowerCaret => (100, true),
        Binary::Coalesce => (500, false),
    }
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    /// What the lexer could not read, after the last token.
    error: Option<ExprError>,
    place: usize,
    options: &'a Options,
    overridden: &'a [String],
    depth: usize,
    predicates: usize,
    nodes: usize,
}

impl Parser<'_> {
    /// The current token: there always is one, else reading it has failed.
    fn current(&self) -> &Token {
        &self.tokens[self.place.min(self.tokens.len() - 1)]
    }

    /// Whether there is a token to look at.
    fn readable(&self) -> Result<(), ExprError> {
        match (&self.error, self.tokens.get(self.place)) {
            (_, Some(_)) => Ok(()),
            (Some(error), None) => Err(error.clone()),
            (None, None) => self.fail("unexpected end of expression"),
        }
    }

    fn next(&mut self) -> Result<Token, ExprError> {
        let token = self.current().clone();
        self.place += 1;
        self.readable()?;
        Ok(token)
    }

    fn fail_at<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ExprError> {
        Err(ExprError::at(ErrorKind::Syntax, message, self.source, at))
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ExprError> {
        self.fail_at(self.current().at, message)
    }

    fn unexpected<T>(&self) -> Result<T, ExprError> {
        self.fail(format!("unexpected token {}", self.current().shown()))
    }

    fn is(&self, class: Class, text: &str) -> bool {
        self.current().is(class, text)
    }

    fn is_operator(&self, text: &str) -> bool {
        self.is(Class::Operator, text)
    }

    fn expect(&mut self, class: Class, text: &str) -> Result<(), ExprError> {
        if self.is(class, text) { self.next().map(|_| ()) } else { self.unexpected() }
    }

    fn identifier(&mut self) -> Result<Token, ExprError> {
        if self.current().class == Class::Identifier { self.next() } else { self.unexpected() }
    }

    fn node(&mut self, kind: Kind, at: usize) -> Result<Node, ExprError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.fail("compilation failed: expression exceeds maximum allowed nodes");
        }
        let node = Node::new(kind, at);
        if usize::from(node.height) > self.options.limits.depth.saturating_mul(3) || node.spine > MAX_SPINE {
            return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, at));
        }
        Ok(node)
    }

    fn sequence(&mut self) -> Result<Node, ExprError> {
        let first = self.expression(0)?;
        if !self.is_operator(";") {
            return Ok(first);
        }
        let at = first.at;
        let mut nodes = vec![first];
        while self.is_operator(";") {
            self.next()?;
            if self.current().class == Class::End {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        if nodes.len() == 1 {
            return Ok(nodes.remove(0));
        }
        self.node(Kind::Sequence(nodes), at)
    }

    fn expression(&mut self, precedence: u16) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > self.options.limits.depth {
            let at = self.current().at;
            return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, at));
        }
        let node = self.expression_inner(precedence);
        self.depth -= 1;
        node
    }

    fn expression_inner(&mut self, precedence: u16) -> Result<Node, ExprError> {
        if precedence == 0 && self.is_operator("let") {
            return self.declaration();
        }
        if precedence == 0 && self.is_operator("if") {
            return self.conditional_if();
        }
        let left = self.primary()?;
        self.operators(left, precedence)
    }

    /// What stands behind a first operand, apart from it so that nested operands do not carry this frame.
    fn operators(&mut self, mut left: Node, precedence: u16) -> Result<Node, ExprError> {
        let mut previous_coalesce = false;
        while self.current().class == Class::Operator {
            let negate = self.is_operator("not");
            if negate {
                let before = self.place;
                self.next()?;
                let suffix =
                    matches!(self.current().text.as_str(), "contains" | "matches" | "startsWith" | "endsWith" | "in");
                if !suffix {
                    return self.unexpected();
                }
                if binary(self.current()).is_none_or(|it| it.1 < precedence) {
                    self.place = before;
                    break;
                }
            }
            let token = self.current().clone();
            if token.text == "|" && precedence == 0 {
                self.next()?;
                let name = self.identifier()?;
                left = self.call(name, Some(left), true)?;
                previous_coalesce = false;
                continue;
            }
            let Some((op, power, right_first)) = binary(&token).filter(|it| it.1 >= precedence) else { break };
            self.next()?;
            if previous_coalesce && op != Binary::Coalesce {
                return self.fail_at(
                    token.at,
                    format!(
                        "Operator ({}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
                        token.text
                    ),
                );
            }
            previous_coalesce = op == Binary::Coalesce;
            if op.is_comparison() {
                left = self.comparison(left, op, token.at, power)?;
                continue;
            }
            let right = self.expression(if right_first { power } else { power + 1 })?;
            left = self.node(Kind::Binary(op, Box::new(left), Box::new(right)), token.at)?;
            if negate {
                left = self.node(Kind::Unary(Unary::NotWord, Box::new(left)), token.at)?;
            }
        }
        if precedence == 0 {
            left = self.ternary(left)?;
        }
        Ok(left)
    }

    /// `a < b < c` is `a < b && b < c`.
    fn comparison(&mut self, left: Node, op: Binary, at: usize, power: u16) -> Result<Node, ExprError> {
        let mut rest = vec![(op, at, self.expression(power + 1)?)];
        while let Some((op, ..)) = binary(self.current()).filter(|it| it.0.is_comparison()) {
            let at = self.current().at;
            self.next()?;
            rest.push((op, at, self.expression(power + 1)?));
        }
        self.node(Kind::Comparison(Box::new(left), rest), at)
    }

    fn ternary(&mut self, mut node: Node) -> Result<Node, ExprError> {
        while self.is_operator("?") {
            self.next()?;
            let yes = if self.is_operator(":") {
                None
            } else {
                let yes = self.expression(0)?;
                if !self.is_operator(":") {
                    return self.unexpected();
                }
                Some(Box::new(yes))
            };
            self.next()?;
            let no = self.expression(0)?;
            let at = self.current().at;
            node = self.node(Kind::Conditional(Box::new(node), yes, Box::new(no)), at)?;
        }
        Ok(node)
    }

    fn declaration(&mut self) -> Result<Node, ExprError> {
        self.next()?;
        let name = self.identifier()?;
        self.expect(Class::Operator, "=")?;
        let value = self.expression(0)?;
        self.expect(Class::Operator, ";")?;
        let body = self.sequence()?;
        self.node(Kind::Let { name: name.text, value: Box::new(value), body: Box::new(body) }, name.at)
    }

    fn conditional_if(&mut self) -> Result<Node, ExprError> {
        self.next()?;
        let condition = self.expression(0)?;
        self.expect(Class::Bracket, "{")?;
        let yes = self.sequence()?;
        self.expect(Class::Bracket, "}")?;
        self.expect(Class::Operator, "else")?;
        let no = if self.is_operator("if") {
            self.depth += 1;
            if self.depth > self.options.limits.depth {
                let at = self.current().at;
                return Err(ExprError::at(ErrorKind::Limit, "expression is nested too deeply", self.source, at));
            }
            let no = self.conditional_if()?;
            self.depth -= 1;
            no
        } else {
            self.expect(Class::Bracket, "{")?;
            let no = self.sequence()?;
            self.expect(Class::Bracket, "}")?;
            no
        };
        // upstream gives it no place
        self.node(Kind::Conditional(Box::new(condition), Some(Box::new(yes)), Box::new(no)), 0)
    }
}
