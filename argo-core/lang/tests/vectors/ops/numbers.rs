//! Durations, times, schedules, versions, quantities.

use argo_lang::{cron, duration, gofloat, int_or_string, quantity, semver, time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Args, Field, Language, Outcome, Trouble, error, op, optional, required};

const TEXT: &[Field] = &[required("text")];
const PAIR: &[Field] = &[required("a"), required("b")];
const AFTER: &[Field] = &[required("schedule"), required("after"), optional("zone", "\"UTC\""), optional("count", "3")];

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "duration",
        aliases: &["goduration"],
        ops: &[
            op("parse", TEXT, "nanoseconds", |args| duration::parse(args.text(0)?).map(nanos).map_err(error)).exact(),
            op("format", &[required("nanoseconds")], "text", |args| {
                Ok(json!(duration::format(jiff::SignedDuration::from_nanos(args.int(0)?))))
            }),
            op("parse_or_seconds", TEXT, "nanoseconds; a bare number counts seconds", |args| {
                duration::parse_or_seconds(args.text(0)?).map(nanos).map_err(error)
            })
            .exact(),
        ],
    },
    Language {
        name: "time",
        aliases: &["layout"],
        ops: &[
            op(
                "format",
                &[required("time"), required("layout")],
                "text in a Go layout, in the time's own zone",
                |args| {
                    let zoned =
                        time::parse_layout(args.text(0)?, "2006-01-02T15:04:05.999999999Z07:00", &TimeZone::UTC)
                            .ok_or_else(|| Trouble::Input("time must be RFC 3339".to_owned()))?;
                    Ok(json!(time::format_layout(&zoned, args.text(1)?)))
                },
            ),
            op(
                "parse",
                &[required("layout"), required("text"), optional("zone", "\"UTC\"")],
                "RFC 3339 in UTC",
                |args| {
                    time::parse_layout(args.text(1)?, args.text(0)?, &args.zone(2)?)
                        .map(|it| json!(time::format_rfc3339_nano(it.timestamp())))
                        .ok_or_else(|| error("cannot parse"))
                },
            ),
        ],
    },
    Language {
        name: "cron",
        aliases: &["robfig_cron"],
        ops: &[
            op(
                "next",
                AFTER,
                "the list of the next `count` times, `\"never\"` at its end when there are none",
                |args| next(args, cron::Schedule::parse(args.text(0)?).map_err(error)?),
            )
            .exact(),
            op(
                "next_seconds",
                &[required("schedule"), required("after"), optional("zone", "\"UTC\"")],
                "the next time of a schedule with a field of seconds",
                |args| {
                    let schedule = cron::Schedule::parse_with_seconds(args.text(0)?).map_err(error)?;
                    Ok(shown(schedule.next(moment(args)?, &args.zone(2)?)))
                },
            )
            .exact(),
            op(
                "previous",
                &[required("schedule"), required("after"), optional("zone", "\"UTC\"")],
                "the last time at or before `after`",
                |args| {
                    let schedule = cron::Schedule::parse(args.text(0)?).map_err(error)?;
                    Ok(shown(schedule.previous(moment(args)?, &args.zone(2)?)))
                },
            )
            .exact(),
        ],
    },
    Language {
        name: "semver",
        aliases: &[],
        ops: &[
            op("parse", TEXT, "the canonical text", |args| {
                semver::Version::parse(args.text(0)?).map(|it| json!(it.to_string())).map_err(error)
            }),
            op("strict", TEXT, "the same; nothing may be left out", |args| {
                semver::Version::parse_strict(args.text(0)?).map(|it| json!(it.to_string())).map_err(error)
            }),
            op("compare", PAIR, "-1, 0 or 1", |args| {
                let version = |place| semver::Version::parse(args.text(place)?).map_err(error);
                Ok(json!(version(0)?.cmp(&version(1)?) as i8))
            }),
            op(
                "matches",
                &[required("constraint"), required("version")],
                "whether the version is in the range",
                |args| {
                    let constraint = semver::Constraint::parse(args.text(0)?).map_err(error)?;
                    Ok(json!(constraint.matches(&semver::Version::parse(args.text(1)?).map_err(error)?)))
                },
            )
            .exact(),
        ],
    },
    Language {
        name: "quantity",
        aliases: &["resource"],
        ops: &[
            op("canonical", TEXT, "the canonical text", |args| Ok(json!(amount(args, 0)?.to_string()))),
            op("value", TEXT, "the integer, rounded up", |args| Ok(json!(amount(args, 0)?.value()))),
            op("milli", TEXT, "thousandths, rounded up", |args| Ok(json!(amount(args, 0)?.milli_value()))),
            op("compare", PAIR, "-1, 0 or 1", |args| Ok(json!(amount(args, 0)?.cmp(&amount(args, 1)?) as i8))),
            op("add", PAIR, "the canonical text of the sum", |args| {
                Ok(json!((amount(args, 0)? + amount(args, 1)?).to_string()))
            }),
            op("sub", PAIR, "the canonical text of the difference", |args| {
                Ok(json!((amount(args, 0)? - amount(args, 1)?).to_string()))
            }),
        ],
    },
    Language {
        name: "intstr",
        aliases: &["int_or_string"],
        ops: &[op(
            "scaled",
            &[required("value"), required("total"), optional("round_up", "false")],
            "the count that an integer or a percentage of the total means",
            |args| {
                let round = if args.flag(2)? { int_or_string::Round::Up } else { int_or_string::Round::Down };
                let value = int_or_string::IntOrString::from_json(args.value(0))
                    .ok_or_else(|| Trouble::Input("value must be an integer or a string".to_owned()))?;
                value.scaled(args.int(1)?, round).map(|it| json!(it)).map_err(error)
            },
        )],
    },
    Language {
        name: "strconv",
        aliases: &[],
        ops: &[
            op("parse_float", TEXT, "the number as `%g` prints it", |args| {
                gofloat::parse_float(args.text(0)?)
                    .map(|it| json!(gofloat::format_g(it, None)))
                    .ok_or_else(|| error("invalid syntax"))
            }),
            op("parse_int", &[required("text"), optional("base", "0")], "the integer", |args| {
                let base = u32::try_from(args.int(1)?).map_err(|_| Trouble::Input("base is too large".to_owned()))?;
                gofloat::parse_int(args.text(0)?, base).map(|it| json!(it)).ok_or_else(|| error("invalid syntax"))
            }),
        ],
    },
];

fn nanos(it: jiff::SignedDuration) -> Value {
    json!(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX))
}

fn shown(it: Option<jiff::Timestamp>) -> Value {
    json!(it.map_or_else(|| "never".to_owned(), time::format_rfc3339_nano))
}

fn moment(args: &Args) -> Result<jiff::Timestamp, Trouble> {
    args.time(1)?.ok_or_else(|| Trouble::Input("after must be an RFC 3339 time".to_owned()))
}

fn next(args: &Args, schedule: cron::Schedule) -> Outcome {
    let (mut at, zone) = (moment(args)?, args.zone(2)?);
    let mut out = Vec::new();
    for _ in 0..args.int(3)?.clamp(0, 1000) {
        let next = schedule.next(at, &zone);
        out.push(shown(next));
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(Value::Array(out))
}

fn amount(args: &Args, place: usize) -> Result<quantity::Quantity, Trouble> {
    quantity::Quantity::parse(args.text(place)?).map_err(error)
}
