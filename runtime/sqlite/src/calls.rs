//! Records which calls are under way, in a file that is mapped into memory. The kernel keeps the bytes however the process ends. The
//! program syncs nothing, so a call costs some writes to memory. After a power cut the file has the number of another boot, and the marks
//! count for nothing.

mod table;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use lastword_events::{EventKey, JournalName, PluginName};
use lastword_journal::state::CallMarks;
use lastword_journal::{CallMark, DeliveryKey};
use parking_lot::Mutex;

use self::table::Table;
use crate::paths::beside;

/// Added to the journal's name.
pub(crate) const SUFFIX: &str = "-calls";

/// The calls of this run.
#[derive(Debug)]
pub(crate) struct CallsUnderWay {
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    /// None once the marks are ended. The next run has the file then, and a call that comes back late must not write into it.
    table: Option<Table>,
    free: Vec<usize>,
}

impl CallsUnderWay {
    /// Opens the file. Gives the table for this run, and the calls that were under way when the last run died, unless that run had ended
    /// its marks. Without a table no delivery is ever suspect, which is no failure.
    pub(crate) fn open(journal: &Path, name: JournalName) -> (Option<Arc<Self>>, Vec<DeliveryKey>) {
        let Some(boot) = boot() else { return (None, Vec::new()) };
        let path = beside(journal, SUFFIX);
        match Table::open(&path) {
            Ok(table) => {
                let dead =
                    if table.is_of_dead_run(boot, name) { table.calls().filter_map(parsed).collect() } else { vec![] };
                (Some(Arc::new(Self { slots: Mutex::new(Slots { table: Some(table), free: Vec::new() }) })), dead)
            }
            Err(error) => {
                tracing::warn!(
                    "a delivery that takes the program down could not be told from others: {} cannot be used: {error}",
                    path.display()
                );
                (None, Vec::new())
            }
        }
    }

    /// Begins this run's marks. The calls of the last run are recorded in the journal by now.
    pub(crate) fn begin(&self, name: JournalName) {
        let Some(boot) = boot() else { return };
        let mut slots = self.slots.lock();
        if let Some(table) = &mut slots.table {
            table.begin(boot, name);
            slots.free = (0..Table::SLOTS).rev().collect();
        }
    }

    /// Marks a call that begins. None once the marks are ended, or when more calls are under way than there are slots. Such a call is
    /// never suspect.
    pub(crate) fn mark(self: &Arc<Self>, delivery: &DeliveryKey) -> Option<CallMark> {
        // The text is made before the lock is taken, and without an allocation, because every call does this.
        let mut text = [0; Table::CALL_BYTES];
        let mut rest = text.as_mut_slice();
        write!(rest, "{}/{}/{}", delivery.sequence, delivery.event, delivery.plugin).ok()?;
        let length = Table::CALL_BYTES - rest.len();
        let mut slots = self.slots.lock();
        let Slots { table, free } = &mut *slots;
        let (table, slot) = (table.as_mut()?, free.pop()?);
        table.set(slot, text.get(..length).unwrap_or_default());
        drop(slots);
        Some(CallMark::new(self.clone(), slot))
    }

    /// Ends the marks. The run ends by itself, so no call under way has taken the process down.
    pub(crate) fn end_marks(&self) {
        if let Some(mut table) = self.slots.lock().table.take() {
            table.set_ended();
        }
    }
}

impl CallMarks for CallsUnderWay {
    fn remove(&self, slot: usize) {
        let mut slots = self.slots.lock();
        if let Some(table) = &mut slots.table {
            table.set(slot, b"");
            slots.free.push(slot);
        }
    }
}

/// Reads a mark that [`CallsUnderWay::mark`] has written.
fn parsed(text: &[u8]) -> Option<DeliveryKey> {
    let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '/');
    let sequence = parts.next()?.parse().ok()?;
    let event: EventKey = parts.next()?.parse().ok()?;
    let plugin: PluginName = parts.next()?.parse().ok()?;
    Some(DeliveryKey { sequence, event, plugin })
}

/// The number of this boot, which is new after each start of the machine. None where the system has no such number.
fn boot() -> Option<[u8; table::BOOT_BYTES]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    text.get(..table::BOOT_BYTES)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sequence: u64, plugin: &str) -> DeliveryKey {
        DeliveryKey { sequence, event: EventKey::End, plugin: PluginName::new(plugin).unwrap() }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_under_way_is_found_by_the_next_run_unless_this_one_has_left() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        let name = lastword_journal::state::random_name();
        let run = |expected: &[DeliveryKey]| {
            let (calls, found) = CallsUnderWay::open(&journal, name);
            assert_eq!(found, expected);
            let calls = calls.unwrap();
            calls.begin(name);
            calls
        };
        let first = run(&[]);
        let over = first.mark(&key(1, "over")).unwrap();
        let under_way = first.mark(&key(2, "under-way")).unwrap();
        drop(over);
        // Ends like a process that is killed, which drops nothing.
        std::mem::forget(under_way);
        let second = run(&[key(2, "under-way")]);
        let stuck = second.mark(&key(3, "stuck")).unwrap();
        second.end_marks();
        let third = run(&[]);
        assert!(second.mark(&key(5, "too-late")).is_none(), "the file is the third one's");
        drop(stuck);
        second.end_marks();
        std::mem::forget(third.mark(&key(4, "other")).unwrap());
        let (_, of_another_journal) = CallsUnderWay::open(&journal, lastword_journal::state::random_name());
        assert_eq!(of_another_journal, []);
        run(&[key(4, "other")]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_with_fewer_slots_tells_what_it_holds_and_has_more_of_them_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        let name = lastword_journal::state::random_name();
        let (calls, _) = CallsUnderWay::open(&journal, name);
        let calls = calls.unwrap();
        calls.begin(name);
        std::mem::forget(calls.mark(&key(1, "under-way")).unwrap());
        drop(calls);
        // The form of earlier versions: 1 024 slots of 128 bytes, behind a header of 128.
        let path = beside(&journal, SUFFIX);
        let (whole, short) = (std::fs::metadata(&path).unwrap().len(), 128 + 1024 * 128);
        std::fs::File::options().write(true).open(&path).unwrap().set_len(short).unwrap();
        let (calls, found) = CallsUnderWay::open(&journal, name);
        assert_eq!(found, [key(1, "under-way")]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
        let calls = calls.unwrap();
        calls.begin(name);
        let marks: Vec<_> = (0..2_000).map(|n| calls.mark(&key(n, "many")).unwrap()).collect();
        drop(marks);
        std::fs::write(&path, vec![1; usize::try_from(short).unwrap()]).unwrap();
        assert!(CallsUnderWay::open(&journal, name).0.is_none(), "it is something else");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), short, "and is left alone");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_call_waits_for_a_slot_and_a_file_of_that_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, name) = (dir.path().join("journal.db"), lastword_journal::state::random_name());
        let (calls, _) = CallsUnderWay::open(&journal, name);
        let calls = calls.unwrap();
        calls.begin(name);
        let marks: Vec<_> = (0..Table::SLOTS as u64).map(|n| calls.mark(&key(n, "many")).unwrap()).collect();
        assert!(calls.mark(&key(0, "one-more")).is_none());
        drop(marks);
        assert!(calls.mark(&key(0, "one-more")).is_some());
        let theirs = dir.path().join("theirs.db");
        std::fs::write(beside(&theirs, SUFFIX), "dear diary").unwrap();
        assert!(CallsUnderWay::open(&theirs, name).0.is_none());
        assert_eq!(std::fs::read(beside(&theirs, SUFFIX)).unwrap(), b"dear diary");
    }
}
