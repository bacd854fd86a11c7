//! Where the kernel puts what (`linux/if_packet.h`, `linux/virtio_net.h`). Plain reads of plain slices: a length
//! that leads out of them is a [`Damage`], never an access.

/// `TP_STATUS_KERNEL`, `TP_STATUS_AVAILABLE`: the kernel's to fill, ours to fill.
pub(super) const KERNEL: u32 = 0;
pub(super) const AVAILABLE: u32 = 0;
/// `TP_STATUS_USER`: received and ours.
pub(super) const USER: u32 = 1;
/// `TP_STATUS_CSUMNOTREADY`: the checksum is left to the card.
const CHECKSUM_NOT_READY: u32 = 1 << 3;
/// `TP_STATUS_VLAN_VALID`, `TP_STATUS_VLAN_TPID_VALID`.
const VLAN_VALID: u32 = 1 << 4;
const VLAN_TPID_VALID: u32 = 1 << 6;
/// `TP_STATUS_SEND_REQUEST`, `TP_STATUS_SENDING`, `TP_STATUS_WRONG_FORMAT`: ours to be sent, on its way, refused.
pub(super) const SEND_REQUEST: u32 = 1;
pub(super) const SENDING: u32 = 1 << 1;
pub(super) const WRONG_FORMAT: u32 = 1 << 2;

/// Bytes of `tpacket2_hdr`, `tpacket3_hdr`, `virtio_net_hdr`.
pub(super) const HEADER_V2: usize = 32;
pub(super) const HEADER_V3: usize = 48;
pub(super) const VIRTIO_HEADER: usize = 10;
/// Bytes of a block's `tpacket_block_desc`, and where its status word lies.
pub(super) const BLOCK_HEADER: usize = 48;
pub(super) const BLOCK_STATUS: usize = 8;
/// Bytes before a received packet at most: the header, `sockaddr_ll` (20), a link header in a field of 16, the
/// virtio header, each rounded up to 16 (`tpacket_rcv` in net/packet/af_packet.c).
pub(super) const BEFORE_PACKET: usize = HEADER_V3 + 32 + 16 + 16;
/// Where a packet to be sent starts in its slot: the V2 header, then the virtio header (`tpacket_parse_header`).
pub(super) const SEND_AT: usize = HEADER_V2 + VIRTIO_HEADER;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const NEEDS_CHECKSUM: u8 = 1;
/// `ETH_P_8021Q`: the tag's type where the kernel does not tell.
const TPID_8021Q: u16 = 0x8100;

/// A length or an offset in the ring that leads out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage;

/// A packet as its header in the ring describes it; positions count from the slice's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// First byte.
    pub(super) start: usize,
    /// One past the last.
    pub(super) end: usize,
    /// Bytes it had before the ring cut it.
    pub(super) wire_len: u32,
    /// Tag control information and type of the tag that was taken off.
    pub(super) vlan: Option<(u16, u16)>,
    /// First byte covered by a checksum left to the card, and where its field is after that.
    pub(super) checksum: Option<(u16, u16)>,
}

/// What the head of a block of a V3 ring says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Packets in it.
    pub(super) packets: u32,
    /// Where the first one's header is.
    pub(super) first: usize,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_ne_bytes(*word))
}

/// The head of a block (`tpacket_hdr_v1`).
#[inline]
pub(super) fn block(bytes: &[u8]) -> Result<Block, Damage> {
    let packets = u32_at(bytes, 12).ok_or(Damage)?;
    let first = u32_at(bytes, 16).ok_or(Damage)? as usize;
    if packets > 0 && (first < BLOCK_HEADER || first > bytes.len()) {
        return Err(Damage);
    }
    Ok(Block { packets, first })
}

/// The packet whose `tpacket3_hdr` is `at` bytes into a block, and where the next one's is: the block's end where
/// the header says that there is none.
#[inline]
pub(super) fn packet_v3(block: &[u8], at: usize) -> Result<(Found, usize), Damage> {
    let header = block.get(at..).and_then(|rest| rest.first_chunk::<HEADER_V3>()).ok_or(Damage)?;
    let word = |n: usize| u32::from_ne_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
    let half = |n: usize| u16::from_ne_bytes([header[n], header[n + 1]]);
    let (step, snapped, wire_len, status) = (word(0) as usize, word(12), word(16), word(20));
    let tag = (word(32) as u16, half(36));
    let found = found(block, at, HEADER_V3, half(24), snapped, wire_len, status, tag)?;
    let next = match step {
        0 => block.len(),
        HEADER_V3.. => at.checked_add(step).filter(|next| *next <= block.len()).ok_or(Damage)?,
        _ => return Err(Damage),
    };
    Ok((found, next))
}

/// The packet in a slot of a V2 ring, whose `tpacket2_hdr` stands at its start.
#[inline]
pub(super) fn packet_v2(slot: &[u8]) -> Result<Found, Damage> {
    let header = slot.first_chunk::<HEADER_V2>().ok_or(Damage)?;
    let word = |n: usize| u32::from_ne_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
    let half = |n: usize| u16::from_ne_bytes([header[n], header[n + 1]]);
    found(slot, 0, HEADER_V2, half(12), word(8), word(4), word(0), (half(24), half(26)))
}

/// Checks what a header says against the bytes there are.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the fields of a header, one each")]
fn found(
    bytes: &[u8],
    at: usize,
    header: usize,
    mac: u16,
    snapped: u32,
    wire_len: u32,
    status: u32,
    (tci, tpid): (u16, u16),
) -> Result<Found, Damage> {
    if usize::from(mac) < header + VIRTIO_HEADER || snapped > wire_len {
        return Err(Damage);
    }
    let start = at + usize::from(mac);
    let end = start.checked_add(snapped as usize).filter(|end| *end <= bytes.len()).ok_or(Damage)?;
    let mut found = Found { start, end, wire_len, vlan: None, checksum: None };
    if status & VLAN_VALID != 0 {
        found.vlan = Some((tci, if status & VLAN_TPID_VALID != 0 { tpid } else { TPID_8021Q }));
    }
    if status & CHECKSUM_NOT_READY != 0 {
        found.checksum = checksum_place(bytes, start - VIRTIO_HEADER);
    }
    Ok(found)
}

/// Where the checksum that is left to the card belongs, as the virtio header before the packet says.
fn checksum_place(bytes: &[u8], at: usize) -> Option<(u16, u16)> {
    let flags = *bytes.get(at)?;
    (flags & NEEDS_CHECKSUM != 0).then_some((u16_at(bytes, at + 6)?, u16_at(bytes, at + 8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A V3 header at `at`: mac offset 90, so much snapped and on the wire.
    fn put_v3(block: &mut [u8], at: usize, step: u32, mac: u16, snapped: u32, wire: u32, status: u32) {
        for (field, value) in [(0, step), (12, snapped), (16, wire), (20, status), (32, 0x2005)] {
            block[at + field..at + field + 4].copy_from_slice(&value.to_ne_bytes());
        }
        block[at + 24..at + 26].copy_from_slice(&mac.to_ne_bytes());
        block[at + 36..at + 38].copy_from_slice(&0x88a8u16.to_ne_bytes());
    }

    #[test]
    fn a_packet_of_a_block_is_found_with_its_tag_and_its_checksum_s_place() {
        let mut block = vec![0u8; 4096];
        put_v3(&mut block, 48, 160, 90, 60, 60, USER | VLAN_VALID | VLAN_TPID_VALID | CHECKSUM_NOT_READY);
        block[48 + 80] = NEEDS_CHECKSUM;
        block[48 + 86..48 + 88].copy_from_slice(&34u16.to_ne_bytes());
        block[48 + 88..48 + 90].copy_from_slice(&16u16.to_ne_bytes());
        let (found, next) = packet_v3(&block, 48).unwrap();
        let expected = Found {
            start: 138,
            end: 198,
            wire_len: 60,
            vlan: Some((0x2005, 0x88a8)),
            checksum: Some((34, 16)),
        };
        assert_eq!((found, next), (expected, 208));
        put_v3(&mut block, 48, 0, 90, 60, 1500, USER | VLAN_VALID);
        let (found, next) = packet_v3(&block, 48).unwrap();
        assert_eq!(
            (found.vlan, found.wire_len, found.checksum, next),
            (Some((0x2005, 0x8100)), 1500, None, 4096)
        );
    }

    #[test]
    fn lengths_that_lead_out_of_the_block_are_damage() {
        let mut block = vec![0u8; 1024];
        let cases = [
            (0, 90, 1024, 1024), // longer than what is left
            (0, 90, u32::MAX, u32::MAX),
            (0, u16::MAX, 60, 60), // starts behind the end
            (0, 57, 60, 60),       // starts inside its own header and the virtio header
            (0, 90, 61, 60),       // more here than there was
            (1, 90, 60, 60),       // the next one inside this one's header
            (2000, 90, 60, 60),    // the next one behind the end
            (u32::MAX, 90, 60, 60),
        ];
        for (step, mac, snapped, wire) in cases {
            put_v3(&mut block, 48, step, mac, snapped, wire, USER);
            assert_eq!(packet_v3(&block, 48), Err(Damage), "{step} {mac} {snapped} {wire}");
        }
        for at in [977, 1024, usize::MAX - 3] {
            assert_eq!(packet_v3(&block, at), Err(Damage), "{at}");
        }
    }

    #[test]
    fn a_block_says_where_its_first_packet_is_and_is_not_believed() {
        let mut head = vec![0u8; 256];
        assert_eq!(block(&head), Ok(Block { packets: 0, first: 0 }));
        for (packets, first, sound) in
            [(3, 48, true), (1, 256, true), (1, 47, false), (1, 257, false), (1, u32::MAX, false)]
        {
            head[12..16].copy_from_slice(&u32::to_ne_bytes(packets));
            head[16..20].copy_from_slice(&u32::to_ne_bytes(first));
            assert_eq!(block(&head).is_ok(), sound, "{packets} {first}");
        }
        assert_eq!(block(&head[..18]), Err(Damage));
    }

    #[test]
    fn a_slot_is_read_and_not_believed() {
        let mut slot = vec![0u8; 256];
        let mut put = |status: u32, wire: u32, snapped: u32, mac: u16| {
            for (at, value) in [(0, status), (4, wire), (8, snapped)] {
                slot[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            }
            slot[12..14].copy_from_slice(&mac.to_ne_bytes());
            slot[24..26].copy_from_slice(&7u16.to_ne_bytes());
            packet_v2(&slot)
        };
        let found = put(USER | VLAN_VALID, 2000, 166, 90).unwrap();
        assert_eq!((found.start, found.end, found.wire_len, found.vlan), (90, 256, 2000, Some((7, 0x8100))));
        assert_eq!(put(USER, 2000, 167, 90), Err(Damage));
        assert_eq!(put(USER, 60, 60, 41), Err(Damage));
        assert_eq!(put(USER, 59, 60, 90), Err(Damage));
        assert_eq!(packet_v2(&[0; 31]), Err(Damage));
    }
}
