//! Names of Kubernetes objects: hashes, generated suffixes, shortening and validation.

use sha2::Digest as _;

use crate::random::Random;

/// Longest label value and longest DNS label.
pub const LABEL_MAX: usize = 63;
/// Longest object name.
pub const NAME_MAX: usize = 253;

/// The letters of generated names: no vowels, no look-alikes.
const SAFE: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;

/// FNV-1a, 32 bits.
#[must_use]
pub fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// FNV-1a, 64 bits.
#[must_use]
pub fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// FNV-1, 64 bits.
#[must_use]
pub fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte))
}

/// `rand.SafeEncodeString`: a text of digits or hex as letters that make no words. Pod-template hashes end in it.
#[must_use]
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|it| char::from(SAFE[usize::from(it) % SAFE.len()])).collect()
}

/// Five letters for `generateName`, decided by a seed.
#[must_use]
pub fn suffix(seed: u64) -> String {
    let mut random = Random::new(seed);
    (0..SUFFIX).map(|_| char::from(SAFE[usize::try_from(random.below(SAFE.len() as u64)).unwrap_or(0)])).collect()
}

/// The name the API server gives for a `generateName`: the base, cut so that the whole has 63 bytes, and a suffix.
#[must_use]
pub fn generate(base: &str, seed: u64) -> String {
    format!("{}{}", cut(base, LABEL_MAX - SUFFIX), suffix(seed))
}

/// The longest beginning of at most `max` bytes that ends between characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Shortens a text that is too long, as Kargo does: the first `max - 9` bytes without trailing hyphens, a hyphen and
/// eight hex digits of its SHA-256.
#[must_use]
pub fn hash_shorten(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let hash = hex::encode(sha2::Sha256::digest(text));
    format!("{}-{}", cut(text, max.saturating_sub(9)).trim_end_matches('-'), &hash[..8])
}

fn regex_error(message: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|it| format!("'{it}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn edges(text: &str, inner: impl Fn(u8) -> bool, edge: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => edge(*first) && edge(*last) && bytes.iter().all(|it| inner(*it)),
        _ => false,
    }
}

fn lower(it: u8) -> bool {
    it.is_ascii_lowercase() || it.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    edges(text, |it| lower(it) || it == b'-', lower)
}

/// What is wrong with a DNS-1123 label (names of namespaces, ports, containers); empty when nothing is.
#[must_use]
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX));
    }
    if !is_label(text) {
        if text.split('.').all(is_label) && text.contains('.') {
            errors.push("must not contain dots".to_owned());
        } else {
            errors.push(regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
                &["my-name", "123-abc"],
            ));
        }
    }
    errors
}

/// What is wrong with a DNS-1123 subdomain (names of most objects); empty when nothing is.
#[must_use]
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > NAME_MAX {
        errors.push(too_long(NAME_MAX));
    }
    if !text.split('.').all(is_label) {
        errors.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    errors
}

/// What is wrong with a DNS-1035 label (names of Services); empty when nothing is.
#[must_use]
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX));
    }
    if !is_label(text) || !text.starts_with(|it: char| it.is_ascii_lowercase()) {
        errors.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    errors
}

/// What is wrong with a label value; empty when nothing is.
#[must_use]
pub fn label_value(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} bytes"));
    }
    if !text.is_empty()
        && !edges(text, |it| it.is_ascii_alphanumeric() || b"-_.".contains(&it), |it| it.is_ascii_alphanumeric())
    {
        errors.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// What is wrong with the key of a label or annotation; empty when nothing is.
#[must_use]
pub fn qualified_name(text: &str) -> Vec<String> {
    const RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const PATTERN: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    const EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(dns1123_subdomain(prefix).into_iter().map(|it| format!("prefix part {it}")));
            }
            *name
        }
        _ => {
            let message = regex_error(&format!("a valid label key {RULE}"), PATTERN, &EXAMPLES);
            return vec![format!(
                "{message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !edges(name, |it| it.is_ascii_alphanumeric() || b"-_.".contains(&it), |it| it.is_ascii_alphanumeric()) {
        errors.push(regex_error(&format!("name part {RULE}"), PATTERN, &EXAMPLES));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_encodings_are_upstreams() {
        assert_eq!(fnv32a(b"hello"), 1_335_831_723);
        assert_eq!(fnv64a(b"hello"), 11_831_194_018_420_276_491);
        // '1' is byte 49, and 49 mod 27 is 22: the letter '5'
        assert_eq!(safe_encode("12"), "56");
        assert_eq!(hash_shorten("short", 63), "short");
        let long = "a".repeat(80);
        assert_eq!(hash_shorten(&long, 63).len(), 63);
    }

    #[test]
    fn generated_names_are_decided_by_the_seed() {
        assert_eq!(generate("web-", 1), generate("web-", 1));
        assert_ne!(generate("web-", 1), generate("web-", 2));
        assert_eq!(generate(&"x".repeat(100), 3).len(), 63);
    }

    #[test]
    fn messages_name_the_rule() {
        assert!(dns1123_subdomain("a.b-c.d").is_empty());
        assert_eq!(
            dns1123_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert!(!dns1035_label("1a").is_empty() && !label_value("-a").is_empty() && label_value("").is_empty());
        assert!(qualified_name("example.com/My_name").is_empty() && !qualified_name("/x").is_empty());
    }
}
