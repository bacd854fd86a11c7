//! pcapng options: code, length, value, padded to four bytes (draft-ietf-opsawg-pcapng, section 3.5).

use super::DamageKind;
use super::bytes::{ByteOrder, padded_to_four};

/// End of the list; what follows it is ignored.
pub(super) const END: u16 = 0;
/// UTF-8 text about whatever the block describes.
pub(super) const COMMENT: u16 = 1;
/// Name of the interface: UTF-8.
pub(super) const IF_NAME: u16 = 2;
/// Resolution of an interface's timestamps: one byte.
pub(super) const IF_TSRESOL: u16 = 9;
/// Seconds to add to them: eight bytes, signed.
pub(super) const IF_TSOFFSET: u16 = 14;
/// Name of the program that wrote the section: UTF-8.
pub(super) const SHB_USERAPPL: u16 = 4;

/// One option.
pub(super) struct BlockOption<'a> {
    pub(super) code: u16,
    pub(super) value: &'a [u8],
}

/// Walks the options of a block: ends after the last one, or after the damage it met.
pub(super) struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// The options in `rest`, which is what a block holds after its fixed fields and its packet.
    pub(super) fn new(order: ByteOrder, rest: &'a [u8]) -> Self {
        Options { order, rest }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<BlockOption<'a>, DamageKind>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, after) = std::mem::take(&mut self.rest).split_first_chunk::<4>()?;
        let (code, len) = (self.order.u16_at::<0, 4>(head), self.order.u16_at::<2, 4>(head));
        if code == END {
            return None;
        }
        let Some(value) = after.get(..usize::from(len)) else {
            return Some(Err(DamageKind::OptionBeyondBlock { code, len }));
        };
        self.rest = after.get(padded_to_four(value.len())..).unwrap_or_default();
        Some(Ok(BlockOption { code, value }))
    }
}

/// Whether every option stays inside its block.
pub(super) fn check(order: ByteOrder, rest: &[u8]) -> Result<(), DamageKind> {
    Options::new(order, rest).try_for_each(|option| option.map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_walked_to_the_end_mark() {
        let bytes = [0, 1, 0, 3, b'a', b'b', b'c', 0, 0, 2, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9];
        let codes: Vec<_> = Options::new(ByteOrder::Big, &bytes).map(|o| o.unwrap().code).collect();
        assert_eq!(codes, [COMMENT, IF_NAME]);
    }

    #[test]
    fn an_option_beyond_its_block_is_damage_and_the_last() {
        let mut options = Options::new(ByteOrder::Little, &[1, 0, 5, 0, b'a', b'b', b'c', b'd']);
        assert_eq!(options.next().unwrap().err(), Some(DamageKind::OptionBeyondBlock { code: 1, len: 5 }));
        assert!(options.next().is_none());
    }
}
