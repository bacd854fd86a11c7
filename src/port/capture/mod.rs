//! The capture port: pcap and pcapng files in and out.
//!
//! [`Capture`] is the port. Beneath it lies a layer that knows two file formats and nothing else of the framework: no cores, no buffers, no
//! ports. It reads a mapped file (`&[u8]`) in place, without copying and without allocating per
//! record, and trusts no length it finds there. In the order the bytes pass them:
//!
//! - [`Reader`]: opens a file by its magic and walks its records; a cursor that is cheap to
//!   clone, so that many queues may walk one file
//! - [`Record`]: one captured packet, borrowed from the file
//! - [`Damage`]: where and why reading stopped; [`Refusal`]: why it could not start
//! - [`LinkType`]: what the first byte of a packet is
//! - [`Survey`]: one pass over a file ahead of a run: counts, sizes, time span, damage
//! - [`Writer`]: records back to a file, nanoseconds kept, drop reasons as packet comments
//!
//! Sources, cited where they are used: the pcap and pcapng Internet-Drafts
//! (`draft-ietf-opsawg-pcap`, `draft-ietf-opsawg-pcapng`), the LINKTYPE registry
//! (<https://www.tcpdump.org/linktypes.html>), libpcap's and Wireshark's readers for what the drafts
//! leave open.
mod block;
mod bytes;
mod clock;
mod damage;
mod index;
mod input;
mod linktype;
mod options;
mod output;
mod patched;
mod pcap;
mod pcapng;
mod port;
mod reader;
mod receive;
mod record;
mod transmit;
mod writer;

pub use damage::{Damage, DamageKind, PacketBlock, Refusal};
pub use index::Survey;
pub use linktype::LinkType;
pub use port::{Capture, CaptureConfig, FileList, OutFormat};
pub use reader::{Format, Position, Reader};
pub use record::{MAX_CAPTURED_LEN, Record};
pub use writer::{FileFormat, Outgoing, PortLabel, WriteError, Writer};
