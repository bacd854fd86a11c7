//! One pass over a capture file ahead of a run: how much there is, how large, how long, how damaged.

use super::{Damage, LinkType, Reader, Record, Refusal};

/// What a capture file holds, up to its end or to the first damage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Packets.
    pub packets: u64,
    /// Captured bytes of all packets.
    pub bytes_captured: u64,
    /// Bytes on the wire of all packets, as the file claims; not to be used for sizing anything.
    pub bytes_wire: u64,
    /// Captured bytes of the largest packet: what a buffer, or a chain of them, has to hold.
    pub largest_record: u32,
    /// The earliest time, in nanoseconds since 1970; `None` where no packet has a time.
    pub earliest_ns: Option<u64>,
    /// The latest time, likewise.
    pub latest_ns: Option<u64>,
    /// Time of the first packet that has one, likewise.
    pub first_ns: Option<u64>,
    /// Time of the last packet that has one, likewise.
    pub last_ns: Option<u64>,
    /// Packets of each link type, in the order first met.
    pub links: Vec<(LinkType, u64)>,
    /// Interfaces described in the file, in all its sections; 1 in pcap.
    pub interfaces: u32,
    /// Packets without a captured byte.
    pub empty_records: u64,
    /// Packets older than the one before them.
    pub nonmonotonic: u64,
    /// Packets whose time was normalised or saturated.
    pub out_of_range_times: u64,
    /// Packets without a time.
    pub absent_times: u64,
    /// Packets captured shorter than they were.
    pub snapped: u64,
    /// What ended the pass before the end of the file.
    pub damage: Option<Damage>,
}

impl Survey {
    /// Walks the whole file once, touching every record header and no packet byte.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where the file cannot be opened; damage further in is in [`Survey::damage`].
    pub fn of(file: &[u8]) -> Result<Self, Refusal> {
        Ok(Survey::of_rest(&mut Reader::open(file)?))
    }

    /// The same of what a reader has still before it.
    pub fn of_rest(reader: &mut Reader<'_>) -> Self {
        let mut survey = Survey::default();
        while let Some(step) = reader.next_record() {
            match step {
                Ok(record) => survey.add(&record),
                Err(damage) => survey.damage = Some(damage),
            }
        }
        survey.interfaces = reader.interfaces_described();
        survey
    }

    /// From the first packet to the last, in nanoseconds: 0 where it runs backwards or has no times.
    pub fn span_ns(&self) -> u64 {
        self.last_ns.unwrap_or(0).saturating_sub(self.first_ns.unwrap_or(0))
    }

    fn add(&mut self, record: &Record<'_>) {
        self.packets += 1;
        self.bytes_captured += record.data.len() as u64;
        self.bytes_wire += u64::from(record.wire_len);
        self.largest_record = self.largest_record.max(record.data.len() as u32);
        self.empty_records += u64::from(record.data.is_empty());
        self.snapped += u64::from(record.is_snapped());
        self.out_of_range_times += u64::from(record.time_out_of_range);
        self.add_link(record.link);
        match record.time_absent {
            true => self.absent_times += 1,
            false => self.add_time(record.time_ns),
        }
    }

    fn add_link(&mut self, link: LinkType) {
        match self.links.iter_mut().find(|entry| entry.0 == link) {
            Some(entry) => entry.1 += 1,
            None => self.links.push((link, 1)),
        }
    }

    fn add_time(&mut self, time_ns: u64) {
        self.nonmonotonic += u64::from(self.last_ns.is_some_and(|last| time_ns < last));
        self.first_ns.get_or_insert(time_ns);
        self.last_ns = Some(time_ns);
        self.earliest_ns = Some(self.earliest_ns.map_or(time_ns, |earliest| earliest.min(time_ns)));
        self.latest_ns = self.latest_ns.max(Some(time_ns));
    }
}
