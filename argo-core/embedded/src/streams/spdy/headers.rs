//! Header blocks: name and value pairs in one compressed stream per direction.

use std::io;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::dictionary::dictionary;

/// The largest header block taken, unpacked.
const LIMIT: usize = 32 * 1024;
/// How far back a compressed stream refers.
const WINDOW: usize = 32 * 1024;

/// Unpacks the client's header blocks.
pub(super) struct Unpacker {
    state: Box<DecompressorOxide>,
    /// What was unpacked lately, with the dictionary before it.
    window: Vec<u8>,
    position: usize,
    begun: bool,
}

/// Packs the server's header blocks: as they are, which is a valid compressed stream too.
#[derive(Default)]
pub(super) struct Packer {
    begun: bool,
}

// === impl Unpacker ===

impl Unpacker {
    pub(super) fn new() -> Self {
        let mut window = dictionary();
        let position = window.len();
        window.resize(2 * WINDOW + LIMIT, 0);
        Self { state: Box::default(), window, position, begun: false }
    }

    /// The headers of a block, in order.
    pub(super) fn unpack(&mut self, mut block: &[u8]) -> io::Result<Vec<(String, String)>> {
        if !self.begun {
            // The head of a zlib stream, with the checksum of the dictionary if it uses one.
            let flags = block.get(1).ok_or_else(|| bad("a header block is cut off"))?;
            let head = if flags & 0x20 == 0 { 2 } else { 6 };
            block = block.get(head..).ok_or_else(|| bad("a header block is cut off"))?;
            self.begun = true;
        }
        if self.window.len() - self.position < LIMIT {
            self.window.copy_within(self.position - WINDOW..self.position, 0);
            self.position = WINDOW;
        }
        let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let begin = self.position;
        let (status, _, written) = decompress(&mut self.state, block, &mut self.window, self.position, flags);
        self.position += written;
        match status {
            TINFLStatus::NeedsMoreInput | TINFLStatus::Done => parse(&self.window[begin..self.position]),
            TINFLStatus::HasMoreOutput => Err(bad("a header block is too large")),
            _ => Err(bad("a header block cannot be unpacked")),
        }
    }
}

// === impl Packer ===

impl Packer {
    /// A block without headers.
    pub(super) fn empty(&mut self) -> Vec<u8> {
        let mut block = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            block.extend_from_slice(&[0x78, 0x01]);
        }
        // A stored block with the number of headers, and an empty one that flushes it.
        block.extend_from_slice(&[0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]);
        block.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
        block
    }
}

fn parse(mut block: &[u8]) -> io::Result<Vec<(String, String)>> {
    let count = number(&mut block)?;
    if count > 256 {
        return Err(bad("too many headers"));
    }
    (0..count).map(|_| Ok((text(&mut block)?, text(&mut block)?))).collect()
}

fn number(block: &mut &[u8]) -> io::Result<usize> {
    let (head, rest) = block.split_first_chunk::<4>().ok_or_else(|| bad("a header block is cut off"))?;
    *block = rest;
    Ok(u32::from_be_bytes(*head) as usize)
}

fn text(block: &mut &[u8]) -> io::Result<String> {
    let length = number(block)?;
    let bytes = block.get(..length).ok_or_else(|| bad("a header block is cut off"))?;
    *block = &block[length..];
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_the_one_of_the_protocol() {
        let dictionary = dictionary();
        assert_eq!(dictionary.len(), 1423);
        // Adler-32, as every client announces it.
        let (low, high) = dictionary.iter().fold((1u32, 0u32), |(low, high), byte| {
            let low = (low + u32::from(*byte)) % 65_521;
            (low, (high + low) % 65_521)
        });
        assert_eq!((high << 16) | low, 0xe3c6_a7c2);
    }

    #[test]
    fn what_the_packer_packs_can_be_unpacked() {
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::new());
        for _ in 0..3 {
            assert_eq!(unpacker.unpack(&packer.empty()).expect("valid"), []);
        }
    }
}
