//! The README's applications: their texts are the programs built here as examples, and the programs run.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example's program: cargo builds examples beside the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.parent().and_then(Path::parent).expect("tests are in target/PROFILE/deps");
    profile.join("examples").join(name)
}

#[test]
fn readme_shows_the_programs_that_are_built() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for (file, most) in [("first_application.rs", 20), ("slow_answers.rs", 25)] {
        let source =
            std::fs::read_to_string(root().join("tests/examples").join(file)).expect("the example's source");
        assert!(
            readme.contains(&format!("```rust\n{source}```")),
            "README.md and tests/examples/{file} differ"
        );
        let lines = source.lines().filter(|line| !line.is_empty()).count();
        assert!(lines <= most, "{file} has {lines} lines");
    }
}

/// A capture of four packets: SYN, SYN-ACK, ACK, and a SYN of another connection.
fn capture() -> PathBuf {
    let path = std::env::temp_dir().join(format!("mnvkd-first-application-{}.pcap", std::process::id()));
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (number, flags) in [0x02u8, 0x12, 0x10, 0x02].into_iter().enumerate() {
        let packet = tcp(flags, number as u8);
        for word in [1_700_000_000, number as u32, packet.len() as u32, packet.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    std::fs::write(&path, file).expect("the temporary folder can be written to");
    path
}

/// A TCP packet of no payload, checksums left at 0.
fn tcp(flags: u8, id: u8) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    packet.extend_from_slice(&[0x45, 0, 0, 40, 0, id, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet.extend_from_slice(&[0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    packet
}

#[test]
fn the_program_counts_what_it_says() {
    let capture = capture();
    let run = |cores: &str| {
        let output = Command::new(program("first-application"))
            .args([
                "replay",
                capture.to_str().expect("an UTF-8 path"),
                "--stages",
                "syn-count,sink",
                "--json",
                "--cores",
                cores,
            ])
            .output()
            .expect("the example was built beside this test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("a JSON object on stdout")
    };
    let (one, three) = (run("1"), run("3"));
    std::fs::remove_file(&capture).expect("it was written above");
    assert_eq!(one["tallies"]["syn-count"], 2);
    assert_eq!(one["books"]["received"], 4);
    assert_eq!(one["books"]["unaccounted"], 0);
    assert_eq!(one["digest"], three["digest"], "one core and three find out the same");
}

/// Questions and answers of one flow at these milliseconds.
fn exchange(at_ms: &[u32]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mnvkd-slow-answers-{}.pcap", std::process::id()));
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (number, ms) in at_ms.iter().enumerate() {
        let packet = tcp(0x10, number as u8);
        for word in [1_700_000_000 + ms / 1000, ms % 1000 * 1000, packet.len() as u32, packet.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    std::fs::write(&path, file).expect("the temporary folder can be written to");
    path
}

#[test]
fn the_program_that_waits_counts_answers_that_are_late() {
    // Answers after 20 ms, 150 ms (which is the next question then, answered after 30 ms), and a last question.
    let capture = exchange(&[0, 20, 1000, 1150, 1180, 3000]);
    let output = Command::new(program("slow-answers"))
        .args(["replay", capture.to_str().expect("an UTF-8 path"), "--stages", "slow-answers", "--json"])
        .output()
        .expect("the example was built beside this test");
    std::fs::remove_file(&capture).expect("it was written above");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object on stdout");
    assert_eq!((&report["tallies"]["slow-answers"], &report["books"]["consumed"]), (&1.into(), &6.into()));
    assert_eq!(report["tasks"]["flows"]["slow-answers"]["accepted"], 1);
}
