//! Hashes of templates and steps, as text that is safe in names.

use serde_json::Value;

use crate::api::CanaryStep;

const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash that names a pod template: FNV-1a over its JSON with sorted keys and without nulls,
/// after the collision count if there is one. Equal templates give equal hashes; which hash a
/// template has differs from upstream, whose JSON is in the order of Go's fields.
#[must_use]
pub fn pod_template(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = Fnv::default();
    if let Some(count) = collisions {
        let mut buffer = [0; 8];
        buffer[..4].copy_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        hash.write(&buffer);
    }
    hash.write(without_nulls(template).to_string().as_bytes());
    hash.text()
}

/// The hash of the steps; empty without a canary strategy.
#[must_use]
pub fn steps(steps: &[CanaryStep]) -> String {
    let mut hash = Fnv::default();
    hash.write(serde_json::to_string(steps).unwrap_or_default().as_bytes());
    hash.text()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, it)| !it.is_null()).map(|(key, it)| (key.clone(), without_nulls(it))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
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
        let plain = pod_template(&json!({"spec": {"a": 1}}), None);
        assert_eq!(plain, pod_template(&json!({"metadata": null, "spec": {"a": 1}}), None));
        assert_ne!(plain, pod_template(&json!({"spec": {"a": 2}}), None));
        assert_ne!(plain, pod_template(&json!({"spec": {"a": 1}}), Some(1)));
    }
}
