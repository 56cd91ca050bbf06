//! The program as written back: without comments and needless space. Parentheses are those of the source, as they are
//! parts of the tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::Jq;
use super::ast::{Ast, Def, Key, Kind, Op, Pattern, Piece, Update};

/// A program that means the same and is read as the same tree; `else if` becomes `elif`.
impl Display for Jq {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match super::parse::parse(&self.source) {
            Ok(ast) => ast.fmt(f),
            // it has been read before
            Err(_) => f.write_str(&self.source),
        }
    }
}

impl Op {
    fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl Display for Update {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("="),
            Self::Modify => f.write_str("|="),
            Self::Arith(op) => write!(f, "{}=", op.text()),
            Self::Alt => f.write_str("//="),
        }
    }
}

impl Display for Ast {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Identity => f.write_char('.'),
            Kind::Recurse => f.write_str(".."),
            Kind::Null => f.write_str("null"),
            Kind::True => f.write_str("true"),
            Kind::False => f.write_str("false"),
            Kind::Number(text) => f.write_str(text),
            Kind::Str(pieces, format) => string(pieces, format.as_deref(), f),
            Kind::Format(name) => f.write_str(name),
            Kind::Field(of, name) => match &of.kind {
                Kind::Identity => write!(f, ".{name}"),
                // a point after digits would belong to them, and two points are one mark
                Kind::Number(_) | Kind::Recurse => write!(f, "{of} .{name}"),
                _ => write!(f, "{of}.{name}"),
            },
            Kind::Index(of, key) => write!(f, "{of}[{key}]"),
            Kind::Slice(of, from, to) => {
                write!(f, "{of}[")?;
                optional(from.as_deref(), f)?;
                f.write_char(':')?;
                optional(to.as_deref(), f)?;
                f.write_char(']')
            }
            Kind::Iter(of) => write!(f, "{of}[]"),
            Kind::Optional(of) => write!(f, "{of}?"),
            Kind::Plus(of) => write!(f, "+{of}"),
            Kind::Minus(of) => write!(f, "-{of}"),
            Kind::Call(name, args) => call(name, args, f),
            Kind::Object(entries) => object(entries, f),
            Kind::Array(None) => f.write_str("[]"),
            Kind::Array(Some(query)) => write!(f, "[{query}]"),
            Kind::Pipe(a, b) => write!(f, "{a} | {b}"),
            Kind::Comma(a, b) => write!(f, "{a}, {b}"),
            Kind::Alt(a, b) => write!(f, "{a} // {b}"),
            Kind::And(a, b) => write!(f, "{a} and {b}"),
            Kind::Or(a, b) => write!(f, "{a} or {b}"),
            Kind::Binary(op, a, b) => write!(f, "{a} {} {b}", op.text()),
            Kind::Update(op, a, b) => write!(f, "{a} {op} {b}"),
            Kind::If(when, then, other) => condition("if", when, then, other.as_deref(), f),
            Kind::Try(body, None) => write!(f, "try {body}"),
            Kind::Try(body, Some(catch)) => write!(f, "try {body} catch {catch}"),
            Kind::Reduce { source, pattern, init, update } => {
                write!(f, "reduce {source} as {pattern} ({init}; {update})")
            }
            Kind::Foreach { source, pattern, init, update, extract } => {
                write!(f, "foreach {source} as {pattern} ({init}; {update}")?;
                if let Some(extract) = extract {
                    write!(f, "; {extract}")?;
                }
                f.write_char(')')
            }
            Kind::Bind(value, patterns, rest) => {
                write!(f, "{value} as ")?;
                separated(patterns, " ?// ", f)?;
                write!(f, " | {rest}")
            }
            Kind::Label(name, rest) => write!(f, "label ${name} | {rest}"),
            Kind::Break(name) => write!(f, "break ${name}"),
            Kind::Def(def, rest) => write!(f, "{def} {rest}"),
            Kind::Group(query) => write!(f, "({query})"),
            Kind::Missing => Ok(()),
        }
    }
}

impl Display for Def {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "def {}", self.name)?;
        if !self.params.is_empty() {
            f.write_char('(')?;
            separated(&self.params, "; ", f)?;
            f.write_char(')')?;
        }
        write!(f, ": {};", self.body)
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Var(name) => write!(f, "${name}"),
            Self::Str(text) => text.fmt(f),
            Self::Query(query) => write!(f, "({query})"),
        }
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Var(name) => write!(f, "${name}"),
            Self::Array(items) => {
                f.write_char('[')?;
                separated(items, ", ", f)?;
                f.write_char(']')
            }
            Self::Object(entries) => object(entries, f),
        }
    }
}

fn separated<T: Display>(items: &[T], by: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(by)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn optional(it: Option<&Ast>, f: &mut Formatter<'_>) -> fmt::Result {
    it.map_or(Ok(()), |it| it.fmt(f))
}

fn object<T: Display>(entries: &[(Key, Option<T>)], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('{')?;
    for (place, (key, value)) in entries.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        key.fmt(f)?;
        if let Some(value) = value {
            write!(f, ": {value}")?;
        }
    }
    f.write_char('}')
}

fn call(name: &str, args: &[Ast], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(name)?;
    if !args.is_empty() {
        f.write_char('(')?;
        separated(args, "; ", f)?;
        f.write_char(')')?;
    }
    Ok(())
}

fn condition(word: &str, when: &Ast, then: &Ast, other: Option<&Ast>, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{word} {when} then {then} ")?;
    match other {
        Some(Ast { kind: Kind::If(when, then, other), .. }) => condition("elif", when, then, other.as_deref(), f),
        Some(other) => write!(f, "else {other} end"),
        None => f.write_str("end"),
    }
}

fn string(pieces: &[Piece], format: Option<&str>, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(format) = format {
        write!(f, "{format} ")?;
    }
    f.write_char('"')?;
    for piece in pieces {
        match piece {
            Piece::Query(query) => write!(f, "\\({query})")?,
            Piece::Text(text) => {
                for it in text.chars() {
                    match it {
                        '"' => f.write_str("\\\"")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        it if it.is_control() => write!(f, "\\u{:04x}", u32::from(it))?,
                        it => f.write_char(it)?,
                    }
                }
            }
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests;
