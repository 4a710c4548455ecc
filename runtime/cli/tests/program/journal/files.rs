//! Files that are not what a journal should be: in use, of a newer program, damaged, or out of reach.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lastword_journal::Journal as _;
use lastword_sqlite::{SCHEMA_VERSION, SqliteJournal};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::support::{Home, Launch, end, ids};

/// Where SQLite keeps what we call the version, in a header that it keeps for good.
const VERSION_AT: usize = 60;
const PAGE: usize = 4096;

fn launch_on(home: &Home, journal: &Path) -> Launch {
    home.stdio().guest("prints").arg("--journal").arg(journal)
}

fn launch(home: &Home) -> Launch {
    launch_on(home, &home.journal())
}

/// A journal whose owner has left, with so many active sessions.
fn with_active_sessions(sessions: usize) -> Home {
    let home = Home::new();
    let program = launch(&home).start().ready();
    program.open(ids(sessions));
    program.kill();
    // In one file, as a backup would have it.
    drop(SqliteJournal::open(&home.journal()).unwrap());
    home
}

fn damage(home: &Home, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(home.journal()).unwrap();
    damage(&mut bytes);
    fs::write(home.journal(), bytes).unwrap();
}

/// The files beside the journal that a damaged one was kept in, by their contents.
fn kept_aside(home: &Home) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(home.path()).unwrap().map(Result::unwrap);
    let named = files.map(|file| (file.file_name().into_string().unwrap(), file.path()));
    named
        .filter(|(name, _)| {
            name.starts_with("journal.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_second_program_is_refused_and_told_who_has_the_journal_and_the_first_goes_on() {
    let home = Home::new();
    let first = launch(&home).start().ready();
    first.open(["s1"]);
    let second = launch(&home).run();
    second.assert_refused(5, &["is in use by process ", &first.pid().to_string(), "--journal"]);
    first.send([end("s1", "reset")]);
    first.count("accepted", 2);
    let first = first.stop();
    assert_eq!((first.code(), first.printed_ends("prints")), (0, vec!["s1".to_owned()]));
    assert_eq!(launch(&home).run().code(), 0, "and then it is free");
}

/// The system takes a moment to end a process, and closes its files last.
#[test]
fn a_program_waits_for_the_journal_of_one_that_is_killed() {
    let home = Home::new();
    let first = launch(&home).start().ready();
    let next = launch(&home).start();
    next.log("if it is about to exit");
    assert!(first.kill().was_killed());
    assert_eq!(next.ready().stop().code(), 0);
}

#[test]
fn another_way_to_the_same_file_is_the_same_journal() {
    let home = Home::new();
    let first = launch(&home).start().ready();
    let link = home.join("link.db");
    std::os::unix::fs::symlink(home.journal(), &link).unwrap();
    launch_on(&home, &link).run().assert_refused(5, &["is in use by process ", &first.pid().to_string()]);
    first.open(["s1"]);
    first.kill();
    let through_the_link = launch_on(&home, &link).start().ready();
    through_the_link.count("outcome", 1);
    assert_eq!(through_the_link.stop().printed_ends("prints"), ["s1"]);
}

/// The active sessions, as an operator finds them with `sqlite3 -readonly`.
fn active_ids(journal: &Path) -> Vec<String> {
    let reader = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut sessions = reader.prepare("SELECT id FROM active_session ORDER BY id").unwrap();
    sessions.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn others_can_read_the_file_while_the_program_writes_it() {
    let home = Home::new();
    let program = launch(&home).start().ready();
    program.open(ids(3));
    assert_eq!(active_ids(&home.journal()), ids(3));
    program.send(ids(3).iter().map(|id| end(id, "reset")));
    program.count("accepted", 6);
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_journal_of_a_newer_version_is_left_as_it_is() {
    let home = with_active_sessions(3);
    damage(&home, |bytes| bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&(SCHEMA_VERSION + 1).to_be_bytes()));
    let before = fs::read(home.journal()).unwrap();
    let ended = launch(&home).run();
    let version = format!("has version {}", SCHEMA_VERSION + 1);
    ended.assert_refused(5, &[&version, "use the newer program", "left as it is"]);
    assert!(fs::read(home.journal()).unwrap() == before, "not one byte is different");
    assert_eq!(kept_aside(&home).len(), 0);
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let home = with_active_sessions(0);
    // Its application id.
    damage(&home, |bytes| bytes[68..72].copy_from_slice(b"ABCD"));
    let before = fs::read(home.journal()).unwrap();
    launch(&home).run().assert_refused(5, &["is no journal"]);
    assert!(fs::read(home.journal()).unwrap() == before, "not one byte is different");
}

/// Starts on a file that is damaged like that: it is kept as it was, the log says so, and the program works. Gives the
/// sessions whose ends were delivered.
fn started_on(home: &Home) -> Vec<String> {
    let damaged = fs::read(home.journal()).unwrap();
    let program = launch(home).start().ready();
    program.send([end("afterwards", "reset")]);
    program.count("accepted", 1);
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let kept = kept_aside(home);
    assert!(matches!(kept.as_slice(), [(_, bytes)] if *bytes == damaged), "it is kept, as it was: {}", kept.len());
    let (name, _) = &kept[0];
    let date = name.trim_start_matches("journal.db.damaged-");
    assert!(date.len() > 15 && date[..8].bytes().all(|byte| byte.is_ascii_digit()), "{name} says when");
    let error = ended.log.iter().find(|line| line.contains("ERROR")).unwrap();
    assert!(error.contains("was damaged") && error.contains(name.as_str()), "{error}");
    let mut ends = ended.printed_ends("prints");
    assert!(ends.contains(&"afterwards".to_owned()), "{ends:?}");
    ends.retain(|id| id != "afterwards");

    let next = launch(home).run();
    assert_eq!(next.of("ready").next().unwrap()["recovered"], json!({"sessions": 0, "deliveries": 0}));
    assert_eq!((next.code(), kept_aside(home).len()), (0, 1), "{}", next.stderr());
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
    let home = with_active_sessions(MANY);
    // In the middle of the sessions: where that is in the file depends on how many rows were written at once.
    damage(&home, |bytes| bytes.truncate(page_of(bytes, "s150")));
    let ends = started_on(&home);
    assert!(!ends.is_empty() && ends.len() < MANY, "{} of {MANY}", ends.len());
    eprintln!("{} of {MANY} sessions", ends.len());
}

#[test]
fn of_a_file_with_a_page_of_garbage_the_other_pages_are_delivered() {
    let home = with_active_sessions(MANY);
    // A session's row in the middle: its page is one of sessions.
    damage(&home, |bytes| {
        let page = page_of(bytes, "s150");
        bytes[page..page + PAGE].fill(0xa5);
    });
    let ends = started_on(&home);
    assert!(ends.len() > MANY / 2 && ends.len() < MANY, "one page of many is missing: {} of {MANY}", ends.len());
}

#[test]
fn a_file_without_a_header_is_kept_and_a_new_one_begun() {
    let home = with_active_sessions(3);
    damage(&home, |bytes| bytes[..100].fill(0));
    assert!(started_on(&home).is_empty(), "without its header nothing of it can be read");
}

#[test]
fn a_file_that_never_was_a_journal_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let diary = "dear diary\n".repeat(1000);
    fs::write(home.journal(), &diary).unwrap();
    launch_on(&home, &home.journal()).run().assert_refused(5, &["is no journal", "--journal"]);
    assert_eq!(fs::read_to_string(home.journal()).unwrap(), diary);
}

#[test]
fn a_place_where_nothing_can_be_written_is_told_before_anything_is_accepted() {
    let home = Home::new();
    let beneath_a_file = home.join("file/journal.db");
    fs::write(home.join("file"), "").unwrap();
    launch_on(&home, &beneath_a_file).run().assert_refused(5, &["cannot be used", "file/journal.db"]);
    let missing = home.join("nowhere/journal.db");
    launch_on(&home, &missing).run().assert_refused(5, &["cannot be used", "nowhere"]);
    assert!(!home.join("nowhere").exists(), "a typing error begins no journal");
    let directory = home.join("directory.db");
    fs::create_dir(&directory).unwrap();
    launch_on(&home, &directory).run().assert_refused(5, &["directory.db cannot be used"]);

    let read_only = home.join("read-only");
    fs::create_dir(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(read_only.join("probe"), "").is_err() {
        launch_on(&home, &read_only.join("journal.db")).run().assert_refused(5, &["cannot be used", "read-only"]);
    }
}

/// Files' modes count for it, also when it is root.
fn bound_by_modes(launch: Launch) -> Launch {
    if rustix::process::geteuid().is_root() {
        return launch.through(["setpriv", "--bounding-set=-dac_override"]);
    }
    launch
}

#[test]
fn a_journal_that_can_only_be_read_is_refused_and_left_as_it_is() {
    let home = with_active_sessions(3);
    let before = fs::read(home.journal()).unwrap();
    fs::set_permissions(home.journal(), fs::Permissions::from_mode(0o400)).unwrap();
    bound_by_modes(launch(&home)).run().assert_refused(5, &["journal.db", "cannot be used"]);
    assert!(fs::read(home.journal()).unwrap() == before, "not one byte is different");
    assert_eq!(kept_aside(&home).len(), 0, "that it cannot be written is no damage");
}

#[test]
fn the_journals_name_outlives_a_restart_and_no_id_is_used_twice() {
    let home = with_active_sessions(1);
    let name = SqliteJournal::open(&home.journal()).unwrap().name().to_string();
    let program = launch(&home).start().ready();
    program.send([end("s2", "reset")]);
    program.count("outcome", 2);
    let ended = program.stop();
    assert_eq!(ended.of("ready").next().unwrap()["journal"], name.as_str());
    let ids: Vec<_> = ended.of("outcome").map(|line| line["delivery"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with(&name)), "{ids:?}");
    assert!(ids[0] != ids[1], "{ids:?}");
}
