//! Records back to a file: pcap or pcapng, in the byte order of x86, nanoseconds kept.

use std::io::{self, Write};
use std::path::Path;

use thiserror::Error;

use super::block::{ENHANCED_PACKET, INTERFACE_DESCRIPTION, PACKET_FIXED_LEN, SECTION_HEADER};
use super::bytes::padded_to_four;
use super::options;
use super::output::{Output, option_len, truncated};
use super::{LinkType, MAX_CAPTURED_LEN};

/// The program named in a section header.
const PROGRAM: &str = "mnvkd";
/// `opt_endofopt`.
const OPTIONS_END: [u8; 4] = [0; 4];

/// The format of a file to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// pcap with microseconds: what the oldest tools read. Times are cut to the microsecond.
    PcapMicros,
    /// pcap with nanoseconds.
    PcapNanos,
    /// pcapng with nanoseconds: keeps ports apart and carries comments.
    Pcapng,
}

impl FileFormat {
    /// The format a file name asks for: `.pcapng` is pcapng, `.pcap` and `.cap` pcap with nanoseconds.
    pub fn of_path(path: &Path) -> Option<FileFormat> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "pcapng" => Some(FileFormat::Pcapng),
            "pcap" | "cap" => Some(FileFormat::PcapNanos),
            _ => None,
        }
    }
}

/// A port as it appears in the file.
#[derive(Clone, Copy, Debug)]
pub struct PortLabel<'a> {
    /// Its name (`if_name`); only pcapng keeps it.
    pub name: &'a str,
    /// What its packets start with.
    pub link: LinkType,
}

/// One packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The bytes there are: at most [`MAX_CAPTURED_LEN`].
    pub data: &'a [u8],
    /// Nanoseconds since 1970-01-01 UTC. pcap holds seconds in 32 bits: later than 2106 becomes the
    /// last instant it can hold.
    pub time_ns: u64,
    /// Bytes the packet had on the wire, which may be more than `data`.
    pub wire_len: u32,
    /// Index of its port among those the writer was given; only pcapng keeps it.
    pub port: u32,
    /// Text for the packet, a drop reason for instance; only pcapng keeps it.
    pub comment: Option<&'a str>,
}

/// Why a capture could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The output failed.
    #[error("writing {what} at offset {offset}: {source}")]
    Io {
        /// `file header`, `packet` or `last bytes`.
        what: &'static str,
        /// Bytes written before it, from the start of the file.
        offset: u64,
        /// What the output said.
        source: io::Error,
    },
    /// pcap holds one link type a file.
    #[error("pcap holds one link type, the ports have {first} and {other}; use pcapng")]
    MixedLinks {
        /// Link type of the first port.
        first: LinkType,
        /// One that differs.
        other: LinkType,
    },
    /// No port to take the link type from.
    #[error("a capture file needs at least one port")]
    NoPorts,
    /// A packet longer than readers accept.
    #[error("packet of {len} bytes, above {MAX_CAPTURED_LEN}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A packet of a port the writer was not given.
    #[error("packet of port {port}, of {known} known")]
    UnknownPort {
        /// The index in the packet.
        port: u32,
        /// Ports the writer was given.
        known: u32,
    },
}

/// Writes records, in the order given, without allocating per record.
///
/// Every record goes out in up to four small writes: give it a [`std::io::BufWriter`] or the like.
/// What it has written is a valid file after each record, once flushed.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: Output<W>,
    format: FileFormat,
    ports: u32,
}

impl<W: Write> Writer<W> {
    /// Starts a file: writes its header and describes the ports.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`]; [`WriteError::NoPorts`]; [`WriteError::MixedLinks`] for pcap.
    pub fn create(out: W, format: FileFormat, ports: &[PortLabel<'_>]) -> Result<Self, WriteError> {
        let first = ports.first().ok_or(WriteError::NoPorts)?.link;
        let mut writer = Writer { out: Output::new(out), format, ports: ports.len() as u32 };
        let started = match format {
            FileFormat::Pcapng => writer.start_pcapng(ports),
            _ => match ports.iter().find(|port| port.link != first) {
                Some(port) => return Err(WriteError::MixedLinks { first, other: port.link }),
                None => writer.start_pcap(first),
            },
        };
        writer.in_context("file header", 0, started)?;
        Ok(writer)
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`], after which the file ends in a cut record; [`WriteError::TooLong`] and
    /// [`WriteError::UnknownPort`], with nothing written.
    pub fn write(&mut self, packet: &Outgoing<'_>) -> Result<(), WriteError> {
        if packet.data.len() > MAX_CAPTURED_LEN as usize {
            return Err(WriteError::TooLong { len: packet.data.len() });
        }
        if packet.port >= self.ports {
            return Err(WriteError::UnknownPort { port: packet.port, known: self.ports });
        }
        let offset = self.written();
        let done = match self.format {
            FileFormat::Pcapng => self.write_enhanced(packet),
            FileFormat::PcapMicros => self.write_pcap(packet, 1000),
            FileFormat::PcapNanos => self.write_pcap(packet, 1),
        };
        self.in_context("packet", offset, done)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.out.written()
    }

    /// Passes on what the output holds back.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let flushed = self.out.flush();
        self.in_context("last bytes", self.written(), flushed)
    }

    /// The output as it is, nothing flushed: for one that has failed.
    pub fn into_inner(self) -> W {
        self.out.into_inner()
    }

    /// Flushes and hands the output back.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] where the output cannot be flushed.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let flushed = self.out.flush();
        self.in_context("last bytes", self.written(), flushed)?;
        Ok(self.out.into_inner())
    }

    fn in_context(&self, what: &'static str, offset: u64, done: io::Result<()>) -> Result<(), WriteError> {
        done.map_err(|source| WriteError::Io { what, offset, source })
    }

    /// draft-ietf-opsawg-pcap, section 4: version 2.4, the fields that are always zero, the snaplen.
    fn start_pcap(&mut self, link: LinkType) -> io::Result<()> {
        let magic: u32 = if self.format == FileFormat::PcapMicros { 0xa1b2_c3d4 } else { 0xa1b2_3c4d };
        self.out.put_words(&[magic, 4 << 16 | 2, 0, 0, MAX_CAPTURED_LEN, link.0])
    }

    /// draft-ietf-opsawg-pcap, section 5.
    fn write_pcap(&mut self, packet: &Outgoing<'_>, ns_per_unit: u64) -> io::Result<()> {
        const NS_PER_S: u64 = 1_000_000_000;
        let last_instant = u64::from(u32::MAX) * NS_PER_S + NS_PER_S - 1;
        let time_ns = packet.time_ns.min(last_instant);
        let (seconds, fraction) = (time_ns / NS_PER_S, time_ns % NS_PER_S / ns_per_unit);
        self.out.put_words(&[seconds as u32, fraction as u32, packet.data.len() as u32, packet.wire_len])?;
        self.out.put(packet.data)
    }

    /// A section header and a description of each port, in the order of their indices.
    fn start_pcapng(&mut self, ports: &[PortLabel<'_>]) -> io::Result<()> {
        let program = PROGRAM.as_bytes();
        let len = (28 + option_len(program.len()) + OPTIONS_END.len()) as u32;
        self.out.put_words(&[SECTION_HEADER, len, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX])?;
        self.out.put_option(options::SHB_USERAPPL, program)?;
        self.out.put(&OPTIONS_END)?;
        self.out.put_words(&[len])?;
        ports.iter().try_for_each(|port| self.describe_port(port))
    }

    /// Section 4.2: link type, snaplen, name, nanoseconds.
    fn describe_port(&mut self, port: &PortLabel<'_>) -> io::Result<()> {
        let name = truncated(port.name).as_bytes();
        let len = (20 + option_len(name.len()) + option_len(1) + OPTIONS_END.len()) as u32;
        self.out.put_words(&[INTERFACE_DESCRIPTION, len, port.link.0 & 0xffff, MAX_CAPTURED_LEN])?;
        self.out.put_option(options::IF_NAME, name)?;
        self.out.put_option(options::IF_TSRESOL, &[9])?;
        self.out.put(&OPTIONS_END)?;
        self.out.put_words(&[len])
    }

    /// Section 4.3: an Enhanced Packet Block, with a comment if there is one.
    fn write_enhanced(&mut self, packet: &Outgoing<'_>) -> io::Result<()> {
        let captured = packet.data.len();
        let comment = packet.comment.map(|text| truncated(text).as_bytes());
        let options_len = comment.map_or(0, |text| option_len(text.len()) + OPTIONS_END.len());
        let len = (12 + PACKET_FIXED_LEN + padded_to_four(captured) + options_len) as u32;
        let (high, low) = ((packet.time_ns >> 32) as u32, packet.time_ns as u32);
        let head = [ENHANCED_PACKET, len, packet.port, high, low, captured as u32, packet.wire_len];
        self.out.put_words(&head)?;
        self.out.put_padded(packet.data)?;
        if let Some(text) = comment {
            self.out.put_option(options::COMMENT, text)?;
            self.out.put(&OPTIONS_END)?;
        }
        self.out.put_words(&[len])
    }
}
