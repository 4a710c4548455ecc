//! Reads the first page of a database from its log, without SQLite, which would change files.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log> describes the format.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The last bit of this number says that checksums are made of big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// SQLite's own bounds.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// The newest committed version of the first page. None when the log has no such version.
pub(super) fn first_page(log: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(log) {
        // Another kind of file is no log, and a read from a FIFO would wait.
        Ok(metadata) if metadata.is_file() => (),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut log = BufReader::with_capacity(1 << 20, File::open(log)?);
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let big_endian = match word(&header, 0) {
        magic if magic == MAGIC => false,
        magic if magic == MAGIC | 1 => true,
        _ => return Ok(None),
    };
    let page_bytes = word(&header, 8) as usize;
    if !PAGE_BYTES.contains(&page_bytes) {
        return Ok(None);
    }
    let mut sum = Checksum { big_endian, sums: (0, 0) };
    sum.add(header.get(..24).unwrap_or_default());
    if sum.sums != (word(&header, 24), word(&header, 28)) {
        return Ok(None);
    }
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let (mut committed, mut written) = (None, None);
    while fill(&mut log, &mut frame)? {
        let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
        sum.add(head.get(..8).unwrap_or_default());
        sum.add(page);
        let is_of_this_log = head.get(8..16) == header.get(16..24);
        if !is_of_this_log || sum.sums != (word(head, 16), word(head, 20)) {
            break;
        }
        if word(head, 0) == 1 {
            written = Some(page.to_vec());
        }
        // The last frame of a transaction has the size of the database.
        if word(head, 4) != 0 {
            committed = written.clone().or(committed);
        }
    }
    Ok(committed)
}

/// False at the end of the file.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The big-endian number at an offset; 0 beyond the end.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

struct Checksum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let (pairs, _) = bytes.as_chunks::<8>();
        for pair in pairs {
            let [first, second] = [word(pair, 0), word(pair, 4)];
            let [first, second] =
                if self.big_endian { [first, second] } else { [first.swap_bytes(), second.swap_bytes()] };
            self.sums.0 = self.sums.0.wrapping_add(first).wrapping_add(self.sums.1);
            self.sums.1 = self.sums.1.wrapping_add(second).wrapping_add(self.sums.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// The offset at which SQLite keeps `PRAGMA user_version`.
    const USER_VERSION_AT: usize = 60;

    #[test]
    fn what_is_committed_and_only_in_the_log_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log) = (dir.path().join("a.db"), dir.path().join("a.db-wal"));
        let mut file = Connection::open(&path).unwrap();
        file.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        assert_eq!(first_page(&log).unwrap(), None, "nothing is written yet");
        file.pragma_update(None, "user_version", 7).unwrap();
        file.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (randomblob(100000))").unwrap();
        let page = first_page(&log).unwrap().unwrap();
        assert_eq!(word(&page, USER_VERSION_AT), 7);

        // The uncommitted pages of an open transaction do not count: it may be rolled back.
        file.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").unwrap();
        let transaction = file.transaction().unwrap();
        transaction.pragma_update(None, "user_version", 8).unwrap();
        transaction.execute_batch("INSERT INTO a VALUES (randomblob(1000000))").unwrap();
        assert!(std::fs::metadata(&log).unwrap().len() > 500_000, "it is in the log");
        assert_eq!(word(&first_page(&log).unwrap().unwrap(), USER_VERSION_AT), 7);
        transaction.commit().unwrap();
        assert_eq!(word(&first_page(&log).unwrap().unwrap(), USER_VERSION_AT), 8);
    }

    #[test]
    fn what_is_no_log_has_no_page() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("yarn-wal");
        assert_eq!(first_page(&log).unwrap(), None);
        for text in ["", "dear diary", &"dear diary ".repeat(10_000)] {
            std::fs::write(&log, text).unwrap();
            assert_eq!(first_page(&log).unwrap(), None);
        }
    }
}
