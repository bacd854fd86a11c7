//! A cursor over the records of a mapped capture file.

use std::iter::FusedIterator;

use super::block;
use super::pcap::{self, Layout, Magic};
use super::pcapng::{Section, SectionStart};
use super::{Damage, DamageKind, LinkType, Record, Refusal};

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pcap with microseconds.
    PcapMicros,
    /// pcap with nanoseconds.
    PcapNanos,
    /// pcap with Kuznetzov's longer record headers; microseconds.
    PcapModified,
    /// pcapng.
    Pcapng,
    /// The file ends before its header does.
    Cut,
}

/// Where in the file a reader is, and what it knows there. Only of use with the file it came from.
#[derive(Clone, Debug)]
pub struct Position {
    at: usize,
    state: State,
}

impl Position {
    /// The next record of `file`, which is the one this position was taken in; see [`Reader::next_record`].
    #[inline]
    pub fn next_record<'a>(&mut self, file: &'a [u8]) -> Option<Result<Record<'a>, Damage>> {
        let step = match &mut self.state {
            State::Pcap(layout) => layout.record(file, self.at),
            State::Pcapng(section) => section.record(file, self.at),
            State::Failed(damage) => Err(*damage),
            State::Done { .. } => Ok(None),
        };
        match step {
            Ok(Some((record, next))) => {
                self.at = next;
                Some(Ok(record))
            }
            Ok(None) => self.stop(None),
            Err(damage) => self.stop(Some(Err(damage))),
        }
    }

    /// Leaves nothing to be read; hands `last` through.
    #[cold]
    fn stop<'a>(&mut self, last: Option<Result<Record<'a>, Damage>>) -> Option<Result<Record<'a>, Damage>> {
        let interfaces = self.interfaces_described();
        let before = std::mem::replace(&mut self.state, State::Done { interfaces, section: None });
        if let State::Pcapng(met) = before {
            self.state = State::Done { interfaces, section: Some(met) };
        }
        last
    }

    /// Takes over what a walk of the same file, ended at `walked`, has found out of its interfaces: walking it
    /// again from here allocates nothing.
    pub fn learn(&mut self, walked: &Position) {
        if let (State::Pcapng(section), State::Done { section: Some(met), .. }) =
            (&mut self.state, &walked.state)
        {
            section.learn(met);
        }
    }

    fn interfaces_described(&self) -> u32 {
        match &self.state {
            State::Pcap(_) => 1,
            State::Pcapng(section) => section.described(),
            State::Failed(_) => 0,
            State::Done { interfaces, .. } => *interfaces,
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    Pcap(Layout),
    Pcapng(Section),
    /// Damage to be reported, then nothing more.
    Failed(Damage),
    /// Past the end, or past damage; how many interfaces had been described by then, and which.
    Done {
        interfaces: u32,
        section: Option<Section>,
    },
}

/// Walks the records of a capture file in file order.
///
/// Reads in place: a record's bytes are a slice of the file. A step looks at one record (pcap) or at
/// the blocks up to the next packet (pcapng), always moves forward, allocates nothing but the table
/// of interfaces a pcapng section describes, and never panics. After damage or the end it yields
/// nothing more.
///
/// A clone costs a reference count, so every queue may walk the same file with its own; once one has walked
/// it all, the others need no table of their own ([`Position::learn`]).
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    file: &'a [u8],
    format: Format,
    link: Option<LinkType>,
    cursor: Position,
}

impl<'a> Reader<'a> {
    /// Opens a file by its first bytes; the name does not matter.
    ///
    /// A file that ends inside its own header opens, yields its damage and no record.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: an unknown magic, a version or a link-type field we do not read.
    pub fn open(file: &'a [u8]) -> Result<Self, Refusal> {
        let Some(magic) = file.first_chunk::<4>() else {
            return Ok(Reader::cut(file, 4));
        };
        if u32::from_le_bytes(*magic) == block::SECTION_HEADER {
            return Reader::open_pcapng(file);
        }
        let Some(kind) = Magic::of(*magic) else { return Err(Refusal::UnknownMagic(*magic)) };
        let Some(header) = pcap::file_header(file) else {
            return Ok(Reader::cut(file, pcap::FILE_HEADER_LEN));
        };
        let layout = Layout::read(file, kind, header)?;
        let format = match (kind.modified, kind.ns_per_unit) {
            (true, _) => Format::PcapModified,
            (false, 1) => Format::PcapNanos,
            (false, _) => Format::PcapMicros,
        };
        Ok(Reader::at(file, format, pcap::FILE_HEADER_LEN, State::Pcap(layout)))
    }

    fn open_pcapng(file: &'a [u8]) -> Result<Self, Refusal> {
        match SectionStart::of(file) {
            SectionStart::Cut => Ok(Reader::cut(file, 16)),
            SectionStart::Known(_) => {
                Ok(Reader::at(file, Format::Pcapng, 0, State::Pcapng(Section::before_first())))
            }
            SectionStart::Foreign(DamageKind::SectionVersion { major, minor }) => {
                Err(Refusal::PcapngVersion { major, minor })
            }
            SectionStart::Foreign(_) => {
                let magic = file.get(8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
                Err(Refusal::PcapngByteOrder(u32::from_le_bytes(magic)))
            }
        }
    }

    fn cut(file: &'a [u8], need: usize) -> Self {
        Reader::at(file, Format::Cut, 0, State::Failed(pcap::cut_file_header(file, need)))
    }

    fn at(file: &'a [u8], format: Format, at: usize, state: State) -> Self {
        let link = match &state {
            State::Pcap(layout) => Some(layout.link()),
            _ => None,
        };
        Reader { file, format, link, cursor: Position { at, state } }
    }

    /// The next record, or the damage that ends the walk, or nothing.
    #[inline]
    pub fn next_record(&mut self) -> Option<Result<Record<'a>, Damage>> {
        self.cursor.next_record(self.file)
    }

    /// The format the file was opened as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Where the next record is looked for; take one before the first record to start over.
    pub fn position(&self) -> Position {
        self.cursor.clone()
    }

    /// Goes back, or on, to a position taken from a reader of the same file.
    pub fn seek(&mut self, position: &Position) {
        self.cursor.clone_from(position);
    }

    /// The link type all records share (pcap); pcapng says it per record.
    pub fn link(&self) -> Option<LinkType> {
        self.link
    }

    /// Interfaces described so far, in all sections; 1 in pcap.
    pub fn interfaces_described(&self) -> u32 {
        self.cursor.interfaces_described()
    }

    /// The comment stored with a packet of this file, if it has one (pcapng, `opt_comment`).
    ///
    /// Looks at the record's block again: nothing is paid for comments that are not asked for.
    pub fn comment(&self, record: &Record<'a>) -> Option<&'a str> {
        match self.format {
            Format::Pcapng => block::comment(self.file, record.offset as usize),
            _ => None,
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_record()
    }
}

impl FusedIterator for Reader<'_> {}
