//! The rules of the two formats that real files rarely show, on files built byte by byte.

use mnvkd::port::capture::{Damage, Format, LinkType, Reader, Record, Refusal, Survey};

/// Builds files in one byte order.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    const BOTH: [Order; 2] = [Order::Little, Order::Big];

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| match self {
            Order::Little => word.to_le_bytes(),
            Order::Big => word.to_be_bytes(),
        };
        words.iter().flat_map(bytes).collect()
    }

    fn pcap(self, magic: u32, version: (u16, u16), network: u32) -> Vec<u8> {
        let rest = self.words(&[0, 0, 65_535, network]);
        [&self.words(&[magic])[..], &self.u16(version.0), &self.u16(version.1), &rest].concat()
    }

    /// A block whose body is padded, with the length as given or as it is.
    fn block(self, block_type: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().div_ceil(4) * 4;
        let len = 12 + padded as u32;
        let padding = vec![0; padded - body.len()];
        [&self.words(&[block_type, len])[..], body, &padding, &self.words(&[len])].concat()
    }

    fn section(self, version: (u16, u16)) -> Vec<u8> {
        let fixed = [&self.u16(version.0)[..], &self.u16(version.1), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &[&self.words(&[0x1a2b_3c4d])[..], &fixed].concat())
    }

    fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.u16(link)[..], &[0, 0], &self.words(&[snaplen]), options].concat())
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().div_ceil(4) * 4 - value.len()];
        [&self.u16(code)[..], &self.u16(value.len() as u16), value, &padding].concat()
    }

    /// An Enhanced Packet Block of four bytes.
    fn enhanced(self, interface: u32, units: u64, options: &[u8]) -> Vec<u8> {
        let fixed = self.words(&[interface, (units >> 32) as u32, units as u32, 4, 60]);
        self.block(6, &[&fixed[..], b"data", options].concat())
    }
}

fn read(file: &[u8]) -> (Vec<Record<'_>>, Option<Damage>) {
    let (mut records, mut damage) = (Vec::new(), None);
    for step in Reader::open(file).unwrap() {
        match step {
            Ok(record) => records.push(record),
            Err(found) => damage = Some(found),
        }
    }
    (records, damage)
}

fn said(file: &[u8]) -> String {
    read(file).1.expect("damage").to_string()
}

#[test]
fn every_pcap_magic_in_either_order() {
    for order in Order::BOTH {
        for (magic, format, header_tail, time_ns) in [
            (0xa1b2_c3d4, Format::PcapMicros, 0, 7_000_005_000),
            (0xa1b2_3c4d, Format::PcapNanos, 0, 7_000_000_005),
            (0xa1b2_cd34, Format::PcapModified, 8, 7_000_005_000),
        ] {
            let header = order.words(&[7, 5, 4, 60]);
            let file = [&order.pcap(magic, (2, 4), 1)[..], &header, &[9; 8][..header_tail], b"data"].concat();
            assert_eq!(Reader::open(&file).unwrap().format(), format);
            let (records, damage) = read(&file);
            assert_eq!(
                (records[0].time_ns, records[0].wire_len, records[0].data),
                (time_ns, 60, &b"data"[..])
            );
            assert_eq!((records.len(), damage), (1, None));
        }
    }
}

#[test]
fn the_older_modified_header_is_told_by_the_chain_of_records() {
    let order = Order::Little;
    let mut file = order.pcap(0xa1b2_cd34, (2, 4), 1);
    for _ in 0..5 {
        file.extend([order.words(&[7, 5, 40, 60]), vec![0; 12], vec![0xee; 40]].concat());
    }
    let (records, damage) = read(&file);
    assert_eq!((records.len(), damage), (5, None));
    assert!(records.iter().all(|record| record.data == [0xee; 40]));
}

#[test]
fn versions_say_where_the_lengths_are() {
    for order in Order::BOTH {
        let lengths = |version, first, second| {
            let header = order.words(&[0, 0, first, second]);
            let file = [&order.pcap(0xa1b2_c3d4, version, 1)[..], &header, &[0; 40]].concat();
            let record = Reader::open(&file).unwrap().next_record().unwrap().unwrap();
            (record.data.len(), record.wire_len)
        };
        for version in [(2, 0), (2, 2), (543, 0)] {
            assert_eq!(lengths(version, 60, 40), (40, 60));
        }
        assert_eq!(lengths((2, 3), 60, 40), (40, 60));
        assert_eq!(lengths((2, 3), 40, 60), (40, 60));
        for version in [(2, 4), (2, 5), (2, 99)] {
            assert_eq!(lengths(version, 40, 60), (40, 60));
            assert_eq!(lengths(version, 40, 20), (40, 20));
        }
    }
}

#[test]
fn versions_and_link_fields_we_do_not_read_are_refused() {
    for order in Order::BOTH {
        let refusal = |version, network| Reader::open(&order.pcap(0xa1b2_c3d4, version, network)).err();
        for (major, minor) in [(0, 0), (1, 4), (3, 0), (543, 1)] {
            assert_eq!(refusal((major, minor), 1), Some(Refusal::PcapVersion { major, minor }));
        }
        assert_eq!(refusal((2, 4), 0x0201_0001), Some(Refusal::ReservedLinkBits(0x0201_0000)));
        let pcapng = Reader::open(&order.section((2, 0))).unwrap_err();
        assert_eq!(pcapng, Refusal::PcapngVersion { major: 2, minor: 0 });
    }
    let mut section = Order::Little.section((1, 0));
    section[8] = 0;
    assert_eq!(Reader::open(&section).unwrap_err().to_string(), "unknown pcapng byte-order magic 0x1a2b3c00");
    assert_eq!(
        Reader::open(b"#!/bin/sh").unwrap_err().to_string(),
        "not a capture file: unknown magic 23 21 2f 62"
    );
}

#[test]
fn frame_check_sequence_bits_are_no_part_of_the_link_type() {
    let file = Order::Big.pcap(0xa1b2_c3d4, (2, 4), 0x4400_0001);
    assert_eq!(Reader::open(&file).unwrap().link(), Some(LinkType::ETHERNET));
}

#[test]
fn pcap_lengths_beyond_reason_or_the_file_are_damage() {
    let file = |captured| {
        [Order::Little.pcap(0xa1b2_c3d4, (2, 4), 1), Order::Little.words(&[0, 0, captured, 60])].concat()
    };
    assert_eq!(said(&file(262_145)), "captured length 262145 is above 262144 at offset 24");
    assert_eq!(said(&file(u32::MAX)), "captured length 4294967295 is above 262144 at offset 24");
    let there = |captured: u32| [file(captured), vec![0; captured as usize]].concat();
    assert_eq!(said(&there(262_145)), "captured length 262145 is above 262144 at offset 24");
    assert_eq!(read(&there(262_144)).0[0].data.len(), 262_144);
    assert_eq!(said(&[&file(60)[..], &[0; 59]].concat()), "truncated record: 59 of 60 bytes at offset 24");
    assert_eq!(said(&file(60)[..33]), "truncated record header: 9 of 16 bytes at offset 24");
}

#[test]
fn fractions_of_a_second_or_more_are_carried_and_marked() {
    let largest = Order::Little.words(&[u32::MAX, u32::MAX, 0, 0]);
    let file = [Order::Little.pcap(0xa1b2_c3d4, (2, 4), 1), largest].concat();
    let record = read(&file).0[0];
    assert_eq!(record.time_ns, 4_294_967_295_000_000_000 + 4_294_967_295_000);
    assert!(record.time_out_of_range);
}

#[test]
fn interface_clocks_follow_their_options() {
    for order in Order::BOTH {
        let offset = |seconds: i64| {
            let seconds = match order {
                Order::Little => seconds.to_le_bytes(),
                Order::Big => seconds.to_be_bytes(),
            };
            order.option(14, &seconds)
        };
        let mut file = order.section((1, 2));
        for options in [vec![], order.option(9, &[9]), order.option(9, &[0x81]), offset(-1), offset(-3)] {
            file.extend(order.interface(1, 0, &options));
        }
        (0..5).for_each(|id| file.extend(order.enhanced(id, 3_000_000, &[])));
        let (records, damage) = read(&file);
        let times: Vec<_> = records.iter().map(|record| (record.time_ns, record.time_out_of_range)).collect();
        let s = 1_000_000_000;
        let expected = [3 * s, 3_000_000, 1_500_000 * s, 2 * s, 0].map(|time_ns| (time_ns, false));
        assert_eq!((times, damage), (expected.to_vec(), None));
    }
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    for order in Order::BOTH {
        let simple = order.block(3, &[&order.words(&[60])[..], b"datas"].concat());
        let fixed = [&order.u16(1)[..], &order.u16(7), &order.words(&[0, 2_000_000, 4, 60])].concat();
        let obsolete = order.block(2, &[&fixed[..], b"more"].concat());
        let interfaces = [order.interface(1, 5, &[]), order.interface(101, 0, &[])].concat();
        let file = [order.section((1, 0)), interfaces, simple, obsolete].concat();
        let (records, damage) = read(&file);
        assert_eq!(damage, None);
        assert_eq!((records[0].data, records[0].link), (&b"datas"[..], LinkType::ETHERNET));
        assert!(records[0].time_absent && records[0].time_ns == 0 && records[0].is_snapped());
        assert_eq!((records[1].data, records[1].link), (&b"more"[..], LinkType::RAW));
        assert_eq!((records[1].interface, records[1].time_ns), (1, 2_000_000_000));
    }
}

#[test]
fn interfaces_and_byte_order_start_over_with_each_section() {
    let [little, big] = Order::BOTH;
    let part = |order: Order, link| {
        [order.section((1, 0)), order.interface(link, 0, &[]), order.enhanced(0, 0, &[])].concat()
    };
    let file = [part(little, 1), part(big, 101), part(little, 113)].concat();
    let survey = Survey::of(&file).unwrap();
    assert_eq!(survey.links, [(LinkType(1), 1), (LinkType(101), 1), (LinkType(113), 1)]);
    assert_eq!((survey.interfaces, survey.damage), (3, None));

    let orphan = [part(little, 1), big.section((1, 0)), big.enhanced(0, 0, &[])].concat();
    assert!(said(&orphan).starts_with("packet of interface 0, of 0 described at offset "));
    let foreign = [part(little, 1), big.section((2, 7))].concat();
    assert!(said(&foreign).starts_with("unsupported pcapng version 2.7 at offset "));
}

#[test]
fn unknown_blocks_are_skipped_and_lengths_are_padded() {
    let order = Order::Little;
    let mut odd = order.block(0xbad, b"abc");
    let at = odd.len() - 4;
    odd[4..8].copy_from_slice(&order.words(&[15]));
    odd[at..].copy_from_slice(&order.words(&[15]));
    let start = [order.section((1, 0)), odd, order.interface(1, 0, &[])].concat();
    let file = [start, order.block(0x4000_0bad, &[]), order.enhanced(0, 1, &[])].concat();
    let (records, damage) = read(&file);
    assert_eq!((records.len(), damage), (1, None));
}

#[test]
fn blocks_that_contradict_themselves_are_damage() {
    let order = Order::Big;
    let start = [order.section((1, 0)), order.interface(1, 0, &[])].concat();
    let after = |block: &[u8]| said(&[&start[..], block].concat());
    assert_eq!(start.len(), 48);

    let tiny = order.words(&[5, 8, 8]);
    assert_eq!(after(&tiny), "block of type 0x5 says it is 8 bytes long, below 12 at offset 48");
    let short = order.block(6, &[0; 16]);
    assert_eq!(after(&short), "block of type 0x6 says it is 28 bytes long, below 32 at offset 48");
    let mut unequal = order.block(5, &[0; 4]);
    unequal[15] = 20;
    assert_eq!(after(&unequal), "block lengths differ: 16 before, 20 after at offset 48");
    let mut cut = order.words(&[5, u32::MAX]);
    cut.extend([0; 8]);
    assert!(after(&cut).starts_with("truncated record: 16 of 4294967"));
    let overrun = order.enhanced(0, 0, &order.words(&[1 << 16 | 9, 0]));
    assert_eq!(after(&overrun), "option 1 of 9 bytes overruns its block at offset 48");
    let simple = order.block(3, &order.words(&[5, 0]));
    assert_eq!(after(&simple), "captured length 5 overruns a packet block with room for 4 at offset 48");
    let orphan = order.enhanced(1, 0, &[]);
    assert_eq!(after(&orphan), "packet of interface 1, of 1 described at offset 48");
    let large = order.block(3, &[order.words(&[262_145]), vec![0; 262_145]].concat());
    assert_eq!(after(&large), "captured length 262145 is above 262144 at offset 48");
}

#[test]
fn a_comment_is_found_when_asked_for() {
    for order in Order::BOTH {
        let options = [order.option(2, &[0; 4]), order.option(1, b"no route"), order.option(0, &[])].concat();
        let packets = [order.enhanced(0, 0, &options), order.enhanced(0, 0, &[])].concat();
        let file = [order.section((1, 0)), order.interface(1, 0, &[]), packets].concat();
        let reader = Reader::open(&file).unwrap();
        let comments: Vec<_> = read(&file).0.iter().map(|record| reader.comment(record)).collect();
        assert_eq!(comments, [Some("no route"), None]);
    }
}
