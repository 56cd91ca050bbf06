//! Values of Secrets.

use argo_core::Object;

/// Bytes of a value that are read.
const MAX_VALUE: usize = 1 << 20;

/// A value as text; absent when it is not there, empty, no base64 or no UTF-8.
#[must_use]
pub fn text(secret: &Object, key: &str) -> Option<String> {
    String::from_utf8(bytes(secret, key)?).ok().filter(|it| !it.is_empty())
}

/// A value; absent when it is not there or no base64.
#[must_use]
pub fn bytes(secret: &Object, key: &str) -> Option<Vec<u8>> {
    decode(secret.get("data")?.get(key)?.as_str()?)
}

/// Standard base64, with or without padding and line breaks, up to a megabyte.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_VALUE {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.bytes().filter(|it| !matches!(it, b'=' | b'\n' | b'\r')) {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap_or_default());
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn broken_base64_is_no_value() {
        assert_eq!(decode("YQ=="), Some(b"a".to_vec()));
        assert_eq!(decode("Y!"), None);
        let secret = Object::from_value(json!({"data": {"a": "YQ==", "empty": "", "odd": "/w==", "number": 1}}));
        assert_eq!(text(&secret, "a").as_deref(), Some("a"));
        assert_eq!((text(&secret, "empty"), text(&secret, "odd"), text(&secret, "number")), (None, None, None));
        assert_eq!(bytes(&secret, "odd"), Some(vec![255]));
    }
}
