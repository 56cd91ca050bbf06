//! Base 64 and base 32, with the places that Go names in its complaints.

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `base32.StdEncoding.EncodeToString`.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let used = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            let index = (bits >> (35 - 5 * place)) & 31;
            out.push(if place < used { char::from(BASE32[usize::try_from(index).unwrap_or(0)]) } else { '=' });
        }
    }
    out
}

/// `base32.StdEncoding.DecodeString`; the error is the place of the first wrong byte.
pub(crate) fn base32_decode(text: &str) -> Result<Vec<u8>, usize> {
    let bytes: Vec<u8> = text.bytes().filter(|it| !matches!(it, b'\r' | b'\n')).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let mut block = 0_u64;
        let mut count = 0;
        while count < 8 {
            let Some(&byte) = bytes.get(at) else {
                // Go counts from where the unfinished block began
                return Err(bytes.len() - count);
            };
            at += 1;
            if byte == b'=' && count >= 2 {
                let rest = 7 - count;
                if bytes.len() < at + rest {
                    return Err(bytes.len());
                }
                for place in 0..rest {
                    if bytes[at + place] != b'=' {
                        return Err(at + place);
                    }
                }
                at += rest;
                if matches!(count, 1 | 3 | 6) || at < bytes.len() {
                    return Err(at - rest - 1);
                }
                break;
            }
            match BASE32.iter().position(|it| *it == byte) {
                Some(value) => block = (block << 5) | value as u64,
                None => return Err(at - 1),
            }
            count += 1;
        }
        block <<= 5 * (8 - count);
        let used = count * 5 / 8;
        out.extend_from_slice(&block.to_be_bytes()[3..3 + used]);
    }
    Ok(out)
}

/// `base64.StdEncoding.DecodeString`; the error is the place of the first wrong byte.
pub(crate) fn base64_decode(text: &str) -> Result<Vec<u8>, usize> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    let skip = |mut at: usize| {
        while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        at
    };
    loop {
        let mut block = 0_u32;
        let mut count = 0;
        let mut ended = false;
        while count < 4 {
            at = skip(at);
            let Some(&byte) = bytes.get(at) else {
                if count == 0 {
                    return Ok(out);
                }
                return Err(at - count);
            };
            at += 1;
            if let Some(value) = BASE64.iter().position(|it| *it == byte) {
                block = (block << 6) | value as u32;
                count += 1;
                continue;
            }
            if byte != b'=' || count < 2 {
                return Err(at - 1);
            }
            if count == 2 {
                at = skip(at);
                match bytes.get(at) {
                    Some(b'=') => at += 1,
                    Some(_) => return Err(at - 1),
                    None => return Err(bytes.len()),
                }
            }
            at = skip(at);
            if at < bytes.len() {
                return Err(at);
            }
            ended = true;
            break;
        }
        block <<= 6 * (4 - count);
        out.extend_from_slice(&block.to_be_bytes()[1..count]);
        if ended {
            return Ok(out);
        }
    }
}
