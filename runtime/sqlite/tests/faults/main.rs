//! Every operation on the journal's files is the one that fails, is torn, is the process's last, or the machine's last:
//! what was answered by then is there at the next start, nothing is there by halves, and the file is whole.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly, its helper functions too, and its script talks to it through stdout"
)]

mod machine;
mod salvage;
mod script;

use std::fs;
use std::path::Path;

use lastword_faults::{Fault, Kind, operations};
use lastword_journal::JournalErrorKind;

use machine::{FILES, Machine, PATH, Said};
use script::{Found, STEPS, look, perform};

/// Not a test: what the tests run in a process of its own.
#[tokio::test]
#[ignore = "the tests here run it, and break it"]
async fn the_script() {
    let path = std::env::var_os(PATH).expect("only the tests run it");
    let journal = script::open(Path::new(&path));
    println!("opened {}", journal.name);
    perform(&*journal.journal, STEPS, |step| println!("done {step}")).await;
}

/// The same of a start alone.
#[test]
#[ignore = "the tests here run it, and break it"]
fn the_opening() {
    let path = std::env::var_os(PATH).expect("only the tests run it");
    println!("opened {}", script::open(Path::new(&path)).name);
}

/// Whoever probes finds out that the disk is full, and whoever only flushes does not: nothing waits.
#[tokio::test]
#[ignore = "the tests here run it, and fill its disk"]
async fn the_probes() {
    const MOST: usize = 1_000;
    let path = std::env::var_os(PATH).expect("only the tests run it");
    let journal = script::open(Path::new(&path)).journal;
    for n in 0..MOST {
        match journal.probe().await {
            Ok(()) => println!("done {n}"),
            Err(error) => {
                assert_eq!(error.kind(), JournalErrorKind::Full, "{error}");
                assert_eq!(journal.flush().await, Ok(()));
                assert_eq!(journal.probe().await.map_err(|error| error.kind()), Err(JournalErrorKind::Full));
                println!("opened full");
                return;
            }
        }
    }
}

#[test]
fn a_probe_says_that_the_disk_is_full() {
    let said = Machine::new().run_until_full(Fault::at(200, Kind::FullFrom, FILES));
    assert!(said.steps > 10, "it could be written {} times", said.steps);
    assert_eq!(said.name.as_deref(), Some("full"));
}

/// What a start finds after so many steps: by the journal's own account, on a disk that works.
async fn after(steps: usize) -> Found {
    let machine = Machine::new();
    let opened = script::open(&machine.journal());
    perform(&*opened.journal, steps, |_| ()).await;
    drop(opened);
    look(&machine.journal())
}

async fn expected() -> Vec<Found> {
    let mut expected = Vec::new();
    for steps in 0..=STEPS {
        expected.push(after(steps).await);
    }
    expected
}

/// Breaks each operation of the script in turn; `check` gets what the script said and what is found then.
async fn break_each(kind: Kind, mut check: impl FnMut(u64, &Said, &Found, &[Found])) {
    let expected = expected().await;
    let whole = Machine::new();
    assert_eq!(whole.run(Fault::none(FILES)).steps, STEPS);
    let count = operations(whole.count());
    assert!(count > 40, "{count} operations are no journal");
    for at in 1..=count {
        let machine = Machine::new();
        let fault = Fault::at(at, kind, FILES).shadow(machine.disk());
        let said = machine.run(fault.clone());
        if kind == Kind::Power {
            fault.cut_power(machine.files()).unwrap();
        }
        let found = look(&machine.journal());
        let aside = fs::read_dir(machine.files()).unwrap().map(|file| file.unwrap().file_name());
        let aside: Vec<_> = aside.filter(|name| name.to_string_lossy().contains("damaged")).collect();
        assert!(aside.is_empty(), "{kind:?} {at}: a crash is no damage, but there is {aside:?}");
        if let Some(name) = &said.name {
            assert_eq!(*name, found.name, "{kind:?} {at}: another journal is in its place");
        }
        check(at, &said, &found, &expected);
    }
}

/// The step that was under way is there as a whole, or not at all.
fn answered_and_no_halves(kind: Kind) -> impl FnMut(u64, &Said, &Found, &[Found]) {
    move |at, said, found, expected| {
        let possible = &expected[said.steps..=STEPS.min(said.steps + 1)];
        assert!(
            possible.iter().any(|one| one.what == found.what && one.attempts == found.attempts),
            "{kind:?} {at}, after {} answers: found {found:#?}, and not one of {possible:#?}",
            said.steps
        );
    }
}

#[tokio::test]
async fn killed_before_any_operation() {
    break_each(Kind::Kill, answered_and_no_halves(Kind::Kill)).await;
}

#[tokio::test]
async fn killed_in_the_middle_of_any_write() {
    break_each(Kind::Tear, answered_and_no_halves(Kind::Tear)).await;
}

#[tokio::test]
async fn the_power_goes_at_any_operation() {
    break_each(Kind::Power, answered_and_no_halves(Kind::Power)).await;
}

#[tokio::test]
async fn any_operation_fails_and_the_work_goes_on() {
    break_each(Kind::Fail, |at, said, found, expected| {
        assert_eq!(said.steps, STEPS, "operation {at} failed once, and then the disk worked");
        let whole = &expected[STEPS];
        assert_eq!(found.what, whole.what, "operation {at} failed");
        // A start that failed may have begun a run, which counts.
        let counted = found.attempts.iter().zip(&whole.attempts).all(|(found, whole)| found >= whole);
        assert!(counted, "operation {at} failed: {:?}, and not {:?}", found.attempts, whole.attempts);
    })
    .await;
}
