//! The XDP program: what comes to us, and what goes on to the kernel.
//!
//! A `match` is read like a filter of tcpdump's and becomes eBPF:
//!
//! - `expression`: what a filter says
//! - `parse`: text to expression, errors with their column
//! - `facts`: the prologue, which follows a packet's headers and leaves what the filter asks for in stack slots
//! - `compile`: an expression over these slots becomes jumps
//! - `code`: instructions
//!
//! What differs from tcpdump: VLAN tags (up to two) are looked through, so `udp` means tagged packets too; all fragments are
//! without ports, the first as well, so that a datagram's fragments go one way; `and` and `or` side by side need parentheses.

mod code;
mod compile;
mod expression;
mod facts;
mod parse;
#[cfg(test)]
mod tests;

use self::code::{Code, PASS, R1};
use self::expression::Expression;
pub(super) use self::parse::parse;

/// What comes to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Everything that arrives on our queues.
    Everything,
    /// What this is true of.
    Only(Expression),
}

impl Filter {
    /// The filter a `match` describes, or everything.
    ///
    /// # Errors
    /// What is wrong with it, with a caret at the column.
    pub(super) fn of(text: Option<&str>) -> anyhow::Result<Filter> {
        let Some(text) = text else { return Ok(Filter::Everything) };
        let filter = Filter::Only(parse(text).map_err(|error| error.shown(text))?);
        anyhow::ensure!(
            !Filter::assemble(Some(&filter), 0).is_empty(),
            "match is too long for an XDP program"
        );
        Ok(filter)
    }

    /// The program for a filter, or one that passes everything on to the kernel; `map` is the map of sockets. Empty where
    /// the filter is too long.
    pub(super) fn assemble(filter: Option<&Filter>, map: i32) -> Vec<[u8; 8]> {
        let mut code = Code::default();
        match filter {
            None => code.verdict(PASS),
            Some(Filter::Everything) => code.redirect(R1, map),
            Some(Filter::Only(expression)) => compile::program(&mut code, expression, map),
        }
        code.finish().unwrap_or_default()
    }
}
