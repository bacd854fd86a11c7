//! The XDP program: what comes to us, and what goes on to the kernel.

mod code;

use self::code::{Code, PASS, R1};

/// What comes to us.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// Everything that arrives on our queues.
    Everything,
}

impl Filter {
    /// The program for a filter, or one that passes everything on to the kernel; `map` is the map of sockets.
    pub(super) fn assemble(filter: Option<&Filter>, map: i32) -> Vec<[u8; 8]> {
        let mut code = Code::default();
        match filter {
            None => code.verdict(PASS),
            Some(Filter::Everything) => code.redirect(R1, map),
        }
        code.finish().unwrap_or_default()
    }
}
