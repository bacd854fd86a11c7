//! The ways to get a device's packets, best first, and trying one.
//!
//! A rung is tried for all queues of a port at once: sockets are opened, their fill rings filled (the caller's business:
//! it has the frames), bound, put into the map; then the program is attached. What fails is undone before the
//! next rung is tried, and told by step and errno with what that means here.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use ffi::bpf::Hook;
use ffi::device::Device;
use ffi::xdp::{BindFlags, RingSizes};
use hugepages::umem::{OpenStep, Umem};

use super::config::Mode;
use super::kernel::Kernel;
use super::meaning::{Facts, meaning};
use super::program::Filter;
use super::refusal::{Refused, Step};

/// Times something that is busy is tried, a pause between them: about a second, in which the kernel has cleaned up
/// after a process that ended.
const TRIES: usize = 100;

/// A way to get packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// The driver writes them into our memory itself.
    ZeroCopy,
    /// The kernel copies them in the driver.
    Copy,
    /// The kernel copies them behind the driver.
    Generic,
}

impl Rung {
    /// The rungs a mode allows, best first.
    pub(super) fn of(mode: Mode) -> &'static [Rung] {
        match mode {
            Mode::Auto => &[Rung::ZeroCopy, Rung::Copy, Rung::Generic],
            Mode::ZeroCopy => &[Rung::ZeroCopy],
            Mode::Copy => &[Rung::Copy],
            Mode::Generic => &[Rung::Generic],
        }
    }

    fn hook(self) -> Hook {
        match self {
            Rung::ZeroCopy | Rung::Copy => Hook::Native,
            Rung::Generic => Hook::Generic,
        }
    }

    fn flags(self, fragments: bool) -> BindFlags {
        BindFlags { zero_copy: self == Rung::ZeroCopy, copy: self != Rung::ZeroCopy, fragments }
    }

    /// What standing on it costs, in words.
    pub(super) fn cost(self) -> &'static str {
        match self {
            Rung::ZeroCopy => "no copy",
            Rung::Copy => "one copy a packet by the kernel",
            Rung::Generic => "a socket buffer and one copy a packet by the kernel",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::ZeroCopy => "zero-copy",
            Rung::Copy => "copy",
            Rung::Generic => "generic",
        })
    }
}

/// What is to be opened.
pub(super) struct Wanted<'a> {
    /// The device as it is.
    pub(super) device: &'a Device,
    /// Its queues, by the port's queue number.
    pub(super) queues: &'a [u32],
    /// Memory, by the port's queue number.
    pub(super) umems: &'a [Umem],
    /// Sizes of the rings.
    pub(super) sizes: RingSizes,
    /// May packets lie in several chunks?
    pub(super) fragments: bool,
    /// What comes to us; `None` where nothing does: the port only transmits.
    pub(super) filter: Option<&'a Filter>,
}

impl Wanted<'_> {
    pub(super) fn refused(&self, rung: Rung, step: Step, queue: Option<u32>, error: io::Error) -> Refused {
        let bytes = self.umems.first().map_or(0, |umem| umem.bytes() * self.umems.len());
        let facts = Facts { device: self.device, bytes, fragments: self.fragments };
        let found = meaning(rung, step, &error, &facts);
        Refused {
            rung,
            step,
            queue,
            error,
            log: String::new(),
            means: found.means,
            remedy: found.remedy,
            last: found.last,
        }
    }
}

/// A rung that bears.
pub(super) struct Stood<K: Kernel> {
    /// Which.
    pub(super) rung: Rung,
    /// By the port's queue number.
    pub(super) halves: Vec<K::Halves>,
    /// The map of sockets.
    pub(super) map: K::Map,
    /// The program's attachment.
    pub(super) link: K::Link,
}

/// The caller's part: it has the frames.
pub(super) trait Lender<H> {
    /// Fills the fill ring of a queue.
    fn fill(&mut self, queue: usize, halves: &mut H);
    /// Takes everything back: the rung did not bear.
    fn undo(&mut self, queue: usize, halves: H);
}

/// Tries the rungs one after the other; with the one that bears comes why those above did not.
///
/// # Errors
/// Why none does.
pub(super) fn climb<K: Kernel>(
    kernel: &K,
    wanted: &Wanted<'_>,
    rungs: &[Rung],
    lender: &mut dyn Lender<K::Halves>,
) -> Result<(Stood<K>, Vec<Refused>), Vec<Refused>> {
    let mut refused = Vec::new();
    for rung in rungs {
        match try_rung(kernel, wanted, *rung, lender) {
            Ok(stood) => return Ok((stood, refused)),
            Err(error) => {
                let last = error.last;
                refused.push(*error);
                if last {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// Tries one rung; what it had opened is closed again where it does not bear.
pub(super) fn try_rung<K: Kernel>(
    kernel: &K,
    wanted: &Wanted<'_>,
    rung: Rung,
    lender: &mut dyn Lender<K::Halves>,
) -> Result<Stood<K>, Box<Refused>> {
    let mut halves = Vec::with_capacity(wanted.queues.len());
    match stand(kernel, wanted, rung, lender, &mut halves) {
        Ok((map, link)) => Ok(Stood { rung, halves, map, link }),
        Err(error) => {
            halves.into_iter().enumerate().for_each(|(queue, halves)| lender.undo(queue, halves));
            Err(error)
        }
    }
}

fn stand<K: Kernel>(
    kernel: &K,
    wanted: &Wanted<'_>,
    rung: Rung,
    lender: &mut dyn Lender<K::Halves>,
    halves: &mut Vec<K::Halves>,
) -> Result<(K::Map, K::Link), Box<Refused>> {
    let at = |step, queue| move |error| Box::new(wanted.refused(rung, step, queue, error));
    let entries = wanted.queues.iter().max().map_or(1, |most| most + 1);
    let map = kernel.map(entries).map_err(at(Step::Map, None))?;
    let code = Filter::assemble(wanted.filter, kernel.descriptor(&map));
    let program = kernel.load(&code, wanted.fragments).map_err(|error| {
        Box::new(Refused { log: error.log_tail(), ..wanted.refused(rung, Step::Load, None, error.error) })
    })?;
    for (number, queue) in wanted.queues.iter().enumerate() {
        open_queue(kernel, wanted, rung, number, lender, halves)?;
        if wanted.filter.is_some() {
            kernel.put(&map, *queue, &halves[number]).map_err(at(Step::Put, Some(*queue)))?;
        }
    }
    let link = patiently(kernel, || kernel.attach(&program, wanted.device.index, rung.hook()))
        .map_err(at(Step::Attach, None))?;
    Ok((map, link))
}

/// Opens, fills and binds one queue.
fn open_queue<K: Kernel>(
    kernel: &K,
    wanted: &Wanted<'_>,
    rung: Rung,
    number: usize,
    lender: &mut dyn Lender<K::Halves>,
    halves: &mut Vec<K::Halves>,
) -> Result<(), Box<Refused>> {
    let queue = wanted.queues[number];
    let at = |step| move |error| Box::new(wanted.refused(rung, step, Some(queue), error));
    let socket = kernel.socket().map_err(at(Step::Socket))?;
    let opened =
        kernel.open(socket, &wanted.umems[number], wanted.sizes).map_err(|(step, error)| match step {
            OpenStep::Register => at(Step::Register)(error),
            OpenStep::Rings | OpenStep::Map => at(Step::Rings)(error),
        })?;
    halves.push(opened);
    let opened = &mut halves[number];
    lender.fill(number, opened);
    let flags = rung.flags(wanted.fragments);
    patiently(kernel, || kernel.bind(opened, wanted.device.index, queue, flags)).map_err(at(Step::Bind))?;
    let zero_copy = kernel.is_zero_copy(opened).map_err(at(Step::Bind))?;
    if zero_copy != (rung == Rung::ZeroCopy) {
        return Err(at(Step::Bind)(io::Error::from_raw_os_error(ffi::errno::EOPNOTSUPP)));
    }
    Ok(())
}

/// Tries again while the kernel says that it is busy.
fn patiently<K: Kernel, T>(kernel: &K, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..TRIES {
        match attempt() {
            Err(error) if error.raw_os_error() == Some(ffi::errno::EBUSY) => kernel.pause(),
            done => return done,
        }
    }
    attempt()
}
