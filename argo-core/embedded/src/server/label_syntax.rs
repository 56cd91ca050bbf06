//! The syntax of label selectors: `a=b,c in (d,e),!f`, read as apimachinery reads it, with its words for what is wrong.

use super::names;
use super::status::go_quoted;

/// A requirement as written: key, operator (`=`, `!=`, `in`, `notin`, `exists`, `!`, `>`, `<`) and values in order.
pub(super) type Term = (String, &'static str, Vec<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Close,
    Comma,
    Not,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
    End,
    Error,
}

struct Parser {
    tokens: Vec<(Token, String)>,
    at: usize,
}

/// Takes a selector apart.
pub(super) fn parse(text: &str) -> Result<Vec<Term>, String> {
    let mut parser = Parser { tokens: scan(text), at: 0 };
    let mut terms = Vec::new();
    loop {
        match parser.peek() {
            (Token::Identifier | Token::Not, _) => {
                terms.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
                match parser.next() {
                    (Token::End, _) => return Ok(terms),
                    (Token::Comma, _) => {
                        let (token, literal) = parser.peek();
                        if !matches!(token, Token::Identifier | Token::Not) {
                            return Err(format!("found '{literal}', expected: identifier after ','"));
                        }
                    }
                    (_, literal) => return Err(format!("found '{literal}', expected: ',' or 'end of string'")),
                }
            }
            (Token::End, _) => return Ok(terms),
            (_, literal) => return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'")),
        }
    }
}

fn scan(text: &str) -> Vec<(Token, String)> {
    const SPECIAL: &str = "=!(),><";
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, String::new()));
            return tokens;
        };
        if SPECIAL.contains(first) {
            let two = rest.get(..2).unwrap_or_default();
            let (token, length) = match (two, first) {
                ("==", _) => (Token::Equals, 2),
                ("!=", _) => (Token::NotEquals, 2),
                (_, ')') => (Token::Close, 1),
                (_, '(') => (Token::Open, 1),
                (_, ',') => (Token::Comma, 1),
                (_, '!') => (Token::Not, 1),
                (_, '=') => (Token::Equals, 1),
                (_, '>') => (Token::Greater, 1),
                (_, '<') => (Token::Less, 1),
                _ => (Token::Error, first.len_utf8()),
            };
            tokens.push((token, rest[..length].to_owned()));
            rest = &rest[length..];
            continue;
        }
        let end =
            rest.find(|c: char| SPECIAL.contains(c) || matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
        let word = &rest[..end];
        let token = match word {
            "in" => Token::In,
            "notin" => Token::NotIn,
            _ => Token::Identifier,
        };
        tokens.push((token, word.to_owned()));
        rest = &rest[end..];
    }
}

impl Parser {
    /// The next token where `in` and `notin` are values.
    fn peek(&self) -> (Token, String) {
        match self.tokens.get(self.at) {
            Some((Token::In | Token::NotIn, literal)) => (Token::Identifier, literal.clone()),
            Some(found) => found.clone(),
            None => (Token::End, String::new()),
        }
    }

    fn next(&mut self) -> (Token, String) {
        let found = self.peek();
        self.at += 1;
        found
    }

    fn requirement(&mut self) -> Result<Term, String> {
        let (mut token, mut key) = self.next();
        let absent = token == Token::Not;
        if absent {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        let problems = names::qualified_name_problems(&key);
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {}: {}", go_quoted(&key), problems.join("; ")));
        }
        if absent {
            return Ok((key, "!", Vec::new()));
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok((key, "exists", Vec::new()));
        }
        let (token, literal) = self.tokens.get(self.at).cloned().unwrap_or((Token::End, String::new()));
        self.at += 1;
        let operator = match token {
            Token::In => "in",
            Token::NotIn => "notin",
            Token::Equals => "=",
            Token::NotEquals => "!=",
            Token::Greater => ">",
            Token::Less => "<",
            _ => return Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values = match operator {
            "in" | "notin" => self.values()?,
            _ => vec![self.exact_value()?],
        };
        check(operator, &values, &key)?;
        Ok((key, operator, values))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let (token, literal) = self.next();
        if token != Token::Open {
            return Err(format!("found '{literal}' expected: '('"));
        }
        match self.peek() {
            (Token::Identifier | Token::Comma, _) => {
                let mut values = self.identifiers()?;
                match self.next() {
                    (Token::Close, _) => {
                        values.sort();
                        values.dedup();
                        Ok(values)
                    }
                    (_, literal) => Err(format!("found '{literal}', expected: ')'")),
                }
            }
            (Token::Close, _) => {
                self.at += 1;
                Ok(Vec::new())
            }
            (_, literal) => Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
    }

    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        loop {
            match self.next() {
                (Token::Identifier, literal) => {
                    values.push(literal);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    match self.peek().0 {
                        Token::Close => {
                            values.push(String::new());
                            return Ok(values);
                        }
                        Token::Comma => {
                            self.at += 1;
                            values.push(String::new());
                        }
                        _ => {}
                    }
                }
                (_, literal) => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek() {
            (Token::End | Token::Comma, _) => Ok(String::new()),
            (Token::Identifier, literal) => {
                self.at += 1;
                Ok(literal)
            }
            (_, literal) => {
                self.at += 1;
                Err(format!("found '{literal}', expected: identifier"))
            }
        }
    }
}

fn check(operator: &str, values: &[String], key: &str) -> Result<(), String> {
    let mut problems = Vec::new();
    for (at, value) in values.iter().enumerate() {
        if matches!(operator, ">" | "<") && value.parse::<i64>().is_err() {
            problems.push(format!(
                "values[{at}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                go_quoted(value)
            ));
        }
        for problem in names::label_value_problems(value) {
            problems.push(format!("values[{at}][{key}]: Invalid value: {}: {problem}", go_quoted(value)));
        }
    }
    match problems.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}
