//! What a disk would have after a power cut: what was synced, and nothing else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod machine;

use std::fs;

use lastword_faults::{Fault, Kind};
use machine::Machine;

fn at(machine: &Machine, at: u64) -> Fault {
    Fault::at(at, Kind::Power, "f.db").shadow(machine.folder().join("disk"))
}

#[test]
fn what_was_not_synced_is_gone() {
    let steps = ["write f.db ab", "sync f.db", "write f.db c", "truncate f.db 1", "datasync f.db", "write f.db d"];
    for (number, live, synced) in [
        (1, "", None),
        (2, "ab", None),
        (3, "ab", Some("ab")),
        (4, "abc", Some("ab")),
        (5, "a", Some("ab")),
        (6, "a", Some("a")),
    ] {
        let machine = Machine::new();
        let fault = at(&machine, number);
        assert_eq!(machine.run(&fault, &steps).signal, Some(9));
        assert_eq!(machine.read("f.db"), live.as_bytes());
        fault.cut_power(machine.folder()).unwrap();
        let left = fs::read_to_string(machine.folder().join("f.db")).ok();
        assert_eq!(left.as_deref(), synced, "{number}");
    }
}

#[test]
fn each_file_is_as_it_was_at_its_own_sync_and_others_stay() {
    let machine = Machine::new();
    let fault = at(&machine, 6);
    let steps =
        ["write f.db a", "write f.db-wal b", "write f.db-shm m", "sync f.db-wal", "write g.db x", "write f.db c"];
    let steps = [&steps[..], &["write f.db-wal d", "sync f.db"]].concat();
    assert_eq!(machine.run(&fault, &steps).signal, Some(9));
    fault.cut_power(machine.folder()).unwrap();
    assert_eq!(machine.names(), ["f.db-wal", "g.db"]);
    assert_eq!((machine.read("f.db-wal"), machine.read("g.db")), (b"b".to_vec(), b"x".to_vec()));
}

#[test]
fn a_file_that_was_removed_stays_removed() {
    let machine = Machine::new();
    let fault = at(&machine, 4);
    let steps = ["write f.db a", "sync f.db", "close f.db", "remove f.db", "write f.db b", "sync f.db"];
    assert_eq!(machine.run(&fault, &steps).signal, Some(9));
    fault.cut_power(machine.folder()).unwrap();
    assert!(machine.names().is_empty());
    // One that is synced after its name has gone does not come back either.
    let machine = Machine::new();
    let fault = at(&machine, 4);
    let steps = ["write f.db a", "sync f.db", "remove f.db", "sync f.db", "write f.db b"];
    assert_eq!(machine.run(&fault, &steps).signal, Some(9));
    fault.cut_power(machine.folder()).unwrap();
    assert!(machine.names().is_empty());
}

#[test]
fn a_file_of_many_chunks_is_copied_whole() {
    let machine = Machine::new();
    let fault = at(&machine, 1602);
    let steps = ["threads f.db 16", "sync f.db", "write f.db more"];
    assert_eq!(machine.run(&fault, &steps).signal, Some(9));
    let synced = machine.read("f.db");
    assert_eq!(synced.len(), 1600 * "a line\n".len());
    fault.cut_power(machine.folder()).unwrap();
    assert_eq!(machine.read("f.db"), synced);
}
