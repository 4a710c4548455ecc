//! A spool with many writers and one reader, on a real disk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly, its helper functions too"
)]

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::SystemTime;

use lastword_spool::limits::{MAX_EVENTS, MAX_KEPT_BYTES, MAX_PAYLOAD_BYTES, UNFINISHED_KEPT};
use lastword_spool::{Reader, Spool, SpoolError, SpooledEvent, Stamp};

/// In memory where there is such a place: a file need not outlive the machine, and a disk would be what is measured.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn spool(dir: &tempfile::TempDir) -> Spool {
    Spool::at(dir.path().join("spool"))
}

fn event(text: &str) -> SpooledEvent {
    SpooledEvent::new("claude-code", &Stamp::now(), text.as_bytes().to_vec())
}

fn write(spool: &Spool, texts: &[&str]) {
    let mut writer = spool.writer().unwrap();
    for text in texts {
        writer.write(&event(text)).unwrap();
    }
}

/// One that came long ago: if its file cannot be read it is damaged, and not one that is seen too early.
fn old(text: &str) -> SpooledEvent {
    let event = event(text);
    SpooledEvent { wall_ms: event.wall_ms - 60_000, ..event }
}

fn take_all(reader: &Reader) -> Vec<String> {
    let names = reader.list().unwrap();
    let taken = names.iter().filter_map(|name| {
        let event = reader.read(name).unwrap()?;
        reader.remove(name).unwrap();
        Some(String::from_utf8(event.payload).unwrap())
    });
    taken.collect()
}

fn files(spool: &Spool) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(spool.directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "event"));
    files.sort();
    files
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn events_are_taken_in_the_order_in_which_they_came_and_each_is_gone_then() {
    let dir = folder();
    let spool = spool(&dir);
    assert!(spool.is_empty().unwrap(), "one that is not there is empty");
    write(&spool, &["1", "2", "3"]);
    write(&spool, &["4"]);
    assert_eq!((spool.is_empty().unwrap(), spool.waiting().unwrap()), (false, 4));
    let reader = Reader::begin(&spool).unwrap();
    assert_eq!(take_all(&reader), ["1", "2", "3", "4"]);
    assert!(spool.is_empty().unwrap() && take_all(&reader).is_empty());
}

#[test]
fn everything_is_for_its_owner_alone() {
    let dir = folder();
    let spool = spool(&dir);
    write(&spool, &["1"]);
    spool.keep_refused(&event("2").refused_for("why")).unwrap().sync().unwrap();
    let reader = Reader::begin(&spool).unwrap();
    assert_eq!(mode(spool.directory()), 0o700);
    assert_eq!(mode(&files(&spool)[0]), 0o600);
    let refused = spool.refused().unwrap();
    assert_eq!((refused.len(), mode(&refused[0].path), mode(refused[0].path.parent().unwrap())), (1, 0o600, 0o700));
    assert_eq!(refused[0].event.as_ref().unwrap().refused.as_deref(), Some("why"));
    drop(reader);
}

#[test]
fn a_directory_that_others_could_put_events_into_is_refused_and_left_as_it_is() {
    let dir = folder();
    let loose = dir.path().join("loose");
    fs::create_dir(&loose).unwrap();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(&loose, Permissions::from_mode(mode)).unwrap();
        let refused = Spool::at(&loose).writer().unwrap_err().to_string();
        assert!(refused.contains("others can write to it") && refused.contains("--spool"), "{refused}");
        assert!(Reader::begin(&Spool::at(&loose)).is_err());
    }
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    let refused = Spool::at(&link).writer().unwrap_err().to_string();
    assert!(refused.contains("it is a link"), "{refused}");
    assert!(fs::read_dir(&loose).unwrap().next().is_none());
}

#[test]
fn a_damaged_file_is_put_aside_and_named_and_the_others_are_taken() {
    let dir = folder();
    let spool = spool(&dir);
    let mut writer = spool.writer().unwrap();
    ["1", "2", "3", "4"].iter().for_each(|text| writer.write(&old(text)).unwrap());
    let files = files(&spool);
    fs::write(&files[0], "").unwrap();
    let mut torn = fs::read(&files[1]).unwrap();
    torn.pop();
    fs::write(&files[1], &torn).unwrap();
    fs::write(spool.directory().join("mine.event"), "mine").unwrap();
    let reader = Reader::begin(&spool).unwrap();
    assert_eq!(take_all(&reader), ["3", "4"]);
    let warnings = reader.warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for name in [&files[0], &files[1]].map(|file| file.file_name().unwrap().to_str().unwrap()) {
        assert!(warnings.iter().any(|warning| warning.contains(name)), "{name} is not in {warnings:?}");
    }
    let damaged = spool.damaged().unwrap();
    assert_eq!(damaged.len(), 3);
    assert!(damaged.iter().any(|kept| fs::read(&kept.path).unwrap() == torn), "it is as it was");
    assert!(spool.is_empty().unwrap() && reader.warnings().is_empty());
}

#[test]
fn a_file_of_a_moment_ago_that_is_not_whole_is_left_for_the_next_look() {
    let dir = folder();
    let spool = spool(&dir);
    write(&spool, &["1"]);
    let file = files(&spool).remove(0);
    let whole = fs::read(&file).unwrap();
    let reader = Reader::begin(&spool).unwrap();
    let name = reader.list().unwrap().remove(0);
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    // A machine that is held up in between puts it aside, as it would a moment later.
    let Err(error) = reader.read(&name) else { return };
    assert!(matches!(error, SpoolError::Io { .. }), "{error}");
    assert!(file.exists() && spool.damaged().unwrap().is_empty() && reader.warnings().is_empty());
    fs::write(&file, whole).unwrap();
    assert_eq!(take_all(&reader), ["1"]);
}

#[test]
fn what_is_no_file_is_put_aside_and_holds_up_nobody() {
    let dir = folder();
    let spool = spool(&dir);
    write(&spool, &["1", "2"]);
    let first = files(&spool).remove(0);
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    let reader = Reader::begin(&spool).unwrap();
    assert_eq!(take_all(&reader), ["2"]);
    assert_eq!((spool.damaged().unwrap().len(), reader.warnings().len()), (1, 1));
}

#[test]
fn what_is_kept_for_people_is_bounded_in_bytes_too_and_killed_writers_leave_nothing_there() {
    let dir = folder();
    let spool = spool(&dir);
    spool.keep_refused(&event("1").refused_for("why")).unwrap().sync().unwrap();
    let refused = spool.directory().join("refused");
    let file = fs::File::create(refused.join("large.event")).unwrap();
    file.set_len(MAX_KEPT_BYTES).unwrap();
    let full = spool.keep_refused(&event("2").refused_for("why")).map(drop).unwrap_err();
    assert!(matches!(full, SpoolError::KeptFull { .. }), "{full}");
    let [left, young] = ["left", "young"].map(|name| refused.join(format!(".{name}.tmp")));
    for path in [&left, &young] {
        fs::write(path, "half").unwrap();
    }
    let long_ago = SystemTime::now() - 2 * UNFINISHED_KEPT;
    fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    drop(Reader::begin(&spool).unwrap());
    assert!(!left.exists() && young.exists());
}

#[test]
fn what_no_daemon_takes_is_kept_with_the_reason() {
    let dir = folder();
    let spool = spool(&dir);
    write(&spool, &["1", "2"]);
    let reader = Reader::begin(&spool).unwrap();
    let names = reader.list().unwrap();
    let first = reader.read(&names[0]).unwrap().unwrap();
    reader.refuse(&names[0], first, "empty_id: session.id must not be empty").unwrap();
    assert_eq!(take_all(&reader), ["2"]);
    let kept = spool.refused().unwrap()[0].event.clone().unwrap();
    assert_eq!((kept.payload, kept.refused.unwrap()), (b"1".to_vec(), "empty_id: session.id must not be empty".into()));
}

#[test]
fn there_is_one_reader_at_a_time_and_writers_see_whether_there_is_one() {
    let dir = folder();
    let spool = spool(&dir);
    assert!(!spool.has_reader().unwrap());
    let reader = Reader::begin(&spool).unwrap();
    assert!(spool.has_reader().unwrap());
    assert!(matches!(Reader::begin(&spool), Err(SpoolError::Taken { .. })));
    reader.release().unwrap();
    assert!(!spool.has_reader().unwrap());
    let second = Reader::begin(&spool).unwrap();
    drop(reader);
    assert!(spool.has_reader().unwrap());
    drop(second);
    assert!(!spool.has_reader().unwrap());
}

#[test]
fn a_full_spool_says_so_and_what_is_there_is_kept() {
    let dir = folder();
    let spool = spool(&dir);
    write(&spool, &["1"]);
    let first = files(&spool).remove(0);
    // Names are all that is counted.
    let name = first.file_name().unwrap().to_str().unwrap().to_owned();
    let parts: Vec<&str> = name.split('.').collect();
    for number in 1..MAX_EVENTS {
        let counter = format!("{:010}", 1_000_000 + number);
        let mut other = parts.clone();
        other[3] = &counter;
        fs::write(spool.directory().join(other.join(".")), "").unwrap();
    }
    assert!(spool.waiting().unwrap() >= MAX_EVENTS);
    let refused = spool.writer().unwrap_err().to_string();
    assert!(refused.contains("is full") && refused.contains("lastword serve"), "{refused}");
    assert!(first.exists());
}

#[test]
fn a_payload_that_is_too_large_is_refused() {
    let dir = folder();
    let mut writer = spool(&dir).writer().unwrap();
    let large = SpooledEvent::new("claude-code", &Stamp::now(), vec![b'x'; MAX_PAYLOAD_BYTES + 1]);
    assert!(matches!(writer.write(&large), Err(SpoolError::TooLarge { .. })));
    assert!(spool(&dir).is_empty().unwrap());
}

#[test]
fn twenty_threads_write_at_once_while_one_takes_in_and_nothing_is_lost_or_comes_twice() {
    const THREADS: usize = 20;
    const EACH: usize = 50;
    let dir = folder();
    let spool = spool(&dir);
    let reader = Reader::begin(&spool).unwrap();
    let mut taken = Vec::new();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let spool = &spool;
                scope.spawn(move || {
                    let mut writer = spool.writer().unwrap();
                    (0..EACH).for_each(|number| writer.write(&event(&format!("{thread} {number:03}"))).unwrap());
                })
            })
            .collect();
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            taken.append(&mut take_all(&reader));
        }
    });
    taken.append(&mut take_all(&reader));
    assert_complete(&taken, THREADS, EACH);
}

/// Each writer's events came once, and in its order.
fn assert_complete(taken: &[String], writers: usize, each: usize) {
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len(), "some came twice");
    assert_eq!(taken.len(), writers * each);
    for writer in 0..writers {
        let own: Vec<&String> = taken.iter().filter(|text| text.starts_with(&format!("{writer} "))).collect();
        assert!(own.len() == each && own.is_sorted(), "of writer {writer}: {own:?}");
    }
}

/// What tells a process of this test's which writer it is, and where.
const WRITER: &str = "LASTWORD_TEST_SPOOL_WRITER";

#[test]
fn twenty_processes_write_five_hundred_each_and_nothing_is_lost_or_comes_twice() {
    const PROCESSES: usize = 20;
    const EACH: usize = 500;
    let dir = folder();
    let spool = spool(&dir);
    let start = |number: usize| -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "one_of_many_processes", "--ignored", "--nocapture"]).stdout(Stdio::null());
        let place = format!("{number} {EACH} {}", spool.directory().display());
        command.env(WRITER, place).spawn().unwrap()
    };
    let writers: Vec<Child> = (0..PROCESSES).map(start).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    assert_complete(&take_all(&Reader::begin(&spool).unwrap()), PROCESSES, EACH);
}

#[test]
#[ignore = "it is one of the processes that another test starts"]
fn one_of_many_processes() {
    let Ok(place) = std::env::var(WRITER) else { return };
    let mut words = place.splitn(3, ' ');
    let mut word = || words.next().unwrap().to_owned();
    let (writer, each, directory) = (word(), word().parse::<usize>().unwrap(), word());
    let mut spool = Spool::at(directory).writer().unwrap();
    (0..each).for_each(|number| spool.write(&event(&format!("{writer} {number:03}"))).unwrap());
}
