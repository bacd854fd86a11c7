//! What steer found out about a packet's headers: four bytes that travel with it.

/// Network layer of a packet, as far as it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Network {
    /// Nobody has looked yet.
    Unparsed = 0,
    /// IPv4 (RFC 791); the header, options included, lies within the packet.
    Ipv4 = 1,
    /// IPv6 (RFC 8200); the fixed header lies within the packet.
    Ipv6 = 2,
    /// Neither: ARP, LLDP, STP, a frame that ends before its network header.
    Other = 3,
}

/// Transport layer of a packet. A variant with ports promises that the two port fields
/// (four bytes at the transport offset) lie within the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Transport {
    /// There is none, it could not be reached, or the packet is a fragment.
    None = 0,
    /// TCP (RFC 9293).
    Tcp = 1,
    /// UDP (RFC 768).
    Udp = 2,
    /// SCTP (RFC 9260).
    Sctp = 3,
    /// ICMP (RFC 792).
    Icmp = 4,
    /// ICMPv6 (RFC 4443).
    Icmpv6 = 5,
    /// Another protocol: no ports.
    Other = 6,
}

/// Why a packet's headers could not be followed to the end. It is still a packet, steered by
/// what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Malformed {
    /// The link-layer header (or one of its tags or labels) runs off the end of the packet.
    LinkTruncated = 1,
    /// The network header runs off the end of the packet.
    NetworkTruncated = 2,
    /// The version nibble contradicts what announced the header.
    BadVersion = 3,
    /// IPv4 header length below five words.
    BadHeaderLength = 4,
    /// IPv4 total length shorter than its own header.
    BadTotalLength = 5,
    /// The IPv6 extension header chain is longer than we walk.
    ExtensionLimit = 6,
    /// An IPv6 extension header runs off the end of the packet or of its length.
    ExtensionTruncated = 7,
    /// The transport header runs off the end of the packet or of the datagram.
    TransportTruncated = 8,
    /// The UDP length field is shorter than a UDP header or longer than the datagram.
    BadUdpLength = 9,
    /// The TCP data offset is below five words or points past the segment.
    BadTcpOffset = 10,
    /// The network layer says there are more bytes than the capture or the wire delivered,
    /// although the packet claims to be whole.
    LengthBeyondPacket = 11,
}

impl Malformed {
    /// Every kind, in the order of their codes.
    pub const ALL: [Malformed; 11] = [
        Malformed::LinkTruncated,
        Malformed::NetworkTruncated,
        Malformed::BadVersion,
        Malformed::BadHeaderLength,
        Malformed::BadTotalLength,
        Malformed::ExtensionLimit,
        Malformed::ExtensionTruncated,
        Malformed::TransportTruncated,
        Malformed::BadUdpLength,
        Malformed::BadTcpOffset,
        Malformed::LengthBeyondPacket,
    ];

    /// The name reports and tallies use, kebab-case.
    pub const fn name(self) -> &'static str {
        match self {
            Malformed::LinkTruncated => "link-truncated",
            Malformed::NetworkTruncated => "network-truncated",
            Malformed::BadVersion => "bad-version",
            Malformed::BadHeaderLength => "bad-header-length",
            Malformed::BadTotalLength => "bad-total-length",
            Malformed::ExtensionLimit => "extension-limit",
            Malformed::ExtensionTruncated => "extension-truncated",
            Malformed::TransportTruncated => "transport-truncated",
            Malformed::BadUdpLength => "bad-udp-length",
            Malformed::BadTcpOffset => "bad-tcp-offset",
            Malformed::LengthBeyondPacket => "length-beyond-packet",
        }
    }

    /// The kind with this code, if there is one.
    pub const fn from_code(code: u8) -> Option<Malformed> {
        if code >= 1 && code as usize <= Malformed::ALL.len() {
            Some(Malformed::ALL[code as usize - 1])
        } else {
            None
        }
    }
}

/// Link layers we can parse. Anything else is carried, counted and copied, never parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum LinkClass {
    /// Ethernet II / IEEE 802.3 (LINKTYPE_ETHERNET, 1).
    #[default]
    Ethernet = 0,
    /// An IP packet and nothing before it (LINKTYPE_RAW 101, 12, 14; IPV4 228; IPV6 229).
    RawIp = 1,
    /// Linux cooked capture (LINKTYPE_LINUX_SLL, 113).
    LinuxSll = 2,
    /// Linux cooked capture v2 (LINKTYPE_LINUX_SLL2, 276).
    LinuxSll2 = 3,
    /// BSD loopback: a four-byte address family (LINKTYPE_NULL 0, LINKTYPE_LOOP 108).
    Null = 4,
    /// Not parsed by us.
    Opaque = 5,
}

impl LinkClass {
    /// The class with this code; `Opaque` for a code no class has.
    pub const fn from_code(code: u8) -> LinkClass {
        match code {
            0 => LinkClass::Ethernet,
            1 => LinkClass::RawIp,
            2 => LinkClass::LinuxSll,
            3 => LinkClass::LinuxSll2,
            4 => LinkClass::Null,
            _ => LinkClass::Opaque,
        }
    }
}

/// Header offsets and kinds of one packet, four bytes.
///
/// `network_offset` counts bytes from the start of the packet to the (outer) network header;
/// `transport_words` counts 4-byte words from there to the transport header. `bits` packs
/// network (2 bits), transport (3 bits), fragment (1), fragment-first (1), vlan (1);
/// `malformed` holds a [`Malformed`] code or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Layers {
    network_offset: u8,
    transport_words: u8,
    bits: u8,
    malformed: u8,
}

const FRAGMENT: u8 = 1 << 5;
const FIRST_FRAGMENT: u8 = 1 << 6;
const VLAN: u8 = 1 << 7;

impl Layers {
    /// Nothing is known: what a port delivers when it did not parse.
    pub const UNPARSED: Layers = Layers { network_offset: 0, transport_words: 0, bits: 0, malformed: 0 };

    /// Layers with a network header `network_offset` bytes into the packet, and no transport yet.
    #[inline]
    pub const fn new(network: Network, network_offset: u8) -> Layers {
        Layers { network_offset, transport_words: 0, bits: network as u8, malformed: 0 }
    }

    /// The same, with a transport header `words` 4-byte words after the network header.
    #[inline]
    pub const fn with_transport(mut self, transport: Transport, words: u8) -> Layers {
        self.transport_words = words;
        self.bits = (self.bits & !0b11100) | (transport as u8) << 2;
        self
    }

    /// The same, marked as a fragment (with an offset of 0 and more to come: `first`).
    #[inline]
    pub const fn with_fragment(mut self, first: bool) -> Layers {
        self.bits |= FRAGMENT | if first { FIRST_FRAGMENT } else { 0 };
        self
    }

    /// The same, with at least one VLAN tag looked through.
    #[inline]
    pub const fn with_vlan(mut self) -> Layers {
        self.bits |= VLAN;
        self
    }

    /// The same, malformed in this way. The first defect found is the one that is kept.
    #[inline]
    pub const fn with_malformed(mut self, kind: Malformed) -> Layers {
        if self.malformed == 0 {
            self.malformed = kind as u8;
        }
        self
    }

    /// Network layer.
    #[inline]
    pub const fn network(self) -> Network {
        match self.bits & 0b11 {
            0 => Network::Unparsed,
            1 => Network::Ipv4,
            2 => Network::Ipv6,
            _ => Network::Other,
        }
    }

    /// Transport layer.
    #[inline]
    pub const fn transport(self) -> Transport {
        match (self.bits >> 2) & 0b111 {
            1 => Transport::Tcp,
            2 => Transport::Udp,
            3 => Transport::Sctp,
            4 => Transport::Icmp,
            5 => Transport::Icmpv6,
            6 => Transport::Other,
            _ => Transport::None,
        }
    }

    /// Bytes from the start of the packet to the network header.
    #[inline]
    pub const fn network_offset(self) -> usize {
        self.network_offset as usize
    }

    /// Bytes from the start of the packet to the transport header (meaningful where
    /// [`Layers::transport`] is not `None`).
    #[inline]
    pub const fn transport_offset(self) -> usize {
        self.network_offset as usize + self.transport_words as usize * 4
    }

    /// Is it a fragment (IPv4 with MF or an offset; IPv6 with a fragment header, atomic ones too)?
    #[inline]
    pub const fn is_fragment(self) -> bool {
        self.bits & FRAGMENT != 0
    }

    /// Is it a fragment with offset 0?
    #[inline]
    pub const fn is_first_fragment(self) -> bool {
        self.bits & FIRST_FRAGMENT != 0
    }

    /// Was a VLAN tag looked through?
    #[inline]
    pub const fn has_vlan(self) -> bool {
        self.bits & VLAN != 0
    }

    /// What is wrong with it, if anything.
    #[inline]
    pub const fn malformed(self) -> Option<Malformed> {
        Malformed::from_code(self.malformed)
    }

    /// Is it IPv4 without options, with TCP, UDP or SCTP right behind the header? What most packets are, and what the
    /// short ways are for.
    #[inline]
    pub const fn is_plain_ipv4(self) -> bool {
        let transport = self.bits >> 2 & 0b111;
        self.bits & 0b11 == Network::Ipv4 as u8
            && self.transport_words == 5
            && transport >= Transport::Tcp as u8
            && transport <= Transport::Sctp as u8
    }

    /// Has anybody parsed it?
    #[inline]
    pub const fn is_parsed(self) -> bool {
        self.bits & 0b11 != 0
    }
}

const _: () = assert!(size_of::<Layers>() == 4);
