//! The prologue: follows a packet's headers and leaves what was found in stack slots.
//!
//! Every access is checked against the packet's end, as the verifier wants it and as packets deserve it. Where a
//! header is cut off or makes no sense, what lies behind it is not known, and tests for it are false.

use super::code::{
    Code, FRAME, Label, Operation, R1, R2, R3, R4, R6, R7, R8, R9, Register, Test, Width, context,
};
use super::expression::{Expression, Test as Question, number};

/// What a slot holds that nothing was found for; no EtherType, id, protocol or port is so large.
pub(super) const UNKNOWN: u32 = 0x1_0000;

/// Slots, bytes from the stack frame's end.
pub(super) mod slot {
    /// EtherType behind VLAN tags.
    pub(in super::super) const ETHERTYPE: i16 = -4;
    /// Ids of the outer and the inner VLAN tag.
    pub(in super::super) const VLANS: [i16; 2] = [-8, -12];
    /// IP protocol.
    pub(in super::super) const PROTOCOL: i16 = -16;
    /// Ports.
    pub(in super::super) const SOURCE_PORT: i16 = -20;
    pub(in super::super) const DESTINATION_PORT: i16 = -24;
    /// IP version, 4 or 6, of the addresses.
    pub(in super::super) const VERSION: i16 = -28;
    /// First words of the addresses; the others follow below.
    pub(in super::super) const SOURCE: i16 = -32;
    pub(in super::super) const DESTINATION: i16 = -48;
}

/// Where the packet is read, and where it ends.
const CURSOR: Register = R7;
const END: Register = R8;
/// The number of the header that comes next.
const NEXT: Register = R9;
/// The program's argument, kept through everything.
pub(super) const CONTEXT: Register = R6;

/// Tag protocol identifiers (IEEE 802.1Q, 802.1ad, and the one used before that).
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// Extension headers that are walked past at most.
const EXTENSIONS: usize = 6;
/// IPv6 extension headers (RFC 8200, RFC 4302, RFC 6275).
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION_OPTIONS: u32 = 60;
const MOBILITY: u32 = 135;

/// What a filter asks for; the rest is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    network: bool,
    transport: bool,
}

impl Asked {
    fn by(expression: &Expression) -> Asked {
        let mut asked = Asked::default();
        expression.tests(&mut |test| match test {
            Question::EtherType(_) | Question::Vlan(_) => {}
            Question::Address(..) => asked.network = true,
            Question::Protocol(_) | Question::Port(..) => (asked.network, asked.transport) = (true, true),
        });
        asked
    }
}

/// Writes the prologue; what follows runs with the slots filled, whatever the packet is.
pub(super) fn gather(code: &mut Code, expression: &Expression) {
    let asked = Asked::by(expression);
    let done = code.label();
    code.combine(Operation::Move, CONTEXT, R1);
    code.load(Width::Word, CURSOR, CONTEXT, context::DATA);
    code.load(Width::Word, END, CONTEXT, context::DATA_END);
    code.compute(Operation::Move, R2, UNKNOWN.cast_signed());
    for at in [slot::ETHERTYPE, slot::VLANS[0], slot::VLANS[1], slot::PROTOCOL, slot::SOURCE_PORT]
        .into_iter()
        .chain([slot::DESTINATION_PORT, slot::VERSION])
    {
        code.store(Width::Word, FRAME, at, R2);
    }
    code.compute(Operation::Move, R2, 0);
    for word in 0..4 {
        code.store(Width::Word, FRAME, slot::SOURCE - 4 * word, R2);
        code.store(Width::Word, FRAME, slot::DESTINATION - 4 * word, R2);
    }
    link(code, done);
    if asked.network {
        let ipv6 = code.label();
        code.jump_if(NEXT, Test::Equal, u32::from(number::IPV6), ipv6);
        code.jump_if(NEXT, Test::NotEqual, u32::from(number::IPV4), done);
        ipv4(code, asked, done);
        code.jump(done);
        code.here(ipv6);
        ipv6_headers(code, asked, done);
    }
    code.here(done);
}

/// Goes to `cut` where fewer than `bytes` are left at the cursor.
fn need(code: &mut Code, bytes: i32, cut: Label) {
    code.combine(Operation::Move, R2, CURSOR);
    code.compute(Operation::Add, R2, bytes);
    code.jump_if_register(R2, Test::Greater, END, cut);
}

/// `to` = 16 bits of the packet.
fn half(code: &mut Code, to: Register, at: i16) {
    code.load(Width::Half, to, CURSOR, at);
    code.unswap(to, 16);
}

/// Ethernet header and VLAN tags; the EtherType is left in `NEXT`, the cursor behind it.
fn link(code: &mut Code, done: Label) {
    need(code, 14, done);
    half(code, NEXT, 12);
    code.compute(Operation::Add, CURSOR, 14);
    let untagged = code.label();
    for vlan in slot::VLANS {
        let tagged = code.label();
        TAGS.iter().for_each(|tag| code.jump_if(NEXT, Test::Equal, *tag, tagged));
        code.jump(untagged);
        code.here(tagged);
        need(code, 4, untagged);
        half(code, R3, 0);
        code.compute(Operation::And, R3, 0xfff);
        code.store(Width::Word, FRAME, vlan, R3);
        half(code, NEXT, 2);
        code.compute(Operation::Add, CURSOR, 4);
    }
    code.here(untagged);
    code.store(Width::Word, FRAME, slot::ETHERTYPE, NEXT);
}

/// Copies words of an address to its slots, in the machine's order.
fn address(code: &mut Code, at: i16, words: i16, to: i16) {
    for word in 0..words {
        code.load(Width::Word, R3, CURSOR, at + 4 * word);
        code.unswap(R3, 32);
        code.store(Width::Word, FRAME, to - 4 * word, R3);
    }
}

fn version(code: &mut Code, version: i32) {
    code.compute(Operation::Move, R3, version);
    code.store(Width::Word, FRAME, slot::VERSION, R3);
}

/// IPv4 (RFC 791).
fn ipv4(code: &mut Code, asked: Asked, done: Label) {
    need(code, 20, done);
    code.load(Width::Byte, R4, CURSOR, 0);
    code.combine(Operation::Move, R3, R4);
    code.compute(Operation::ShiftRight, R3, 4);
    code.jump_if(R3, Test::NotEqual, 4, done);
    code.compute(Operation::And, R4, 0xf);
    code.jump_if(R4, Test::Less, 5, done);
    version(code, 4);
    address(code, 12, 1, slot::SOURCE);
    address(code, 16, 1, slot::DESTINATION);
    if !asked.transport {
        return;
    }
    code.load(Width::Byte, NEXT, CURSOR, 9);
    code.store(Width::Word, FRAME, slot::PROTOCOL, NEXT);
    // More fragments, or not the first: no ports.
    half(code, R3, 6);
    code.compute(Operation::And, R3, 0x3fff);
    code.jump_if(R3, Test::NotEqual, 0, done);
    code.compute(Operation::ShiftLeft, R4, 2);
    code.combine(Operation::Add, CURSOR, R4);
    ports(code, done);
}

/// IPv6 and its extension headers (RFC 8200).
fn ipv6_headers(code: &mut Code, asked: Asked, done: Label) {
    need(code, 40, done);
    code.load(Width::Byte, R3, CURSOR, 0);
    code.compute(Operation::ShiftRight, R3, 4);
    code.jump_if(R3, Test::NotEqual, 6, done);
    version(code, 6);
    address(code, 8, 4, slot::SOURCE);
    address(code, 24, 4, slot::DESTINATION);
    if !asked.transport {
        return;
    }
    code.load(Width::Byte, NEXT, CURSOR, 6);
    code.compute(Operation::Add, CURSOR, 40);
    let upper = code.label();
    let known = code.label();
    for _ in 0..EXTENSIONS {
        extension(code, upper, known);
    }
    code.here(upper);
    code.store(Width::Word, FRAME, slot::PROTOCOL, NEXT);
    ports(code, done);
    code.jump(done);
    // Cut off, or a fragment: the protocol is known, the ports are not.
    code.here(known);
    code.store(Width::Word, FRAME, slot::PROTOCOL, NEXT);
}

/// One extension header: on to `upper` where there is none, to `known` where nothing behind it can be told.
fn extension(code: &mut Code, upper: Label, known: Label) {
    let [options, authentication, fragment, next] = [(); 4].map(|()| code.label());
    for kind in [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY] {
        code.jump_if(NEXT, Test::Equal, kind, options);
    }
    code.jump_if(NEXT, Test::Equal, AUTHENTICATION, authentication);
    code.jump_if(NEXT, Test::Equal, FRAGMENT, fragment);
    code.jump(upper);

    code.here(fragment);
    need(code, 8, known);
    code.load(Width::Byte, NEXT, CURSOR, 0);
    half(code, R3, 2);
    // Offset and the "more" bit; the two between them are reserved.
    code.compute(Operation::And, R3, 0xfff9);
    code.jump_if(R3, Test::NotEqual, 0, known);
    code.compute(Operation::Add, CURSOR, 8);
    code.jump(next);

    code.here(authentication);
    need(code, 8, known);
    code.load(Width::Byte, NEXT, CURSOR, 0);
    code.load(Width::Byte, R4, CURSOR, 1);
    code.compute(Operation::Add, R4, 2);
    code.compute(Operation::ShiftLeft, R4, 2);
    code.combine(Operation::Add, CURSOR, R4);
    code.jump(next);

    code.here(options);
    need(code, 8, known);
    code.load(Width::Byte, NEXT, CURSOR, 0);
    code.load(Width::Byte, R4, CURSOR, 1);
    code.compute(Operation::Add, R4, 1);
    code.compute(Operation::ShiftLeft, R4, 3);
    code.combine(Operation::Add, CURSOR, R4);
    code.here(next);
}

/// Ports at the cursor, where the protocol `NEXT` has them there.
fn ports(code: &mut Code, done: Label) {
    let has = code.label();
    for protocol in [number::TCP, number::UDP, number::SCTP] {
        code.jump_if(NEXT, Test::Equal, u32::from(protocol), has);
    }
    code.jump(done);
    code.here(has);
    need(code, 4, done);
    half(code, R3, 0);
    code.store(Width::Word, FRAME, slot::SOURCE_PORT, R3);
    half(code, R3, 2);
    code.store(Width::Word, FRAME, slot::DESTINATION_PORT, R3);
}
