//! Looking after the device while the run is going on: on the control thread, ten times a second.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ffi::packet_socket::{PacketSocket, ReceiveRing, SocketStatistics};

use super::port::{AfPacket, add};
use super::refusal;
use super::sockets::Rings;
use crate::port::device::{self, Facts, Seen};

/// What was seen of the device, and said.
#[derive(Debug)]
pub(super) struct Watched {
    /// What the device is called now.
    pub(super) name: String,
    /// How it was at the last look.
    seen: Seen,
    /// What is to be said at the first look.
    first_news: Option<String>,
    /// What kept its sockets from being opened again, as it was said last.
    complaint: Option<String>,
}

impl Watched {
    /// A device that is there.
    pub(super) fn new(name: &str, facts: Facts) -> Watched {
        let first_news = device::at_start(name, facts);
        Watched { name: name.to_owned(), seen: Some(facts), first_news, complaint: None }
    }
}

impl AfPacket {
    /// One look: takes apart what cores have done with, says what changed, opens sockets on a device that took the place
    /// of the one before.
    pub(super) fn look_after(&mut self) -> Vec<String> {
        self.collect();
        // The kernel counts in 32 bits; read often enough, they never come round.
        let _ = self.counted();
        let mut news: Vec<String> = self.watched.first_news.take().into_iter().collect();
        // The kernel may be short of memory for an answer: then nothing is known to have changed.
        let Ok(now) = self.look(&mut news) else { return news };
        let before = self.watched.seen;
        news.extend(device::news(&self.watched.name, before, now, self.device.mtu));
        self.watched.seen = now;
        let Some(facts) = now else {
            self.account.can_send.store(false, Ordering::Relaxed);
            self.watched.name.clone_from(&self.config.device);
            return news;
        };
        self.account.mtu.store(facts.mtu, Ordering::Relaxed);
        let is_new = before.is_none_or(|before| before.index != facts.index);
        if is_new && !self.take_up(facts, &mut news) {
            self.watched.seen = None;
        }
        self.account.can_send.store(facts.works && self.watched.seen.is_some(), Ordering::Relaxed);
        news
    }

    /// The device as it is now: of the name it had last, or of another name if it was renamed.
    fn look(&mut self, news: &mut Vec<String>) -> io::Result<Seen> {
        let found = self.links.by_name(&self.watched.name)?;
        let Some(index) = self.watched.seen.map(|seen| seen.index) else {
            return Ok(found.as_ref().map(Facts::from));
        };
        if found.as_ref().is_none_or(|found| found.index != index)
            && let Some(renamed) = self.find(index)
        {
            news.push(format!(
                "device {:?} is called {:?} now: traffic goes on",
                self.watched.name, renamed.name
            ));
            self.watched.name.clone_from(&renamed.name);
            return Ok(Some(Facts::from(&renamed)));
        }
        Ok(found.as_ref().map(Facts::from))
    }

    /// The device of this index.
    fn find(&self, index: u32) -> Option<ffi::device::Device> {
        let names = ffi::device::names().unwrap_or_default();
        let mut devices = names.iter().filter_map(|name| self.links.by_name(name).ok().flatten());
        devices.find(|device| device.index == index)
    }

    /// Goes on with a device that took the place of the one before; did that go well?
    fn take_up(&mut self, facts: Facts, news: &mut Vec<String>) -> bool {
        match self.reopen(facts.index) {
            Ok(()) => {
                let name = &self.watched.name;
                news.push(format!("device {name:?} is there again: its sockets are open, traffic goes on"));
                news.extend(device::larger(name, facts, self.device.mtu));
                self.watched.complaint = None;
                true
            }
            Err(error) => {
                let text = format!("{error:#}; tried again ten times a second");
                if self.watched.complaint.as_ref() != Some(&text) {
                    news.push(text.clone());
                    self.watched.complaint = Some(text);
                }
                false
            }
        }
    }

    /// Opens the sockets again and offers their rings to the cores.
    fn reopen(&mut self, index: u32) -> anyhow::Result<()> {
        let rings = self
            .plan()
            .open(index, self.queues.len(), self.receives)
            .map_err(|failed| refusal::explain(&self.watched.name, &failed))?;
        for (handle, Rings { receive, transmit }) in self.queues.iter_mut().zip(rings) {
            handle.transmit.offer(transmit);
            handle.sockets.extend(receive.iter().map(|ring| ring.socket().clone()));
            if let Some(ring) = receive.and_then(|ring| handle.receive.offer(ring)) {
                self.account.end_receive(&ring);
                fold(&mut self.folded, &mut handle.sockets, &ring);
            }
        }
        Ok(())
    }

    /// Takes apart the rings that cores have done with.
    fn collect(&mut self) {
        for handle in &mut self.queues {
            if let Some(ring) = handle.receive.collect() {
                fold(&mut self.folded, &mut handle.sockets, &ring);
            }
            drop(handle.transmit.collect());
        }
    }
}

/// A ring's socket is no more: what it counted is kept.
fn fold(folded: &mut SocketStatistics, sockets: &mut Vec<Arc<PacketSocket>>, ring: &ReceiveRing) {
    add(folded, ring.socket());
    sockets.retain(|socket| !Arc::ptr_eq(socket, ring.socket()));
}
