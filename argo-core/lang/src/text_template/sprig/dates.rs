//! Dates. The zone of values without one is UTC.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::Args;
use super::casts::to_int;
use crate::text_template::exec::Context;
use crate::text_template::value::Val;
use crate::{duration, gofloat, time};

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        Ok(Some(match name {
            "now" => Val::Time(Box::new(context.now()?.to_zoned(TimeZone::UTC))),
            "date" => in_zone(context, args.text(0)?, args.at(1), "UTC")?,
            "dateInZone" | "date_in_zone" => in_zone(context, args.text(0)?, args.at(1), args.text(2)?)?,
            "htmlDate" => in_zone(context, "2006-01-02", args.at(0), "UTC")?,
            "htmlDateInZone" => in_zone(context, "2006-01-02", args.at(0), args.text(1)?)?,
            "dateModify" | "date_modify" | "mustDateModify" | "must_date_modify" => {
                let at = moment(context, args.at(1))?;
                match duration::parse(args.text(0)?) {
                    Ok(by) => Val::Time(Box::new(at.checked_add(by).map_err(|error| error.to_string())?)),
                    Err(error) if name.starts_with("must") => return Err(error.to_string()),
                    Err(_) => Val::Time(Box::new(at)),
                }
            }
            "toDate" | "mustToDate" => match time::read_layout(args.text(1)?, args.text(0)?, &TimeZone::UTC) {
                Ok(at) => Val::Time(Box::new(at)),
                Err(error) if name == "mustToDate" => return Err(error.to_string()),
                Err(_) => Val::Time(Box::new(year_one())),
            },
            "unixEpoch" => Val::str(moment(context, args.at(0))?.timestamp().as_second().to_string()),
            "ago" => {
                let now = context.now()?;
                let since = now.duration_since(moment(context, args.at(0))?.timestamp());
                Val::str(duration::format(SignedDuration::from_secs((since.as_nanos() as f64 / 1e9).round() as i64)))
            }
            "duration" => {
                let seconds = match args.at(0) {
                    Val::Str(it) => gofloat::parse_int(it, 10).unwrap_or(0),
                    Val::Sized(it, "int64") => *it,
                    _ => 0,
                };
                Val::str(duration::format(SignedDuration::from_nanos(seconds.wrapping_mul(1_000_000_000))))
            }
            "durationRound" => Val::str(round(context, args.at(0))?),
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

fn year_one() -> Zoned {
    jiff::civil::date(1, 1, 1).to_zoned(TimeZone::UTC).unwrap_or_else(|_| Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC))
}

fn moment(context: &Context<'_>, value: &Val) -> Result<Zoned, String> {
    Ok(match value {
        Val::Time(it) => (**it).clone(),
        it @ (Val::Int(_) | Val::Sized(_, "int64" | "int32")) => {
            Timestamp::from_second(to_int(it)).map_err(|error| error.to_string())?.to_zoned(TimeZone::UTC)
        }
        _ => context.now()?.to_zoned(TimeZone::UTC),
    })
}

fn in_zone(context: &Context<'_>, layout: &str, value: &Val, zone: &str) -> Result<Val, String> {
    let at = moment(context, value)?;
    let zone = match zone {
        "" | "UTC" | "Local" => TimeZone::UTC,
        name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
    };
    Ok(Val::str(time::format_layout(&at.with_time_zone(zone), layout)))
}

fn round(context: &Context<'_>, value: &Val) -> Result<String, String> {
    let length = match value {
        Val::Str(it) => duration::parse(it).unwrap_or(SignedDuration::ZERO),
        Val::Sized(it, "int64") => SignedDuration::from_nanos(*it),
        Val::Time(it) => context.now()?.duration_since(it.timestamp()),
        _ => SignedDuration::ZERO,
    };
    let seconds = length.as_nanos().unsigned_abs() / 1_000_000_000;
    // what lies ahead is told as what is past
    const UNITS: [(u128, &str); 6] =
        [(31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    Ok(UNITS
        .iter()
        .find(|(size, _)| seconds > *size || (seconds >= *size && *size == 1))
        .map_or_else(|| "0s".to_owned(), |(size, unit)| format!("{}{unit}", seconds / size)))
}
