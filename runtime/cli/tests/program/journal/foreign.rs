//! Files that are somebody else's: by mistake, by another name, or because they lie beside a journal.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use lastword_faults::{Fault, Kind};
use tempfile::TempDir;

use crate::support::{Ended, Launch, Program, Signal, end};

struct House(Arc<TempDir>);

impl House {
    fn new() -> Self {
        let house = Self(Arc::new(tempfile::tempdir().unwrap()));
        fs::create_dir(house.0.path().join("d")).unwrap();
        house
    }

    /// In a directory that has nothing else in it.
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join("d").join(name)
    }

    fn launch(&self, journal: &Path) -> Launch {
        Launch::stdio_at(&self.0).guest("prints").arg("--journal").arg(journal)
    }

    /// What is in the directory: names, and bytes of what is a file.
    fn files(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let entries = fs::read_dir(self.0.path().join("d")).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|entry| {
                let is_file = entry.file_type().unwrap().is_file();
                (entry.path(), is_file.then(|| fs::read(entry.path()).unwrap()))
            })
            .collect();
        files.sort_unstable();
        files
    }
}

#[track_caller]
fn assert_refused(ended: &Ended, said: &[&str]) {
    assert_eq!((ended.code(), ended.lines.len()), (5, 0), "{}", ended.stderr());
    for said in said {
        assert!(ended.stderr().contains(said), "{said:?} is missing in:\n{}", ended.stderr());
    }
}

fn stop(program: Program) -> Ended {
    program.signal(Signal::TERM);
    program.ended()
}

#[test]
fn what_is_no_journal_is_as_it_was_after_every_start_and_nothing_is_made_beside_it() {
    let house = House::new();
    let diary = house.at("notes.txt");
    fs::write(&diary, "dear diary\n".repeat(1000)).unwrap();
    let yarn = house.at("yarn");
    fs::write(&yarn, "#!/bin/sh\n").unwrap();
    fs::write(house.at("yarn.lock"), "# yarn lockfile v1\n").unwrap();
    let before = house.files();
    for _ in 0..5 {
        for file in [&diary, &yarn] {
            assert_refused(&house.launch(file).run(), &["is no journal", "--journal", "left as it is"]);
            assert!(house.files() == before, "something was changed or made");
        }
    }
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let house = House::new();
    let (fifo, socket, directory) = (house.at("fifo"), house.at("socket"), house.at("directory"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::create_dir(&directory).unwrap();
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    for (path, what) in [(&fifo, "a FIFO"), (&socket, "a socket"), (&directory, "a directory")] {
        assert_refused(&house.launch(path).run(), &[what, "a journal is a file"]);
        for command in ["sessions", "deliveries"] {
            let ended = Launch::command(command).arg("--journal").arg(path).run();
            assert_eq!(ended.code(), 5, "{command}: {}", ended.stderr());
            assert!(ended.stderr().contains(what), "{command}: {}", ended.stderr());
        }
    }
}

#[test]
fn the_log_of_a_journal_that_was_moved_away_is_kept() {
    let house = House::new();
    let journal = house.at("journal.db");
    let program = house.launch(&journal).start().ready();
    program.open(["s1"]);
    program.kill();
    fs::rename(&journal, house.at("old.db")).unwrap();
    let before = house.files();
    assert_refused(&house.launch(&journal).run(), &["there is no journal at", "journal.db-wal is there"]);
    assert!(house.files() == before, "something was changed or made");
    // Put back, it is whole.
    fs::rename(house.at("old.db"), &journal).unwrap();
    let program = house.launch(&journal).start().ready();
    program.count("outcome", 1);
    assert_eq!(stop(program).printed_ends("prints"), ["s1"]);
}

/// The first program has the file by one name; the second is refused by the other.
fn two_names(house: &House, first: &Path, second: &Path, meanwhile: impl FnOnce()) {
    let program = house.launch(first).start().ready();
    program.open(["s1"]);
    meanwhile();
    assert_refused(&house.launch(second).run(), &["is in use by process ", &program.pid().to_string()]);
    program.send([end("s1", "reset")]);
    program.count("outcome", 1);
    let ended = stop(program);
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]));
}

#[test]
fn a_link_that_led_to_nothing_and_the_file_that_it_leads_to_are_one_journal() {
    let house = House::new();
    let (link, file) = (house.at("link.db"), house.at("file.db"));
    symlink(&file, &link).unwrap();
    two_names(&house, &link, &file, || ());
    two_names(&house, &file, &link, || ());
}

#[test]
fn two_names_of_one_file_are_one_journal() {
    let house = House::new();
    let (file, other) = (house.at("file.db"), house.at("other.db"));
    two_names(&house, &file, &other, || fs::hard_link(&file, &other).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_through_the_process_itself_leads_to_the_same_journal() {
    let house = House::new();
    let file = house.at("file.db");
    let through = Path::new("/proc/self/root").join(file.strip_prefix("/").unwrap());
    two_names(&house, &file, &through, || ());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_cannot_share_memory_or_lock_is_told_and_nothing_is_left_on_it() {
    let house = House::new();
    let journal = house.at("journal.db");
    let lacking = [(Kind::NoSharedMemory, "cannot map the file"), (Kind::NoLocks, "has no locks that work")];
    for (kind, said) in lacking {
        let fault = Fault::at(1, kind, "journal.db");
        assert_refused(&house.launch(&journal).fault(&fault).run(), &[said, "put the journal on a local disk"]);
        assert_eq!(house.files(), [], "{kind:?}");
    }
    // One that was made elsewhere, and was moved there.
    let program = house.launch(&journal).start().ready();
    program.open(["s1"]);
    program.kill();
    fs::remove_file(house.at("journal.db-shm")).unwrap();
    let before = house.files();
    for (kind, said) in lacking {
        let fault = Fault::at(1, kind, "journal.db");
        assert_refused(&house.launch(&journal).fault(&fault).run(), &[said]);
        assert!(house.files() == before, "{kind:?}: something was changed or made");
    }
    let looks = Launch::command("sessions").fault(&Fault::at(1, Kind::NoSharedMemory, "journal.db"));
    let looks = looks.arg("--journal").arg(&journal).run();
    assert_eq!(looks.code(), 5);
    assert!(looks.stderr().contains("cannot map the file"), "{}", looks.stderr());
}
