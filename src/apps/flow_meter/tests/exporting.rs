//! The CSV file.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::{Flow, HEADER, export, write_csv};
use crate::packet::flow::FlowKey;

/// A directory of this test's own, gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("mnvkd-flow-meter-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn flow(protocol: u8, a: &str, b: &str, flags: [u8; 2]) -> (FlowKey, Flow) {
    let end = |text: &str| text.parse::<SocketAddr>().expect("an endpoint");
    let (key, _) = FlowKey::between(end(a), end(b), protocol).expect("one version");
    (key, Flow { packets: [1, 2], bytes: [60, 1514], first_ns: 3, last_ns: 1_700_000_000_000_000_001, flags })
}

#[test]
fn rows_are_as_documented() {
    let flows = [
        flow(6, "10.0.0.2:443", "10.0.0.10:51812", [0x12, 0x1b]),
        flow(132, "[2001:db8:0:0:1:0:0:1]:7", "[2001:DB8::1:0:0:1]:9", [0, 0]),
    ];
    let mut text = Vec::new();
    write_csv(&mut text, &flows).expect("written");
    let expected = format!(
        "{HEADER}\n\
         tcp,10.0.0.2,443,10.0.0.10,51812,1,60,2,1514,3,1700000000000000001,18,27\n\
         sctp,2001:db8::1:0:0:1,7,2001:db8::1:0:0:1,9,1,60,2,1514,3,1700000000000000001,0,0\n"
    );
    assert_eq!(String::from_utf8_lossy(&text), expected);
}

#[test]
fn the_file_is_replaced_as_a_whole() {
    let scratch = Scratch::new("replaced");
    let path = scratch.0.join("flows.csv");
    fs::write(&path, "old").expect("written");
    export(&path, &[]).expect("exported");
    assert_eq!(fs::read_to_string(&path).expect("read"), format!("{HEADER}\n"));
    assert_eq!(fs::read_dir(&scratch.0).expect("a directory").count(), 1);
}

#[test]
fn an_error_names_the_file() {
    let scratch = Scratch::new("error");
    let error = export(&scratch.0.join("nowhere/flows.csv"), &[]).expect_err("no such directory");
    assert!(format!("{error:#}").contains("nowhere/flows.csv"), "{error:#}");
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let null = PathBuf::from("/dev/null");
    export(&null, &[]).expect("written");
    assert!(fs::metadata(&null).expect("there").file_type().is_char_device());
}
