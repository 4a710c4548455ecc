//! Each kind of fault, under a program that does what its steps say.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod machine;

use lastword_faults::{Fault, Kind, SLOW_SYNC};
use machine::Machine;

const FAILED: &str = "Input/output error (os error 5)";
const AGAIN: &str = "Resource temporarily unavailable (os error 11)";
const FULL: &str = "No space left on device (os error 28)";

#[test]
fn what_changes_a_file_is_counted_and_nothing_else() {
    let machine = Machine::new();
    let steps = ["write f.db 1", "overwrite f.db 2", "truncate f.db 1", "sync f.db", "datasync f.db"];
    assert!(machine.run(&Fault::none("f.db"), &steps).done());
    assert_eq!(machine.operations(), 5);
    // Another file, memory that is shared, and what is done without changing a file's contents.
    assert!(
        machine
            .run(&Fault::none("f.db"), &["write g.db 1", "write f.db-shm 1", "close f.db-shm", "remove f.db"])
            .done()
    );
    assert_eq!(machine.operations(), 0);
}

#[test]
fn the_files_are_those_whose_path_contains_the_text() {
    let machine = Machine::new();
    let steps = ["write f.db 1", "write f.db-wal 1", "write g.db 1"];
    for (files, operations) in [("f.db", 2), ("-wal", 1), (machine.folder().to_str().unwrap(), 3), ("other", 0)] {
        assert!(machine.run(&Fault::none(files), &steps).done());
        assert_eq!(machine.operations(), operations, "{files}");
    }
}

#[test]
fn a_number_that_is_used_again_for_another_file_is_not_watched() {
    let machine = Machine::new();
    assert!(machine.run(&Fault::none("f.db"), &["write f.db 1", "close f.db", "write g.db 1", "sync g.db"]).done());
    assert_eq!(machine.operations(), 1);
}

#[test]
fn threads_are_counted_together_and_each_number_is_broken_once() {
    let machine = Machine::new();
    assert!(machine.run(&Fault::none("f.db"), &["threads f.db 4"]).done());
    assert_eq!(machine.operations(), 400);
    let broken = machine.run(&Fault::at(400, Kind::Fail, "f.db"), &["threads g.db 1", "threads f.db 4"]);
    assert_eq!(broken.said, ["ok", FAILED]);
    assert_eq!((machine.operations(), machine.read("f.db").len()), (400, (400 + 399) * "a line\n".len()));
}

#[test]
fn threads_cannot_be_started_from_a_number_on() {
    let machine = Machine::new();
    for (at, said) in [(1, AGAIN), (4, AGAIN), (5, "ok")] {
        assert_eq!(machine.run(&Fault::at(at, Kind::NoThreadsFrom, "g.db"), &["threads f.db 4"]).said, [said], "{at}");
    }
}

#[test]
fn one_operation_fails_and_is_not_done() {
    let steps = ["write f.db a", "overwrite f.db b", "truncate f.db 9", "sync f.db", "datasync f.db", "write f.db c"];
    for at in 1..=steps.len() {
        let machine = Machine::new();
        let run = machine.run(&Fault::at(at as u64, Kind::Fail, "f.db"), &steps);
        let expected: Vec<_> = (1..=steps.len()).map(|n| if n == at { FAILED } else { "ok" }).collect();
        assert_eq!((run.said, run.signal), (expected.into_iter().map(str::to_owned).collect(), None));
        assert_eq!(machine.operations(), 6);
        let expected: &[u8] = match at {
            1 => b"c\0\0\0\0\0\0\0\0",
            2 => b"ac\0\0\0\0\0\0\0",
            3 => b"bc",
            6 => b"b\0\0\0\0\0\0\0\0",
            _ => b"bc\0\0\0\0\0\0\0",
        };
        assert_eq!(machine.read("f.db"), expected, "{at}");
    }
}

#[test]
fn all_later_ones_fail() {
    let machine = Machine::new();
    let steps = ["write f.db a", "sync f.db", "write f.db b", "truncate f.db 0", "sync f.db", "write g.db c"];
    let run = machine.run(&Fault::at(3, Kind::FailFrom, "f.db"), &steps);
    assert_eq!(run.said, ["ok", "ok", FAILED, FAILED, FAILED, "ok"]);
    assert_eq!(machine.read("f.db"), b"a");
}

#[test]
fn a_full_disk_takes_no_writes_until_there_is_space() {
    let machine = Machine::new();
    let fault = Fault::at(2, Kind::FullFrom, "f.db").until(machine.folder().join("space"));
    let steps = ["write f.db a", "write f.db b", "sync f.db", "overwrite f.db c", "write space 1", "write f.db d"];
    let run = machine.run(&fault, &steps);
    assert_eq!(run.said, ["ok", FULL, "ok", FULL, "ok", "ok"]);
    assert_eq!(machine.read("f.db"), b"ad");
    // And when it is used up again.
    let run = machine.run(&fault, &["write f.db e", "write f.db f", "remove space", "write f.db g"]);
    assert_eq!(run.said, ["ok", "ok", "ok", FULL]);
    assert_eq!(machine.read("f.db"), b"adef");
}

#[test]
fn the_process_is_killed_before_the_operation() {
    let steps = ["write f.db ab", "sync f.db", "truncate f.db 1", "write f.db c"];
    for (at, left) in [(1, ""), (2, "ab"), (3, "ab"), (4, "a")] {
        for kind in [Kind::Kill, Kind::Power] {
            let machine = Machine::new();
            let run = machine.run(&Fault::at(at, kind, "f.db"), &steps);
            assert_eq!((run.said.len() as u64, run.signal), (at - 1, Some(9)), "{at}");
            assert_eq!((machine.operations(), machine.read("f.db").as_slice()), (at, left.as_bytes()));
        }
    }
}

#[test]
fn a_torn_write_leaves_its_first_half() {
    let machine = Machine::new();
    let run = machine.run(&Fault::at(3, Kind::Tear, "f.db"), &["write f.db abcd", "sync f.db", "overwrite f.db 1234"]);
    assert_eq!((run.said.len(), run.signal), (2, Some(9)));
    assert_eq!(machine.read("f.db"), b"12cd");
    // What is no write is not done at all.
    let run = machine.run(&Fault::at(1, Kind::Tear, "f.db"), &["truncate f.db 0"]);
    assert_eq!((run.said.len(), run.signal), (0, Some(9)));
    assert_eq!(machine.read("f.db"), b"12cd");
}

#[test]
fn programs_of_the_system_run_as_ever() {
    let machine = Machine::new();
    let fault = Fault::at(1, Kind::Kill, "f.db").shadow(machine.folder().join("disk"));
    let run = machine.run(&fault, &["shell g.db hello", "shell g.db world"]);
    assert_eq!((run.said, run.signal), (vec!["ok".to_owned(), "ok".to_owned()], None));
    assert_eq!((machine.read("g.db"), machine.operations()), (b"helloworld".to_vec(), 0));
}

mod timed {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_slow_disk_takes_its_time_for_syncs_until_it_is_fast_again() {
        let machine = Machine::new();
        let fault = Fault::at(2, Kind::SlowFrom, "f.db").until(machine.folder().join("fast"));
        let took = |steps: &[&str]| {
            let began = Instant::now();
            assert!(machine.run(&fault, steps).done());
            began.elapsed()
        };
        assert!(took(&["sync f.db", "write f.db a", "sync f.db", "datasync f.db"]) >= 2 * SLOW_SYNC, "both later ones");
        assert!(took(&["write fast 1", "write f.db b", "sync f.db"]) < SLOW_SYNC);
        assert_eq!(machine.read("f.db"), b"ab");
    }
}
