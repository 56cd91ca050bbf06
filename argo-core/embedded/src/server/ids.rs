//! Seeded uids and name suffixes: the n-th draw of a seed is always the same, also over a restart.

use sha2::{Digest, Sha256};

/// The letters of generated names: no vowels, no digits that look like letters.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A counter hashed with a seed.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    seed: u64,
    drawn: u64,
}

// === impl Ids ===

impl Ids {
    pub(crate) fn new(seed: u64, drawn: u64) -> Self {
        Self { seed, drawn }
    }

    /// How many ids were drawn.
    pub(crate) fn drawn(&self) -> u64 {
        self.drawn
    }

    /// Goes back to where it was: what was drawn since was not used.
    pub(crate) fn rewind(&mut self, drawn: u64) {
        self.drawn = drawn;
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut hasher = Sha256::new();
        hasher.update(self.seed.to_be_bytes());
        hasher.update(self.drawn.to_be_bytes());
        hasher.finalize().into()
    }

    /// A version 4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let mut bytes = self.draw();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let text = hex::encode(&bytes[..16]);
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..32])
    }

    /// Five characters for generateName.
    pub(crate) fn suffix(&mut self) -> String {
        self.draw()[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
    }

    /// A number below `bound`.
    pub(crate) fn number(&mut self, bound: u64) -> u64 {
        let bytes = self.draw();
        u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
            % bound.max(1)
    }
}
