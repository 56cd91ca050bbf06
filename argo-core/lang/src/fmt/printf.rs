//! `Sprintf`.

use serde_json::Value;

use super::{Arg, quote_with};
use crate::gofloat;

/// Widest padding and precision that a format may ask for, as in Go.
const TOO_LARGE: usize = 1_000_000;

#[derive(Debug, Clone, Copy, Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    /// `%#v`, which is no matter of `sharp`.
    go: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `fmt.Sprintf` over JSON values.
#[must_use]
pub fn sprintf_values(format: &str, values: &[Value]) -> String {
    sprintf(format, &values.iter().map(Arg::from).collect::<Vec<_>>())
}

/// Bytes of output after which widths are no longer padded to and precisions are small: 16 MiB.
const MAX_OUTPUT: usize = 16 << 20;
const MAX_OUTPUT_PRECISION: usize = 64;

/// `fmt.Sprintf`: all verbs that apply to these values, flags, width, precision, `*`, `[n]`, and Go's inline error texts.
/// Once the output is longer than 16 MiB, widths are ignored.
#[must_use]
pub fn sprintf(format: &str, args: &[Arg]) -> String {
    let mut out = String::new();
    let chars: Vec<char> = format.chars().collect();
    let mut at = 0;
    let mut arg = 0;
    let mut reordered = false;
    while at < chars.len() {
        if chars[at] != '%' {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        at += 1;
        let mut spec = Spec::default();
        while let Some(flag) = chars.get(at) {
            match flag {
                '-' => {
                    spec.minus = true;
                    spec.zero = false;
                }
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = !spec.minus,
                _ => break,
            }
            at += 1;
        }
        let mut after_index = false;
        let mut good_index = true;
        let mut index = |at: &mut usize, arg: &mut usize, after_index: &mut bool| {
            if chars.get(*at) != Some(&'[') {
                return;
            }
            reordered = true;
            let close = chars[*at..].iter().position(|it| *it == ']');
            let number: Option<usize> =
                close.and_then(|it| chars[*at + 1..*at + it].iter().collect::<String>().parse().ok());
            match (close, number) {
                (Some(close), Some(number)) if number >= 1 && number <= args.len() => {
                    *arg = number - 1;
                    *at += close + 1;
                    *after_index = true;
                }
                (Some(close), _) => {
                    good_index = false;
                    *at += close + 1;
                }
                (None, _) => {
                    good_index = false;
                    *at += 1;
                }
            }
        };
        index(&mut at, &mut arg, &mut after_index);
        if chars.get(at) == Some(&'*') {
            at += 1;
            let width = match args.get(arg) {
                Some(Arg::Typed(_, it)) => Some(&**it),
                it => it,
            };
            match width {
                Some(Arg::Int(it)) if it.unsigned_abs() <= TOO_LARGE as u64 => {
                    spec.width = Some(it.unsigned_abs() as usize);
                    if *it < 0 {
                        spec.minus = true;
                        spec.zero = false;
                    }
                }
                _ => out.push_str("%!(BADWIDTH)"),
            }
            arg += 1;
            after_index = false;
        } else {
            let (width, next) = digits(&chars, at);
            spec.width = width;
            at = next;
        }
        if chars.get(at) == Some(&'.') {
            at += 1;
            index(&mut at, &mut arg, &mut after_index);
            if chars.get(at) == Some(&'*') {
                at += 1;
                match args.get(arg) {
                    Some(Arg::Int(it)) if (0..=TOO_LARGE as i64).contains(it) => spec.precision = Some(*it as usize),
                    Some(Arg::Int(it)) if *it < 0 => {}
                    _ => out.push_str("%!(BADPREC)"),
                }
                arg += 1;
                after_index = false;
            } else {
                let (precision, next) = digits(&chars, at);
                spec.precision = Some(precision.unwrap_or(0));
                at = next;
            }
        }
        if !after_index {
            index(&mut at, &mut arg, &mut after_index);
        }
        let Some(&verb) = chars.get(at) else {
            out.push_str("%!(NOVERB)");
            break;
        };
        at += 1;
        if out.len() > MAX_OUTPUT {
            // a format of many wide verbs would fill the memory
            spec.width = None;
            spec.precision = spec.precision.map(|it| it.min(MAX_OUTPUT_PRECISION));
        }
        if verb == '%' {
            out.push('%');
        } else if !good_index {
            out.push_str(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = args.get(arg) {
            // %+v asks for field names, not for signs
            spec.plus &= verb != 'v';
            spec.go = spec.sharp && verb == 'v';
            spec.sharp &= verb != 'v';
            verb_of(&mut out, &spec, verb, value);
            arg += 1;
        } else {
            out.push_str(&format!("%!{verb}(MISSING)"));
        }
    }
    if !reordered && arg < args.len() {
        out.push_str("%!(EXTRA ");
        for (place, extra) in args[arg..].iter().enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            match extra {
                Arg::Nil => out.push_str("<nil>"),
                other => out.push_str(&format!("{}={}", other.type_name(), other.display())),
            }
        }
        out.push(')');
    }
    out
}

fn digits(chars: &[char], mut at: usize) -> (Option<usize>, usize) {
    let mut value = None;
    while let Some(digit) = chars.get(at).and_then(|it| it.to_digit(10)) {
        value = Some((value.unwrap_or(0_usize) * 10 + digit as usize).min(TOO_LARGE));
        at += 1;
    }
    (value, at)
}

fn pad(out: &mut String, spec: &Spec, text: &str, zero: bool) {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else {
        out.extend(std::iter::repeat_n(if zero { '0' } else { ' ' }, missing));
        out.push_str(text);
    }
}

/// Go's inline complaint; the value in it keeps width and flags.
fn bad_verb(out: &mut String, spec: &Spec, verb: char, value: &Arg) {
    match value {
        Arg::Nil => out.push_str(&format!("%!{verb}(<nil>)")),
        other => {
            out.push_str(&format!("%!{verb}({}=", other.type_name()));
            verb_of(out, spec, 'v', other);
            out.push(')');
        }
    }
}

fn verb_of(out: &mut String, spec: &Spec, verb: char, value: &Arg) {
    match (verb, value) {
        ('T', value) => pad(out, spec, value.type_name(), spec.zero),
        (_, Arg::Typed(name, inner)) => typed(out, spec, verb, name, inner),
        ('v', Arg::Nil) => pad(out, spec, "<nil>", false),
        ('v', value) if spec.go => pad(out, spec, &go_syntax(value), false),
        ('v' | 't', Arg::Bool(it)) => pad(out, spec, if *it { "true" } else { "false" }, spec.zero),
        (_, Arg::Int(it)) => integer(out, spec, verb, it.unsigned_abs(), *it < 0, value),
        (_, Arg::Uint(it)) => integer(out, spec, verb, *it, false, value),
        (_, Arg::Float(it)) => float(out, spec, verb, *it, value),
        (_, Arg::Str(it)) => string(out, spec, verb, it, value),
        ('v' | 's', Arg::Other(_, it)) => string(out, spec, 's', it, value),
        (_, Arg::List(items)) if verb != 'p' => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(' ');
                }
                element(out, spec, verb, item);
            }
            out.push(']');
        }
        (_, Arg::Map(entries)) if verb != 'p' => {
            out.push_str("map[");
            for (place, (key, item)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push(' ');
                }
                string(out, spec, verb, key, &Arg::Str(key.clone()));
                out.push(':');
                element(out, spec, verb, item);
            }
            out.push(']');
        }
        _ => bad_verb(out, spec, verb, value),
    }
}

/// A value of a named type prints as its kind does, but for its name.
fn typed(out: &mut String, spec: &Spec, verb: char, name: &'static str, inner: &Arg) {
    let mut text = String::new();
    verb_of(&mut text, spec, verb, inner);
    let own = format!("%!{verb}({}=", inner.type_name());
    match text.strip_prefix(&own) {
        Some(rest) => out.push_str(&format!("%!{verb}({name}={rest}")),
        None if spec.go && verb == 'v' => out.push_str(&text.replacen(inner.type_name(), name, 1)),
        None => out.push_str(&text),
    }
}

fn element(out: &mut String, spec: &Spec, verb: char, item: &Arg) {
    match item {
        Arg::Nil => out.push_str("<nil>"),
        other => verb_of(out, spec, verb, other),
    }
}

fn integer(out: &mut String, spec: &Spec, verb: char, size: u64, negative: bool, value: &Arg) {
    let (digits, prefix) = match verb {
        'd' | 'v' => (size.to_string(), ""),
        'b' => (format!("{size:b}"), if spec.sharp { "0b" } else { "" }),
        'o' => (format!("{size:o}"), if spec.sharp { "0" } else { "" }),
        'O' => (format!("{size:o}"), "0o"),
        'x' => (format!("{size:x}"), if spec.sharp { "0x" } else { "" }),
        'X' => (format!("{size:X}"), if spec.sharp { "0X" } else { "" }),
        'c' | 'q' => {
            let it = u32::try_from(size).ok().filter(|_| !negative).and_then(char::from_u32).unwrap_or('\u{fffd}');
            let text = if verb == 'c' { it.to_string() } else { quote_with(&it.to_string(), '\'', spec.plus) };
            pad(out, spec, &text, spec.zero && verb == 'c');
            return;
        }
        'U' => {
            let size = if negative { size.wrapping_neg() } else { size };
            let mut text = format!("U+{size:04X}");
            if spec.sharp
                && let Some(it) = u32::try_from(size).ok().and_then(char::from_u32)
            {
                text.push_str(&format!(" '{it}'"));
            }
            pad(out, spec, &text, false);
            return;
        }
        _ => return bad_verb(out, spec, verb, value),
    };
    let sign = if negative {
        "-"
    } else if spec.plus {
        "+"
    } else if spec.space {
        " "
    } else {
        ""
    };
    let mut digits = digits;
    match spec.precision {
        Some(0) if size == 0 => {
            let blank = Spec { zero: false, ..*spec };
            pad(out, &blank, "", false);
            return;
        }
        Some(precision) => digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len()))),
        None if spec.zero && spec.width.is_some() => {
            let width = spec.width.unwrap_or(0).saturating_sub(sign.len());
            digits = format!("{}{digits}", "0".repeat(width.saturating_sub(digits.len())));
        }
        None => {}
    }
    pad(out, spec, &format!("{sign}{prefix}{digits}"), false);
}

fn float(out: &mut String, spec: &Spec, verb: char, value: f64, arg: &Arg) {
    let text = match verb {
        'v' => gofloat::format_g(value, spec.precision),
        'g' | 'G' => gofloat::format_g(value, spec.precision),
        'e' | 'E' => gofloat::format_e(value, Some(spec.precision.unwrap_or(6))),
        'f' | 'F' => gofloat::format_f(value, Some(spec.precision.unwrap_or(6))),
        'x' | 'X' => gofloat::format_x(value, spec.precision),
        'b' => gofloat::format_b(value),
        _ => return bad_verb(out, spec, verb, arg),
    };
    let text = if matches!(verb, 'E' | 'G' | 'X') { text.to_uppercase() } else { text };
    let text = if value.is_infinite() || value.is_nan() { gofloat::format_g(value, None) } else { text };
    let text = if spec.sharp && verb != 'b' && value.is_finite() { pointed(&text, spec, verb) } else { text };
    let (sign, body) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("+", &text[1..]),
        _ => ("+", text.as_str()),
    };
    let sign = match sign {
        "+" if spec.plus => "+",
        "+" if value.is_infinite() => "+",
        "+" if spec.space => " ",
        "+" => "",
        other => other,
    };
    let zero = spec.zero && value.is_finite();
    if zero && spec.width.is_some() && !sign.is_empty() {
        let width = spec.width.unwrap_or(0).saturating_sub(1);
        out.push_str(sign);
        pad(out, &Spec { width: Some(width), ..*spec }, body, true);
    } else {
        pad(out, spec, &format!("{sign}{body}"), zero);
    }
}

/// What `#` asks for: always a point, and the zeros that %g leaves out.
fn pointed(text: &str, spec: &Spec, verb: char) -> String {
    let hexadecimal = matches!(verb, 'x' | 'X');
    let mut zeros = if matches!(verb, 'v' | 'g' | 'G' | 'x') {
        i64::try_from(spec.precision.unwrap_or(6)).unwrap_or(i64::MAX)
    } else {
        0
    };
    let tail =
        text.find(|it| matches!(it, 'p' | 'P') || (!hexadecimal && matches!(it, 'e' | 'E'))).unwrap_or(text.len());
    let (body, tail) = text.split_at(tail);
    let mut significant = false;
    for digit in body.trim_start_matches('-').chars().filter(|it| *it != '.') {
        significant |= digit != '0';
        zeros -= i64::from(significant);
    }
    let mut out = body.to_owned();
    if !body.contains('.') {
        zeros -= i64::from(body.trim_start_matches('-') == "0");
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', usize::try_from(zeros).unwrap_or(0)));
    out.push_str(tail);
    out
}

fn string(out: &mut String, spec: &Spec, verb: char, text: &str, value: &Arg) {
    let cut: String = match spec.precision {
        Some(precision) if !matches!(verb, 'x' | 'X') => text.chars().take(precision).collect(),
        _ => text.to_owned(),
    };
    match verb {
        'v' | 's' => pad(out, spec, &cut, spec.zero),
        'q' if spec.sharp && !cut.contains(['`', '\n']) => pad(out, spec, &format!("`{cut}`"), spec.zero),
        'q' => pad(out, spec, &quote_with(&cut, '"', spec.plus), spec.zero),
        'x' | 'X' => {
            let bytes = text.as_bytes();
            let bytes = &bytes[..spec.precision.unwrap_or(bytes.len()).min(bytes.len())];
            let mut text = String::new();
            for (place, byte) in bytes.iter().enumerate() {
                if spec.space && place > 0 {
                    text.push(' ');
                }
                if spec.sharp && (place == 0 || spec.space) {
                    text.push_str(if verb == 'x' { "0x" } else { "0X" });
                }
                text.push_str(&if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") });
            }
            pad(out, spec, &text, spec.zero);
        }
        _ => bad_verb(out, spec, verb, value),
    }
}

/// `%#v`.
fn go_syntax(value: &Arg) -> String {
    match value {
        Arg::Nil => "<nil>".to_owned(),
        Arg::Str(it) => quote_with(it, '"', false),
        Arg::Uint(it) => format!("{it:#x}"),
        Arg::List(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|it| if *it == Arg::Nil { "interface {}(nil)".to_owned() } else { go_syntax(it) })
                .collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Arg::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, it)| {
                    format!(
                        "{}:{}",
                        quote_with(key, '"', false),
                        if *it == Arg::Nil { "interface {}(nil)".to_owned() } else { go_syntax(it) }
                    )
                })
                .collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        other => other.display(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn verbs_flags_and_inline_errors_are_gos() {
        for (format, args, text) in [
            ("%s-%d-%v", json!(["a", 1, {"b": [1, null]}]), "a-1-map[b:[1 <nil>]]"),
            (
                "%5d|%-5d|%05d|%+d|%x|%X|%o|%b",
                json!([42, 42, 42, 42, 255, 255, 8, 5]),
                "   42|42   |00042|+42|ff|FF|10|101",
            ),
            ("%.2f|%8.3f|%e|%g", json!([1.5, 1.5, 1234.5678, 1e6]), "1.50|   1.500|1.234568e+03|1e+06"),
            ("%q|%x|%t|%c|%U", json!(["a\"b", "hi", true, 65, 65]), "\"a\\\"b\"|6869|true|A|U+0041"),
            ("%d", json!(["x"]), "%!d(string=x)"),
            ("%s", json!([null]), "%!s(<nil>)"),
            ("%d %d", json!([1]), "1 %!d(MISSING)"),
            ("%d", json!([1, "b"]), "1%!(EXTRA string=b)"),
            ("%[2]d %[1]d", json!([1, 2]), "2 1"),
            ("%*d", json!([5, 42]), "   42"),
            ("%", json!([]), "%!(NOVERB)"),
            ("100%%", json!([]), "100%"),
            ("%T %T %T", json!(["a", 1, 1.5]), "string int float64"),
            ("%6.2s|%-6s|", json!(["abc", "abc"]), "    ab|abc   |"),
            ("%d", json!([[1, 2]]), "[1 2]"),
            (
                "%#v",
                json!([{"a": ["x", null]}]),
                "map[string]interface {}{\"a\":[]interface {}{\"x\", interface {}(nil)}}",
            ),
        ] {
            let args: Vec<Value> = args.as_array().cloned().unwrap_or_default();
            assert_eq!(sprintf_values(format, &args), text, "{format}");
        }
    }
}
