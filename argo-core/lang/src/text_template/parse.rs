//! Tokens to trees.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ast::{Command, Kind, Node, Operand, Pipe, Tree};
use super::functions::Functions;
use super::lex::{Item, Token, fail, lex};
use super::{ErrorKind, TemplateError};

const MAX_DEPTH: usize = 100;

pub(super) fn parse(name: &str, text: &str, functions: &Functions) -> Result<Vec<Tree>, TemplateError> {
    let items = lex(name, text)?;
    let source: Arc<str> = text.into();
    let mut parser = Parser {
        name,
        text,
        source,
        items,
        place: 0,
        functions,
        variables: vec!["$".to_owned()],
        defined: Vec::new(),
        ranges: 0,
        depth: 0,
    };
    let (root, end) = parser.list(true)?;
    if let Some(end) = end {
        return parser.fail(format!("unexpected {{{{{}}}}}", end.word()));
    }
    let mut trees = parser.defined;
    let mut names = BTreeSet::new();
    for tree in &trees {
        if !names.insert(tree.name.clone())
            && !tree.is_empty()
            && trees.iter().filter(|it| it.name == tree.name && !it.is_empty()).count() > 1
        {
            return fail(name, text, 0, format!("multiple definition of template {:?}", tree.name));
        }
    }
    trees.push(Tree { name: name.to_owned(), parse_name: name.to_owned(), text: parser.source, root });
    Ok(trees)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finish,
    Else,
    /// `else if` and `else with`.
    ElseIf,
    ElseWith,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Finish => "end",
            _ => "else",
        }
    }
}

struct Parser<'a> {
    name: &'a str,
    text: &'a str,
    source: Arc<str>,
    items: Vec<Item>,
    place: usize,
    functions: &'a Functions,
    variables: Vec<String>,
    defined: Vec<Tree>,
    ranges: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.items.get(self.place).map_or(&Token::End, |it| &it.token)
    }

    fn at(&self) -> usize {
        self.items.get(self.place).map_or(self.text.len(), |it| it.at)
    }

    fn next(&mut self) -> Item {
        let item = self.items.get(self.place).cloned().unwrap_or(Item {
            token: Token::End,
            at: self.text.len(),
            text: String::new(),
        });
        self.place += 1;
        item
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Token::Space) {
            self.place += 1;
        }
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Result<T, TemplateError> {
        fail(self.name, self.text, self.at(), message)
    }

    fn unexpected<T>(&self, context: &str) -> Result<T, TemplateError> {
        let item = self.items.get(self.place);
        let shown = match self.peek() {
            Token::End => "EOF".to_owned(),
            Token::Close => "\"}}\"".to_owned(),
            Token::Dot => "<.>".to_owned(),
            Token::Identifier(word) if is_keyword(word) => format!("<{word}>"),
            _ => format!("{:?}", item.map(|it| it.text.as_str()).unwrap_or_default()),
        };
        self.fail(format!("unexpected {shown} in {context}"))
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(TemplateError {
                kind: ErrorKind::Limit,
                message: format!("template: {}: nested too deeply", self.name),
                line: 0,
            });
        }
        Ok(())
    }

    /// Reads nodes up to `{{end}}`, `{{else}}` or the end of the text.
    fn list(&mut self, top: bool) -> Result<(Vec<Node>, Option<End>), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            match self.next() {
                Item { token: Token::End, .. } => {
                    self.place -= 1;
                    if !top {
                        return self.fail("unexpected EOF");
                    }
                    return Ok((nodes, None));
                }
                Item { token: Token::Text(text), .. } => nodes.push(Node::Text(text)),
                _ => {
                    self.skip_space();
                    let word = match self.peek() {
                        Token::Identifier(word) if is_keyword(word) => word.clone(),
                        _ => {
                            let pipe = self.pipeline("command", false)?;
                            nodes.push(Node::Action(pipe));
                            continue;
                        }
                    };
                    // break and continue are words only where no function has the name
                    self.place += 1;
                    match word.as_str() {
                        "end" => {
                            self.close("end")?;
                            return Ok((nodes, Some(End::Finish)));
                        }
                        "else" => {
                            self.skip_space();
                            let end = match self.peek() {
                                Token::Identifier(word) if word == "if" => Some(End::ElseIf),
                                Token::Identifier(word) if word == "with" => Some(End::ElseWith),
                                _ => None,
                            };
                            if let Some(end) = end {
                                self.place += 1;
                                return Ok((nodes, Some(end)));
                            }
                            self.close("else")?;
                            return Ok((nodes, Some(End::Else)));
                        }
                        "if" | "with" | "range" => nodes.push(self.control(&word)?),
                        "define" => {
                            if !top {
                                self.place -= 1;
                                return self.unexpected("command");
                            }
                            self.define()?;
                        }
                        "block" => nodes.push(self.block()?),
                        "template" => nodes.push(self.template()?),
                        "break" | "continue" => {
                            if self.ranges == 0 {
                                return self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                            }
                            self.close(&format!("{{{{{word}}}}}"))?;
                            nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                        }
                        _ => return self.unexpected("command"),
                    }
                }
            }
        }
    }

    fn close(&mut self, context: &str) -> Result<(), TemplateError> {
        self.skip_space();
        if matches!(self.peek(), Token::Close) {
            self.place += 1;
            return Ok(());
        }
        self.unexpected(context)
    }

    fn control(&mut self, word: &str) -> Result<Node, TemplateError> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(word, word == "range")?;
        if word == "range" {
            self.ranges += 1;
        }
        let (body, end) = self.list(false)?;
        if word == "range" {
            self.ranges -= 1;
        }
        let otherwise = match end {
            Some(End::Else) => {
                let (nodes, end) = self.list(false)?;
                if end != Some(End::Finish) {
                    return self.fail("expected end; found {{else}}");
                }
                nodes
            }
            Some(End::ElseIf) if word == "if" => vec![self.control("if")?],
            Some(End::ElseWith) if word == "with" => vec![self.control("with")?],
            Some(End::ElseIf | End::ElseWith) => return self.unexpected("else"),
            _ => Vec::new(),
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(match word {
            "if" => Node::If { pipe, then: body, otherwise },
            "with" => Node::With { pipe, then: body, otherwise },
            _ => Node::Range { pipe, body, otherwise },
        })
    }

    fn name_literal(&mut self, context: &str) -> Result<String, TemplateError> {
        self.skip_space();
        match self.peek().clone() {
            Token::Str(name) => {
                self.place += 1;
                Ok(name)
            }
            _ => self.unexpected(context),
        }
    }

    fn body(&mut self, name: String, context: &str) -> Result<(), TemplateError> {
        self.deeper()?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (root, end) = self.list(false)?;
        if end != Some(End::Finish) {
            return self.fail(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.variables = variables;
        self.ranges = ranges;
        self.depth -= 1;
        self.defined.push(Tree { name, parse_name: self.name.to_owned(), text: Arc::clone(&self.source), root });
        Ok(())
    }

    fn define(&mut self) -> Result<(), TemplateError> {
        let name = self.name_literal("define clause")?;
        self.close("define clause")?;
        self.body(name, "define clause")
    }

    fn block(&mut self) -> Result<Node, TemplateError> {
        let name = self.name_literal("block clause")?;
        let at = self.at();
        let pipe = self.pipeline("block clause", false)?;
        self.body(name.clone(), "block clause")?;
        Ok(Node::Template { at, name, pipe: Some(pipe) })
    }

    fn template(&mut self) -> Result<Node, TemplateError> {
        self.skip_space();
        let at = self.at();
        let name = self.name_literal("template clause")?;
        self.skip_space();
        let pipe = if matches!(self.peek(), Token::Close) {
            self.place += 1;
            None
        } else {
            Some(self.pipeline("template clause", false)?)
        };
        Ok(Node::Template { at, name, pipe })
    }

    /// Reads a pipeline up to and with the closing delimiter.
    fn pipeline(&mut self, context: &str, range: bool) -> Result<Pipe, TemplateError> {
        self.pipe(context, range, false)
    }

    fn pipe(&mut self, context: &str, range: bool, in_parens: bool) -> Result<Pipe, TemplateError> {
        self.deeper()?;
        self.skip_space();
        let at = self.at();
        let mut pipe = Pipe { at, assign: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context, range)?;
        loop {
            self.skip_space();
            match self.peek() {
                Token::Close | Token::RightParen => {
                    let right = matches!(self.peek(), Token::RightParen);
                    if right != in_parens {
                        return self.unexpected(context);
                    }
                    self.place += 1;
                    if pipe.commands.is_empty() {
                        return self.fail(format!("missing value for {context}"));
                    }
                    for command in pipe.commands.iter().skip(1) {
                        if let Some(Operand {
                            kind:
                                Kind::Bool(_) | Kind::Dot | Kind::Nil | Kind::Int(..) | Kind::Float(..) | Kind::Str(..),
                            ..
                        }) = command.args.first()
                        {
                            let place = pipe.commands.iter().position(|it| it.at == command.at).unwrap_or(0);
                            return self.fail(format!("non executable command in pipeline stage {}", place + 1));
                        }
                    }
                    self.depth -= 1;
                    return Ok(pipe);
                }
                Token::End => return self.fail("unclosed action"),
                Token::Pipe | Token::Comma | Token::Declare | Token::Assign => {
                    return self.unexpected(context);
                }
                _ => {
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str, range: bool) -> Result<(), TemplateError> {
        let start = self.place;
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let Token::Variable(name) = self.peek().clone() else { break };
            self.place += 1;
            self.skip_space();
            match self.peek() {
                Token::Declare | Token::Assign => {
                    let assign = matches!(self.peek(), Token::Assign);
                    self.place += 1;
                    names.push(name);
                    pipe.assign = assign;
                    for name in &names {
                        if assign && !self.variables.contains(name) {
                            return self.fail(format!("undefined variable {name:?}"));
                        }
                        if !assign {
                            self.variables.push(name.clone());
                        }
                    }
                    pipe.variables = names;
                    return Ok(());
                }
                Token::Comma => {
                    self.place += 1;
                    names.push(name);
                    if !range || names.len() > 1 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                }
                _ => break,
            }
        }
        if !names.is_empty() {
            return self.unexpected(context);
        }
        self.place = start;
        self.skip_space();
        Ok(())
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut command = Command { at: self.at(), args: Vec::new() };
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            match self.peek() {
                Token::Space => {}
                Token::Close | Token::RightParen => break,
                Token::Pipe => {
                    self.place += 1;
                    self.skip_space();
                    break;
                }
                _ => return self.unexpected("operand"),
            }
        }
        if command.args.is_empty() {
            return self.fail("empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let at = self.at();
        let item = self.next();
        let kind = match item.token {
            Token::Identifier(name) => {
                if is_keyword(&name) && !self.functions.contains(&name) {
                    self.place -= 1;
                    return self.unexpected("operand");
                }
                if !self.functions.contains(&name) {
                    self.place -= 1;
                    return self.fail(format!("function {name:?} not defined"));
                }
                Kind::Identifier(name)
            }
            Token::Dot => Kind::Dot,
            Token::Nil => Kind::Nil,
            Token::Bool(it) => Kind::Bool(it),
            Token::Int(it) => Kind::Int(it, item.text),
            Token::Float(it) => Kind::Float(it, item.text),
            Token::Str(it) => Kind::Str(it, item.text),
            Token::Field(name) => Kind::Field(vec![name]),
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    self.place -= 1;
                    return self.fail(format!("undefined variable {name:?}"));
                }
                Kind::Variable(name, Vec::new())
            }
            Token::LeftParen => Kind::Pipe(Box::new(self.pipe("parenthesized pipeline", false, true)?)),
            _ => {
                self.place -= 1;
                return Ok(None);
            }
        };
        let mut operand = Operand { at, kind };
        if matches!(self.peek(), Token::Field(_)) {
            let chain_at = self.at();
            let mut names = Vec::new();
            while let Token::Field(name) = self.peek().clone() {
                self.place += 1;
                names.push(name);
            }
            operand = match operand.kind {
                Kind::Field(mut first) => {
                    first.extend(names);
                    Operand { at: chain_at, kind: Kind::Field(first) }
                }
                Kind::Variable(name, _) => Operand { at: chain_at, kind: Kind::Variable(name, names) },
                Kind::Bool(_) | Kind::Str(..) | Kind::Int(..) | Kind::Float(..) | Kind::Nil | Kind::Dot => {
                    return self.fail(format!("unexpected . after term {:?}", operand.text()));
                }
                _ => Operand { at: chain_at, kind: Kind::Chain(Box::new(operand), names) },
            };
        }
        Ok(Some(operand))
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "if" | "else" | "end" | "range" | "with" | "define" | "block" | "template" | "break" | "continue")
}
