//! Which calls are under way, in a file that is mapped into memory: whatever ends the process, the kernel keeps what was
//! written there. Nothing is synced, and that costs a call no more than some bytes in memory. What a power cut leaves is of
//! another boot, and counts for nothing.

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
    /// None once the marks are ended: the next run has the file then, and a call that comes back late must not write into it.
    table: Option<Table>,
    free: Vec<usize>,
}

impl CallsUnderWay {
    /// The calls that were under way when the last run died, unless it had ended its marks; and the table for this run. Without a table
    /// nothing is ever suspect: that is no failure.
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

    /// What was found is written down elsewhere: from now on it is this run's.
    pub(crate) fn begin(&self, name: JournalName) {
        let Some(boot) = boot() else { return };
        let mut slots = self.slots.lock();
        if let Some(table) = &mut slots.table {
            table.begin(boot, name);
            slots.free = (0..Table::SLOTS).rev().collect();
        }
    }

    /// A call begins. None once the marks are ended, or when more calls are under way than there are slots: it is not suspect then.
    pub(crate) fn mark(self: &Arc<Self>, delivery: &DeliveryKey) -> Option<CallMark> {
        // Made before the lock is taken, and without memory of its own: this is done for every call.
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

    /// Ends the marks: the run ends by itself, so no call that is under way now has taken the process down.
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

/// What [`CallsUnderWay::mark`] has written.
fn parsed(text: &[u8]) -> Option<DeliveryKey> {
    let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '/');
    let sequence = parts.next()?.parse().ok()?;
    let event: EventKey = parts.next()?.parse().ok()?;
    let plugin: PluginName = parts.next()?.parse().ok()?;
    Some(DeliveryKey { sequence, event, plugin })
}

/// Another one after each start of the machine; none where the system has no such number.
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
        // As a process that is killed: nothing is dropped.
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
        // As earlier versions wrote it: 1 024 slots of 128 bytes, behind a header of 128.
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
