//! The files a capture port reads: opened, surveyed and put in one order of arrival.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ffi::file::FileBytes;

use super::{Damage, Format, LinkType, Position, Reader, Survey};
use crate::packet::layers::LinkClass;

/// One capture file, surveyed.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) bytes: FileBytes,
    pub(super) start: Position,
    pub(super) format: Format,
    pub(super) survey: Survey,
}

/// All files of a port, and the link types met in them.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) files: Vec<Input>,
    /// Distinct link types, in the order met.
    pub(super) links: Vec<LinkType>,
    /// How far the times of each further loop are moved, nanoseconds.
    pub(super) period_ns: u64,
}

impl Inputs {
    /// Opens and surveys every file.
    pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Inputs> {
        let files = paths.iter().map(|path| Input::open(path)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut links: Vec<LinkType> = Vec::new();
        for (link, _) in files.iter().flat_map(|file| &file.survey.links) {
            if !links.contains(link) {
                links.push(*link);
            }
        }
        let period_ns = period(&files);
        Ok(Inputs { files, links, period_ns })
    }

    pub(super) fn packets(&self) -> u64 {
        self.files.iter().map(|file| file.survey.packets).sum()
    }

    pub(super) fn largest(&self) -> u32 {
        self.files.iter().map(|file| file.survey.largest_record).max().unwrap_or(0)
    }

    /// Are all files pcap in microseconds?
    pub(super) fn in_microseconds(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|file| file.format == Format::PcapMicros)
    }

    /// The first damage, with its file.
    pub(super) fn damage(&self) -> Option<(&Path, Damage)> {
        self.files.iter().find_map(|file| Some((file.path.as_path(), file.survey.damage?)))
    }
}

/// From the earliest packet to the latest, and the mean gap more: what a loop takes.
fn period(files: &[Input]) -> u64 {
    let earliest = files.iter().filter_map(|file| file.survey.earliest_ns).min().unwrap_or(0);
    let latest = files.iter().filter_map(|file| file.survey.latest_ns).max().unwrap_or(0);
    let packets: u64 = files.iter().map(|file| file.survey.packets).sum();
    let span = latest - earliest.min(latest);
    span.saturating_add((span / packets.max(2).saturating_sub(1)).max(1))
}

impl Input {
    fn open(path: &Path) -> anyhow::Result<Input> {
        use anyhow::Context as _;
        // What is no capture by its first bytes may have no end (/dev/zero).
        let bytes = FileBytes::open(path, |head| Reader::open(head).is_ok())
            .with_context(|| format!("{}: cannot be opened", path.display()))?;
        let refused = || format!("{}: refused", path.display());
        let mut reader = Reader::open(&bytes).with_context(refused)?;
        let (mut start, format) = (reader.position(), reader.format());
        let survey = Survey::of_rest(&mut reader);
        // Queues start here, on polling cores, and start over there.
        start.learn(&reader.position());
        Ok(Input { path: path.to_owned(), start, format, survey, bytes })
    }
}

/// A record on its way out of the files: where its bytes are, not the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) file: u32,
    pub(super) at: usize,
    pub(super) len: u32,
    pub(super) wire_len: u32,
    pub(super) time_ns: u64,
    pub(super) link: LinkClass,
    pub(super) link_number: u16,
}

/// Walks the records of all files in the order they arrived: by time between files, in file order
/// within one.
#[derive(Debug)]
pub(super) struct Walk {
    inputs: Arc<Inputs>,
    cursors: Vec<(Position, Option<Next>)>,
    /// Added to every time: what earlier loops took.
    shift_ns: u64,
}

impl Walk {
    pub(super) fn new(inputs: Arc<Inputs>) -> Walk {
        let mut walk = Walk { cursors: Vec::new(), shift_ns: 0, inputs };
        walk.restart(0);
        walk
    }

    /// Starts over, with times moved by `loops` periods.
    pub(super) fn restart(&mut self, loops: u64) {
        self.shift_ns = loops.saturating_mul(self.inputs.period_ns);
        self.cursors.clear();
        for file in 0..self.inputs.files.len() {
            let mut cursor = self.inputs.files[file].start.clone();
            let next = step(&self.inputs, self.shift_ns, file, &mut cursor);
            self.cursors.push((cursor, next));
        }
    }

    /// The next record over all files; `None` at the end (or damage) of all of them.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Next> {
        let first = match &self.cursors[..] {
            [_] => 0,
            cursors => {
                let due = |i: &usize| cursors[*i].1.map(|next| next.time_ns);
                (0..cursors.len()).filter(|i| due(i).is_some()).min_by_key(due)?
            }
        };
        let (cursor, front) = &mut self.cursors[first];
        let next = *front;
        *front = step(&self.inputs, self.shift_ns, first, cursor);
        next
    }

    /// The bytes of a record.
    #[inline]
    pub(super) fn bytes(&self, next: &Next) -> &[u8] {
        let file: &[u8] = &self.inputs.files[next.file as usize].bytes;
        &file[next.at..next.at + next.len as usize]
    }
}

/// The record at a file's cursor.
#[inline]
fn step(inputs: &Inputs, shift_ns: u64, file: usize, cursor: &mut Position) -> Option<Next> {
    let bytes: &[u8] = &inputs.files[file].bytes;
    let record = cursor.next_record(bytes)?.ok()?;
    Some(Next {
        file: file as u32,
        at: record.data.as_ptr().addr() - bytes.as_ptr().addr(),
        len: record.data.len() as u32,
        wire_len: record.wire_len,
        time_ns: record.time_ns.saturating_add(shift_ns),
        link: record.link.class(),
        link_number: record.link.0 as u16,
    })
}
