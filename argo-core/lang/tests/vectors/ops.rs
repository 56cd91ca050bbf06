//! What each operation of a vector calls.

use argo_lang::text_template::{Functions, MissingKey, Template};
use argo_lang::{
    cron, duration, expr, fmt, gjson, glob, gofloat, govaluate, int_or_string, jsonpath, names, quantity, semver, time,
    yaml,
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

type Outcome = Result<Value, String>;

fn text(args: &[Value], place: usize) -> &str {
    args.get(place).and_then(Value::as_str).unwrap_or_default()
}

fn err(error: impl ToString) -> String {
    error.to_string()
}

/// Whether the text of errors is compared too.
pub(super) fn exact(language: &str, op: &str) -> bool {
    match language {
        "govaluate" => op == "when",
        "cron" => true,
        "duration" => op == "parse",
        "semver" => matches!(op, "matches"),
        "template" => true,
        _ => false,
    }
}

/// Equality of JSON where 1 and 1.0 are one number.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

pub(super) fn run(language: &str, op: &str, args: &[Value]) -> Option<Outcome> {
    match language {
        "yaml" => yaml_op(op, args),
        "duration" => duration_op(op, args),
        "cron" => cron_op(op, args),
        "semver" => semver_op(op, args),
        "glob" => glob_op(op, args),
        "quantity" => quantity_op(op, args),
        "govaluate" => Some(match op {
            "when" => govaluate::when(text(args, 0)).map(Value::Bool).map_err(err),
            _ => govaluate::Expression::parse(text(args, 0)).and_then(|it| it.eval(&args[1])).map_err(err),
        }),
        "expr" => Some(expr::eval(text(args, 0), &args[1], &expr::Options::default()).map_err(err)),
        "template" => template_op(op, args),
        "jsonpath" => {
            let path = jsonpath::JsonPath::parse(text(args, 0));
            let path = path.map(|it| if args[2] == json!(true) { it.allow_missing() } else { it });
            Some(path.and_then(|it| it.render(&args[1])).map(Value::String).map_err(err))
        }
        "gjson" => gjson_op(op, args),
        _ => None,
    }
}

fn yaml_op(op: &str, args: &[Value]) -> Option<Outcome> {
    Some(match op {
        "decode" => yaml::decode_with(text(args, 0), &yaml::Options::lenient()).map_err(err),
        "decode_strict" => yaml::decode(text(args, 0)).map_err(err),
        "encode" => Ok(json!(yaml::to_yaml(&args[0]))),
        _ => return None,
    })
}

fn duration_op(op: &str, args: &[Value]) -> Option<Outcome> {
    Some(match op {
        "parse" => {
            duration::parse(text(args, 0)).map(|it| json!(i64::try_from(it.as_nanos()).expect("fits"))).map_err(err)
        }
        "format" => {
            Ok(json!(duration::format(jiff::SignedDuration::from_nanos(args[0].as_i64().expect("an integer")))))
        }
        "layout" => {
            // the zone of the text is the zone of the value
            let zoned = time::parse_layout(text(args, 0), "2006-01-02T15:04:05.999999999Z07:00", &TimeZone::UTC)?;
            Ok(json!(time::format_layout(&zoned, text(args, 1))))
        }
        "parse_layout" => time::parse_layout(text(args, 1), text(args, 0), &TimeZone::UTC)
            .map(|it| json!(time::format_rfc3339_nano(it.timestamp())))
            .ok_or_else(|| "cannot parse".to_owned()),
        "sprintf" => Ok(json!(fmt::sprintf_values(text(args, 0), &args[1..]))),
        "parse_float" => gofloat::parse_float(text(args, 0))
            .map(|it| json!(gofloat::format_g(it, None)))
            .ok_or_else(|| "invalid syntax".to_owned()),
        "parse_int" => {
            gofloat::parse_int(text(args, 0), 0).map(|it| json!(it)).ok_or_else(|| "invalid syntax".to_owned())
        }
        _ => return None,
    })
}

fn cron_op(op: &str, args: &[Value]) -> Option<Outcome> {
    let start: jiff::Timestamp = text(args, 1).parse().ok()?;
    let show = |it: Option<jiff::Timestamp>| it.map_or_else(|| "never".to_owned(), time::format_rfc3339_nano);
    Some(match op {
        "next" => cron::Schedule::parse(text(args, 0)).map_err(err).map(|schedule| {
            let mut out = Vec::new();
            let mut at = start;
            for _ in 0..3 {
                let next = schedule.next(at, &TimeZone::UTC);
                out.push(json!(show(next)));
                match next {
                    Some(next) => at = next,
                    None => break,
                }
            }
            Value::Array(out)
        }),
        "next_seconds" => cron::Schedule::parse_with_seconds(text(args, 0))
            .map_err(err)
            .map(|it| json!(show(it.next(start, &TimeZone::UTC)))),
        _ => return None,
    })
}

fn semver_op(op: &str, args: &[Value]) -> Option<Outcome> {
    let version = |place: usize| semver::Version::parse(text(args, place)).map_err(err);
    Some(match op {
        "parse" => version(0).map(|it| json!(it.to_string())),
        "strict" => semver::Version::parse_strict(text(args, 0)).map(|it| json!(it.to_string())).map_err(err),
        "compare" => version(0).and_then(|a| Ok(json!(a.cmp(&version(1)?) as i8))),
        "matches" => {
            semver::Constraint::parse(text(args, 0)).map_err(err).and_then(|it| Ok(json!(it.matches(&version(1)?))))
        }
        _ => return None,
    })
}

fn glob_op(op: &str, args: &[Value]) -> Option<Outcome> {
    let mode = match op {
        "gobwas" => glob::Mode::Gobwas,
        "gobwas_path" => glob::Mode::GobwasPath,
        "doublestar" => glob::Mode::Doublestar,
        "filepath" => glob::Mode::FilePath,
        _ => return None,
    };
    Some(glob::Glob::new(text(args, 0), mode).map(|it| json!(it.is_match(text(args, 1)))).map_err(err))
}

fn quantity_op(op: &str, args: &[Value]) -> Option<Outcome> {
    let parse = |place: usize| quantity::Quantity::parse(text(args, place)).map_err(err);
    let list = |it: Vec<String>| Ok(json!(it));
    Some(match op {
        "canonical" => parse(0).map(|it| json!(it.to_string())),
        "value" => parse(0).map(|it| json!(it.value())),
        "milli" => parse(0).map(|it| json!(it.milli_value())),
        "compare" => parse(0).and_then(|a| Ok(json!(a.cmp(&parse(1)?) as i8))),
        "add" => parse(0).and_then(|a| Ok(json!((a + parse(1)?).to_string()))),
        "sub" => parse(0).and_then(|a| Ok(json!((a - parse(1)?).to_string()))),
        "scaled" => {
            let round = if args[2] == json!(true) { int_or_string::Round::Up } else { int_or_string::Round::Down };
            let value = int_or_string::IntOrString::from_json(&args[0])?;
            value.scaled(args[1].as_i64()?, round).map(|it| json!(it)).map_err(err)
        }
        "dns1123_label" => list(names::dns1123_label(text(args, 0))),
        "dns1123_subdomain" => list(names::dns1123_subdomain(text(args, 0))),
        "dns1035_label" => list(names::dns1035_label(text(args, 0))),
        "label_value" => list(names::label_value(text(args, 0))),
        "qualified_name" => list(names::qualified_name(text(args, 0))),
        "safe_encode" => Ok(json!(names::safe_encode(text(args, 0)))),
        _ => return None,
    })
}

fn template_op(op: &str, args: &[Value]) -> Option<Outcome> {
    let functions = if op == "sprig" { Functions::sprig() } else { Functions::builtin() };
    let missing = match text(args, 2) {
        "zero" => MissingKey::Zero,
        "error" => MissingKey::Error,
        _ => MissingKey::Invalid,
    };
    let template = Template::parse("template", text(args, 0), &functions).map(|it| it.missing_key(missing));
    Some(template.and_then(|it| it.execute(&args[1])).map(Value::String).map_err(err))
}

fn gjson_op(op: &str, args: &[Value]) -> Option<Outcome> {
    Some(match op {
        "get" => Ok(match gjson::get(&args[0], text(args, 1)) {
            Some(value) => json!({"exists": true, "value": value}),
            None => json!({"exists": false}),
        }),
        "set" => {
            let mut value = args[0].clone();
            gjson::set(&mut value, text(args, 1), args[2].clone()).map(|()| value).map_err(err)
        }
        "delete" => {
            let mut value = args[0].clone();
            gjson::delete(&mut value, text(args, 1)).map(|_| value).map_err(err)
        }
        _ => return None,
    })
}
