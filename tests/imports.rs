//! Imports flow one way: each room names only the rooms below it. ARCHITECTURE.md shows the picture; this
//! keeps it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and the rooms they may name, lowest first. A room may only name rooms listed before it, so
/// there is no cycle.
const ROOMS: &[(&str, &[&str])] = &[
    ("packet", &[]),
    ("clock", &[]),
    ("host", &[]),
    ("port", &["packet"]),
    ("steer", &["packet"]),
    ("lane", &["packet"]),
    ("state", &["packet"]),
    ("task", &["packet", "steer", "state"]),
    ("reduce", &["packet", "clock"]),
    ("pipeline", &["packet", "clock", "steer", "task", "reduce"]),
    ("apps", &["packet", "state", "task", "reduce", "steer", "pipeline"]),
    ("worker", &["packet", "clock", "port", "steer", "lane", "state", "task", "reduce", "pipeline"]),
    ("replay", &["packet", "port", "worker"]),
    ("config", &["packet", "port", "pipeline", "worker"]),
    (
        "topology",
        &[
            "packet", "clock", "port", "steer", "lane", "state", "task", "reduce", "pipeline", "apps",
            "worker", "config",
        ],
    ),
    (
        "daemon",
        &[
            "packet", "clock", "host", "port", "task", "reduce", "pipeline", "worker", "replay", "config",
            "topology",
        ],
    ),
    ("doctor", &["host", "port", "reduce", "pipeline", "config", "topology"]),
    ("prelude", &["packet", "steer", "task", "reduce", "pipeline", "daemon"]),
    (
        "cli",
        &[
            "packet", "clock", "host", "port", "reduce", "pipeline", "worker", "config", "topology",
            "daemon", "doctor",
        ],
    ),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the source folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            // Unit tests in files of their own may reach for anything.
            continue;
        } else if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room a file of `src/` is in.
fn room(path: &Path, src: &Path) -> String {
    let inner = path.strip_prefix(src).expect("files of src are in src");
    let first = inner.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Rooms named by `crate::ROOM` in a file's code, comments left out.
fn named(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    for line in code {
        for part in line.split("crate::").skip(1) {
            let first: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            rooms.push(if first.is_empty() { root_item(part) } else { first });
        }
    }
    rooms
}

/// The room of what the crate's root re-exports, or braces that would hide rooms from this test.
fn root_item(part: &str) -> String {
    if part.starts_with("Daemon") { "daemon".to_owned() } else { format!("crate::{part} (name the room)") }
}

#[test]
fn each_room_names_only_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let here = room(file, &src);
        if here == "lib" || here == "main" {
            continue;
        }
        let Some(may) = allowed.get(here.as_str()) else {
            wrong.push(format!("{}: room {here:?} is not in the list", file.display()));
            continue;
        };
        let text = fs::read_to_string(file).expect("sources are text");
        for there in named(&text).into_iter().filter(|there| *there != here && !may.contains(&there.as_str()))
        {
            wrong.push(format!("{}: {here} names {there}", file.display()));
        }
    }
    assert!(
        files.len() > 40,
        "only {} source files found: is this test looking in the right place?",
        files.len()
    );
    assert!(wrong.is_empty(), "imports that turn back:\n{}", wrong.join("\n"));
}

#[test]
fn rooms_are_listed_lowest_first() {
    for (position, (room, below)) in ROOMS.iter().enumerate() {
        for name in *below {
            let there = ROOMS.iter().position(|(other, _)| other == name);
            assert!(
                there.is_some_and(|there| there < position),
                "{room} lists {name}, which is not below it"
            );
        }
    }
}

/// Only the wiring names concrete drivers and applications.
#[test]
fn concrete_ports_and_applications_are_named_in_topology_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let drivers = ["null", "generator", "capture", "af_xdp", "af_packet", "tap"];
    let concrete = drivers.map(|driver| format!("port::{driver}"));
    let concrete = concrete.iter().map(String::as_str).chain(["crate::apps"]);
    for file in files {
        let here = room(&file, &src);
        let text = fs::read_to_string(&file).expect("sources are text");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for name in concrete.clone() {
            let own = name.starts_with("port::") && here == "port" || name == "crate::apps" && here == "apps";
            if !own && here != "topology" && code.iter().any(|line| line.contains(name)) {
                panic!("{} names {name}: only topology may", file.display());
            }
        }
    }
}

/// The leaf crates know nothing of the packet's rooms, and `ffi` nothing of `hugepages`.
#[test]
fn leaf_crates_stay_leaves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = |name: &str| fs::read_to_string(root.join(name).join("Cargo.toml")).expect("a manifest");
    assert!(!manifest("ffi").contains("mnvkd-hugepages"), "ffi depends on hugepages");
    for leaf in ["ffi", "hugepages"] {
        assert!(!manifest(leaf).contains("path = \"..\""), "{leaf} depends on the root package");
    }
    assert!(
        !manifest("hugepages").lines().any(|line| line.starts_with("libc")),
        "hugepages names libc itself"
    );
}
