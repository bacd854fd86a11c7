//! A file as a slice of bytes.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::{Advice, Mmap};

/// First bytes by which it is decided whether a file that cannot be mapped is read to its end.
pub const HEAD: u64 = 64;

/// The bytes of a file: mapped where it is a regular file, read to its end otherwise (a pipe).
///
/// A mapped file must not be shortened while it is mapped: the kernel answers an access past the new end
/// with SIGBUS. That is the price of not copying a capture of a hundred gigabytes, and it is said in the
/// documentation of the capture port.
#[derive(Debug)]
pub struct FileBytes {
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl FileBytes {
    /// Opens and maps (or reads) the file. Of one that is read, `goes_on` is shown the first [`HEAD`] bytes (fewer
    /// where there are no more), and only they are read when it says no.
    ///
    /// # Errors
    /// What opening, mapping or reading said.
    pub fn open(path: &Path, goes_on: impl FnOnce(&[u8]) -> bool) -> io::Result<FileBytes> {
        let mut file = File::open(path)?;
        let facts = file.metadata()?;
        if facts.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
        }
        if !facts.is_file() || facts.len() == 0 {
            let mut bytes = Vec::new();
            file.by_ref().take(HEAD).read_to_end(&mut bytes)?;
            if goes_on(&bytes) {
                file.read_to_end(&mut bytes)?;
            }
            return Ok(FileBytes { bytes: Bytes::Read(bytes) });
        }
        // SAFETY: the mapping is private and read-only, and nobody in this process writes to the file
        // (a configuration in which a file is both read and written is refused). Another process that rewrites it in place
        // can change bytes under us: readers of this slice copy each record before they look at it twice, and
        // trust no length in it; one that shortens it ends us by SIGBUS, as said above.
        let map = unsafe { Mmap::map(&file)? };
        // Only a hint: a kernel that does not take it reads ahead less.
        let _ = map.advise(Advice::Sequential);
        Ok(FileBytes { bytes: Bytes::Mapped(map) })
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}
