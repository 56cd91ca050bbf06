//! As much DER as certificates and keys need.

/// One element: tag, length, content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    if len < 0x80 {
        out.push(u8::try_from(len).unwrap_or(0));
    } else {
        let bytes = len.to_be_bytes();
        let skip = bytes.iter().take_while(|it| **it == 0).count();
        out.push(0x80 | u8::try_from(bytes.len() - skip).unwrap_or(0));
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(content);
    out
}

/// A sequence of elements.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A number that is not negative.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|it| *it != 0).unwrap_or_else(|| bytes.len().saturating_sub(1));
    let mut content = bytes[start..].to_vec();
    if content.first().is_none_or(|it| it & 0x80 != 0) {
        content.insert(0, 0);
    }
    element(2, &content)
}

/// Whole bytes as a bit string.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(bytes);
    element(3, &content)
}

/// The element that a text of bytes starts with: its tag, its content and all of it.
pub(super) fn read(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, head) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        if count > 4 {
            return None;
        }
        let len = rest.get(..count)?.iter().fold(0_usize, |len, it| len << 8 | usize::from(*it));
        (len, 2 + count)
    };
    Some((tag, bytes.get(head..head.checked_add(len)?)?, bytes.get(..head + len)?))
}

/// The elements inside of a content.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (_, _, whole) = read(bytes)?;
        out.push(whole);
        bytes = &bytes[whole.len()..];
    }
    Some(out)
}

/// Bytes as PEM.
pub(super) fn to_pem(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// The first block of a PEM text: its kind and its bytes.
pub(super) fn from_pem(text: &str) -> Option<(String, Vec<u8>)> {
    use base64::Engine as _;
    let start = text.find("-----BEGIN ")? + 11;
    let (kind, rest) = text[start..].split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let body: String = body.chars().filter(|it| !it.is_whitespace()).collect();
    Some((kind.to_owned(), base64::engine::general_purpose::STANDARD.decode(body).ok()?))
}
