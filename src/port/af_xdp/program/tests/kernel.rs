//! Programs in the kernel, on packets of captures, against the plain evaluation. Live: skipped where there is no root,
//! which is a failure with `MNVKD_CI_LIVE=1`.

use std::fs;
use std::path::PathBuf;

use ffi::bpf::{Program, SocketMap};
use ffi::xdp::Socket;

use super::super::{Filter, parse};
use super::plain::Known;
use crate::packet::layers::LinkClass;
use crate::port::capture::Reader;

/// XDP_PASS and XDP_REDIRECT.
const PASS: u32 = 2;
const REDIRECT: u32 = 4;
/// Packets taken of each capture, and their longest: a test packet lies in one page with room around it.
const OF_EACH: usize = 150;
const LONGEST: usize = 3000;

const FILTERS: [&str; 24] = [
    "ip",
    "ip6",
    "arp",
    "vlan",
    "vlan 100 or vlan 1",
    "not vlan and udp",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "proto 0 or proto 44 or proto 51 or proto 60",
    "ether proto 0x88cc or ether proto 0x8847",
    "port 80",
    "udp dst port 53",
    "src port 53 or src port 5353",
    "tcp portrange 1-1023",
    "not portrange 1024-65535",
    "net 192.168.0.0/16",
    "src net 10.0.0.0/8 and not dst net 10.0.0.0/8",
    "net fe80::/10 or net ff00::/8",
    "ip6 src net 2000::/3",
    "net 0.0.0.0/0 and not net 128.0.0.0/1",
    "(tcp and (port 443 or port 80)) or (udp and not (net 224.0.0.0/4 or port 53)) or arp",
];

/// The frames of all captures that carry Ethernet, some of each.
fn packets() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("no captures at {}: made-up packets alone", folder.display());
        return Vec::new();
    };
    let mut packets = Vec::new();
    for entry in entries.flatten() {
        let Ok(bytes) = fs::read(entry.path()) else { continue };
        let Ok(reader) = Reader::open(&bytes) else { continue };
        let ethernet =
            reader.filter_map(Result::ok).filter(|record| record.link.class() == LinkClass::Ethernet);
        let usable = ethernet.filter(|record| (14..=LONGEST).contains(&record.data.len()));
        packets.extend(usable.take(OF_EACH).map(|record| record.data.to_vec()));
    }
    packets
}

/// Headers that captures seldom have: tags on tags, options, extension headers, fragments; each cut at every length.
fn made_up() -> Vec<Vec<u8>> {
    let ends = [0u8; 12];
    let udp = [0x13u8, 0x88, 0, 53, 0, 8, 0, 0];
    let ipv4 = |ihl: u8, fragment: u16, protocol: u8| {
        let mut header = vec![0x40 | ihl, 0, 0, 40, 0, 1];
        header.extend(fragment.to_be_bytes());
        header.extend([64, protocol, 0, 0, 10, 1, 2, 3, 192, 168, 7, 9]);
        header.resize(usize::from(ihl.max(5)) * 4, 1);
        header
    };
    let ipv6 = |next: u8, extensions: &[u8]| {
        let mut header = vec![0x60, 0, 0, 0, 0, 60, next, 64];
        header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        header.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        header.extend(extensions);
        header
    };
    let mut chain = vec![60, 1];
    chain.extend([0; 14]);
    let many = [0u8, 0, 1, 4, 0, 0, 0, 0].repeat(9);
    let mut bodies: Vec<(u16, Vec<u8>)> = Vec::new();
    for (ihl, fragment, protocol) in
        [(5, 0, 17), (15, 0, 17), (5, 0x2000, 17), (5, 7, 17), (4, 0, 17), (5, 0x4000, 6), (6, 0, 132)]
    {
        bodies.push((0x800, [ipv4(ihl, fragment, protocol), udp.to_vec()].concat()));
    }
    for (next, extensions) in [
        (17, &[][..]),
        (0, &[17, 0, 0, 0, 0, 0, 0, 0]),
        (43, &[17, 0, 0, 0, 0, 0, 0, 0]),
        (44, &[17, 0, 0, 0, 0, 0, 0, 9]),
        (44, &[17, 0, 0, 1, 0, 0, 0, 9]),
        (44, &[6, 0, 0, 8, 0, 0, 0, 9]),
        (51, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (60, &[17, 255, 0, 0, 0, 0, 0, 0]),
        (135, &[59, 0, 0, 0, 0, 0, 0, 0]),
        (0, many.as_slice()),
        (0, chain.as_slice()),
    ] {
        bodies.push((0x86dd, [ipv6(next, extensions), udp.to_vec()].concat()));
    }
    let tags: [&[u8]; 4] = [
        &[],
        &[0x81, 0, 0x20, 100],
        &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 100],
        &[0x91, 0, 0, 1, 0x81, 0, 0, 100, 0x81, 0, 0, 5],
    ];
    let mut packets = Vec::new();
    for (kind, body) in &bodies {
        for tags in tags {
            let whole = [&ends[..], tags, &kind.to_be_bytes(), body].concat();
            packets.extend((14..=whole.len()).map(|cut| whole[..cut].to_vec()));
        }
    }
    packets
}

#[test]
fn the_program_and_the_plain_evaluation_agree_on_every_packet() {
    let (map, socket) = match (SocketMap::new(1), Socket::open()) {
        (Ok(map), Ok(socket)) => (map, socket),
        (map, socket) => {
            let why = format!("{:?} {:?}", map.err(), socket.err());
            assert!(
                std::env::var_os("MNVKD_CI_LIVE").is_none_or(|v| v != "1"),
                "live test cannot run: {why}"
            );
            println!("skipped: {why}");
            return;
        }
    };
    // With a socket in the map a redirected packet has a verdict of its own.
    map.put(0, &socket).unwrap();
    let packets = [packets(), made_up()].concat();
    assert!(packets.len() > 1000, "{} packets", packets.len());
    for text in FILTERS {
        let filter = Filter::of(Some(text)).unwrap();
        let Filter::Only(expression) = &filter else { unreachable!() };
        assert_eq!(parse(text).as_ref(), Ok(expression));
        let code = Filter::assemble(Some(&filter), map.descriptor());
        let program = Program::load("mnvkd_test", &code, true)
            .unwrap_or_else(|error| panic!("{text}: {error}\n{}", error.log));
        let mut matched = 0;
        for packet in &packets {
            let expected = Known::of(packet).satisfies(expression);
            let verdict = program.test(packet).unwrap();
            let shown = &packet[..packet.len().min(100)];
            assert_eq!(
                verdict,
                if expected { REDIRECT } else { PASS },
                "{text}: {shown:02x?} ({} bytes)",
                packet.len()
            );
            matched += usize::from(expected);
        }
        println!("{text}: {matched} of {}", packets.len());
    }
}

#[test]
fn a_port_that_only_transmits_passes_everything_on() {
    let Ok(program) = Program::load("mnvkd_test", &Filter::assemble(None, 0), false) else {
        assert!(std::env::var_os("MNVKD_CI_LIVE").is_none_or(|v| v != "1"), "live test cannot run");
        return println!("skipped: programs cannot be loaded");
    };
    assert_eq!(program.test(&[0; 64]).unwrap(), PASS);
}
