//! What the writers write, our reader and a second parser read back.

use std::io;
use std::path::Path;
use std::time::Duration;

use mnvkd::port::capture::{
    FileFormat, Format, LinkType, MAX_CAPTURED_LEN, Outgoing, PortLabel, Reader, Record, WriteError, Writer,
};
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use proptest::prelude::*;

const PORTS: [PortLabel<'static>; 3] = [
    PortLabel { name: "in0", link: LinkType::ETHERNET },
    PortLabel { name: "in1", link: LinkType::ETHERNET },
    PortLabel { name: "verworfen ü", link: LinkType::ETHERNET },
];

#[derive(Clone, Debug)]
struct Packet {
    data: Vec<u8>,
    time_ns: u64,
    more_on_wire: u32,
    port: u32,
    comment: Option<String>,
}

impl Packet {
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            data: &self.data,
            time_ns: self.time_ns,
            wire_len: self.wire_len(),
            port: self.port,
            comment: self.comment.as_deref(),
        }
    }

    fn wire_len(&self) -> u32 {
        self.data.len() as u32 + self.more_on_wire
    }
}

/// Packets of times that fit a pcap file.
fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let packet = (data, 0..4_294_967_296_000_000_000_u64, 0..3000_u32, 0..3_u32, prop::option::of(".{0,40}"));
    let build =
        |(data, time_ns, more_on_wire, port, comment)| Packet { data, time_ns, more_on_wire, port, comment };
    prop::collection::vec(packet.prop_map(build), 0..40)
}

fn written(format: FileFormat, packets: &[Packet]) -> Vec<u8> {
    let mut writer = Writer::create(Vec::new(), format, &PORTS).unwrap();
    packets.iter().for_each(|packet| writer.write(&packet.outgoing()).unwrap());
    let len = writer.written();
    let file = writer.finish().unwrap();
    assert_eq!(file.len() as u64, len);
    file
}

fn read_back(file: &[u8]) -> Vec<Record<'_>> {
    Reader::open(file).unwrap().map(Result::unwrap).collect()
}

fn check_same(record: &Record<'_>, packet: &Packet, ns_per_unit: u64) {
    assert_eq!(record.data, packet.data);
    assert_eq!(record.time_ns, packet.time_ns - packet.time_ns % ns_per_unit);
    assert_eq!(record.wire_len, packet.wire_len());
    assert_eq!(record.link, LinkType::ETHERNET);
    assert!(!record.time_out_of_range && !record.time_absent);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn pcap_reads_back(packets in packets()) {
        for (format, ns_per_unit) in [(FileFormat::PcapMicros, 1000), (FileFormat::PcapNanos, 1)] {
            let file = written(format, &packets);
            let records = read_back(&file);
            prop_assert_eq!(records.len(), packets.len());
            records.iter().zip(&packets).for_each(|(record, packet)| check_same(record, packet, ns_per_unit));
            let mut oracle = PcapReader::new(&file[..]).unwrap();
            for packet in &packets {
                let told = oracle.next_packet().unwrap().unwrap();
                let time_ns = packet.time_ns - packet.time_ns % ns_per_unit;
                prop_assert_eq!(told.timestamp(), Duration::from_nanos(time_ns));
                prop_assert_eq!((told.orig_len(), told.data()), (packet.wire_len(), &packet.data[..]));
            }
            prop_assert!(oracle.next_packet().is_none());
        }
    }

    #[test]
    fn pcapng_reads_back_with_ports_and_comments(packets in packets(), late in any::<u64>()) {
        let mut packets = packets;
        packets.iter_mut().take(1).for_each(|packet| packet.time_ns = late);
        let file = written(FileFormat::Pcapng, &packets);
        let reader = Reader::open(&file).unwrap();
        let records = read_back(&file);
        prop_assert_eq!(records.len(), packets.len());
        for (record, packet) in records.iter().zip(&packets) {
            check_same(record, packet, 1);
            prop_assert_eq!(record.interface, packet.port);
            prop_assert_eq!(reader.comment(record), packet.comment.as_deref());
        }
        check_with_oracle(&file, &packets);
    }
}

/// The second parser sees the same interfaces, packets and comments.
fn check_with_oracle(file: &[u8], packets: &[Packet]) {
    let mut oracle = PcapNgReader::new(file).unwrap();
    let (mut names, mut told) = (Vec::new(), packets.iter());
    while let Some(step) = oracle.next_block() {
        match step.unwrap().0 {
            Block::InterfaceDescription(interface) => {
                names.extend(interface.options.iter().filter_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(block) => {
                let packet = told.next().unwrap();
                let comment = block.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text.to_string()),
                    _ => None,
                });
                assert_eq!(block.timestamp, Duration::from_nanos(packet.time_ns));
                assert_eq!((block.interface_id, block.original_len), (packet.port, packet.wire_len()));
                assert_eq!((&*block.data, comment), (&packet.data[..], packet.comment.clone()));
            }
            other => panic!("unexpected block {other:?}"),
        }
    }
    assert!(told.next().is_none());
    assert_eq!(names, PORTS.map(|port| port.name));
}

#[test]
fn the_name_of_a_file_says_its_format() {
    let of = |name: &str| FileFormat::of_path(Path::new(name));
    assert_eq!(of("drops.pcapng"), Some(FileFormat::Pcapng));
    assert_eq!(of("/tmp/a.b/OUT.PCAP"), Some(FileFormat::PcapNanos));
    assert_eq!(of("out.cap"), Some(FileFormat::PcapNanos));
    assert_eq!((of("out.txt"), of("pcap")), (None, None));
}

#[test]
fn a_file_of_no_packets_is_a_valid_file() {
    for (format, read) in [
        (FileFormat::PcapMicros, Format::PcapMicros),
        (FileFormat::PcapNanos, Format::PcapNanos),
        (FileFormat::Pcapng, Format::Pcapng),
    ] {
        let file = written(format, &[]);
        assert_eq!(Reader::open(&file).unwrap().format(), read);
        assert!(read_back(&file).is_empty());
    }
}

#[test]
fn what_does_not_fit_is_refused_or_cut() {
    let mixed = [PORTS[0], PortLabel { name: "raw", link: LinkType::RAW }];
    let refused = |format, ports: &[PortLabel<'_>]| {
        Writer::create(io::sink(), format, ports).err().unwrap().to_string()
    };
    assert_eq!(
        refused(FileFormat::PcapNanos, &mixed),
        "pcap holds one link type, the ports have 1 (ETHERNET) and 101 (RAW); use pcapng"
    );
    assert_eq!(refused(FileFormat::Pcapng, &[]), "a capture file needs at least one port");

    let mut writer = Writer::create(Vec::new(), FileFormat::Pcapng, &mixed).unwrap();
    let packet = Outgoing { data: &[], time_ns: 0, wire_len: 0, port: 2, comment: None };
    assert!(matches!(writer.write(&packet), Err(WriteError::UnknownPort { port: 2, known: 2 })));
    let data = vec![0; MAX_CAPTURED_LEN as usize + 1];
    assert!(matches!(
        writer.write(&Outgoing { data: &data, port: 0, ..packet }),
        Err(WriteError::TooLong { .. })
    ));
    let comment = "ä".repeat(40_000);
    writer.write(&Outgoing { data: &data[1..], port: 1, comment: Some(&comment), ..packet }).unwrap();
    let file = writer.finish().unwrap();
    let records = read_back(&file);
    assert_eq!((records.len(), records[0].link), (1, LinkType::RAW));
    let kept = Reader::open(&file).unwrap().comment(&records[0]).unwrap();
    assert_eq!(kept, "ä".repeat(32_767));
}

#[test]
fn a_time_past_2106_becomes_the_last_pcap_can_hold() {
    let packet = Packet { data: vec![1], time_ns: u64::MAX, more_on_wire: 0, port: 0, comment: None };
    let file = written(FileFormat::PcapNanos, &[packet]);
    let record = read_back(&file)[0];
    assert_eq!((record.time_ns, record.time_out_of_range), (4_294_967_295_999_999_999, false));
}

/// An output with room for so many bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_said_with_the_offset() {
    let mut writer = Writer::create(Full(24 + 20), FileFormat::PcapNanos, &PORTS).unwrap();
    let packet = Outgoing { data: &[1, 2, 3, 4], time_ns: 0, wire_len: 4, port: 0, comment: None };
    writer.write(&packet).unwrap();
    let error = writer.write(&packet).unwrap_err().to_string();
    assert!(error.starts_with("writing packet at offset 44: "), "{error}");
    assert!(Writer::create(Full(10), FileFormat::Pcapng, &PORTS).is_err());
}
