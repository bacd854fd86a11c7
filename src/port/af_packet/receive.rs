//! The receiving half of a queue: packets are copied from the ring into frames.

use std::sync::Arc;

use ffi::packet_socket::{Arrived, ReceiveRing, VlanTag};

use super::account::Account;
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::exchange::Exchange;
use crate::port::{Gate, Moved, Receive, Supply};

/// Bytes of the two addresses of an Ethernet header, after which a VLAN tag stands.
const ADDRESSES: usize = 12;
/// Bytes of a VLAN tag.
const TAG: usize = 4;

/// A queue's receiving half.
pub(super) struct Receiver {
    pub(super) port: PortId,
    pub(super) link: LinkClass,
    pub(super) ring: Box<ReceiveRing>,
    pub(super) exchange: Arc<Exchange<Box<ReceiveRing>>>,
    pub(super) account: Arc<Account>,
}

impl Receive for Receiver {
    #[inline]
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
        _gate: Gate,
    ) -> Moved {
        let mut moved = Moved::default();
        // A packet is taken out of the ring only when there is a frame for it: without one it stays, and a ring that
        // fills up is counted by the kernel.
        let limit = limit.min(frames.available());
        let room = frames.room();
        for _ in 0..limit {
            let Some(arrived) = self.ring.next() else { break };
            let len = arrived.bytes.len() + if arrived.vlan.is_some() { TAG } else { 0 };
            if arrived.is_cut() || len > room {
                Account::add(&self.account.larger_than_frame, 1);
                continue;
            }
            let Some(mut frame) = frames.acquire(len) else { break };
            fill(frame.bytes_mut(), &arrived);
            let mut packet = Packet::new(frame, self.port, self.link, now_ns);
            if let Some(checksum) = arrived.checksum {
                let shift = if arrived.vlan.is_some() { TAG as u16 } else { 0 };
                packet.set_checksum_partial_at(checksum.start.saturating_add(shift), checksum.field);
            }
            into.push(packet);
            moved.packets += 1;
            moved.bytes += len as u64;
        }
        self.ring.give_back();
        if moved.packets == 0 && self.exchange.is_offered() {
            self.renew();
        }
        moved
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }

    fn close(&mut self, _frames: &mut Frames) -> Result<(), String> {
        self.account.end_receive(&self.ring);
        if let Some(never_read) = self.exchange.take_back() {
            self.account.end_receive(&never_read);
        }
        Ok(())
    }
}

impl Receiver {
    /// Takes the new ring that is offered. The old one was just found empty: its device is no more.
    #[cold]
    fn renew(&mut self) {
        if let Some(old) = self.exchange.trade(&mut self.ring) {
            self.account.end_receive(&old);
            self.exchange.leave(old);
        }
    }
}

/// Copies a packet into its frame, which has the length of both, its VLAN tag back in its place. A packet too short for
/// the addresses has its tag at the end.
#[inline]
fn fill(frame: &mut [u8], arrived: &Arrived<'_>) {
    let Some(tag) = arrived.vlan else { return frame.copy_from_slice(arrived.bytes) };
    fill_tagged(frame, arrived.bytes, tag);
}

fn fill_tagged(frame: &mut [u8], bytes: &[u8], tag: VlanTag) {
    let (addresses, rest) = bytes.split_at(ADDRESSES.min(bytes.len()));
    let (front, back) = frame.split_at_mut(addresses.len());
    front.copy_from_slice(addresses);
    let (middle, back) = back.split_at_mut(TAG);
    middle[..2].copy_from_slice(&tag.protocol.to_be_bytes());
    middle[2..].copy_from_slice(&tag.control.to_be_bytes());
    back.copy_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_goes_back_behind_the_addresses() {
        let bytes: Vec<u8> = (0..20).collect();
        let mut frame = [0xff; 24];
        fill_tagged(&mut frame, &bytes, VlanTag { protocol: 0x88a8, control: 0x2005 });
        assert_eq!(frame[..12], bytes[..12]);
        assert_eq!(frame[12..16], [0x88, 0xa8, 0x20, 0x05]);
        assert_eq!(frame[16..], bytes[12..]);
        let mut short = [0xff; 7];
        fill_tagged(&mut short, &[1, 2, 3], VlanTag { protocol: 0x8100, control: 7 });
        assert_eq!(short, [1, 2, 3, 0x81, 0, 0, 7]);
    }
}
