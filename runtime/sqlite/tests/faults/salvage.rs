//! A crash while a damaged file is salvaged.

use std::fs;

use lastword_faults::{Fault, Kind, operations};

use crate::machine::{FILES, Machine};
use crate::script::{self, STEPS, look, perform};

/// A journal with something of everything in it, whose file is then damaged: a page of `delivery` is garbage.
async fn damaged(machine: &Machine) {
    let opened = script::open(&machine.journal());
    perform(&*opened.journal, STEPS, |_| ()).await;
    drop(opened);
    let mut bytes = fs::read(machine.journal()).unwrap();
    let needle = b"session-compaction.1-after";
    let at = bytes.windows(needle.len()).rposition(|window| window == needle).expect("it is owed");
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0xa5);
    fs::write(machine.journal(), bytes).unwrap();
}

/// Salvaging is begun anew, or finished, at the next start.
#[tokio::test]
async fn killed_while_a_damaged_file_is_salvaged() {
    let whole = Machine::new();
    damaged(&whole).await;
    let before = fs::read(whole.journal()).unwrap();
    // Without the steps: they would not fit what is there.
    let salvaged = look(&whole.journal());
    assert!(salvaged.what.iter().any(|what| what.starts_with("active")), "something is left of it: {salvaged:#?}");
    let counted = Machine::new();
    fs::write(counted.journal(), &before).unwrap();
    counted.run_only_open(Fault::none(FILES));
    let count = operations(counted.count());
    assert!(count > 5, "{count} operations salvage nothing");
    for at in 1..=count {
        for kind in [Kind::Kill, Kind::Tear] {
            let machine = Machine::new();
            fs::write(machine.journal(), &before).unwrap();
            machine.run_only_open(Fault::at(at, kind, FILES));
            let found = look(&machine.journal());
            assert_eq!((found.name, found.what), (salvaged.name.clone(), salvaged.what.clone()), "{kind:?} {at}");
            let kept = fs::read_dir(machine.files()).unwrap().map(|file| file.unwrap().path());
            let kept: Vec<_> = kept.filter(|path| fs::read(path).unwrap() == before).collect();
            assert_eq!(kept.len(), 1, "{kind:?} {at}: the damaged file is kept as it was");
        }
    }
}

/// The machine stopped after the damaged file had been put aside, and before its log had.
#[tokio::test]
async fn the_log_of_a_file_that_was_put_aside_is_not_taken_for_the_new_ones() {
    let machine = Machine::new();
    let salvaged = script::open(&machine.journal());
    perform(&*salvaged.journal, 4, |_| ()).await;
    drop(salvaged);
    let expected = look(&machine.journal());
    fs::rename(machine.journal(), machine.files().join("journal.db.salvaging")).unwrap();
    // Of the damaged one there is only the log, as a kill has left it.
    let other = Machine::new();
    let damaged = script::open(&other.journal());
    perform(&*damaged.journal, STEPS, |_| ()).await;
    fs::copy(other.files().join("journal.db-wal"), machine.files().join("journal.db-wal")).unwrap();

    let found = look(&machine.journal());
    assert_eq!((found.name, found.what), (expected.name, expected.what));
}
