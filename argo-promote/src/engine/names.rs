//! Names made from names.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Cuts a name to `max` bytes: what is cut off is stood for by eight hex digits of the whole's SHA-256.
#[must_use]
pub fn hash_shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let end = (0..=max.saturating_sub(9)).rev().find(|it| name.is_char_boundary(*it)).unwrap_or_default();
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    format!("{}-{}", name[..end].trim_end_matches('-'), &hash[..8])
}

/// A name that fits a label's value (63).
#[must_use]
pub fn label_value(name: &str) -> String {
    hash_shorten(name, crate::api::names::LABEL_MAX)
}

/// A name that fits an object (253).
#[must_use]
pub fn object_name(name: &str) -> String {
    hash_shorten(name, crate::api::names::NAME_MAX)
}

/// Hex SHA-1.
#[must_use]
pub fn sha1_hex(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_head_and_end_in_a_hash() {
        assert_eq!(hash_shorten("short", 63), "short");
        let long = "a".repeat(70);
        let short = hash_shorten(&long, 63);
        assert_eq!(short.len(), 63);
        assert!(short.starts_with(&"a".repeat(54)));
        let hash = hex::encode(Sha256::digest(long.as_bytes()));
        assert_eq!(&short[55..], &hash[..8]);
        let dashed = format!("{}{}", "a".repeat(50), "-".repeat(30));
        assert!(hash_shorten(&dashed, 63).starts_with(&format!("{}-", "a".repeat(50))));
        assert!(!hash_shorten(&dashed, 63).contains("--"));
    }
}
