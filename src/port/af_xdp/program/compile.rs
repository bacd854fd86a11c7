//! An expression becomes jumps over the slots the prologue filled.

use std::net::IpAddr;

use super::code::{Code, FRAME, Label, Operation, PASS, R2, Register, Test as Compare, Width};
use super::expression::{Expression, Prefix, Side, Test};
use super::facts::{self, CONTEXT, UNKNOWN, slot};

/// Where slots are loaded.
const VALUE: Register = R2;

/// Writes the whole program.
pub(super) fn program(code: &mut Code, expression: &Expression, map: i32) {
    facts::gather(code, expression);
    let (ours, others) = (code.label(), code.label());
    decide(code, expression, ours, others);
    code.here(ours);
    code.redirect(CONTEXT, map);
    code.here(others);
    code.verdict(PASS);
}

/// Goes to `yes` or to `no`.
fn decide(code: &mut Code, expression: &Expression, yes: Label, no: Label) {
    match expression {
        Expression::And(left, right) => {
            let both = code.label();
            decide(code, left, both, no);
            code.here(both);
            decide(code, right, yes, no);
        }
        Expression::Or(left, right) => {
            let other = code.label();
            decide(code, left, yes, other);
            code.here(other);
            decide(code, right, yes, no);
        }
        Expression::Not(inner) => decide(code, inner, no, yes),
        Expression::Test(test) => {
            ask(code, test, yes);
            code.jump(no);
        }
    }
}

/// Goes to `yes` where the test is true, and on where it is not.
fn ask(code: &mut Code, test: &Test, yes: Label) {
    match *test {
        Test::EtherType(kind) => equal(code, slot::ETHERTYPE, kind.into(), yes),
        Test::Protocol(protocol) => equal(code, slot::PROTOCOL, protocol.into(), yes),
        Test::Vlan(Some(id)) => slot::VLANS.into_iter().for_each(|vlan| equal(code, vlan, id.into(), yes)),
        Test::Vlan(None) => {
            code.load(Width::Word, VALUE, FRAME, slot::VLANS[0]);
            code.jump_if(VALUE, Compare::NotEqual, UNKNOWN, yes);
        }
        Test::Port(side, first, last) => {
            for port in sides(side, slot::SOURCE_PORT, slot::DESTINATION_PORT) {
                between(code, port, first, last, yes);
            }
        }
        Test::Address(side, prefix) => {
            for address in sides(side, slot::SOURCE, slot::DESTINATION) {
                within(code, address, &prefix, yes);
            }
        }
    }
}

fn sides(side: Side, source: i16, destination: i16) -> impl Iterator<Item = i16> {
    let source = Some(source).filter(|_| side != Side::Destination);
    let destination = Some(destination).filter(|_| side != Side::Source);
    source.into_iter().chain(destination)
}

fn equal(code: &mut Code, at: i16, value: u32, yes: Label) {
    code.load(Width::Word, VALUE, FRAME, at);
    code.jump_if(VALUE, Compare::Equal, value, yes);
}

/// What is not known is greater than any port.
fn between(code: &mut Code, at: i16, first: u16, last: u16, yes: Label) {
    let out = code.label();
    code.load(Width::Word, VALUE, FRAME, at);
    code.jump_if(VALUE, Compare::Less, first.into(), out);
    code.jump_if(VALUE, Compare::Greater, last.into(), out);
    code.jump(yes);
    code.here(out);
}

fn within(code: &mut Code, at: i16, prefix: &Prefix, yes: Label) {
    let out = code.label();
    code.load(Width::Word, VALUE, FRAME, slot::VERSION);
    let version = if matches!(prefix.address, IpAddr::V4(_)) { 4 } else { 6 };
    code.jump_if(VALUE, Compare::NotEqual, version, out);
    for (word, (bits, mask)) in prefix.words().into_iter().enumerate() {
        if mask != 0 {
            code.load(Width::Word, VALUE, FRAME, at - 4 * word as i16);
            // The mask is sign-extended to 64 bits; the comparison looks at 32.
            code.compute(Operation::And, VALUE, mask.cast_signed());
            code.jump_if(VALUE, Compare::NotEqual, bits, out);
        }
    }
    code.jump(yes);
    code.here(out);
}
