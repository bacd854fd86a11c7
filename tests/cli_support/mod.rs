//! Running the program.
#![allow(dead_code)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// What came of a run.
pub struct Ran {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Stdout.
    pub out: String,
    /// Stderr.
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Stdout as one JSON object.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Runs mnvkd.
pub fn mnvkd(args: &[&str]) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_mnvkd")).args(args).output().expect("mnvkd was built"))
}

/// Runs a line of bash.
pub fn bash(script: &str) -> Ran {
    Ran::of(Command::new("bash").arg("-c").arg(script).output().expect("there is a bash"))
}

/// A file of this test program's own, with a text in it.
pub fn scratch(name: &str, text: &str) -> String {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the target folder can be written to");
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the target folder can be written to");
    path.to_str().expect("an UTF-8 path").to_owned()
}

/// A capture of so many packets of 60 bytes, a millisecond apart; `cut` bytes are missing at its end.
pub fn capture(name: &str, packets: u32, cut: usize) -> String {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for number in 0..packets {
        for word in [1_700_000_000, number * 1000, 60, 60] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        let mut frame = [0u8; 60];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        frame[14..18].copy_from_slice(&number.to_be_bytes());
        file.extend_from_slice(&frame);
    }
    file.truncate(file.len() - cut);
    let path = scratch(name, "");
    std::fs::write(&path, file).expect("the target folder can be written to");
    path
}
