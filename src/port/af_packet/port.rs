//! What topology asks of an `af_packet` port.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use ffi::device::{Device, Links};
use ffi::packet_socket::{PacketSocket, ReceiveRing, RingShape, SocketStatistics, TransmitRing};

use super::account::Account;
use super::receive::Receiver;
use super::sockets::{Plan, Rings};
use super::transmit::Transmitter;
use super::watch::Watched;
use super::{AfPacketConfig, RingFormat, refusal};
use crate::packet::layers::LinkClass;
use crate::port::device::Facts;
use crate::port::exchange::Exchange;
use crate::port::{Capability, Link, Losses, MacAddress, Opening, Port, Privilege, Queue, Receive};

/// Bytes beyond the MTU a packet may have: Ethernet header and two VLAN tags, one of them put back by us.
const BEYOND_MTU: u32 = 14 + 4 + 4;
/// A packet of its own link layer: IP and nothing before it.
const RAW: Link = Link { class: LinkClass::RawIp, number: 101, name: "RAW" };

/// An `af_packet` port.
#[derive(Debug)]
pub struct AfPacket {
    pub(super) config: AfPacketConfig,
    pub(super) links: Links,
    /// The device as it was at the start.
    pub(super) device: Device,
    pub(super) account: Arc<Account>,
    pub(super) queues: Vec<Handle>,
    /// Does a pipeline read from it?
    pub(super) receives: bool,
    pub(super) watched: Watched,
    /// What sockets that are no more had counted.
    pub(super) folded: SocketStatistics,
}

/// A queue as the control thread sees it.
#[derive(Debug, Default)]
pub(super) struct Handle {
    /// The receiving sockets whose rings have not been collected.
    pub(super) sockets: Vec<Arc<PacketSocket>>,
    pub(super) receive: Arc<Exchange<Box<ReceiveRing>>>,
    pub(super) transmit: Arc<Exchange<Box<TransmitRing>>>,
}

impl AfPacket {
    /// An `af_packet` port with these keys; looks its device up.
    ///
    /// # Errors
    /// A key out of its range; no device of that name, with the names there are.
    pub fn new(config: AfPacketConfig) -> anyhow::Result<AfPacket> {
        config.check()?;
        let links = Links::open().context("devices cannot be asked about (rtnetlink)")?;
        let found = links.by_name(&config.device).with_context(|| format!("device {:?}", config.device))?;
        let Some(device) = found else {
            let names = ffi::device::names().unwrap_or_default().join(", ");
            anyhow::bail!(
                "there is no device {:?} in this network namespace; there are: {names}",
                config.device
            )
        };
        let facts = Facts::from(&device);
        let account = Arc::new(Account::new(facts.works, device.mtu));
        let watched = Watched::new(&config.device, facts);
        let (queues, receives, folded) = (Vec::new(), false, SocketStatistics::default());
        Ok(AfPacket { config, links, device, account, queues, receives, watched, folded })
    }

    pub(super) fn plan(&self) -> Plan {
        let shape = |packets: u32| RingShape { packet: self.device.mtu + BEYOND_MTU, packets };
        Plan {
            version: self.config.ring.into(),
            receive: shape(self.config.receive_slots),
            transmit: shape(self.config.transmit_slots),
            promiscuous: self.config.promiscuous,
            qdisc_bypass: self.config.qdisc_bypass,
        }
    }

    fn link(&self) -> Link {
        if self.device.ethernet { Link::ETHERNET } else { RAW }
    }

    /// What all receiving sockets counted.
    pub(super) fn counted(&self) -> SocketStatistics {
        let mut sum = self.folded;
        self.queues.iter().flat_map(|handle| &handle.sockets).for_each(|socket| add(&mut sum, socket));
        sum
    }

    /// Packets the device itself had no room for since the start.
    fn card_missed(&self) -> u64 {
        let now = self.links.by_name(&self.watched.name).ok().flatten();
        let Some(now) = now.filter(|now| now.index == self.device.index) else { return 0 };
        let missed = |device: &Device| device.statistics.rx_missed_errors + device.statistics.rx_fifo_errors;
        missed(&now).saturating_sub(missed(&self.device))
    }
}

pub(super) fn add(sum: &mut SocketStatistics, socket: &PacketSocket) {
    let counted = socket.statistics();
    sum.packets += counted.packets;
    sum.drops += counted.drops;
    sum.freezes += counted.freezes;
}

impl Port for AfPacket {
    fn driver(&self) -> &'static str {
        "af_packet"
    }

    fn queues(&self, cores: usize) -> usize {
        self.config.queues.unwrap_or(cores)
    }

    fn largest_packet(&self) -> usize {
        (self.device.mtu + BEYOND_MTU) as usize
    }

    fn mac_address(&self) -> Option<MacAddress> {
        self.device.mac
    }

    fn links(&self) -> Vec<Link> {
        vec![self.link()]
    }

    fn memory(&self) -> u64 {
        let plan = self.plan();
        let each = plan.receive.receive_bytes(plan.version) + plan.transmit.transmit_bytes();
        each * self.config.queues.unwrap_or(1) as u64
    }

    fn privileges(&self) -> Vec<Privilege> {
        vec![Privilege::to_the_end(
            Capability::NET_RAW,
            "to open packet sockets, again when the device comes back",
        )]
    }

    fn describe(&self) -> String {
        let format = match self.config.ring {
            RingFormat::V2 => "v2",
            RingFormat::V3 => "v3",
        };
        let way = if self.config.qdisc_bypass { "past" } else { "through" };
        format!(
            "device {}, MTU {}, {format} rings, sending {way} queueing disciplines",
            self.config.device, self.device.mtu
        )
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        self.receives = opening.receives;
        let rings = self
            .plan()
            .open(self.device.index, opening.queues, self.receives)
            .map_err(|failed| refusal::explain(&self.config.device, &failed))?;
        let link = self.link();
        let mut queues = Vec::with_capacity(rings.len());
        for Rings { receive, transmit } in rings {
            let sockets = receive.iter().map(|ring| ring.socket().clone()).collect();
            let handle = Handle { sockets, ..Handle::default() };
            let account = &self.account;
            let receiver = |ring| Receiver {
                port: opening.id,
                link: link.class,
                ring,
                exchange: handle.receive.clone(),
                account: account.clone(),
            };
            queues.push(Queue {
                receive: receive.map(|ring| Box::new(receiver(ring)) as Box<dyn Receive>),
                transmit: Some(Box::new(Transmitter {
                    ring: transmit,
                    exchange: handle.transmit.clone(),
                    account: account.clone(),
                    link: link.class,
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
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let account = &self.account;
        vec![
            ("ring-full", self.counted().drops),
            ("larger-than-frame", read(&account.larger_than_frame)),
            ("unread", read(&account.unread)),
            ("damaged", read(&account.damaged)),
            ("card-missed", self.card_missed()),
            ("transmit-rejected", read(&account.rejected)),
            ("transmit-withdrawn", read(&account.withdrawn)),
        ]
    }

    fn notes(&self) -> Vec<String> {
        let name = &self.watched.name;
        let mut notes = Vec::new();
        if self.config.ring == RingFormat::V3 {
            notes.push(
                "ring = \"v3\": the kernel may keep a packet for a millisecond or more before it hands over its block; \"v2\" hands over each at once"
                    .to_owned(),
            );
        }
        if self.account.larger_than_frame.load(Ordering::Relaxed) > 0 {
            notes.push(format!(
                "packets larger than device {name:?} can bring (MTU {}) were dropped as larger-than-frame: the kernel joins segments, or their sender never cut them; `ethtool -K {name} gro off lro off`, and on the other end of a veth `ethtool -K PEER tso off gso off`",
                self.device.mtu
            ));
        }
        let SocketStatistics { drops, freezes, .. } = self.counted();
        if drops > 0 {
            let often = if freezes > 0 { format!(" (it was full {freezes} times)") } else { String::new() };
            notes.push(format!(
                "the ring of device {name:?} was too small for what came in{often}: more queues and cores, or more receive-slots"
            ));
        }
        notes
    }
}
