//! Flows to a CSV file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::flow::Flow;
use crate::packet::flow::FlowKey;

/// The first line of the file.
pub const HEADER: &str = "protocol,address_a,port_a,address_b,port_b,packets_ab,bytes_ab,packets_ba,bytes_ba,first_ns,last_ns,flags_ab,flags_ba";

/// Writes the header and a line for every flow, in the order given. Addresses are written by RFC 5952,
/// all other numbers in decimal, the TCP flags too.
///
/// # Errors
/// What `out` says.
pub fn write_csv(out: &mut impl Write, flows: &[(FlowKey, Flow)]) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    for (key, flow) in flows {
        let (a, b) = (key.a(), key.b());
        let ([packets_ab, packets_ba], [bytes_ab, bytes_ba]) = (flow.packets, flow.bytes);
        let [flags_ab, flags_ba] = flow.flags;
        write!(out, "{},{},{},{},{},", key.protocol_name(), a.ip(), a.port(), b.ip(), b.port())?;
        write!(out, "{packets_ab},{bytes_ab},{packets_ba},{bytes_ba},")?;
        writeln!(out, "{},{},{flags_ab},{flags_ba}", flow.first_ns, flow.last_ns)?;
    }
    Ok(())
}

/// Could a file be made at `path`? Asked before the run: it would be late to learn it when all is counted.
///
/// # Errors
/// Why it cannot.
pub(super) fn probe(path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write flows to {}", path.display());
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.file_name().is_none() {
        return Err(io::Error::other("that names no file")).with_context(cannot);
    }
    match fs::metadata(&target) {
        Ok(known) if known.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot),
        // A pipe or a device would notice.
        Ok(known) if !known.is_file() => Ok(()),
        _ => {
            let unfinished = unfinished(&target);
            File::create(&unfinished).and_then(|_| fs::remove_file(&unfinished)).with_context(cannot)
        }
    }
}

/// Writes the file at `path`: nobody sees a half-written one, since it gets its name when it is
/// complete. A path that is there and no regular file (a pipe, `/dev/stdout`) is written to as it is.
///
/// # Errors
/// What could not be written or renamed, with the file's name; what was there before stays then.
pub fn export(path: &Path, flows: &[(FlowKey, Flow)]) -> anyhow::Result<()> {
    // Through symbolic links: the file they lead to is replaced, not they.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|known| !known.is_file()) {
        return fill(&target, flows).with_context(|| format!("cannot write flows to {}", path.display()));
    }
    let unfinished = unfinished(&target);
    let written = fill(&unfinished, flows)
        .with_context(|| format!("cannot write flows to {}", path.display()))
        .and_then(|()| {
            fs::rename(&unfinished, &target)
                .with_context(|| format!("cannot rename {} to {}", unfinished.display(), target.display()))
        });
    if written.is_err() {
        // Best effort: it may never have been made, and the first error is the one to report.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// The name a file has while it is written: beside it, so that renaming does not copy.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.unfinished", std::process::id()));
    PathBuf::from(name)
}

fn fill(path: &Path, flows: &[(FlowKey, Flow)]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, File::create(path)?);
    write_csv(&mut out, flows)?;
    out.flush()
}
