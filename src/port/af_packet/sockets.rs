//! Opening the sockets of a port's queues.

use ffi::packet_socket::{Failed, ReceiveRing, RingShape, RingVersion, TransmitRing};

/// What the rings of every queue are to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Format of the receive rings.
    pub(super) version: RingVersion,
    /// Receive rings.
    pub(super) receive: RingShape,
    /// Transmit rings.
    pub(super) transmit: RingShape,
    /// Take in packets for other addresses too.
    pub(super) promiscuous: bool,
    /// Send past queueing disciplines.
    pub(super) qdisc_bypass: bool,
}

/// The rings of one queue.
#[derive(Debug)]
pub(super) struct Rings {
    /// `None` where nobody reads.
    pub(super) receive: Option<Box<ReceiveRing>>,
    pub(super) transmit: Box<TransmitRing>,
}

impl Plan {
    /// Opens the sockets of so many queues on a device. Packets come in only when all are open and belong to one group,
    /// so that none comes to two queues. Without `read` there are no sockets to receive.
    pub(super) fn open(&self, index: u32, queues: usize, read: bool) -> Result<Vec<Rings>, Failed> {
        let mut rings = Vec::with_capacity(queues);
        for _ in 0..queues {
            let receive = || ReceiveRing::open(self.receive, self.version).map(Box::new);
            rings.push(Rings {
                receive: read.then(receive).transpose()?,
                transmit: Box::new(TransmitRing::open(self.transmit, index, self.qdisc_bypass)?),
            });
        }
        self.let_in(index, &rings)?;
        Ok(rings)
    }

    /// Binds the receiving sockets and lets packets in.
    fn let_in(&self, index: u32, rings: &[Rings]) -> Result<(), Failed> {
        let sockets = || rings.iter().filter_map(|rings| rings.receive.as_ref()).map(|ring| ring.socket());
        let mut group = None;
        for socket in sockets() {
            socket.bind(index).map_err(step("binding to the device"))?;
            match group {
                None if rings.len() == 1 => {}
                None => group = Some(socket.start_group().map_err(step("spreading packets over queues"))?),
                Some(group) => socket.join_group(group).map_err(step("spreading packets over queues"))?,
            }
        }
        if let (true, Some(first)) = (self.promiscuous, sockets().next()) {
            // For the device one is as good as all.
            first.make_promiscuous(index).map_err(step("taking in packets for other addresses"))?;
        }
        for socket in sockets() {
            socket.admit().map_err(step("letting packets in"))?;
        }
        Ok(())
    }
}

fn step(step: &'static str) -> impl FnOnce(std::io::Error) -> Failed {
    move |error| Failed { step: step.to_owned(), error }
}
