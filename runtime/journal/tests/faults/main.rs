//! Every operation on the journal's files is the one that fails, is torn, is the process's last, or the machine's last:
//! what was answered by then is there at the next start, nothing is there by halves, and the file is whole.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly, its helper functions too, and its script talks to it through stdout"
)]

mod script;

use std::fs;
use std::path::Path;
use std::process::Command;

use lastword_faults::{Fault, Kind, operations};
use tempfile::TempDir;

use script::{Found, STEPS, look, perform};

/// A part of the path of the files of the journal, and of nothing else.
const FILES: &str = "journal.db";
const PATH: &str = "LASTWORD_TEST_JOURNAL";

/// What a script that was broken off has said.
struct Said {
    /// The journal's name, if it could be opened.
    name: Option<String>,
    /// Steps that were answered.
    steps: usize,
}

/// A place for a journal, the count, and the disk that only has what was synced.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir(machine.files()).unwrap();
        machine
    }

    fn files(&self) -> std::path::PathBuf {
        self.0.path().join("files")
    }

    fn journal(&self) -> std::path::PathBuf {
        self.files().join(FILES)
    }

    fn count(&self) -> std::path::PathBuf {
        self.0.path().join("count")
    }

    /// Runs the script in a process of its own.
    fn run(&self, fault: Fault) -> Said {
        self.run_test("the_script", fault)
    }

    fn run_only_open(&self, fault: Fault) {
        self.run_test("the_opening", fault);
    }

    fn run_test(&self, test: &str, fault: Fault) -> Said {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--ignored", "--nocapture"]).env(PATH, self.journal());
        fault.count(self.count()).apply(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words =
            |word: &str| text.lines().filter_map(|l| l.strip_prefix(word)).map(str::to_owned).collect::<Vec<_>>();
        if output.status.code().is_some_and(|code| code != 0) {
            panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
        }
        Said { name: words("opened ").pop(), steps: words("done ").len() }
    }
}

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
        let fault = Fault::at(at, kind, FILES).shadow(machine.0.path().join("disk"));
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
