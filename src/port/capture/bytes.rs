//! Fixed-size headers in either byte order, read without a bounds check that could fail.

/// The order in which a file (pcap) or a section (pcapng) stores its integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// The 16-bit integer at byte `AT` of a header of `N` bytes; that it fits is checked when compiled.
    #[inline(always)]
    pub(super) fn u16_at<const AT: usize, const N: usize>(self, header: &[u8; N]) -> u16 {
        const { assert!(AT + 2 <= N) };
        let field = [header[AT], header[AT + 1]];
        match self {
            ByteOrder::Little => u16::from_le_bytes(field),
            ByteOrder::Big => u16::from_be_bytes(field),
        }
    }

    /// The 32-bit integer at byte `AT` of a header of `N` bytes; that it fits is checked when compiled.
    #[inline(always)]
    pub(super) fn u32_at<const AT: usize, const N: usize>(self, header: &[u8; N]) -> u32 {
        const { assert!(AT + 4 <= N) };
        let field = [header[AT], header[AT + 1], header[AT + 2], header[AT + 3]];
        match self {
            ByteOrder::Little => u32::from_le_bytes(field),
            ByteOrder::Big => u32::from_be_bytes(field),
        }
    }

    /// A whole eight-byte field as a signed integer.
    pub(super) fn i64(self, field: [u8; 8]) -> i64 {
        match self {
            ByteOrder::Little => i64::from_le_bytes(field),
            ByteOrder::Big => i64::from_be_bytes(field),
        }
    }
}

/// The `N` bytes at `at`, or nothing where `bytes` ends before them.
#[inline(always)]
pub(super) fn header_at<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk)
}

/// `len` rounded up to a multiple of four, as pcapng pads; saturates at `usize::MAX`.
#[inline(always)]
pub(super) const fn padded_to_four(len: usize) -> usize {
    len.saturating_add(len.wrapping_neg() & 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_follow_the_byte_order() {
        let header = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(ByteOrder::Little.u16_at::<1, 8>(&header), 0x0302);
        assert_eq!(ByteOrder::Big.u16_at::<1, 8>(&header), 0x0203);
        assert_eq!(ByteOrder::Little.u32_at::<4, 8>(&header), 0x0807_0605);
        assert_eq!(ByteOrder::Big.u32_at::<4, 8>(&header), 0x0506_0708);
        assert_eq!(ByteOrder::Big.i64([0xff; 8]), -1);
    }

    #[test]
    fn a_header_beyond_the_end_is_none_and_padding_rounds_up() {
        assert_eq!(header_at::<4>(&[1, 2, 3, 4], 0), Some(&[1, 2, 3, 4]));
        assert_eq!(header_at::<4>(&[1, 2, 3, 4], 1), None);
        assert_eq!(header_at::<1>(&[], usize::MAX), None);
        assert_eq!([0, 1, 4, 5].map(padded_to_four), [0, 4, 4, 8]);
        assert_eq!(padded_to_four(usize::MAX), usize::MAX);
    }
}
