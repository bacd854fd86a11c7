//! What topology asks of a `tap` port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use ffi::device::{Device, Links};
use ffi::link::{self, LinkSettings};
use ffi::tap::{Tap as Queues, TapMode};

use super::config::{Mode, Prefix, TapConfig, our_mac};
use super::receive::{Account, Receiver};
use super::refusal::{Step, explain};
use super::transmit::Transmitter;
use crate::packet::layers::LinkClass;
use crate::port::device::{Facts, Seen};
use crate::port::exchange::Exchange;
use crate::port::{Capability, Link, Losses, MacAddress, Opening, Port, Privilege, Queue, Receive};

/// Bytes of an Ethernet header, and of a VLAN tag in it.
const ETHERNET: usize = 14;
const TAG: usize = 4;
/// The least packet of IP: its header.
const IP: usize = 20;

/// A `tap` port.
#[derive(Debug)]
pub struct Tap {
    pub(super) config: TapConfig,
    pub(super) addresses: Vec<Prefix>,
    pub(super) kernel_mac: Option<MacAddress>,
    pub(super) links: Links,
    pub(super) account: Arc<Account>,
    pub(super) queues: Vec<Handle>,
    pub(super) seen: Seen,
    /// Packets the kernel dropped before this device was ours, and those it dropped on devices that are no more.
    pub(super) dropped_before: u64,
    pub(super) dropped_earlier: u64,
    /// What was counted at the last look.
    pub(super) dropped: u64,
    /// What kept the device from being made again, as it was said last.
    pub(super) complaint: Option<String>,
    /// Was it said that the device is in another namespace?
    pub(super) moved: bool,
}

/// A queue as the control thread sees it.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) tap: Arc<Queues>,
    pub(super) receive: Arc<Exchange<Arc<Queues>>>,
    pub(super) transmit: Arc<Exchange<Arc<Queues>>>,
}

impl Tap {
    /// A tap port with these keys; the device is made when it is opened.
    ///
    /// # Errors
    /// A key out of its range or that cannot be read.
    pub fn new(config: TapConfig) -> anyhow::Result<Tap> {
        let addresses = config.check()?;
        let kernel_mac = config.kernel_mac()?;
        let links = Links::open().context("devices cannot be asked about (rtnetlink)")?;
        Ok(Tap {
            config,
            addresses,
            kernel_mac,
            links,
            account: Arc::default(),
            queues: Vec::new(),
            seen: None,
            dropped_before: 0,
            dropped_earlier: 0,
            dropped: 0,
            complaint: None,
            moved: false,
        })
    }

    /// Opens so many queues of the device and sets it as configured.
    pub(super) fn make(&self, queues: usize) -> anyhow::Result<(Vec<Arc<Queues>>, Device)> {
        let name = &self.config.device;
        let failed = |step: Step| move |error: io::Error| explain(name, step, &error);
        let mode = if self.config.mode == Mode::Tap { TapMode::Ethernet } else { TapMode::Ip };
        let mut taps = Vec::with_capacity(queues);
        for _ in 0..queues {
            taps.push(Arc::new(Queues::open(name, mode, queues > 1).map_err(failed(Step::Open))?));
        }
        let index = self.find()?.index;
        let settings = LinkSettings { mtu: Some(self.config.mtu), mac: self.kernel_mac, up: None };
        link::configure(index, &settings).map_err(failed(Step::Configure))?;
        if self.config.up {
            let up = LinkSettings { up: Some(true), ..LinkSettings::default() };
            link::configure(index, &up).map_err(failed(Step::Configure))?;
        }
        for (address, prefix) in &self.addresses {
            link::add_address(index, *address, *prefix).map_err(failed(Step::Address))?;
        }
        Ok((taps, self.find()?))
    }

    fn find(&self) -> anyhow::Result<Device> {
        let found = self.links.by_name(&self.config.device)?;
        found.with_context(|| format!("device {:?} went as soon as it was made", self.config.device))
    }

    /// The largest packet, bytes.
    fn most(&self) -> usize {
        let mtu = self.config.mtu as usize;
        if self.config.mode == Mode::Tap { mtu + ETHERNET + TAG } else { mtu }
    }

    fn link(&self) -> Link {
        match self.config.mode {
            Mode::Tap => Link::ETHERNET,
            Mode::Tun => Link { class: LinkClass::RawIp, number: 101, name: "RAW" },
        }
    }
}

impl Port for Tap {
    fn driver(&self) -> &'static str {
        "tap"
    }

    fn queues(&self, cores: usize) -> usize {
        self.config.queues.unwrap_or(cores)
    }

    fn largest_packet(&self) -> usize {
        // A byte more, see `Receiver`.
        self.most() + 1
    }

    fn mac_address(&self) -> Option<MacAddress> {
        self.kernel_mac.map(our_mac)
    }

    fn links(&self) -> Vec<Link> {
        vec![self.link()]
    }

    fn privileges(&self) -> Vec<Privilege> {
        vec![Privilege::to_the_end(Capability::NET_ADMIN, "to make its device, again when that was deleted")]
    }

    fn describe(&self) -> String {
        let kind = if self.config.mode == Mode::Tap { "tap" } else { "tun" };
        let addresses = match self.config.address.join(", ") {
            none if none.is_empty() => "no address".to_owned(),
            some => some,
        };
        format!("{kind} device {}, {addresses}, MTU {}", self.config.device, self.config.mtu)
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let (taps, device) = self.make(opening.queues)?;
        self.dropped_before = device.statistics.tx_dropped;
        self.seen = Some(Facts::from(&device));
        let most = self.most();
        let least = if self.config.mode == Mode::Tap { ETHERNET } else { IP };
        let mut queues = Vec::with_capacity(taps.len());
        for tap in taps {
            let handle = Handle { tap: tap.clone(), receive: Arc::default(), transmit: Arc::default() };
            let receiver = || Receiver {
                port: opening.id,
                link: self.link().class,
                most,
                tap: tap.clone(),
                exchange: handle.receive.clone(),
                account: self.account.clone(),
            };
            queues.push(Queue {
                receive: opening.receives.then(|| Box::new(receiver()) as Box<dyn Receive>),
                transmit: Some(Box::new(Transmitter {
                    link: self.link().class,
                    sizes: least..=most,
                    tap: tap.clone(),
                    exchange: handle.transmit.clone(),
                })),
            });
            self.queues.push(handle);
        }
        Ok(queues)
    }

    fn watch(&mut self) -> Vec<String> {
        self.look_after()
    }

    fn losses(&self) -> Losses {
        let seen = self.seen.map(|seen| seen.index);
        let now = self.look().filter(|device| Some(device.index) == seen);
        let dropped = now.map_or(self.dropped, |device| self.count_dropped(&device));
        vec![
            ("queue-full", self.dropped_earlier + dropped),
            ("larger-than-frame", self.account.larger_than_frame.load(Ordering::Relaxed)),
            ("unread", self.account.unread.load(Ordering::Relaxed)),
        ]
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let lost: u64 =
            self.losses().iter().filter(|(why, _)| *why == "queue-full").map(|(_, count)| count).sum();
        if lost > 0 {
            notes.push(format!(
                "the queue of device {0:?} was too short for what the kernel sent: `ip link set {0} txqueuelen 10000`, or more queues and cores",
                self.config.device
            ));
        }
        notes
    }
}
