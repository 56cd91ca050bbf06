//! Templates to nodes.

use super::Node;
use crate::position::Fault;

const MAX_TEXT: usize = 64 << 10;
const MAX_DEPTH: usize = 40;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, Fault> {
    if text.len() > MAX_TEXT {
        return Err(Fault { message: "template is too long".to_owned(), chars: 0..0 });
    }
    let mut nodes = Vec::new();
    let mut parser = Parser { chars: text.chars().collect(), at: 0, from: 0, depth: 0 };
    loop {
        let plain: String = parser.chars[parser.at..].iter().take_while(|it| **it != '{').collect();
        parser.at += plain.chars().count();
        if !plain.is_empty() {
            nodes.push(Node::Text(plain));
        }
        if parser.next().is_none() {
            return Ok(nodes);
        }
        parser.depth = 0;
        nodes.extend(parser.action()?);
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    /// Where the part starts that is being read.
    from: usize,
    depth: usize,
}

impl Parser {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { message: message.into(), chars: self.from..self.at.max(self.from) })
    }

    fn fail_at<T>(&mut self, from: usize, message: &str) -> Result<T, Fault> {
        self.from = from;
        self.fail(message)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let it = self.peek();
        self.at += usize::from(it.is_some());
        it
    }

    /// What stands inside one pair of braces, with the closing one.
    fn action(&mut self) -> Result<Vec<Node>, Fault> {
        let mut out = Vec::new();
        let mut path = Vec::new();
        let open = self.at.saturating_sub(1);
        loop {
            match self.peek() {
                None => return self.fail_at(open, "unclosed action"),
                Some('}') => {
                    self.at += 1;
                    if !path.is_empty() || out.is_empty() {
                        out.push(Node::List(path));
                    }
                    return Ok(out);
                }
                Some(it) if it.is_whitespace() => self.at += 1,
                Some('"' | '\'') => {
                    if !path.is_empty() {
                        out.push(Node::List(std::mem::take(&mut path)));
                    }
                    let text = self.quoted()?;
                    out.push(Node::Text(text));
                }
                Some(it) if it.is_alphabetic() => {
                    let word = self.word();
                    match word.as_str() {
                        "range" => out.push(Node::Range),
                        "end" => out.push(Node::End),
                        _ => return self.fail(format!("unrecognized identifier {word}")),
                    }
                }
                Some(_) => self.step(&mut path)?,
            }
        }
    }

    fn word(&mut self) -> String {
        self.from = self.at;
        let mut out = String::new();
        while let Some(it) = self.peek().filter(|it| it.is_alphanumeric() || *it == '_') {
            out.push(it);
            self.at += 1;
        }
        out
    }

    fn step(&mut self, path: &mut Vec<Node>) -> Result<(), Fault> {
        self.from = self.at;
        match self.peek() {
            Some(it @ ('$' | '@')) => {
                self.at += 1;
                path.push(Node::Identifier(it));
            }
            Some('.') => {
                self.at += 1;
                match self.peek() {
                    Some('.') => {
                        self.at += 1;
                        path.push(Node::Recursive);
                        // `..name` needs no second dot
                        match self.peek() {
                            Some('*') => {
                                self.at += 1;
                                path.push(Node::Wildcard);
                            }
                            Some(it) if it.is_alphanumeric() || matches!(it, '_' | '-' | '\\') => self.field(path)?,
                            _ => {}
                        }
                    }
                    Some('[' | '}') | None => {}
                    Some('*') => {
                        self.at += 1;
                        path.push(Node::Wildcard);
                    }
                    Some(_) => self.field(path)?,
                }
            }
            Some('*') => {
                self.at += 1;
                path.push(Node::Wildcard);
            }
            Some('[') => {
                self.at += 1;
                self.bracket(path)?;
            }
            Some(it) if it == '-' || it == '+' || it.is_ascii_digit() => {
                let number = self.number()?;
                path.push(number);
            }
            Some(it) => {
                let message = format!("unrecognized character in action: U+{:04X} '{it}'", u32::from(it));
                return Err(Fault { message, chars: self.at..self.at + 1 });
            }
            None => return self.fail("unclosed action"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node, Fault> {
        let mut text = String::new();
        while let Some(it) = self.peek().filter(|it| it.is_ascii_digit() || matches!(it, '+' | '-' | '.')) {
            text.push(it);
            self.at += 1;
        }
        if let Ok(int) = text.parse() {
            return Ok(Node::Int(int));
        }
        text.parse().map(Node::Float).or_else(|_| self.fail(format!("cannot parse number {text}")))
    }

    fn field(&mut self, path: &mut Vec<Node>) -> Result<(), Fault> {
        let mut name = String::new();
        while let Some(it) = self.peek() {
            match it {
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        Some(escaped) => name.push(escaped),
                        None => return self.fail("unclosed action"),
                    }
                }
                '.' | '[' | ']' | '$' | '@' | '{' | '}' | '(' | ')' | '=' | '<' | '>' | '!' | ',' | '"' | '\'' => break,
                it if it.is_whitespace() => break,
                it => {
                    name.push(it);
                    self.at += 1;
                }
            }
        }
        if name.is_empty() {
            return self.fail("unexpected end of path");
        }
        path.push(Node::Field(name));
        Ok(())
    }

    /// A quoted literal with Go's escapes.
    fn quoted(&mut self) -> Result<String, Fault> {
        self.from = self.at;
        let mark = self.next().unwrap_or('"');
        let mut out = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return self.fail("unterminated quoted string"),
                Some(it) if it == mark => return Ok(out),
                Some('\\') => match self.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(it @ ('\\' | '"' | '\'')) => out.push(it),
                    Some('u') => {
                        let code: String = self.chars.iter().skip(self.at).take(4).collect();
                        self.at = (self.at + 4).min(self.chars.len());
                        match u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
                            Some(it) => out.push(it),
                            None => return self.fail("invalid syntax"),
                        }
                    }
                    _ => return self.fail("invalid syntax"),
                },
                Some(it) => out.push(it),
            }
        }
    }

    /// After `[`: an index, slice, union, wildcard or filter.
    fn bracket(&mut self, path: &mut Vec<Node>) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("path is nested too deeply");
        }
        let start = self.at;
        if self.peek() == Some('?') {
            self.at += 1;
            if self.next() != Some('(') {
                return self.fail("invalid filter expression");
            }
            let filter = self.filter()?;
            path.push(filter);
            self.depth -= 1;
            return Ok(());
        }
        let mut parts: Vec<String> = vec![String::new()];
        loop {
            match self.next() {
                None => return self.fail_at(start - 1, "unterminated array"),
                Some(']') => break,
                Some('"' | '\'') => {
                    self.at -= 1;
                    let text = self.quoted()?;
                    if let Some(last) = parts.last_mut() {
                        last.push('\0');
                        last.push_str(&text);
                    }
                }
                Some(',') => parts.push(String::new()),
                Some('[') => return self.fail_at(self.at - 1, "unexpected [ in array"),
                Some(it) => {
                    if let Some(last) = parts.last_mut() {
                        last.push(it);
                    }
                }
            }
        }
        self.depth -= 1;
        let raw: String = self.chars[start..self.at - 1].iter().collect();
        let Some(mut nodes) = parts.iter().map(|it| subscript(it)).collect::<Option<Vec<_>>>() else {
            return Err(Fault { message: format!("invalid array index {raw}"), chars: start..self.at - 1 });
        };
        path.push(if nodes.len() == 1 {
            nodes.remove(0)
        } else {
            Node::Union(nodes.into_iter().map(|it| Node::List(vec![it])).collect())
        });
        Ok(())
    }

    fn filter(&mut self) -> Result<Node, Fault> {
        let start = self.at.saturating_sub(3);
        let left = self.filter_side()?;
        self.spaces();
        let mut operator = String::new();
        self.from = self.at;
        while let Some(it) = self.peek().filter(|it| matches!(it, '=' | '!' | '<' | '>')) {
            operator.push(it);
            self.at += 1;
        }
        self.spaces();
        let (operator, right) = if operator.is_empty() {
            ("exists".to_owned(), Node::List(Vec::new()))
        } else {
            if !matches!(operator.as_str(), "==" | "!=" | "<" | "<=" | ">" | ">=") {
                return self.fail(format!("unrecognized filter operator {operator}"));
            }
            (operator, self.filter_side()?)
        };
        self.spaces();
        if self.next() != Some(')') || self.next() != Some(']') {
            return self.fail_at(start, "unterminated filter");
        }
        Ok(Node::Filter(Box::new(left), operator, Box::new(right)))
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn filter_side(&mut self) -> Result<Node, Fault> {
        self.spaces();
        match self.peek() {
            Some('"' | '\'') => Ok(Node::List(vec![Node::Text(self.quoted()?)])),
            Some(it) if it.is_alphabetic() => match self.word().as_str() {
                "true" => Ok(Node::List(vec![Node::Bool(true)])),
                "false" => Ok(Node::List(vec![Node::Bool(false)])),
                word => self.fail(format!("unrecognized identifier {word}")),
            },
            _ => {
                let mut path = Vec::new();
                while let Some(it) = self.peek() {
                    if it.is_whitespace() || matches!(it, ')' | '=' | '!' | '<' | '>' | '}') {
                        break;
                    }
                    self.step(&mut path)?;
                }
                if path.is_empty() { self.fail("invalid filter expression") } else { Ok(Node::List(path)) }
            }
        }
    }
}

/// What stands between the commas of brackets.
fn subscript(part: &str) -> Option<Node> {
    let trimmed = part.trim();
    if let Some(key) = trimmed.strip_prefix('\0') {
        return Some(Node::Field(key.to_owned()));
    }
    if trimmed == "*" {
        return Some(Node::Slice(None, None, None));
    }
    if !trimmed.contains(':') {
        return trimmed.parse().map(Node::Index).ok();
    }
    let bounds: Vec<&str> = trimmed.split(':').collect();
    if bounds.len() > 3 {
        return None;
    }
    let bound = |place: usize| match bounds.get(place).map(|it| it.trim()) {
        None | Some("") => Some(None),
        Some(it) => it.parse().ok().map(Some),
    };
    Some(Node::Slice(bound(0)?, bound(1)?, bound(2)?))
}
