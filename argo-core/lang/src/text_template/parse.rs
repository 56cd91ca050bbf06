//! Tokens to trees, as Go's parser: the same look-ahead, so the same lines in messages.

use std::sync::Arc;

use super::ast::{Command, Kind, Node, Operand, Pipe, Tree};
use super::functions::Functions;
use super::lex::{Item, Token, error_at, lex, unquote};
use super::number::Number;
use super::{ErrorKind, TemplateError};

/// Deepest nesting of control structures and parentheses.
const MAX_DEPTH: usize = 100;

/// Parses a text; gives what it defines and, last, the text itself.
pub(super) fn parse(name: &str, text: &str, functions: &Functions) -> Result<Vec<Tree>, TemplateError> {
    let mut parser = Parser {
        name,
        source: text.into(),
        items: lex(text, &|word| functions.contains(word)),
        place: 0,
        seen: 0,
        functions,
        variables: vec!["$".to_owned()],
        defined: Vec::new(),
        ranges: 0,
        depth: 0,
        action_line: 0,
    };
    let root = parser.text()?;
    let tree = Tree { name: name.to_owned(), parse_name: name.to_owned(), text: Arc::clone(&parser.source), root };
    parser.add(tree)?;
    Ok(parser.defined)
}

/// What ends a list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finish,
    Else,
}

impl End {
    fn text(self) -> &'static str {
        match self {
            Self::Finish => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Step {
    Node(Node),
    End(End),
}

struct Parser<'a> {
    name: &'a str,
    source: Arc<str>,
    items: Vec<Item>,
    place: usize,
    /// The furthest token looked at: its line is the line of messages.
    seen: usize,
    functions: &'a Functions,
    variables: Vec<String>,
    defined: Vec<Tree>,
    ranges: usize,
    depth: usize,
    action_line: usize,
}

impl Parser<'_> {
    fn item(&mut self, place: usize) -> Item {
        let place = place.min(self.items.len().saturating_sub(1));
        self.seen = self.seen.max(place);
        self.items[place].clone()
    }

    fn token(&mut self, place: usize) -> Token {
        let place = place.min(self.items.len().saturating_sub(1));
        self.seen = self.seen.max(place);
        self.items[place].token
    }

    fn next(&mut self) -> Item {
        let item = self.item(self.place);
        self.place += 1;
        item
    }

    fn peek(&mut self) -> Token {
        self.token(self.place)
    }

    fn skip_space(&mut self) {
        while self.peek() == Token::Space {
            self.place += 1;
        }
    }

    fn next_word(&mut self) -> Item {
        self.skip_space();
        self.next()
    }

    fn peek_word(&mut self) -> Token {
        self.skip_space();
        self.peek()
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Result<T, TemplateError> {
        let line = self.items.get(self.seen).map_or(1, |it| it.line);
        Err(error_at(self.name, line, message.as_ref()))
    }

    fn unexpected<T>(&self, item: &Item, context: &str) -> Result<T, TemplateError> {
        if item.token == Token::Error {
            let mut message = item.text.clone();
            if self.action_line != 0 && self.action_line != item.line {
                let started = format!(" started at {}:{}", self.name, self.action_line);
                message.push_str(if item.text.ends_with(" action") { "" } else { " in action" });
                message.push_str(&started);
            }
            return self.fail(message);
        }
        self.fail(format!("unexpected {} in {context}", item.shown()))
    }

    fn expect(&mut self, token: Token, context: &str) -> Result<Item, TemplateError> {
        let item = self.next_word();
        if item.token == token { Ok(item) } else { self.unexpected(&item, context) }
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("template: {}: nested too deeply", self.name);
            return Err(TemplateError { kind: ErrorKind::Limit, message, line: 0 });
        }
        Ok(())
    }

    /// Keeps a tree unless there is one of the name that says more.
    fn add(&mut self, tree: Tree) -> Result<(), TemplateError> {
        match self.defined.iter_mut().find(|it| it.name == tree.name) {
            None => self.defined.push(tree),
            Some(old) if old.is_empty() => *old = tree,
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                let name = crate::fmt::quote(&tree.name);
                return self.fail(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn text(&mut self) -> Result<Vec<Node>, TemplateError> {
        let mut nodes = Vec::new();
        while self.peek() != Token::End {
            if self.peek() == Token::Open {
                let before = self.place;
                self.place += 1;
                let word = self.next_word();
                if word.token == Token::Keyword && word.text == "define" {
                    self.define()?;
                    continue;
                }
                self.place = before;
            }
            match self.step()? {
                Step::Node(node) => nodes.push(node),
                Step::End(end) => return self.fail(format!("unexpected {}", end.text())),
            }
        }
        Ok(nodes)
    }

    /// Nodes up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        let mut nodes = Vec::new();
        while self.peek_word() != Token::End {
            match self.step()? {
                Step::Node(node) => nodes.push(node),
                Step::End(end) => return Ok((nodes, end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn step(&mut self) -> Result<Step, TemplateError> {
        let item = self.next_word();
        match item.token {
            Token::Text => Ok(Step::Node(Node::Text(item.text))),
            Token::Open => {
                self.action_line = item.line;
                let step = self.action()?;
                self.action_line = 0;
                Ok(step)
            }
            _ => self.unexpected(&item, "input"),
        }
    }

    fn action(&mut self) -> Result<Step, TemplateError> {
        let item = self.next_word();
        if item.token != Token::Keyword {
            self.place -= 1;
            return Ok(Step::Node(Node::Action(self.pipeline("command", Token::Close)?)));
        }
        Ok(match item.text.as_str() {
            "block" => Step::Node(self.block()?),
            word @ ("break" | "continue") => {
                let close = self.next_word();
                if close.token != Token::Close {
                    return self.unexpected(&close, &format!("{{{{{word}}}}}"));
                }
                if self.ranges == 0 {
                    return self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                Step::Node(if word == "break" { Node::Break } else { Node::Continue })
            }
            "else" => {
                self.skip_space();
                let next = self.item(self.place);
                if !(next.token == Token::Keyword && matches!(next.text.as_str(), "if" | "with")) {
                    self.expect(Token::Close, "else")?;
                }
                Step::End(End::Else)
            }
            "end" => {
                self.expect(Token::Close, "end")?;
                Step::End(End::Finish)
            }
            word @ ("if" | "range" | "with") => Step::Node(self.control(word)?),
            "template" => Step::Node(self.template()?),
            _ => {
                self.place -= 1;
                Step::Node(Node::Action(self.pipeline("command", Token::Close)?))
            }
        })
    }

    fn control(&mut self, word: &str) -> Result<Node, TemplateError> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(word, Token::Close)?;
        self.ranges += usize::from(word == "range");
        let (body, end) = self.list()?;
        self.ranges -= usize::from(word == "range");
        let mut otherwise = Vec::new();
        if end == End::Else {
            let next = self.item(self.place);
            if next.token == Token::Keyword && next.text == word && word != "range" {
                // `else if` and `else with` share the end
                self.place += 1;
                otherwise.push(self.control(word)?);
            } else {
                let (nodes, end) = self.list()?;
                if end != End::Finish {
                    return self.fail(format!("expected end; found {}", end.text()));
                }
                otherwise = nodes;
            }
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(match word {
            "if" => Node::If { pipe, then: body, otherwise },
            "with" => Node::With { pipe, then: body, otherwise },
            _ => Node::Range { pipe, body, otherwise },
        })
    }

    fn name_literal(&mut self, context: &str) -> Result<(usize, String), TemplateError> {
        let item = self.next_word();
        if !matches!(item.token, Token::Str | Token::RawStr) {
            return self.unexpected(&item, context);
        }
        match unquote(&item.text) {
            Some(name) => Ok((item.at, name)),
            None => self.fail("invalid syntax"),
        }
    }

    fn body(&mut self, name: String, context: &str) -> Result<(), TemplateError> {
        self.deeper()?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let line = std::mem::take(&mut self.action_line);
        let (root, end) = self.list()?;
        if end != End::Finish {
            return self.fail(format!("unexpected {} in {context}", end.text()));
        }
        self.variables = variables;
        self.ranges = ranges;
        self.action_line = line;
        self.depth -= 1;
        self.add(Tree { name, parse_name: self.name.to_owned(), text: Arc::clone(&self.source), root })
    }

    fn define(&mut self) -> Result<(), TemplateError> {
        const CONTEXT: &str = "define clause";
        let (_, name) = self.name_literal(CONTEXT)?;
        self.expect(Token::Close, CONTEXT)?;
        self.body(name, CONTEXT)
    }

    fn block(&mut self) -> Result<Node, TemplateError> {
        const CONTEXT: &str = "block clause";
        let (at, name) = self.name_literal(CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Token::Close)?;
        self.body(name.clone(), CONTEXT)?;
        Ok(Node::Template { at, name, pipe: Some(pipe) })
    }

    fn template(&mut self) -> Result<Node, TemplateError> {
        const CONTEXT: &str = "template clause";
        let (at, name) = self.name_literal(CONTEXT)?;
        let pipe = if self.peek_word() == Token::Close {
            self.place += 1;
            None
        } else {
            Some(self.pipeline(CONTEXT, Token::Close)?)
        };
        Ok(Node::Template { at, name, pipe })
    }

    /// A pipeline up to and with its end.
    fn pipeline(&mut self, context: &str, end: Token) -> Result<Pipe, TemplateError> {
        self.deeper()?;
        self.skip_space();
        let at = self.item(self.place).at;
        let mut pipe = Pipe { at, assign: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let item = self.next_word();
            match item.token {
                token if token == end => break,
                Token::Bool
                | Token::Char
                | Token::Complex
                | Token::Dot
                | Token::Field
                | Token::Identifier
                | Token::Number
                | Token::Nil
                | Token::RawStr
                | Token::Str
                | Token::Variable
                | Token::LeftParen => {
                    self.place -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&item, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        let lone = |it: &Command| {
            matches!(
                it.args.first().map(|it| &it.kind),
                Some(Kind::Bool(_) | Kind::Dot | Kind::Nil | Kind::Number(_) | Kind::Str(..))
            )
        };
        if let Some(place) = pipe.commands.iter().skip(1).position(lone) {
            return self.fail(format!("non executable command in pipeline stage {}", place + 2));
        }
        self.depth -= 1;
        Ok(pipe)
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), TemplateError> {
        while self.peek_word() == Token::Variable {
            let start = self.place;
            let name = self.next().text;
            // the token right after the variable is looked at before the next word, as Go does
            self.peek();
            self.skip_space();
            let next = self.item(self.place);
            match next.token {
                Token::Assign | Token::Declare => {
                    self.place += 1;
                    pipe.assign = next.token == Token::Assign;
                    self.variables.push(name.clone());
                    pipe.variables.push(name);
                    return Ok(());
                }
                Token::Other if next.text == "," => {
                    self.place += 1;
                    self.variables.push(name.clone());
                    pipe.variables.push(name);
                    if context == "range" && pipe.variables.len() < 2 {
                        match self.peek_word() {
                            Token::Variable | Token::Close | Token::RightParen => continue,
                            _ => return self.fail("range can only initialize variables"),
                        }
                    }
                    return self.fail(format!("too many declarations in {context}"));
                }
                _ => {
                    self.place = start;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        self.skip_space();
        let mut command = Command { at: self.item(self.place).at, args: Vec::new() };
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let item = self.next();
            match item.token {
                Token::Space => {}
                Token::Close | Token::RightParen => {
                    self.place -= 1;
                    break;
                }
                Token::Pipe => break,
                _ => return self.unexpected(&item, "operand"),
            }
        }
        if command.args.is_empty() {
            return self.fail("empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let Some(operand) = self.term()? else { return Ok(None) };
        if self.peek() != Token::Field {
            return Ok(Some(operand));
        }
        let at = self.item(self.place).at;
        let mut names = Vec::new();
        while self.peek() == Token::Field {
            names.push(self.next().text[1..].to_owned());
        }
        let kind = match operand.kind {
            Kind::Field(mut first) => {
                first.extend(names);
                Kind::Field(first)
            }
            Kind::Variable(name, mut first) => {
                first.extend(names);
                Kind::Variable(name, first)
            }
            Kind::Bool(_) | Kind::Str(..) | Kind::Number(_) | Kind::Nil | Kind::Dot => {
                return self.fail(format!("unexpected . after term {}", crate::fmt::quote(&operand.text())));
            }
            _ => Kind::Chain(Box::new(operand), names),
        };
        Ok(Some(Operand { at, kind }))
    }

    fn term(&mut self) -> Result<Option<Operand>, TemplateError> {
        let item = self.next_word();
        let kind = match item.token {
            Token::Identifier => {
                if !self.functions.contains(&item.text) {
                    return self.fail(format!("function {} not defined", crate::fmt::quote(&item.text)));
                }
                Kind::Identifier(item.text)
            }
            Token::Dot => Kind::Dot,
            Token::Nil => Kind::Nil,
            Token::Bool => Kind::Bool(item.text == "true"),
            Token::Char => Kind::Number(self.number(Number::character(&item.text))?),
            Token::Complex => Kind::Number(self.number(Number::complex(&item.text))?),
            Token::Number => Kind::Number(self.number(Number::plain(&item.text))?),
            Token::Str | Token::RawStr => match unquote(&item.text) {
                Some(value) => Kind::Str(value, item.text),
                None => return self.fail("invalid syntax"),
            },
            Token::Field => Kind::Field(vec![item.text[1..].to_owned()]),
            Token::Variable => {
                if !self.variables.contains(&item.text) {
                    return self.fail(format!("undefined variable {}", crate::fmt::quote(&item.text)));
                }
                Kind::Variable(item.text, Vec::new())
            }
            Token::LeftParen => Kind::Pipe(Box::new(self.pipeline("parenthesized pipeline", Token::RightParen)?)),
            _ => {
                self.place -= 1;
                return Ok(None);
            }
        };
        // a pipeline stands where its first word stands
        let at = match &kind {
            Kind::Pipe(pipe) => pipe.at,
            _ => item.at,
        };
        Ok(Some(Operand { at, kind }))
    }

    fn number(&self, number: Result<Number, String>) -> Result<Number, TemplateError> {
        number.or_else(|message| self.fail(message))
    }
}
