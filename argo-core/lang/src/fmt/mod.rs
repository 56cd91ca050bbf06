//! Go's `fmt` for JSON values: `%v`, `Sprint` and `Sprintf`.

mod printf;

use serde_json::Value;

use crate::gofloat;

pub use printf::{sprintf, sprintf_values};

/// A value to print.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Arg {
    /// Untyped nil.
    Nil,
    /// A bool.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A float64.
    Float(f64),
    /// A string.
    Str(String),
    /// A slice.
    List(Vec<Arg>),
    /// A map with string keys, in key order.
    Map(Vec<(String, Arg)>),
    /// Anything else: its Go type and its text.
    Other(&'static str, String),
    /// A value of another type than its kind's own, with the type's name: an `int64`, a `[]string`.
    Typed(&'static str, Box<Arg>),
}

impl From<&Value> for Arg {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => match (it.as_i64(), it.as_u64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(uint)) => Self::Uint(uint),
                _ => Self::Float(it.as_f64().unwrap_or_default()),
            },
            Value::String(it) => Self::Str(it.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => Self::Map(map.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect()),
        }
    }
}

impl Arg {
    /// The Go type that `%T` prints.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Other(name, _) | Self::Typed(name, _) => name,
        }
    }

    /// The value as `%v` prints it.
    #[must_use]
    pub fn display(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Nil => out.push_str("<nil>"),
            Self::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
            Self::Int(it) => out.push_str(&it.to_string()),
            Self::Uint(it) => out.push_str(&it.to_string()),
            Self::Float(it) => out.push_str(&gofloat::format_g(*it, None)),
            Self::Str(it) | Self::Other(_, it) => out.push_str(it),
            Self::Typed(_, it) => it.write(out),
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(' ');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push_str("map[");
                for (place, (key, item)) in entries.iter().enumerate() {
                    if place > 0 {
                        out.push(' ');
                    }
                    out.push_str(key);
                    out.push(':');
                    item.write(out);
                }
                out.push(']');
            }
        }
    }
}

/// A JSON value as `%v` prints it: `map[a:1 b:[x y]]`, `<nil>`, floats in shortest form.
#[must_use]
pub fn display(value: &Value) -> String {
    Arg::from(value).display()
}

/// `fmt.Sprint`: spaces only between operands of which neither is a string.
#[must_use]
pub fn sprint(args: &[Arg]) -> String {
    let mut out = String::new();
    let mut previous_string = true;
    for arg in args {
        let is_string = matches!(arg, Arg::Str(_));
        if !is_string && !previous_string {
            out.push(' ');
        }
        arg.write(&mut out);
        previous_string = is_string;
    }
    out
}

/// `fmt.Sprintln`: spaces between all operands and a newline at the end.
#[must_use]
pub fn sprintln(args: &[Arg]) -> String {
    let mut out = args.iter().map(Arg::display).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}

/// A string as `%q` and `strconv.Quote` print it.
#[must_use]
pub fn quote(text: &str) -> String {
    quote_with(text, '"', false)
}

pub(crate) fn quote_with(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for it in text.chars() {
        match it {
            '\\' => out.push_str("\\\\"),
            it if it == mark => {
                out.push('\\');
                out.push(it);
            }
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' '..='~' => out.push(it),
            it if u32::from(it) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(it))),
            it if !ascii && is_print(it) => out.push(it),
            it if u32::from(it) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => out.push_str(&format!("\\U{:08x}", u32::from(it))),
        }
    }
    out.push(mark);
    out
}

/// Close to `unicode.IsPrint`: letters, marks, numbers, punctuation and symbols; of spaces only ASCII.
pub(crate) fn is_print(it: char) -> bool {
    let code = u32::from(it);
    if it.is_control() || it.is_whitespace() && it != ' ' {
        return false;
    }
    !matches!(code,
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xd800..=0xf8ff | 0xfeff | 0xfff0..=0xfffb | 0xfffe..=0xffff | 0xe0000..=0x10_ffff)
        && !it.escape_debug().to_string().starts_with("\\u")
}
