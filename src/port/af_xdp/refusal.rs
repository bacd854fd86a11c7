//! Why a port cannot be opened: the step, what the kernel said, what that means here, what to do.

use std::fmt;
use std::io;

use super::ladder::Rung;

/// Steps of opening a port, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Making the map of sockets.
    Map,
    /// Loading the program.
    Load,
    /// Opening a socket.
    Socket,
    /// Registering memory with it.
    Register,
    /// Making and mapping its rings.
    Rings,
    /// Binding it to its queue.
    Bind,
    /// Putting it into the map.
    Put,
    /// Attaching the program.
    Attach,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Map => "making the map of sockets",
            Step::Load => "loading the XDP program",
            Step::Socket => "opening an AF_XDP socket",
            Step::Register => "registering memory",
            Step::Rings => "making rings",
            Step::Bind => "binding",
            Step::Put => "putting the socket into the map",
            Step::Attach => "attaching the XDP program",
        })
    }
}

/// Why a rung does not bear.
#[derive(Debug)]
pub(super) struct Refused {
    /// Which.
    pub(super) rung: Rung,
    /// What was being done.
    pub(super) step: Step,
    /// The queue, where it was one's business.
    pub(super) queue: Option<u32>,
    /// What the kernel said.
    pub(super) error: io::Error,
    /// The verifier's words, if it had any.
    pub(super) log: String,
    /// What that means here.
    pub(super) means: String,
    /// What to do.
    pub(super) remedy: String,
    /// Would the rungs below fail alike?
    pub(super) last: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rung, self.step)?;
        if let Some(queue) = self.queue {
            write!(f, " (queue {queue})")?;
        }
        write!(f, ": {}: {}", told(&self.error), self.means)?;
        if !self.log.is_empty() {
            write!(f, ": {}", self.log)?;
        }
        write!(f, "; {}", self.remedy)
    }
}

impl std::error::Error for Refused {}

/// What the kernel said, with the name of the number.
fn told(error: &io::Error) -> String {
    let name = error.raw_os_error().and_then(ffi::errno::name);
    name.map_or_else(|| error.to_string(), |name| format!("{name}, {}", text(error)))
}

/// The words for it, without the number.
fn text(error: &io::Error) -> String {
    let all = error.to_string();
    all.split(" (os error").next().unwrap_or_default().to_owned()
}
