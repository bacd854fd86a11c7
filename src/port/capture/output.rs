//! Words, padded bytes and options put to an output, counted.

use std::io::{self, Write};

use super::bytes::padded_to_four;

/// The most bytes of a comment or a name that are kept: what fits an option.
const MAX_OPTION_LEN: usize = 65_535;
/// No padding is longer than three bytes.
const ZEROS: [u8; 3] = [0; 3];

/// An output and the bytes that went to it.
#[derive(Debug)]
pub(super) struct Output<W> {
    out: W,
    written: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(out: W) -> Self {
        Output { out, written: 0 }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    pub(super) fn put_option(&mut self, code: u16, value: &[u8]) -> io::Result<()> {
        self.put_words(&[(value.len() as u32) << 16 | u32::from(code)])?;
        self.put_padded(value)
    }

    pub(super) fn put_padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)?;
        self.put(&ZEROS[..padded_to_four(bytes.len()) - bytes.len()])
    }

    /// Words, least significant byte first, in one write.
    #[inline]
    pub(super) fn put_words<const N: usize>(&mut self, words: &[u32; N]) -> io::Result<()> {
        self.put(words.map(u32::to_le_bytes).as_flattened())
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Bytes an option takes.
pub(super) fn option_len(value_len: usize) -> usize {
    4 + padded_to_four(value_len)
}

/// As much of a text as an option holds, cut between characters.
pub(super) fn truncated(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_OPTION_LEN)]
}
