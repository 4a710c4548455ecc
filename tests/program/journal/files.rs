//! Files that are not what a journal should be: in use, of a newer program, damaged, or out of reach.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lastword_journal::Journal as _;
use lastword_sqlite::{SCHEMA_VERSION, SqliteJournal};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ended, Launch, Program, Signal, end, ids};

/// Where SQLite keeps what we call the version, in a header that it keeps for good.
const VERSION_AT: usize = 60;
const PAGE: usize = 4096;

struct House(Arc<TempDir>);

impl House {
    fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn launch(&self) -> Launch {
        self.launch_with(&self.journal())
    }

    fn launch_with(&self, journal: &Path) -> Launch {
        Launch::stdio_at(&self.0).guest("prints").arg("--journal").arg(journal)
    }

    /// A journal whose owner has left, with so many active sessions.
    fn with_active_sessions(sessions: usize) -> Self {
        let house = Self::new();
        let program = house.launch().start().ready();
        program.open(ids(sessions));
        program.kill();
        // In one file, as a backup would have it.
        drop(SqliteJournal::open(&house.journal()).unwrap());
        house
    }

    fn damage(&self, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.journal()).unwrap();
        damage(&mut bytes);
        fs::write(self.journal(), bytes).unwrap();
    }

    /// The files beside the journal, by their contents.
    fn kept_aside(&self) -> Vec<(String, Vec<u8>)> {
        let files = fs::read_dir(self.0.path()).unwrap().map(Result::unwrap);
        let named = files.map(|file| (file.file_name().into_string().unwrap(), file.path()));
        named
            .filter(|(name, _)| {
                name.starts_with("journal.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
            })
            .map(|(name, path)| (name, fs::read(path).unwrap()))
            .collect()
    }
}

fn stop(program: Program) -> Ended {
    program.signal(Signal::TERM);
    program.ended()
}

#[track_caller]
fn assert_refused(ended: &Ended, said: &[&str]) {
    assert_eq!((ended.code(), ended.lines.len()), (5, 0), "{}", ended.stderr());
    for said in said {
        assert!(ended.stderr().contains(said), "{said:?} is missing in:\n{}", ended.stderr());
    }
}

#[test]
fn a_second_program_is_refused_and_told_who_has_the_journal_and_the_first_goes_on() {
    let house = House::new();
    let first = house.launch().start().ready();
    first.open(["s1"]);
    let second = house.launch().run();
    assert_refused(&second, &["is in use by process ", &first.pid().to_string(), "--journal"]);
    first.send([end("s1", "reset")]);
    first.count("accepted", 2);
    let first = stop(first);
    assert_eq!((first.code(), first.printed_ends("prints")), (0, vec!["s1".to_owned()]));
    assert_eq!(house.launch().run().code(), 0, "and then it is free");
}

#[test]
fn another_way_to_the_same_file_is_the_same_journal() {
    let house = House::new();
    let first = house.launch().start().ready();
    let link = house.0.path().join("link.db");
    std::os::unix::fs::symlink(house.journal(), &link).unwrap();
    assert_refused(&house.launch_with(&link).run(), &["is in use by process ", &first.pid().to_string()]);
    first.open(["s1"]);
    first.kill();
    let through_the_link = house.launch_with(&link).start().ready();
    through_the_link.count("outcome", 1);
    assert_eq!(stop(through_the_link).printed_ends("prints"), ["s1"]);
}

#[test]
fn others_can_read_the_file_while_the_program_writes_it() {
    let house = House::new();
    let program = house.launch().start().ready();
    program.open(ids(3));
    let sql = "SELECT id FROM active_session ORDER BY id";
    match Command::new("sqlite3").arg("-readonly").arg(house.journal()).arg(sql).output() {
        Ok(read) => assert_eq!(String::from_utf8(read.stdout).unwrap().lines().collect::<Vec<_>>(), ids(3)),
        Err(error) => eprintln!("not looked at: there is no sqlite3 here ({error})"),
    }
    program.send(ids(3).iter().map(|id| end(id, "reset")));
    program.count("accepted", 6);
    assert_eq!(stop(program).code(), 0);
}

#[test]
fn a_journal_of_a_newer_version_is_left_as_it_is() {
    let house = House::with_active_sessions(3);
    house.damage(|bytes| bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&(SCHEMA_VERSION + 1).to_be_bytes()));
    let before = fs::read(house.journal()).unwrap();
    let ended = house.launch().run();
    let version = format!("has version {}", SCHEMA_VERSION + 1);
    assert_refused(&ended, &[&version, "use the newer program", "left as it is"]);
    assert!(fs::read(house.journal()).unwrap() == before, "not one byte is different");
    assert_eq!(house.kept_aside().len(), 0);
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let house = House::with_active_sessions(0);
    // Its application id.
    house.damage(|bytes| bytes[68..72].copy_from_slice(b"ABCD"));
    let before = fs::read(house.journal()).unwrap();
    assert_refused(&house.launch().run(), &["is no journal"]);
    assert!(fs::read(house.journal()).unwrap() == before, "not one byte is different");
}

/// Starts on a file that is damaged like that: it is kept as it was, the log says so, and the program works. Gives the
/// sessions whose ends were delivered.
fn started_on(house: &House) -> Vec<String> {
    let damaged = fs::read(house.journal()).unwrap();
    let program = house.launch().start().ready();
    program.send([end("afterwards", "reset")]);
    program.count("accepted", 1);
    let ended = stop(program);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let kept = house.kept_aside();
    assert!(matches!(kept.as_slice(), [(_, bytes)] if *bytes == damaged), "it is kept, as it was: {}", kept.len());
    let (name, _) = &kept[0];
    let date = name.trim_start_matches("journal.db.damaged-");
    assert!(date.len() > 15 && date[..8].bytes().all(|byte| byte.is_ascii_digit()), "{name} says when");
    let error = ended.log.iter().find(|line| line.contains("ERROR")).unwrap();
    assert!(error.contains("was damaged") && error.contains(name.as_str()), "{error}");
    let mut ends = ended.printed_ends("prints");
    assert!(ends.contains(&"afterwards".to_owned()), "{ends:?}");
    ends.retain(|id| id != "afterwards");

    let next = house.launch().run();
    assert_eq!(next.of("ready").next().unwrap()["recovered"], json!({"sessions": 0, "deliveries": 0}));
    assert_eq!((next.code(), house.kept_aside().len()), (0, 1), "{}", next.stderr());
    ends
}

/// Where the page begins that a session's row is on.
fn page_of(bytes: &[u8], id: &str) -> usize {
    let needle = format!("\"{id}\"");
    let at = bytes.windows(needle.len()).rposition(|window| window == needle.as_bytes());
    at.expect("the session is in the file") / PAGE * PAGE
}

/// Enough that the sessions take up pages of their own.
const MANY: usize = 300;

#[test]
fn of_a_file_that_is_cut_off_what_can_be_read_is_delivered() {
    let house = House::with_active_sessions(MANY);
    // In the middle of the sessions: where that is in the file depends on how many rows were written at once.
    house.damage(|bytes| bytes.truncate(page_of(bytes, "s150")));
    let ends = started_on(&house);
    assert!(!ends.is_empty() && ends.len() < MANY, "{} of {MANY}", ends.len());
    eprintln!("{} of {MANY} sessions", ends.len());
}

#[test]
fn of_a_file_with_a_page_of_garbage_the_other_pages_are_delivered() {
    let house = House::with_active_sessions(MANY);
    // A session's row in the middle: its page is one of sessions.
    house.damage(|bytes| {
        let page = page_of(bytes, "s150");
        bytes[page..page + PAGE].fill(0xa5);
    });
    let ends = started_on(&house);
    assert!(ends.len() > MANY / 2 && ends.len() < MANY, "one page of many is missing: {} of {MANY}", ends.len());
}

#[test]
fn a_file_without_a_header_is_kept_and_a_new_one_begun() {
    let house = House::with_active_sessions(3);
    house.damage(|bytes| bytes[..100].fill(0));
    assert!(started_on(&house).is_empty(), "without its header nothing of it can be read");
}

#[test]
fn a_file_that_never_was_a_journal_is_refused_and_left_as_it_is() {
    let house = House::new();
    let diary = "dear diary\n".repeat(1000);
    fs::write(house.journal(), &diary).unwrap();
    assert_refused(&house.launch_with(&house.journal()).run(), &["is no journal", "--journal"]);
    assert_eq!(fs::read_to_string(house.journal()).unwrap(), diary);
}

#[test]
fn a_place_where_nothing_can_be_written_is_told_before_anything_is_accepted() {
    let house = House::new();
    let beneath_a_file = house.0.path().join("file/journal.db");
    fs::write(house.0.path().join("file"), "").unwrap();
    assert_refused(&house.launch_with(&beneath_a_file).run(), &["cannot be used", "file/journal.db"]);
    let missing = house.0.path().join("nowhere/journal.db");
    assert_refused(&house.launch_with(&missing).run(), &["cannot be used", "nowhere"]);
    assert!(!house.0.path().join("nowhere").exists(), "a typing error begins no journal");
    let directory = house.0.path().join("directory.db");
    fs::create_dir(&directory).unwrap();
    assert_refused(&house.launch_with(&directory).run(), &["directory.db cannot be used"]);

    let read_only = house.0.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(read_only.join("probe"), "").is_err() {
        assert_refused(&house.launch_with(&read_only.join("journal.db")).run(), &["cannot be used", "read-only"]);
    }
}

#[test]
fn a_journal_that_can_only_be_read_is_refused_and_left_as_it_is() {
    let house = House::with_active_sessions(3);
    let before = fs::read(house.journal()).unwrap();
    fs::set_permissions(house.journal(), fs::Permissions::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(house.journal()).is_ok() {
        // Whoever is root may do everything.
        return;
    }
    assert_refused(&house.launch().run(), &["journal.db", "cannot be used"]);
    assert!(fs::read(house.journal()).unwrap() == before, "not one byte is different");
    assert_eq!(house.kept_aside().len(), 0, "that it cannot be written is no damage");
}

#[test]
fn the_journals_name_outlives_a_restart_and_no_id_is_used_twice() {
    let house = House::with_active_sessions(1);
    let name = SqliteJournal::open(&house.journal()).unwrap().name().to_string();
    let program = house.launch().start().ready();
    program.send([end("s2", "reset")]);
    program.count("outcome", 2);
    let ended = stop(program);
    assert_eq!(ended.of("ready").next().unwrap()["journal"], name.as_str());
    let ids: Vec<_> = ended.of("outcome").map(|line| line["delivery"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with(&name)), "{ids:?}");
    assert!(ids[0] != ids[1], "{ids:?}");
}
