//! Password hashes, derived passwords, and AES in CBC mode.

use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use sha2::Digest as _;

use super::keys::Random;
use crate::codecs::base64_decode;

/// bcrypt of cost 10 with a salt of the run.
pub(super) fn bcrypt(text: &str, random: &mut Random) -> String {
    if text.len() > 72 {
        return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned();
    }
    let mut salt = [0; 16];
    random.fill(&mut salt);
    match ::bcrypt::hash_with_salt(text, 10, salt) {
        Ok(parts) => parts.format_for_version(::bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len().min(64)].copy_from_slice(&key[..key.len().min(64)]);
    let pass = |pad: u8, parts: &[&[u8]]| {
        let mut hash = sha2::Sha256::new();
        hash.update(block.map(|it| it ^ pad));
        for part in parts {
            hash.update(part);
        }
        hash.finalize()
    };
    pass(0x5c, &[&pass(0x36, &[message])]).into()
}

const LETTERS: &str = "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The password of a site by the Master Password algorithm.
pub(super) fn derive(counter: u32, kind: &str, password: &str, user: &str, site: &str) -> String {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let Some(templates) = templates(kind) else { return format!("cannot find password template {kind}") };
    let counted = |text: &str| {
        let mut out = SEED.to_vec();
        out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(text.as_bytes());
        out
    };
    let mut key = [0; 64];
    let derived = scrypt::Params::new(15, 8, 2).map_err(|error| error.to_string()).and_then(|params| {
        scrypt::scrypt(password.as_bytes(), &counted(user), &params, &mut key).map_err(|error| error.to_string())
    });
    if let Err(error) = derived {
        return format!("failed to derive password: {error}");
    }
    let mut message = counted(site);
    message.extend(counter.to_be_bytes());
    let seed = hmac(&key, &message);
    let template = templates[usize::from(seed[0]) % templates.len()];
    template
        .bytes()
        .zip(&seed[1..])
        .map(|(class, byte)| {
            let extended;
            let set = match class {
                b'V' => "AEIOU",
                b'C' => "BCDFGHJKLMNPQRSTVWXYZ",
                b'v' => "aeiou",
                b'c' => "bcdfghjklmnpqrstvwxyz",
                b'n' => "0123456789",
                b'o' => "@&%?,=[]_:-+*$#!'^~;()/.",
                b'x' => {
                    extended = format!("{LETTERS}0123456789!@#$%^&*()");
                    extended.as_str()
                }
                _ => LETTERS,
            };
            char::from(set.as_bytes()[usize::from(*byte) % set.len()])
        })
        .collect()
}

fn cipher(password: &str) -> aes::Aes256 {
    let mut key = [0; 32];
    let bytes = password.as_bytes();
    key[..bytes.len().min(32)].copy_from_slice(&bytes[..bytes.len().min(32)]);
    aes::Aes256::new(&key.into())
}

/// AES-256 in CBC mode, the initial vector first, as base 64.
pub(super) fn encrypt(password: &str, text: &str, random: &mut Random) -> String {
    if text.is_empty() {
        return String::new();
    }
    let cipher = cipher(password);
    let mut previous = [0; 16];
    random.fill(&mut previous);
    let mut out = previous.to_vec();
    let padding = 16 - text.len() % 16;
    let mut content = text.as_bytes().to_vec();
    content.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or(16), padding));
    for chunk in content.chunks(16) {
        let mut block = [0; 16];
        for (place, byte) in chunk.iter().enumerate() {
            block[place] = byte ^ previous[place];
        }
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        previous.copy_from_slice(&block);
        out.extend_from_slice(&block);
    }
    base64::engine::general_purpose::STANDARD.encode(out)
}

/// What [`encrypt`] made, back as text.
pub(super) fn decrypt(password: &str, text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let bytes = base64_decode(text).map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    let Some((first, rest)) = bytes.split_at_checked(16) else {
        return Err(format!("runtime error: slice bounds out of range [:16] with capacity {}", bytes.len()));
    };
    if !rest.len().is_multiple_of(16) {
        return Err("crypto/cipher: input not full blocks".to_owned());
    }
    let cipher = cipher(password);
    let mut previous = first.to_vec();
    let mut out = Vec::with_capacity(rest.len());
    for chunk in rest.chunks(16) {
        let mut block = [0; 16];
        block.copy_from_slice(chunk);
        let mut block = block.into();
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(&previous).map(|(a, b)| a ^ b));
        previous = chunk.to_vec();
    }
    let padding = usize::from(out.last().copied().unwrap_or(0));
    match out.len().checked_sub(padding) {
        Some(len) if !out.is_empty() => {
            out.truncate(len);
            Ok(String::from_utf8_lossy(&out).into_owned())
        }
        _ => Err("runtime error: slice bounds out of range".to_owned()),
    }
}
