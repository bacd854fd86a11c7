//! What becomes of a packet that is not answered, and the names of the reasons.

use crate::apps::station::reasons;
use crate::packet::Reason;

/// Why a packet is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is for us and must not be answered.
    Drop(Reason),
    /// It is for us, and wants no answer.
    Heard,
    /// It is none of our business; the reason it has where such packets are dropped.
    Other(Reason),
}

/// What an answer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ARP request.
    Arp,
    /// An IPv6 neighbour solicitation.
    Neighbour,
    /// An ICMP echo request.
    Icmp,
    /// An ICMPv6 echo request.
    Icmpv6,
    /// A UDP datagram.
    Udp,
}

reasons! {
    /// The drop reasons of this application, as numbered in this run.
    Reasons:
    /// For somebody else, or nothing we answer.
    not_for_us "not-for-us",
    /// Somebody else uses our address.
    address_conflict "address-conflict",
    /// A code other than 0 in an echo request or solicitation.
    bad_code "bad-code",
    /// The checksum of the IPv4 header, of ICMP, ICMPv6 or UDP is wrong.
    bad_checksum "bad-checksum",
    /// A neighbour solicitation that RFC 4861, 7.1.1 forbids to answer.
    bad_solicitation "bad-solicitation",
    /// Nobody can be answered at its source.
    bad_source "bad-source",
    /// From a port that answers everything.
    echo_loop "echo-loop",
    /// An IPv6 extension header that may not be skipped.
    extension_header "extension-header",
    /// A part of a datagram.
    fragment "fragment",
    /// A neighbour solicitation that was forwarded.
    hop_limit "hop-limit",
    /// IPv4 options that cannot be followed.
    ip_option "ip-option",
    /// A unicast datagram in a broadcast or multicast frame.
    link_broadcast "link-broadcast",
    /// UDP over IPv6 with a checksum of 0.
    no_checksum "no-checksum",
    /// The answer does not fit the frame.
    no_room "no-room",
    /// A source route.
    source_route "source-route",
    /// Not all of it is here: a capture cut it.
    truncated "truncated",
}
