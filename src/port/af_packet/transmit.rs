//! The transmitting half of a queue: packets are copied into the ring, the kernel is asked once a turn to send them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ffi::packet_socket::TransmitRing;

use super::account::Account;
use super::refusal;
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, Reason, checksum};
use crate::port::exchange::Exchange;
use crate::port::{Moved, Refusal, Transmit};

/// Bytes of an Ethernet header, the least a packet can have.
const ETHERNET: usize = 14;
/// Bytes beyond the MTU a packet may have: the Ethernet header and a VLAN tag.
const BEYOND_MTU: usize = ETHERNET + 4;

/// A queue's transmitting half.
pub(super) struct Transmitter {
    pub(super) ring: Box<TransmitRing>,
    pub(super) exchange: Arc<Exchange<Box<TransmitRing>>>,
    pub(super) account: Arc<Account>,
    /// What packets must start with.
    pub(super) link: LinkClass,
}

impl Transmit for Transmitter {
    #[inline]
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        if self.exchange.is_offered() {
            self.renew();
        }
        let mut moved = Moved::default();
        let can_send = self.account.can_send.load(Ordering::Relaxed);
        let most = self.account.mtu.load(Ordering::Relaxed) as usize + BEYOND_MTU;
        let most = most.min(self.ring.room());
        let mut refusal = None;
        let mut taken = 0;
        for packet in packets.iter_mut() {
            if let Some(reason) = fault(packet, self.link, most, can_send) {
                refusal = Some(Refusal::Never(reason));
                break;
            }
            if !self.ring.put(packet.data()) {
                refusal = Some(Refusal::Full);
                break;
            }
            moved.bytes += packet.len() as u64;
            taken += 1;
        }
        moved.packets = taken as u32;
        frames.release_each(packets.drain(..taken).map(Packet::into_frame));
        (moved, refusal)
    }

    fn flush(&mut self, _frames: &mut Frames) {
        if self.ring.unsent() == 0 {
            return;
        }
        let kicked = self.ring.kick();
        if kicked.rejected > 0 {
            Account::add(&self.account.rejected, kicked.rejected.into());
        }
        // Anything else (no buffer, no room in the queueing discipline) passes: the packets stay and are offered again.
        if kicked.error.is_some_and(|error| refusal::is_device_gone(&error)) {
            // The control thread says when there is a device again; what waits now is of no use then.
            self.account.can_send.store(false, Ordering::Relaxed);
            self.account.end_transmit(&mut self.ring);
        }
    }

    fn has_unsent(&self) -> bool {
        self.ring.unsent() > 0
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        self.flush(frames);
        self.account.end_transmit(&mut self.ring);
        Ok(())
    }
}

impl Transmitter {
    /// Takes the new ring that is offered.
    #[cold]
    fn renew(&mut self) {
        if let Some(mut old) = self.exchange.trade(&mut self.ring) {
            self.account.end_transmit(&mut old);
            self.exchange.leave(old);
        }
    }
}

/// Why a packet cannot be sent, if it cannot; its checksum is complete afterwards.
#[inline]
fn fault(packet: &mut Packet, link: LinkClass, most: usize, can_send: bool) -> Option<Reason> {
    if packet.len() == 0 {
        return Some(Reason::EMPTY);
    }
    if packet.link() != link {
        return Some(Reason::LINK_TYPE);
    }
    if packet.len() > most || (link == LinkClass::Ethernet && packet.len() < ETHERNET) {
        return Some(Reason::SIZE);
    }
    if !can_send || !checksum::complete(packet) {
        return Some(Reason::TRANSMIT_FAILED);
    }
    None
}
