//! The file of calls: a header, and a slot for each call.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use lastword_events::JournalName;
use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

/// The first bytes of the file. The last character is the version of the form.
const MAGIC: &[u8; 16] = b"lastword calls 1";
/// A UUID as text.
pub(super) const BOOT_BYTES: usize = 36;

const BOOT_AT: usize = MAGIC.len();
const NAME_AT: usize = BOOT_AT + BOOT_BYTES;
/// Whether the run has ended by itself.
const ENDED_AT: usize = NAME_AT + JournalName::LEN;
const HEADER_BYTES: usize = 128;
/// A delivery without the journal's name: a length byte, a number of 20 digits, an event of 40 characters and a plugin's name of 64 at
/// most, and two strokes between them.
const SLOT_BYTES: usize = 128;

/// A file that is mapped.
#[derive(Debug)]
pub(super) struct Table {
    bytes: MmapMut,
}

impl Table {
    /// Twice as many calls as there are at once by default, and about as many as the mappings that Linux allows a process by default.
    /// Further calls are not marked.
    pub(super) const SLOTS: usize = 8192;

    /// Bytes of a slot besides the length.
    pub(super) const CALL_BYTES: usize = SLOT_BYTES - 1;

    const BYTES: usize = HEADER_BYTES + Self::SLOTS * SLOT_BYTES;

    /// The length of files with 1 024 slots. The program extends such a file, which has the same form otherwise.
    const SHORT_BYTES: u64 = (HEADER_BYTES + 1024 * SLOT_BYTES) as u64;

    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the path has something else, or the file cannot be mapped.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // Refuses a link to somebody's file, and does not wait for a FIFO.
        let file = options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        let (length, is_new) = (metadata.len(), metadata.len() == 0);
        if !metadata.is_file() || ![0, Self::SHORT_BYTES, Self::BYTES as u64].contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is something else"));
        }
        if length == Self::SHORT_BYTES {
            let mut magic = [0; MAGIC.len()];
            file.read_exact_at(&mut magic, 0)?;
            if magic != *MAGIC {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is something else"));
            }
        }
        make_room(&file, length, Self::BYTES as u64)?;
        let mut table = Self { bytes: map(&file)? };
        if is_new {
            table.write(0, MAGIC);
        }
        if table.read(0, MAGIC.len()) != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is something else"));
        }
        Ok(table)
    }

    /// Whether the calls are of a run of this journal that died while the machine lived.
    pub(super) fn is_of_dead_run(&self, boot: [u8; BOOT_BYTES], name: JournalName) -> bool {
        self.read(BOOT_AT, BOOT_BYTES) == boot
            && self.read(NAME_AT, JournalName::LEN) == name.as_str().as_bytes()
            && self.read(ENDED_AT, 1) == [0]
    }

    /// Empties the table for a run that begins.
    pub(super) fn begin(&mut self, boot: [u8; BOOT_BYTES], name: JournalName) {
        (0..Self::SLOTS).for_each(|slot| self.set(slot, b""));
        self.write(BOOT_AT, &boot);
        self.write(NAME_AT, name.as_str().as_bytes());
        self.write(ENDED_AT, &[0]);
    }

    /// Notes that the run ends by itself.
    pub(super) fn set_ended(&mut self) {
        self.write(ENDED_AT, &[1]);
    }

    /// Puts a call into a slot. An empty `call` frees the slot.
    pub(super) fn set(&mut self, slot: usize, call: &[u8]) {
        let at = HEADER_BYTES + slot * SLOT_BYTES;
        let length =
            u8::try_from(call.len()).ok().filter(|length| usize::from(*length) <= Self::CALL_BYTES).unwrap_or(0);
        // The length comes last, so a process that dies before has not begun the call.
        self.write(at, &[0]);
        self.write(at + 1, call.get(..usize::from(length)).unwrap_or_default());
        self.write(at, &[length]);
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &[u8]> {
        (0..Self::SLOTS).map(|slot| HEADER_BYTES + slot * SLOT_BYTES).filter_map(|at| {
            let length = usize::from(*self.read(at, 1).first()?);
            (length > 0).then(|| self.read(at + 1, length))
        })
    }

    fn read(&self, at: usize, bytes: usize) -> &[u8] {
        self.bytes.get(at..at + bytes).unwrap_or_default()
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(target) = self.bytes.get_mut(at..at + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    }
}

/// Reserves room on the disk, because a write to mapped memory without room would end the process. The file has `length` bytes and gets
/// `bytes`. The new bytes are zero.
fn make_room(file: &File, length: u64, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let zeros = vec![0; usize::try_from(bytes.saturating_sub(length)).unwrap_or(0)];
            file.write_all_at(&zeros, length)
        }
        Err(error) => Err(error.into()),
    }
}

#[expect(unsafe_code, reason = "memory that another process could change is not safe by type")]
fn map(file: &File) -> io::Result<MmapMut> {
    // SAFETY: the journal is locked, so no other process of ours writes to the file. Any other program that truncates it or writes to it
    // could do the same to SQLite's `-shm`. The program reads only bytes from it, and trusts none of them.
    unsafe { MmapMut::map_mut(file) }
}
