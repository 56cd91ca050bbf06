//! YAML text to JSON values.

use serde_json::Value;

use super::YamlError;
use super::read::Reader;

/// Bounds and choices of a decode. The defaults refuse duplicate keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Take the last of several equal keys, as a non-strict Go decode does, instead of an error. Default false.
    pub last_key_wins: bool,
    /// Only `true` and `false` (capitalised or in capitals) are booleans, as kyaml and so Kustomize reads: `yes`, `on`,
    /// `n` are texts. Default false.
    pub only_true_and_false: bool,
    /// Longest accepted text in bytes. Default 64 MiB.
    pub max_bytes: usize,
    /// Deepest accepted nesting. Default 200.
    pub max_depth: usize,
    /// Most values that a document may have after its aliases are expanded. Default 4,000,000.
    pub max_nodes: usize,
    /// Most values that aliases may add. Default 400,000.
    pub max_alias_nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            last_key_wins: false,
            only_true_and_false: false,
            max_bytes: 64 << 20,
            max_depth: 200,
            max_nodes: 4_000_000,
            max_alias_nodes: 400_000,
        }
    }
}

impl Options {
    /// The non-strict form: of equal keys the last wins.
    #[must_use]
    pub fn lenient() -> Self {
        Self { last_key_wins: true, ..Self::default() }
    }

    /// As Kustomize reads: `yes` and `on` are texts, equal keys an error.
    #[must_use]
    pub fn kustomize() -> Self {
        Self { only_true_and_false: true, ..Self::default() }
    }
}

/// Decodes the first document of a YAML or JSON text. An empty text is null.
///
/// # Errors
/// The text is not YAML, has a duplicate key, or has no JSON form.
pub fn decode(text: &str) -> Result<Value, YamlError> {
    decode_with(text, &Options::default())
}

/// [`decode`] with chosen options.
///
/// # Errors
/// As [`decode`], and when a bound is exceeded.
pub fn decode_with(text: &str, options: &Options) -> Result<Value, YamlError> {
    Ok(read(text, options, true)?.into_iter().next().unwrap_or(Value::Null))
}

/// Decodes every document of a stream, empty ones as null.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(text: &str) -> Result<Vec<Value>, YamlError> {
    decode_all_with(text, &Options::default())
}

/// [`decode_all`] with chosen options.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_all_with(text: &str, options: &Options) -> Result<Vec<Value>, YamlError> {
    read(text, options, false)
}

/// [`decode`] of a file's bytes: UTF-8 with or without byte order mark, or UTF-16 with one.
///
/// # Errors
/// As [`decode`], and when the bytes are not text.
pub fn decode_bytes(bytes: &[u8]) -> Result<Value, YamlError> {
    decode(&text_of_bytes(bytes)?)
}

/// The text of a file: UTF-8 with or without byte order mark, or UTF-16 with one.
///
/// # Errors
/// The bytes are not text.
pub fn text_of_bytes(bytes: &[u8]) -> Result<String, YamlError> {
    let not_text = || YamlError::Syntax { line: 1, column: 0, message: "invalid Unicode".to_owned() };
    let utf16 = |rest: &[u8], join: fn([u8; 2]) -> u16| {
        if !rest.len().is_multiple_of(2) {
            return Err(not_text());
        }
        let units: Vec<u16> = rest.chunks_exact(2).map(|it| join([it[0], it[1]])).collect();
        String::from_utf16(&units).map_err(|_| not_text())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).map(str::to_owned).map_err(|_| not_text()),
        _ => std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| not_text()),
    }
}

fn read(text: &str, options: &Options, only_first: bool) -> Result<Vec<Value>, YamlError> {
    if text.len() > options.max_bytes {
        return Err(YamlError::Limit("document is too large"));
    }
    let mut reader = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text), options);
    let mut documents = Vec::new();
    while let Some(document) = reader.document()? {
        documents.push(document);
        if only_first {
            break;
        }
    }
    Ok(documents)
}
