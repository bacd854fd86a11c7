//! What becomes of a packet that is not answered, and the names of the reasons.

use crate::apps::station::reasons;
use crate::packet::Reason;

/// Why a packet is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is for us and must not be answered.
    Drop(Reason),
    /// It is none of our business.
    Other,
}

reasons! {
    /// The drop reasons of this application, as numbered in this run.
    Reasons:
    /// For somebody else, or nothing we answer.
    not_for_us "not-for-us",
    /// The checksum of the IPv4 header or of UDP is wrong.
    bad_checksum "bad-checksum",
    /// Nobody can be answered at its source.
    bad_source "bad-source",
    /// A part of a datagram.
    fragment "fragment",
    /// A unicast datagram in a broadcast or multicast frame.
    link_broadcast "link-broadcast",
    /// UDP over IPv6 with a checksum of 0.
    no_checksum "no-checksum",
    /// The answer does not fit the frame.
    no_room "no-room",
    /// Not all of it is here: a capture cut it.
    truncated "truncated",
    /// No whole header of a DNS message.
    malformed "dns-malformed",
    /// A response, where queries come in.
    not_a_query "dns-not-a-query",
    /// An answer to nothing that was asked, late or spoofed.
    unexpected "dns-unexpected-answer",
    /// As many questions are under way as there may be.
    too_many_questions "dns-too-many-questions",
    /// As many queries wait for this answer as may.
    too_many_waiting "dns-too-many-waiting",
}
