//! ULIDs: names that sort by the time they were made.

use argo_core::Timestamp;
use sha2::{Digest, Sha256};

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A ULID in lower case: 48 bits of milliseconds and 80 bits drawn from `seed`.
#[must_use]
pub fn ulid(now: Timestamp, seed: &str) -> String {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default() & 0xffff_ffff_ffff;
    let hash = Sha256::digest(seed.as_bytes());
    let random = hash.iter().take(10).fold(0u128, |acc, byte| (acc << 8) | u128::from(*byte));
    let value = (u128::from(millis) << 80) | random;
    (0..26).map(|i| char::from(CROCKFORD[(value >> (5 * (25 - i)) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_head_and_sorts() {
        // The reference vector of the ULID specification: 1469918176385 is 01ARYZ6S41.
        let at = Timestamp::from_millisecond(1_469_918_176_385).unwrap();
        assert!(ulid(at, "x").starts_with("01aryz6s41"));
        assert_eq!(ulid(at, "x").len(), 26);
        assert_eq!(ulid(at, "x"), ulid(at, "x"));
        assert_ne!(ulid(at, "x"), ulid(at, "y"));
        let later = Timestamp::from_millisecond(1_469_918_176_386).unwrap();
        assert!(ulid(at, "x") < ulid(later, "a"));
    }
}
