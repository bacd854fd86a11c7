//! Transmit queues of a capture port: a file, or nothing.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::receive::link_number;
use super::{LinkType, Outgoing, Writer};
use crate::packet::layers::LinkClass;
use crate::packet::{BurstSize, Frames, Packet, Packets, Reason, Reasons};
use crate::port::{Moved, Refusal, Transmit};

/// Writes a capture file.
pub(super) struct FileWriter {
    pub(super) path: PathBuf,
    pub(super) writer: Option<Writer<BufWriter<File>>>,
    /// Link types of the file's interfaces, in their order.
    pub(super) links: Vec<LinkType>,
    /// In virtual time: packets of this step, to be written in their order of arrival.
    pub(super) step: Option<Vec<Packet>>,
    /// The other end reads as we write (a pipe): nothing is held back after a turn.
    pub(super) prompt: bool,
    /// What failed, once something did.
    pub(super) error: Option<String>,
    /// Dropped packets that could not be written down: the file has no interface of their link type.
    pub(super) homeless: u64,
    /// Names for comments.
    pub(super) reasons: Reasons,
}

/// The link type that packets of a class have where nobody says which exactly.
fn usual_number(class: LinkClass) -> Option<u16> {
    match class {
        LinkClass::Ethernet => Some(1),
        LinkClass::RawIp => Some(101),
        LinkClass::LinuxSll => Some(113),
        LinkClass::LinuxSll2 => Some(276),
        LinkClass::Null => Some(0),
        LinkClass::Opaque => None,
    }
}

/// Packets of one step of virtual time there is room for from the start; each port brings at most a burst, and
/// more than this makes more room, as far as there are frames.
pub(super) const STEP_CAPACITY: usize = 4 * BurstSize::MAX;

impl FileWriter {
    /// The interface a packet is written to, by its link type.
    fn interface(&self, packet: &Packet) -> Option<usize> {
        let number = match packet.order() {
            Some(order) if link_number(order) != 0 || packet.link() == LinkClass::Null => link_number(order),
            _ => usual_number(packet.link())?,
        };
        self.links.iter().position(|link| link.0 == u32::from(number))
    }

    /// Writes one packet, with the reason as a comment where it was dropped.
    fn write(&mut self, packet: &Packet) {
        let Some(port) = self.interface(packet) else {
            self.homeless += 1;
            return;
        };
        let comment = packet.dropped().map(|reason| self.reasons.name(reason));
        let Some(writer) = &mut self.writer else { return };
        let outgoing = Outgoing {
            data: packet.data(),
            time_ns: packet.time_ns(),
            wire_len: packet.wire_len(),
            port: port as u32,
            comment,
        };
        if let Err(error) = writer.write(&outgoing) {
            self.fail(error.to_string());
        }
    }

    #[cold]
    fn fail(&mut self, error: String) {
        self.error.get_or_insert(format!("{}: {error}", self.path.display()));
        // Dropping a BufWriter would try to write once more what just could not be written.
        if let Some(writer) = self.writer.take() {
            let _ = writer.into_inner().into_parts();
        }
    }

    /// Writes the step's packets in their order of arrival.
    fn settle_step(&mut self, frames: &mut Frames) {
        let Some(mut step) = self.step.take() else { return };
        // Stable: packets one core sent for the same arrival stay in the order it sent them.
        step.sort_by_key(|packet| packet.order().map(|[time, place]| (time, place >> 16)));
        for packet in step.drain(..) {
            self.write(&packet);
            frames.release(packet.into_frame());
        }
        self.step = Some(step);
    }

    /// Why the packet can never be written, if so.
    fn refuses(&self, packet: &Packet) -> Option<Reason> {
        if packet.len() == 0 {
            Some(Reason::EMPTY)
        } else if self.writer.is_none() {
            Some(Reason::TRANSMIT_FAILED)
        } else if self.interface(packet).is_none() {
            Some(Reason::LINK_TYPE)
        } else {
            None
        }
    }
}

impl Transmit for FileWriter {
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        let mut moved = Moved::default();
        let mut refusal = None;
        let mut taken = 0;
        for packet in packets.iter() {
            refusal = self.refuses(packet).map(Refusal::Never);
            if refusal.is_some() {
                break;
            }
            if self.step.is_none() {
                self.write(packet);
                if self.writer.is_none() {
                    refusal = Some(Refusal::Never(Reason::TRANSMIT_FAILED));
                    break;
                }
            }
            moved.packets += 1;
            moved.bytes += packet.len() as u64;
            taken += 1;
        }
        for packet in packets.drain(..taken) {
            match &mut self.step {
                Some(step) => step.push(packet),
                None => frames.release(packet.into_frame()),
            }
        }
        (moved, refusal)
    }

    fn name_reasons(&mut self, reasons: &Reasons) {
        self.reasons = reasons.clone();
    }

    fn record_drop(&mut self, packet: Packet, frames: &mut Frames) {
        match &mut self.step {
            Some(step) => step.push(packet),
            None => {
                self.write(&packet);
                frames.release(packet.into_frame());
            }
        }
    }

    fn flush(&mut self, _frames: &mut Frames) {
        if self.prompt
            && let Some(writer) = &mut self.writer
            && let Err(error) = writer.flush()
        {
            self.fail(error.to_string());
        }
    }

    fn end_step(&mut self, frames: &mut Frames) {
        self.settle_step(frames);
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        self.settle_step(frames);
        if let Some(writer) = self.writer.take() {
            let finished = writer
                .finish()
                .map_err(|error| error.to_string())
                .and_then(|mut out| out.flush().map_err(|error| error.to_string()));
            if let Err(error) = finished {
                self.error.get_or_insert(format!("{}: {error}", self.path.display()));
            }
        }
        if self.homeless > 0 {
            let (path, count) = (self.path.display(), self.homeless);
            self.error.get_or_insert(format!(
                "{path}: {count} dropped packets could not be written down: the file has no interface of their link type"
            ));
        }
        self.error.take().map_or(Ok(()), Err)
    }
}
