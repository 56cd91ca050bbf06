//! Defaults, types, encodings, hashes, paths, URLs and versions.

use base64::Engine as _;
use sha1::Digest as _;

use super::casts::is_empty;
use super::strings::type_of;
use super::{Args, MAX_TEXT, NIL_POINTER};
use crate::codecs;
use crate::gojson;
use crate::text_template::exec::Context;
use crate::text_template::value::{Object, Val};

#[allow(clippy::too_many_lines)]
pub(super) fn call(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        let first = args.at(0);
        Ok(Some(match name {
            "default" => match args.all().get(1) {
                Some(given) if !is_empty(given) => given.clone(),
                _ => first.clone(),
            },
            "empty" => Val::Bool(is_empty(first)),
            "coalesce" => args.all().iter().find(|it| !is_empty(it)).cloned().unwrap_or(Val::Nil),
            "all" => Val::Bool(!args.all().iter().any(is_empty)),
            "any" => Val::Bool(args.all().iter().any(|it| !is_empty(it))),
            "ternary" => match args.at(2) {
                Val::Bool(true) => first.clone(),
                Val::Bool(false) => args.at(1).clone(),
                _ => return Err("invalid value; expected bool".to_owned()),
            },
            "fail" => {
                context.mark_failed();
                return Err(args.text(0)?.to_owned());
            }
            "typeOf" => Val::str(type_of(first)),
            "typeIs" => Val::Bool(args.text(0)? == type_of(args.at(1))),
            "typeIsLike" => {
                let name = type_of(args.at(1));
                Val::Bool(args.text(0)? == name || format!("*{}", args.text(0)?) == name)
            }
            "kindOf" => Val::str(first.kind()),
            "kindIs" => Val::Bool(args.text(0)? == args.at(1).kind()),
            "deepEqual" => Val::Bool(first.deep_equal(args.at(1))),
            "b64enc" => Val::str(base64::engine::general_purpose::STANDARD.encode(args.text(0)?)),
            "b64dec" => match codecs::base64_decode(args.text(0)?) {
                Ok(bytes) => Val::str(String::from_utf8_lossy(&bytes)),
                Err(at) => Val::str(format!("illegal base64 data at input byte {at}")),
            },
            "b32enc" => Val::str(codecs::base32(args.text(0)?.as_bytes())),
            "b32dec" => match codecs::base32_decode(args.text(0)?) {
                Ok(bytes) => Val::str(String::from_utf8_lossy(&bytes)),
                Err(at) => Val::str(format!("illegal base32 data at input byte {at}")),
            },
            "sha1sum" => Val::str(hex::encode(sha1::Sha1::digest(args.text(0)?))),
            "sha256sum" => Val::str(hex::encode(sha2::Sha256::digest(args.text(0)?))),
            "sha512sum" => Val::str(hex::encode(sha2::Sha512::digest(args.text(0)?))),
            "adler32sum" => {
                let (a, b) = args.text(0)?.bytes().fold((1_u32, 0_u32), |(a, b), byte| {
                    let a = (a + u32::from(byte)) % 65521;
                    (a, (b + a) % 65521)
                });
                Val::str(((b << 16) | a).to_string())
            }
            "toJson" | "mustToJson" => Val::str(gojson::to_string(&first.to_json())),
            "toRawJson" | "mustToRawJson" => Val::str(gojson::to_string_raw(&first.to_json())),
            "toPrettyJson" | "mustToPrettyJson" => Val::str(gojson::to_string_indent(&first.to_json(), "  ")),
            "fromJson" => gojson::parse(args.text(0)?).map_or(Val::Nil, |it| Val::from_json(&it)),
            "mustFromJson" => Val::from_json(&gojson::parse(args.text(0)?)?),
            "uuidv4" => {
                let (a, b) = (context.random_below(u64::MAX)?, context.random_below(u64::MAX)?);
                let text = format!("{a:016x}{b:016x}");
                let variant = ["8", "9", "a", "b"][usize::try_from(b >> 62).unwrap_or(0) & 3];
                Val::str(format!(
                    "{}-{}-4{}-{variant}{}-{}",
                    &text[..8],
                    &text[8..12],
                    &text[13..16],
                    &text[17..20],
                    &text[20..32]
                ))
            }
            "randBytes" => {
                let count = usize::try_from(args.int(0)?).unwrap_or(0);
                if count > MAX_TEXT {
                    return Err("the result is too long".to_owned());
                }
                let mut bytes = Vec::with_capacity(count);
                for _ in 0..count {
                    bytes.push(u8::try_from(context.random_below(256)?).unwrap_or(0));
                }
                Val::str(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            "getHostByName" => Val::str(""),
            "base" | "osBase" => Val::str(base(args.text(0)?)),
            "dir" | "osDir" => {
                let text = args.text(0)?;
                Val::str(clean(text.rfind('/').map_or("", |at| &text[..=at])))
            }
            "clean" | "osClean" => Val::str(clean(args.text(0)?)),
            "ext" | "osExt" => {
                let text = args.text(0)?;
                let file = text.rfind('/').map_or(text, |at| &text[at..]);
                Val::str(file.rfind('.').map_or("", |at| &file[at..]))
            }
            "isAbs" | "osIsAbs" => Val::Bool(args.text(0)?.starts_with('/')),
            "urlParse" => url_parse(args.text(0)?)?,
            "urlJoin" => {
                let map = args.map(0)?;
                let map = map.borrow();
                let part = |key: &str| match map.get(key) {
                    None => Ok(String::new()),
                    Some(Val::Str(it)) => Ok(it.to_string()),
                    Some(Val::Nil | Val::Missing) => Err(NIL_POINTER.to_owned()),
                    Some(other) => {
                        Err(format!("unable to parse {key} key, must be of type string, but {} found", other.kind()))
                    }
                };
                Val::str(url_join(
                    &part("scheme")?,
                    &part("userinfo")?,
                    &part("host")?,
                    &part("path")?,
                    &part("query")?,
                    &part("fragment")?,
                ))
            }
            "semver" => {
                Val::object(Version(crate::semver::Version::parse(args.text(0)?).map_err(|error| error.to_string())?))
            }
            "semverCompare" => {
                let constraint = crate::semver::Constraint::parse(args.text(0)?).map_err(|error| error.to_string())?;
                let version = crate::semver::Version::parse(args.text(1)?).map_err(|error| error.to_string())?;
                Val::Bool(constraint.matches(&version))
            }
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

/// `path.Clean`.
pub(crate) fn clean(text: &str) -> String {
    if text.is_empty() {
        return ".".to_owned();
    }
    let rooted = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

fn base(text: &str) -> String {
    if text.is_empty() {
        return ".".to_owned();
    }
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned()
}

fn url_parse(text: &str) -> Result<Val, String> {
    if text.chars().any(|it| it.is_ascii_control()) {
        return Err(format!(
            "unable to parse url: parse {}: net/url: invalid control character in URL",
            crate::fmt::quote(text)
        ));
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |it: &str| {
        it.starts_with(|first: char| first.is_ascii_alphabetic())
            && it.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, tail)) if is_scheme(scheme) => (scheme.to_lowercase(), tail),
        Some(("", _)) => {
            return Err(format!("unable to parse url: parse {}: missing protocol scheme", crate::fmt::quote(text)));
        }
        _ => (String::new(), rest),
    };
    let opaque = if !scheme.is_empty() && !rest.starts_with('/') { rest } else { "" };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(tail) => tail.find('/').map_or((tail, ""), |at| tail.split_at(at)),
        None => ("", if opaque.is_empty() { rest } else { "" }),
    };
    let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let hostname = host
        .strip_prefix('[')
        .and_then(|it| it.split_once(']'))
        .map_or_else(|| host.rsplit_once(':').map_or(host, |it| it.0), |it| it.0);
    let refused = |reason: String| format!("unable to parse url: parse {}: {reason}", crate::fmt::quote(text));
    let path = &*unescape(path).map_err(refused)?;
    let fragment = &*unescape(fragment).map_err(refused)?;
    let pairs = [
        ("scheme", scheme.as_str()),
        ("host", host),
        ("hostname", hostname),
        ("path", path),
        ("query", query),
        ("opaque", opaque),
        ("fragment", fragment),
        ("userinfo", userinfo),
    ];
    Ok(Val::map(pairs.into_iter().map(|(key, value)| (key.to_owned(), Val::str(value)))))
}

fn url_join(scheme: &str, userinfo: &str, host: &str, path: &str, query: &str, fragment: &str) -> String {
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(scheme);
        out.push(':');
    }
    if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
        if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
            out.push_str("//");
        }
        if !userinfo.is_empty() {
            match userinfo.split_once(':') {
                Some((user, password)) => {
                    out.push_str(&escape(user, ";&=+$,"));
                    out.push(':');
                    out.push_str(&escape(password, ";&=+$,"));
                }
                None => out.push_str(&escape(userinfo, ";&=+$,")),
            }
            out.push('@');
        }
        out.push_str(host);
    }
    if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
        out.push('/');
    }
    out.push_str(&escape(path, "$&+,/:;=@"));
    if !query.is_empty() {
        out.push('?');
        out.push_str(query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(fragment, "$&+,/:;=?@!()*"));
    }
    out
}

/// A part of a URL with its percent signs resolved.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let code = rest.get(at + 1..at + 3).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        match code.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(it) => bytes.push(it),
            None => {
                let shown: String = rest[at..].chars().take(3).collect();
                return Err(format!("invalid URL escape {}", crate::fmt::quote(&shown)));
            }
        }
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A part of a URL with all but letters, digits, `-_.~` and these characters behind percent signs.
fn escape(text: &str, plain: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.bytes() {
        let it_char = char::from(it);
        if it.is_ascii_alphanumeric() || b"-_.~".contains(&it) || it.is_ascii() && plain.contains(it_char) {
            out.push(it_char);
        } else {
            out.push_str(&format!("%{it:02X}"));
        }
    }
    out
}

#[derive(Debug)]
struct Version(crate::semver::Version);

impl Object for Version {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn field(&self, name: &str) -> Option<Val> {
        let int = |it: u64| Some(Val::Sized(i64::try_from(it).unwrap_or(i64::MAX), "uint64"));
        match name {
            "Major" => int(self.0.major()),
            "Minor" => int(self.0.minor()),
            "Patch" => int(self.0.patch()),
            "Prerelease" => Some(Val::str(self.0.prerelease())),
            "Metadata" => Some(Val::str(self.0.metadata())),
            "Original" => Some(Val::str(self.0.original())),
            "String" => Some(Val::str(self.0.to_string())),
            "IncMajor" => Some(Val::object(Self(self.0.inc_major()))),
            "IncMinor" => Some(Val::object(Self(self.0.inc_minor()))),
            "IncPatch" => Some(Val::object(Self(self.0.inc_patch()))),
            _ => None,
        }
    }

    fn call(&self, name: &str, args: &[Val]) -> Option<Result<Val, String>> {
        let other = match args {
            [Val::Str(it)] => crate::semver::Version::parse(it).map_err(|error| error.to_string()),
            [Val::Object(it)] => crate::semver::Version::parse(&it.display()).map_err(|error| error.to_string()),
            _ => Err("wrong type for value; expected *semver.Version".to_owned()),
        };
        let order = other.map(|other| self.0.cmp(&other));
        Some(match name {
            "Compare" => order.map(|it| Val::Int(it as i64)),
            "Equal" => order.map(|it| Val::Bool(it.is_eq())),
            "LessThan" => order.map(|it| Val::Bool(it.is_lt())),
            "GreaterThan" => order.map(|it| Val::Bool(it.is_gt())),
            _ => return None,
        })
    }

    fn display(&self) -> String {
        self.0.to_string()
    }
}
