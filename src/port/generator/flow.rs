//! One conversation: its headers, where it has got to, and the writing of its next packet.
//!
//! A TCP flow opens with SYN, SYN and ACK, ACK (without the second where only the client speaks), then data
//! with PSH and ACK goes either way and sequence numbers advance by it. A UDP flow starts with its client.
//! What opens a TCP flow carries no data: its frame is as long as any other, padded with zeros.

use super::draw::Draw;
use super::ends::Ends;
use super::mix::{Mix, Shape};
use super::template::{Kind, Marks, TEMPLATE, fold, sums, template};

const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// Packets of a flow that may not be data either way.
const OPENING: u64 = 3;

/// A flow: three cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Flow {
    /// First bytes of packets from the client, and from the server.
    templates: [[u8; TEMPLATE]; 2],
    draw: Draw,
    /// The next sequence number of client and server (RFC 9293 section 3.4).
    next: [u32; 2],
    network_sum: u16,
    transport_sum: u16,
    kind: Kind,
    /// 1 where the server speaks too, else 0.
    both: u8,
}

const _: () = assert!(size_of::<Flow>() == 192);

/// What TCP says in a packet.
#[derive(Clone, Copy)]
struct Segment {
    flags: u8,
    acknowledged: u32,
}

impl Flow {
    /// The flow with this number.
    pub(super) fn new(number: u32, kind: Kind, both: bool, ends: &Ends, mut draw: Draw) -> Flow {
        let ends = ends.of(number, kind.ipv6(), &mut draw);
        let marks = Marks { vlan: 1 + draw.below(4094) as u16, label: draw.below(1 << 20) };
        let templates = [
            template(kind, &ends[CLIENT], &ends[SERVER], marks),
            template(kind, &ends[SERVER], &ends[CLIENT], marks),
        ];
        let [network_sum, transport_sum] = sums(kind, &templates[CLIENT]);
        let next = [draw.next() as u32, draw.next() as u32];
        Flow { templates, draw, next, network_sum, transport_sum, kind, both: u8::from(both) }
    }

    /// Writes the flow's next packet, which is its `number`th, to the start of `frame`, which has room for the
    /// longest packet of `mix`; returns its length.
    #[inline(always)]
    pub(super) fn write(&mut self, mix: &Mix, number: u64, frame: &mut [u8]) -> u32 {
        let draw = self.draw.next();
        let shape = mix.pick(self.kind, draw);
        if number < OPENING {
            return self.write_opening(mix, shape, draw, number, frame);
        }
        let way = (draw as u8 & self.both & 1) as usize;
        self.write_data(mix, shape, way, number, frame)
    }

    #[inline(always)]
    fn write_data(&mut self, mix: &Mix, shape: &Shape, way: usize, number: u64, frame: &mut [u8]) -> u32 {
        let segment = Segment { flags: PSH | ACK, acknowledged: self.next[1 - way] };
        self.write_headers(shape, way, number, segment, frame);
        self.next[way] = self.next[way].wrapping_add(u32::from(shape.data));
        let end = shape.frame as usize;
        if end > TEMPLATE {
            frame[TEMPLATE..end].copy_from_slice(&mix.data[TEMPLATE..end]);
        }
        shape.frame
    }

    #[cold]
    fn write_opening(&mut self, mix: &Mix, shape: &Shape, draw: u64, number: u64, frame: &mut [u8]) -> u32 {
        let both = usize::from(self.both);
        let (way, flags) = match (self.kind.tcp(), number, both) {
            (true, 0, _) => (CLIENT, SYN),
            (true, 1, 1) => (SERVER, SYN | ACK),
            (true, 1, _) | (true, 2, 1) => (CLIENT, ACK),
            (false, 0, _) => return self.write_data(mix, shape, CLIENT, number, frame),
            _ => return self.write_data(mix, shape, draw as usize & both, number, frame),
        };
        if number == 1 && both == 0 {
            // The server's SYN was sent where nobody sees it.
            self.next[SERVER] = self.next[SERVER].wrapping_add(1);
        }
        let acknowledged = if flags & ACK == 0 { 0 } else { self.next[1 - way] };
        self.write_headers(&shape.bare(self.kind), way, number, Segment { flags, acknowledged }, frame);
        self.next[way] = self.next[way].wrapping_add(u32::from(flags & SYN != 0));
        frame[self.kind.headers()..shape.frame as usize].fill(0);
        shape.frame
    }

    /// Writes the template, lengths, what TCP says, and the checksums that follow from them (RFC 1624).
    #[inline(always)]
    fn write_headers(&self, shape: &Shape, way: usize, number: u64, tcp: Segment, frame: &mut [u8]) {
        let Some(head) = frame.first_chunk_mut::<TEMPLATE>() else { return };
        *head = self.templates[way];
        let network = &mut head[self.kind.network_at()..];
        if self.kind.ipv6() {
            put(network, 4, shape.network);
        } else {
            // The identification of a packet that is not to be fragmented says nothing (RFC 6864): it counts.
            let identification = number as u16;
            let sum = u64::from(self.network_sum) + u64::from(shape.network) + u64::from(identification);
            put(network, 2, shape.network);
            put(network, 4, identification);
            put(network, 10, !fold(sum));
        }
        let sum = u64::from(self.transport_sum) + u64::from(shape.data_sum) + u64::from(shape.transport);
        let transport = &mut head[self.kind.transport_at()..];
        if self.kind.tcp() {
            let sequence = self.next[way];
            let sum = sum + u64::from(sequence) + u64::from(tcp.acknowledged) + u64::from(tcp.flags);
            put(transport, 4, (sequence >> 16) as u16);
            put(transport, 6, sequence as u16);
            put(transport, 8, (tcp.acknowledged >> 16) as u16);
            put(transport, 10, tcp.acknowledged as u16);
            transport[13] = tcp.flags;
            put(transport, 16, !fold(sum));
        } else {
            let checksum = !fold(sum + u64::from(shape.transport));
            put(transport, 4, shape.transport);
            put(transport, 6, if checksum == 0 { 0xffff } else { checksum });
        }
    }
}

/// Writes a 16-bit field in network order.
#[inline]
fn put(header: &mut [u8], at: usize, value: u16) {
    header[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
