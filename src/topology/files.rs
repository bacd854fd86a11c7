//! No file is written that anything else reads or writes: it would be shortened under whoever maps it, or hold
//! two things at once.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::PortSeat;
use crate::config::Apps;

/// What tells two files apart, whatever they are called.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    /// It is there: device and inode.
    There(u64, u64),
    /// It is yet to be made: its folder, and its name in it.
    ToBe(PathBuf, PathBuf),
}

impl Identity {
    /// `None` where any number may write: a character device (`/dev/null`).
    fn of(path: &Path) -> Option<Identity> {
        match fs::metadata(path) {
            Ok(known) if known.file_type().is_char_device() => None,
            Ok(known) => Some(Identity::There(known.dev(), known.ino())),
            Err(_) => {
                let folder = match path.parent() {
                    Some(folder) if folder != Path::new("") => folder,
                    _ => Path::new("."),
                };
                let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
                Some(Identity::ToBe(folder, path.file_name()?.into()))
            }
        }
    }
}

/// One use of a file.
struct Use {
    who: String,
    path: PathBuf,
    written: bool,
}

/// Checks all files of ports and applications against one another.
///
/// # Errors
/// A file that is read and written, or written by two: with both names of it.
pub(super) fn check(ports: &[PortSeat], apps: &Apps) -> anyhow::Result<()> {
    let mut uses = Vec::new();
    for seat in ports {
        let who = format!("port {:?}", seat.name);
        let files = seat.port.files();
        uses.extend(files.read.into_iter().map(|path| Use { who: who.clone(), path, written: false }));
        uses.extend(files.written.map(|path| Use { who, path, written: true }));
    }
    for (name, configured) in apps {
        let who = format!("application {name:?}");
        uses.extend(configured.writes().map(|path| Use { who, path, written: true }));
    }
    let mut known: HashMap<Identity, Use> = HashMap::new();
    for new in uses {
        let Some(identity) = Identity::of(&new.path) else { continue };
        match known.get(&identity) {
            Some(old) if old.written || new.written => refuse(old, &new)?,
            Some(_) => {}
            None => {
                known.insert(identity, new);
            }
        }
    }
    Ok(())
}

fn refuse(old: &Use, new: &Use) -> anyhow::Result<()> {
    let verb = |file: &Use| if file.written { "written" } else { "read" };
    let called = if old.path == new.path { String::new() } else { format!(", as {}", new.path.display()) };
    anyhow::bail!(
        "{} is {} by {} and {} by {}{called}; give one of them another file",
        old.path.display(),
        verb(old),
        old.who,
        verb(new),
        new.who
    )
}
