//! Forms of texts: names, labels, ports, keys; and what is wrong with one, in the words of apimachinery.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SUBDOMAIN_UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
pub(crate) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const VARIABLE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

fn too_long(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

// === DNS ===

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, of any length.
fn is_dns_part(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty() && edge(bytes[0]) && edge(bytes[bytes.len() - 1]) && bytes.iter().all(|&c| edge(c) || c == b'-')
}

pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_part(text)
}

pub(crate) fn label_problems(text: &str) -> Vec<String> {
    let form = match is_dns_part(text) {
        true => None,
        false if text.split('.').all(is_dns_part) => Some("must not contain dots".to_owned()),
        false => Some(LABEL.to_owned()),
    };
    too_long(text, 63).into_iter().chain(form).collect()
}

pub(crate) fn label_1035_problems(text: &str) -> Vec<String> {
    let good = is_dns_part(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    too_long(text, 63).into_iter().chain((!good).then(|| LABEL_1035.to_owned())).collect()
}

pub(crate) fn subdomain_problems(text: &str) -> Vec<String> {
    let good = text.split('.').all(is_dns_part);
    too_long(text, 253).into_iter().chain((!good).then(|| SUBDOMAIN.to_owned())).collect()
}

/// As of search domains of resolvers: parts may have underscores.
pub(crate) fn subdomain_underscore_problems(text: &str) -> Vec<String> {
    let part = |part: &str| {
        let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = part.strip_prefix('_').unwrap_or(part).as_bytes();
        !bytes.is_empty()
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && bytes.iter().all(|&c| edge(c) || matches!(c, b'-' | b'_'))
    };
    let good = text.split('.').all(part);
    too_long(text, 253).into_iter().chain((!good).then(|| SUBDOMAIN_UNDERSCORE.to_owned())).collect()
}

pub(crate) fn wildcard_problems(text: &str) -> Vec<String> {
    let good = text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_dns_part));
    too_long(text, 253).into_iter().chain((!good).then(|| WILDCARD.to_owned())).collect()
}

/// A domain of at least two parts, the last of which may end in a dot.
pub(crate) fn domain_name_problems(text: &str) -> Vec<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let problems = subdomain_problems(name);
    if !problems.is_empty() {
        return vec![problems.join(",")];
    }
    if !name.contains('.') {
        return vec!["should be a domain with at least two segments separated by dots".to_owned()];
    }
    Vec::new()
}

// === keys and values ===

fn is_name_part(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && bytes.iter().all(|&c| edge(c) || matches!(c, b'-' | b'_' | b'.'))
}

pub(crate) fn label_value_problems(text: &str) -> Vec<String> {
    let good = text.is_empty() || is_name_part(text);
    too_long(text, 63).into_iter().chain((!good).then(|| LABEL_VALUE.to_owned())).collect()
}

/// What is wrong with a `[prefix/]name`.
pub(crate) fn qualified_name_problems(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let mut problems = Vec::new();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                problems.extend(subdomain_problems(prefix).into_iter().map(|problem| format!("prefix part {problem}")));
            }
            name
        }
        _ => {
            let rest = QUALIFIED.trim_start_matches("name part");
            problems.push(format!(
                "a qualified name{rest} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return problems;
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    problems.extend(too_long(name, 63).map(|problem| format!("name part {problem}")));
    if !is_name_part(name) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

/// A key of a ConfigMap or Secret.
pub(crate) fn config_key_problems(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
    let up = match text {
        "." => Some("must not be '.'"),
        ".." => Some("must not be '..'"),
        text if text.starts_with("..") => Some("must not start with '..'"),
        _ => None,
    };
    let form = (!good).then(|| CONFIG_KEY.to_owned());
    too_long(text, 253).into_iter().chain(form).chain(up.map(str::to_owned)).collect()
}

/// The name of an environment variable.
pub(crate) fn variable_problems(text: &str) -> Vec<String> {
    let empty = text.is_empty().then(|| "environment variable name must be non-empty".to_owned());
    let bad = text.chars().any(|c| !(' '..='~').contains(&c) || c == '=');
    empty.into_iter().chain(bad.then(|| VARIABLE.to_owned())).collect()
}

/// A segment of a path: the name of what may have any other name.
pub(crate) fn path_segment_problems(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"].iter().filter(|c| text.contains(**c)).map(|c| format!("may not contain '{c}'")).collect(),
    }
}

/// The name of a port.
pub(crate) fn port_name_problems(name: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(name, 15).into_iter().collect();
    let mut refuse = |bad: bool, why: &str| problems.extend(bad.then(|| why.to_owned()));
    let good = !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    refuse(!good, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    refuse(!name.bytes().any(|c| c.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    refuse(name.contains("--"), "must not contain consecutive hyphens");
    refuse(name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen");
    problems
}

pub(crate) fn is_percent(text: &str) -> bool {
    text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
}

pub(crate) fn percent_problem(text: &str) -> Option<&'static str> {
    (!is_percent(text)).then_some(PERCENT)
}

pub(crate) fn header_problem(text: &str) -> Option<&'static str> {
    let good = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    (!good).then_some(HEADER)
}

/// `([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?`
pub(crate) fn is_sysctl(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        !bytes.is_empty()
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && bytes.iter().all(|&c| edge(c) || matches!(c, b'-' | b'_'))
    };
    text.len() <= 253 && text.split(['.', '/']).all(part)
}

// === addresses ===

/// An address as Go once read them: leading zeros of IPv4 are nothing.
pub(crate) fn legacy_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|address| match address.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(address),
        });
    }
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    <[u8; 4]>::try_from(parts).ok().map(|parts| IpAddr::V4(Ipv4Addr::from(parts)))
}

/// A block of addresses as Go once read them: its address, and how many bits it is of.
pub(crate) fn legacy_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address_read = legacy_ip(address)?;
    let most = if address.contains(':') { 128 } else { 32 };
    let good = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|c| c.is_ascii_digit());
    let bits: u8 = good.then(|| bits.parse().ok()).flatten().filter(|bits| *bits <= most)?;
    Some((address_read, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_apimachinery() {
        assert!(label_problems("a-b").is_empty());
        assert_eq!(label_problems("a.b"), ["must not contain dots"]);
        assert_eq!(label_problems(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert!(wildcard_problems("*.a.b").is_empty() && !wildcard_problems("*").is_empty());
        assert_eq!(port_name_problems("-").len(), 2);
        assert!(is_percent("10%") && !is_percent("-1%") && !is_percent("%"));
        assert!(is_sysctl("net.ipv4/ip_forward") && !is_sysctl("A b"));
        assert_eq!(legacy_ip("010.0.0.1"), "10.0.0.1".parse().ok());
        assert_eq!(legacy_ip("::ffff:1.2.3.4"), "1.2.3.4".parse().ok());
        assert!(legacy_ip("1.2.3").is_none() && legacy_ip("1.2.3.+4").is_none());
        assert!(legacy_cidr("10.0.0.0/33").is_none() && legacy_cidr("fd00::/64").is_some());
        assert_eq!(variable_problems("a=b").len(), 1);
    }
}
