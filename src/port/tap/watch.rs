//! Looking after the device while the run is going on: on the control thread, ten times a second.

use ffi::device::Device;
use ffi::errno::EBADFD;

use super::port::{Handle, Tap};
use crate::port::device::{self, Facts};

impl Tap {
    /// One look: says what changed, makes a device again that was deleted.
    pub(super) fn look_after(&mut self) -> Vec<String> {
        for handle in &self.queues {
            drop((handle.receive.collect(), handle.transmit.collect()));
        }
        let mut news = Vec::new();
        if self.is_deleted() {
            self.make_again(&mut news);
            return news;
        }
        let name = &self.config.device;
        // The kernel may be short of memory for an answer: then nothing is known to have changed.
        let Ok(found) = self.links.by_name(name) else { return news };
        match found.filter(|device| self.seen.is_none_or(|seen| seen.index == device.index)) {
            Some(device) => {
                let now = Some(Facts::from(&device));
                news = device::news(name, self.seen, now, self.config.mtu);
                self.dropped = self.count_dropped(&device);
                self.seen = now;
            }
            None if !self.moved => {
                news.push(format!(
                    "device {name:?} is not in this network namespace any more (moved or renamed): traffic goes on, what the kernel drops there is not counted"
                ));
                self.moved = true;
            }
            None => {}
        }
        news
    }

    /// Makes the device again and offers its queues to the cores.
    fn make_again(&mut self, news: &mut Vec<String>) {
        let name = self.config.device.clone();
        match self.make(self.queues.len()) {
            Ok((taps, device)) => {
                for (handle, tap) in self.queues.iter_mut().zip(taps) {
                    handle.receive.offer(tap.clone());
                    handle.transmit.offer(tap.clone());
                    handle.tap = tap;
                }
                news.push(format!("device {name:?} was deleted and is made again: traffic goes on"));
                self.dropped_earlier += self.dropped;
                (self.dropped, self.dropped_before) = (0, 0);
                (self.complaint, self.seen) = (None, Some(Facts::from(&device)));
            }
            Err(error) => {
                let text = format!("device {name:?} was deleted: {error:#}; tried again ten times a second");
                if self.complaint.as_ref() != Some(&text) {
                    news.push(text.clone());
                    self.complaint = Some(text);
                }
            }
        }
    }

    /// Was the device deleted? One that is in another namespace now is still ours.
    fn is_deleted(&self) -> bool {
        let name = |handle: &Handle| handle.tap.name();
        self.queues
            .first()
            .map(name)
            .is_some_and(|name| name.is_err_and(|e| e.raw_os_error() == Some(EBADFD)))
    }

    /// The device as it is now, if it is in this namespace.
    pub(super) fn look(&self) -> Option<Device> {
        self.links.by_name(&self.config.device).ok().flatten()
    }

    /// What the kernel could not queue for us on this device.
    pub(super) fn count_dropped(&self, device: &Device) -> u64 {
        device.statistics.tx_dropped.saturating_sub(self.dropped_before)
    }
}
