//! Files that are somebody else's: by mistake, by another name, or because they lie beside a journal.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use lastword_faults::{Fault, Kind};

use crate::support::{Home, Launch, end};

/// A folder that has nothing in it but what a test puts there.
struct Folder {
    home: Home,
}

impl Folder {
    fn new() -> Self {
        let home = Home::new();
        fs::create_dir(home.join("d")).unwrap();
        Self { home }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.join("d").join(name)
    }

    fn launch(&self, journal: &Path) -> Launch {
        self.home.stdio().guest("prints").arg("--journal").arg(journal)
    }

    /// Names, and bytes of what is a file.
    fn files(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let entries = fs::read_dir(self.home.join("d")).unwrap().map(Result::unwrap);
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

#[test]
fn what_is_no_journal_is_as_it_was_after_every_start_and_nothing_is_made_beside_it() {
    let folder = Folder::new();
    let diary = folder.at("notes.txt");
    fs::write(&diary, "dear diary\n".repeat(1000)).unwrap();
    let yarn = folder.at("yarn");
    fs::write(&yarn, "#!/bin/sh\n").unwrap();
    fs::write(folder.at("yarn.lock"), "# yarn lockfile v1\n").unwrap();
    let before = folder.files();
    for _ in 0..5 {
        for file in [&diary, &yarn] {
            folder.launch(file).run().assert_refused(5, &["is no journal", "--journal", "left as it is"]);
            assert!(folder.files() == before, "something was changed or made");
        }
    }
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    let (fifo, socket, directory) = (folder.at("fifo"), folder.at("socket"), folder.at("directory"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::create_dir(&directory).unwrap();
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    for (path, what) in [(&fifo, "a FIFO"), (&socket, "a socket"), (&directory, "a directory")] {
        folder.launch(path).run().assert_refused(5, &[what, "a journal is a file"]);
        for command in ["sessions", "deliveries"] {
            let ended = Launch::command(command).arg("--journal").arg(path).run();
            assert_eq!(ended.code(), 5, "{command}: {}", ended.stderr());
            assert!(ended.stderr().contains(what), "{command}: {}", ended.stderr());
        }
    }
}

#[test]
fn the_log_of_a_journal_that_was_moved_away_is_kept() {
    let folder = Folder::new();
    let journal = folder.at("journal.db");
    let program = folder.launch(&journal).start().ready();
    program.open(["s1"]);
    program.kill();
    fs::rename(&journal, folder.at("old.db")).unwrap();
    let before = folder.files();
    folder.launch(&journal).run().assert_refused(5, &["there is no journal at", "journal.db-wal is there"]);
    assert!(folder.files() == before, "something was changed or made");
    // Put back, it is whole.
    fs::rename(folder.at("old.db"), &journal).unwrap();
    let program = folder.launch(&journal).start().ready();
    program.count("outcome", 1);
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

/// The first program has the file by one name; the second is refused by the other.
fn two_names(folder: &Folder, first: &Path, second: &Path, meanwhile: impl FnOnce()) {
    let program = folder.launch(first).start().ready();
    program.open(["s1"]);
    meanwhile();
    folder.launch(second).run().assert_refused(5, &["is in use by process ", &program.pid().to_string()]);
    program.send([end("s1", "reset")]);
    program.count("outcome", 1);
    let ended = program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]));
}

#[test]
fn a_link_that_led_to_nothing_and_the_file_that_it_leads_to_are_one_journal() {
    let folder = Folder::new();
    let (link, file) = (folder.at("link.db"), folder.at("file.db"));
    symlink(&file, &link).unwrap();
    two_names(&folder, &link, &file, || ());
    two_names(&folder, &file, &link, || ());
}

#[test]
fn two_names_of_one_file_are_one_journal() {
    let folder = Folder::new();
    let (file, other) = (folder.at("file.db"), folder.at("other.db"));
    two_names(&folder, &file, &other, || fs::hard_link(&file, &other).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_through_the_process_itself_leads_to_the_same_journal() {
    let folder = Folder::new();
    let file = folder.at("file.db");
    let through = Path::new("/proc/self/root").join(file.strip_prefix("/").unwrap());
    two_names(&folder, &file, &through, || ());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_cannot_share_memory_or_lock_is_told_and_nothing_is_left_on_it() {
    let folder = Folder::new();
    let journal = folder.at("journal.db");
    let lacking = [(Kind::NoSharedMemory, "cannot map the file"), (Kind::NoLocks, "has no locks that work")];
    for (kind, said) in lacking {
        let fault = Fault::at(1, kind, "journal.db");
        folder.launch(&journal).fault(&fault).run().assert_refused(5, &[said, "put the journal on a local disk"]);
        assert_eq!(folder.files(), [], "{kind:?}");
    }
    // One that was made elsewhere, and was moved there.
    let program = folder.launch(&journal).start().ready();
    program.open(["s1"]);
    program.kill();
    fs::remove_file(folder.at("journal.db-shm")).unwrap();
    let before = folder.files();
    for (kind, said) in lacking {
        let fault = Fault::at(1, kind, "journal.db");
        folder.launch(&journal).fault(&fault).run().assert_refused(5, &[said]);
        assert!(folder.files() == before, "{kind:?}: something was changed or made");
    }
    let looks = Launch::command("sessions").fault(&Fault::at(1, Kind::NoSharedMemory, "journal.db"));
    let looks = looks.arg("--journal").arg(&journal).run();
    assert_eq!(looks.code(), 5);
    assert!(looks.stderr().contains("cannot map the file"), "{}", looks.stderr());
}
