//! Files cut at every byte and files with random bytes: the reader ends, says where, and never panics.

use std::path::Path;

use mnvkd::port::capture::{Damage, Format, MAX_CAPTURED_LEN, Reader, Record, Survey};
use proptest::prelude::*;

/// The captures up to `limit` bytes, none where there are no captures.
fn captures_up_to(limit: u64) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("skipped: no captures at {}", dir.display());
        return Vec::new();
    };
    let is_capture =
        |path: &Path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| is_capture(p)).collect();
    paths.retain(|path| path.metadata().unwrap().len() <= limit);
    paths.sort();
    paths.iter().map(|p| (p.display().to_string(), std::fs::read(p).unwrap())).collect()
}

/// Walks a file to its end, checking on the way what must hold for any input.
fn walk(file: &[u8]) -> (Vec<Record<'_>>, Option<Damage>) {
    let Ok(mut reader) = Reader::open(file) else { return (Vec::new(), None) };
    let (mut records, mut damage) = (Vec::<Record<'_>>::new(), None);
    let most_steps = file.len() / 12 + 2;
    for _ in 0..most_steps {
        match reader.next_record() {
            None => break,
            Some(Ok(record)) => {
                check_record(file, &record, records.last());
                records.push(record);
            }
            Some(Err(found)) => {
                assert!(damage.is_none() && found.offset <= file.len() as u64);
                assert!(records.last().is_none_or(|last| last.offset < found.offset));
                assert!(!found.to_string().is_empty());
                damage = Some(found);
            }
        }
    }
    assert!(reader.next_record().is_none(), "ends within {most_steps} steps, and stays ended");
    (records, damage)
}

/// A record lies in the file, after the one before it: so the work is linear in the file's length.
fn check_record(file: &[u8], record: &Record<'_>, before: Option<&Record<'_>>) {
    let place = |r: &Record<'_>| r.data.as_ptr() as usize - file.as_ptr() as usize;
    assert!(record.data.len() <= MAX_CAPTURED_LEN as usize);
    assert!(place(record) + record.data.len() <= file.len());
    assert!(place(record) > record.offset as usize);
    let free_from = before.map_or(0, |last| place(last) + last.data.len());
    assert!(record.offset as usize >= free_from);
}

/// Where whole records end, and where a cut leaves a clean file, found without the reader.
struct Boundaries {
    record_ends: Vec<usize>,
    clean: Vec<usize>,
}

fn boundaries(file: &[u8], records: &[Record<'_>]) -> Boundaries {
    match Reader::open(file).unwrap().format() {
        Format::Pcapng => pcapng_boundaries(file, records),
        format => {
            let header_len = if format == Format::PcapModified { 24 } else { 16 };
            let end = |r: &Record<'_>| r.offset as usize + header_len + r.data.len();
            let record_ends: Vec<_> = records.iter().map(end).collect();
            let clean = std::iter::once(24).chain(record_ends.iter().copied()).collect();
            Boundaries { record_ends, clean }
        }
    }
}

/// A block ends where its length, in the byte order in which the trailer agrees, says so.
fn pcapng_boundaries(file: &[u8], records: &[Record<'_>]) -> Boundaries {
    let word = |at: usize| -> Option<[u8; 4]> { file.get(at..at + 4)?.try_into().ok() };
    let block_end = |at: usize| {
        let lengths = [u32::from_le_bytes(word(at + 4).unwrap()), u32::from_be_bytes(word(at + 4).unwrap())];
        let end_by = |len: u32| at + len as usize;
        lengths.map(end_by).into_iter().find(|&end| word(end.wrapping_sub(4)) == word(at + 4)).unwrap()
    };
    let mut clean = Vec::new();
    while clean.last().copied().unwrap_or(0) < file.len() {
        clean.push(block_end(clean.last().copied().unwrap_or(0)));
    }
    Boundaries { record_ends: records.iter().map(|r| block_end(r.offset as usize)).collect(), clean }
}

/// Reads the first `cut` bytes and compares with what a file cut there must give.
fn check_cut(name: &str, file: &[u8], cut: usize, whole: &[Record<'_>], boundaries: &Boundaries) {
    let (records, damage) = walk(&file[..cut]);
    let expected = boundaries.record_ends.partition_point(|&end| end <= cut);
    assert_eq!(records, whole[..expected], "{name} cut at {cut}");
    let clean = boundaries.clean.binary_search(&cut).is_ok();
    assert_eq!(damage.is_none(), clean, "{name} cut at {cut}: {damage:?}");
    if let Some(damage) = damage {
        let last_clean = boundaries.clean.iter().rev().find(|&&at| at < cut).copied().unwrap_or(0);
        assert_eq!(damage.offset, last_clean as u64, "{name} cut at {cut}: {damage}");
        assert!(damage.class().starts_with("trunc-"), "{name} cut at {cut}: {damage}");
    }
}

#[test]
fn a_small_file_may_be_cut_at_every_byte() {
    let mut cuts = 0;
    for (name, file) in captures_up_to(10_000) {
        let (whole, damage) = walk(&file);
        if damage.is_some() || Reader::open(&file).is_err() {
            (0..file.len()).for_each(|cut| assert!(walk(&file[..cut]).0.len() <= whole.len()));
            continue;
        }
        let boundaries = boundaries(&file, &whole);
        (0..=file.len()).for_each(|cut| check_cut(&name, &file, cut, &whole, &boundaries));
        cuts += file.len() + 1;
    }
    println!("{cuts} cuts");
}

#[test]
fn a_large_file_may_be_cut_anywhere() {
    for (name, file) in captures_up_to(20_000_000).iter().filter(|(_, file)| file.len() > 10_000) {
        let (whole, damage) = walk(file);
        assert!(damage.is_none(), "{name}");
        let boundaries = boundaries(file, &whole);
        // Fewer cuts of the largest: the walks of one file add up to some 100 MB.
        let cuts = (2000.min(100_000_000 / file.len())).max(20);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..cuts {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let cut = (state >> 33) as usize % (file.len() + 1);
            check_cut(name, file, cut, &whole, &boundaries);
        }
    }
}

#[test]
fn a_file_cut_in_its_header_says_how_much_is_there() {
    let said = |bytes: &[u8]| Survey::of(bytes).unwrap().damage.unwrap().to_string();
    assert_eq!(said(b""), "truncated file header: 0 of 4 bytes at offset 0");
    assert_eq!(said(&[0xd4, 0xc3]), "truncated file header: 2 of 4 bytes at offset 0");
    assert_eq!(said(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4]), "truncated file header: 7 of 24 bytes at offset 0");
    assert_eq!(said(&[0x0a, 0x0d, 0x0d, 0x0a, 28]), "truncated file header: 5 of 16 bytes at offset 0");
}

/// Bytes to overwrite: where, as a fraction of the file in 1/65536, and with what.
fn overwrites() -> impl Strategy<Value = Vec<(u16, u8)>> {
    prop::collection::vec((any::<u16>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(0x7f)]), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_may_change(which in any::<prop::sample::Index>(), changes in overwrites(), keep in any::<u16>()) {
        let small = SMALL.get_or_init(|| captures_up_to(10_000));
        if small.is_empty() {
            return Ok(());
        }
        let mut file = which.get(small).1.clone();
        for (at, value) in changes {
            let at = (usize::from(at) * file.len()) >> 16;
            file[at] = value;
        }
        walk(&file);
        walk(&file[..(usize::from(keep) * file.len()) >> 16]);
        let _ = Survey::of(&file);
    }

    #[test]
    fn any_bytes_may_follow_a_magic(
        magic in prop::sample::select(MAGICS.to_vec()),
        version in prop::sample::select(vec![[2, 0, 4, 0], [2, 0, 3, 0], [0, 2, 0, 1], [1, 0, 0, 0]]),
        rest in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => 0..40u8, 1 => any::<u8>()], 0..600),
    ) {
        let pcap = [&magic[..], &version, &[0; 12], &[1, 0, 0, 0], &rest].concat();
        walk(&pcap);
        let section = [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
        let pcapng = [&section[..], &[0xff; 8], &[28, 0, 0, 0], &rest].concat();
        walk(&pcapng);
        walk(&rest);
    }
}

static SMALL: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();

/// Each pcap magic in each byte order.
const MAGICS: [[u8; 4]; 6] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
];
