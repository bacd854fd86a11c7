//! The capture driver: its keys, its queues, what it has to say of its files.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::input::Inputs;
use super::receive::{FileQueue, ReelQueue, Share};
use super::transmit::{FileWriter, STEP_CAPACITY};
use super::{FileFormat, LinkType, PortLabel, Writer};
use crate::packet::Reasons;
use crate::port::swallow::Swallow;
use crate::port::{InputReport, Link, Opening, Port, PortFiles, Queue, Receive, Transmit};

/// Bytes gathered before a file is written to.
const WRITE_BUFFER: usize = 1 << 16;

/// One file or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FileList {
    /// One.
    One(PathBuf),
    /// Several, merged by time.
    Many(Vec<PathBuf>),
}

/// Format of the file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutFormat {
    /// pcap, nanoseconds.
    Pcap,
    /// pcap, microseconds.
    PcapUs,
    /// pcapng, nanoseconds.
    Pcapng,
}

/// Keys of a capture port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaptureConfig {
    /// File to read, or files, merged by time. pcap or pcapng, by magic. Without it the port brings nothing.
    pub file: Option<FileList>,
    /// File to write. Without it what is sent is counted and digested, and goes nowhere.
    pub out: Option<PathBuf>,
    /// Format of `out`; by default pcapng for `.pcapng`, else pcap: in microseconds where all that is read is, in
    /// nanoseconds otherwise.
    pub format: Option<OutFormat>,
    /// Write packets that applications dropped or left undecided to `out` too, of all ports, the reason as a
    /// comment (pcapng). One port of a configuration can do so.
    pub drop_comments: bool,
    /// Times the files are read; 0 is endlessly. Times go on from loop to loop.
    #[serde(rename = "loop")]
    pub loops: u64,
    /// Read the files into memory before the start.
    pub preload: bool,
    /// Receive queues, the files split over them by flow; one a core unless given.
    pub queues: Option<usize>,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        CaptureConfig {
            file: None,
            out: None,
            format: None,
            drop_comments: false,
            loops: 1,
            preload: false,
            queues: None,
        }
    }
}

/// A capture port.
#[derive(Debug)]
pub struct Capture {
    config: CaptureConfig,
    inputs: Arc<Inputs>,
}

impl Capture {
    /// Opens and surveys the files to be read.
    ///
    /// # Errors
    /// Neither `file` nor `out`; a file that cannot be opened or is refused; comments asked of a format that has
    /// none.
    pub fn new(config: CaptureConfig) -> anyhow::Result<Capture> {
        let paths = match &config.file {
            Some(FileList::One(path)) => vec![path.clone()],
            Some(FileList::Many(paths)) => paths.clone(),
            None => Vec::new(),
        };
        anyhow::ensure!(
            !paths.is_empty() || config.out.is_some(),
            "a capture port needs `file`, `out` or both: it would neither bring nor take anything"
        );
        anyhow::ensure!(config.queues != Some(0), "queues = 0: a port has at least one queue");
        let capture = Capture { inputs: Arc::new(Inputs::open(&paths)?), config };
        anyhow::ensure!(
            !capture.config.drop_comments || capture.format() == Some(FileFormat::Pcapng),
            "drop-comments = true: only pcapng has comments; name an `out` that ends in .pcapng, or set format = \"pcapng\""
        );
        Ok(capture)
    }

    fn reads(&self) -> bool {
        !self.inputs.files.is_empty()
    }

    fn loops(&self) -> Option<u64> {
        (self.config.loops != 0).then_some(self.config.loops)
    }

    /// Format of the output, if there is one.
    fn format(&self) -> Option<FileFormat> {
        let out = self.config.out.as_deref()?;
        Some(match self.config.format {
            Some(OutFormat::Pcap) => FileFormat::PcapNanos,
            Some(OutFormat::PcapUs) => FileFormat::PcapMicros,
            Some(OutFormat::Pcapng) => FileFormat::Pcapng,
            None if FileFormat::of_path(out) == Some(FileFormat::Pcapng) => FileFormat::Pcapng,
            // What was read in microseconds needs no more: forwarding gives the very same file.
            None if self.inputs.in_microseconds() => FileFormat::PcapMicros,
            None => FileFormat::PcapNanos,
        })
    }

    /// Link types packets sent out of this port may have: those of its own files and of the ports that are
    /// forwarded to it.
    fn out_links(&self, opening: &Opening) -> Vec<LinkType> {
        let mut links = self.inputs.links.clone();
        for link in &opening.carries {
            let link = LinkType(u32::from(link.number));
            if !links.contains(&link) {
                links.push(link);
            }
        }
        if links.is_empty() {
            links.push(LinkType::ETHERNET);
        }
        links
    }

    fn writer(&self, path: &Path, format: FileFormat, opening: &Opening) -> anyhow::Result<FileWriter> {
        let links = self.out_links(opening);
        let labels: Vec<PortLabel<'_>> =
            links.iter().map(|link| PortLabel { name: &opening.name, link: *link }).collect();
        // A file that was there is still there when this cannot be written: nothing is shortened before that is known.
        Writer::create(io::sink(), format, &labels).with_context(|| format!("{}", path.display()))?;
        let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
        let kind = file.metadata()?.file_type();
        let out = BufWriter::with_capacity(WRITE_BUFFER, file);
        let writer = Writer::create(out, format, &labels).with_context(|| format!("{}", path.display()))?;
        Ok(FileWriter {
            path: path.to_owned(),
            writer: Some(writer),
            links,
            step: opening.virtual_time.then(|| Vec::with_capacity(STEP_CAPACITY)),
            prompt: kind.is_fifo() || kind.is_socket(),
            error: None,
            homeless: 0,
            reasons: Reasons::default(),
        })
    }

    fn receive_queue(&self, opening: &Opening, queue: usize) -> anyhow::Result<Option<Box<dyn Receive>>> {
        if !self.reads() {
            return Ok(None);
        }
        let share = Share { queue, queues: opening.queues, spread: opening.spread.clone() };
        Ok(Some(if self.config.preload {
            Box::new(ReelQueue::load(opening.id, &self.inputs, &share, self.loops(), &opening.pages)?)
        } else {
            Box::new(FileQueue::new(opening.id, self.inputs.clone(), share, self.loops()))
        }))
    }
}

impl Port for Capture {
    fn driver(&self) -> &'static str {
        "capture"
    }

    fn queues(&self, cores: usize) -> usize {
        if self.reads() { self.config.queues.unwrap_or(cores) } else { 1 }
    }

    fn largest_packet(&self) -> usize {
        self.inputs.largest() as usize
    }

    fn links(&self) -> Vec<Link> {
        let of = |link: &LinkType| Link {
            class: link.class(),
            number: link.0 as u16,
            name: link.name().unwrap_or("not registered"),
        };
        self.inputs.links.iter().map(of).collect()
    }

    fn directions(&self) -> (bool, bool) {
        (self.reads(), true)
    }

    fn records_drops(&self) -> bool {
        self.config.drop_comments
    }

    fn files(&self) -> PortFiles {
        PortFiles {
            read: self.inputs.files.iter().map(|file| file.path.clone()).collect(),
            written: self.config.out.clone(),
        }
    }

    fn memory(&self) -> u64 {
        if !self.config.preload {
            return 0;
        }
        self.inputs.files.iter().map(|file| file.survey.bytes_captured + 64 * file.survey.packets).sum()
    }

    fn describe(&self) -> String {
        let mut text = match &self.inputs.files[..] {
            [] => String::new(),
            [file] => format!("{}, {} packets", file.path.display(), file.survey.packets),
            files => format!("{} files, {} packets", files.len(), self.inputs.packets()),
        };
        match self.config.loops {
            _ if !self.reads() => {}
            0 => text.push_str(", endlessly"),
            1 => {}
            loops => text.push_str(&format!(", {loops} times")),
        }
        if self.config.preload && self.reads() {
            text.push_str(", from memory");
        }
        if let Some(out) = &self.config.out {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&format!("writes {}", out.display()));
        }
        text
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let mut queues = Vec::with_capacity(opening.queues);
        for queue in 0..opening.queues {
            let receive = self.receive_queue(opening, queue)?;
            // One file has one writer; a port that only swallows does so on every core.
            let transmit: Option<Box<dyn Transmit>> = match (&self.config.out, self.format()) {
                (Some(out), Some(format)) if queue == 0 => Some(Box::new(self.writer(out, format, opening)?)),
                (Some(_), _) => None,
                (None, _) => Some(Box::new(Swallow)),
            };
            queues.push(Queue { receive, transmit });
        }
        Ok(queues)
    }

    fn input(&self) -> Option<InputReport> {
        if !self.reads() {
            return None;
        }
        let damage = self.inputs.damage();
        Some(InputReport {
            packets: self.inputs.packets(),
            offset: damage.map(|(_, damage)| damage.offset),
            error: damage.map(|(path, damage)| format!("{}: {damage}", path.display())),
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for file in &self.inputs.files {
            let survey = &file.survey;
            let mut note = |count: u64, what: &str| {
                if count > 0 {
                    notes.push(format!("{}: {count} {what}", file.path.display()));
                }
            };
            note(
                survey.nonmonotonic,
                "packets are older than the one before them: they keep their times and their places",
            );
            note(survey.out_of_range_times, "times are out of range and were normalised");
            note(survey.absent_times, "packets have no time");
            note(survey.empty_records, "records hold no byte: they are received, but never transmitted");
            note(survey.snapped, "packets were cut by the capture");
        }
        notes
    }
}
