//! Hashes of templates and steps, as text that is safe in names.

mod go;

use serde_json::Value;

const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash that names a pod template, as upstream computes it: FNV-1a over the template's JSON as Go
/// writes it, and over the collision count if there is one. A controller that takes over from upstream's
/// finds its ReplicaSets by name.
#[must_use]
pub fn pod_template(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = Fnv::default();
    hash.write(go::pod_template(template).as_bytes());
    if let Some(count) = collisions {
        let mut buffer = [0; 8];
        buffer[..4].copy_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        hash.write(&buffer);
    }
    hash.text()
}

/// The hash of the steps of a canary (`spec.strategy.canary.steps`, null where there are none), as upstream
/// computes it: a controller that takes over from upstream's goes on in the middle of an update.
#[must_use]
pub fn steps(steps: &Value) -> String {
    let mut hash = Fnv::default();
    hash.write(go::steps(steps).as_bytes());
    hash.text()
}

struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn text(&self) -> String {
        let digits = self.0.to_string();
        digits.bytes().map(|it| char::from(ALPHABET[usize::from(it) % ALPHABET.len()])).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fnv_1a_is_the_published_one() {
        let mut hash = Fnv::default();
        hash.write(b"foobar");
        assert_eq!(hash.0, 0xbf9c_f968);
        assert_eq!(Fnv(0).text(), "4", "the digit 0 is byte 48, which is 21 modulo 27");
    }

    #[test]
    fn nulls_do_not_count_and_collisions_do() {
        let of = |host: &str| json!({"spec": {"hostname": host}});
        let plain = pod_template(&of("a"), None);
        assert_eq!(plain, pod_template(&json!({"metadata": null, "spec": {"hostname": "a"}}), None));
        assert_ne!(plain, pod_template(&of("b"), None));
        assert_ne!(plain, pod_template(&of("a"), Some(1)));
    }
}
