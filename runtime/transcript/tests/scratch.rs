//! The directory of the copies: private, gone with its program, and cleaned up after one that was killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{GO_ON, MAX, Machine, mode, names, text};
use lastword_transcript::{Scratch, copy_transcript};

const DEAD: &str = "lastword-abcdefghijkl";

/// What a program that was killed leaves: nobody holds the lock.
fn leave(base: &Path) -> PathBuf {
    let dead = base.join(DEAD);
    fs::create_dir_all(dead.join("7")).unwrap();
    fs::set_permissions(&dead, Permissions::from_mode(0o700)).unwrap();
    fs::write(dead.join(".lastword-lock"), "").unwrap();
    fs::write(dead.join("7/transcript"), "left").unwrap();
    dead
}

#[test]
fn it_is_private_and_gone_with_its_last_clone_and_its_last_copy() {
    let machine = Machine::new();
    let path = machine.scratch.path().to_owned();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(names(&machine.base), [path.file_name().unwrap().to_str().unwrap()]);
    let clone = machine.scratch.clone();
    let copy = machine.copy_transcript(machine.evil().join("s.jsonl")).unwrap();
    drop(machine.scratch);
    drop(clone);
    assert_eq!(text(&copy), "evil's own");
    drop(copy);
    assert!(names(&machine.base).is_empty());
}

/// Not a test by itself: the program that the next one kills.
#[test]
fn copies_and_dies() {
    let Some(home) = std::env::var_os("LASTWORD_TEST_DIES_IN") else { return };
    let home = PathBuf::from(home);
    let scratch = Scratch::open(&home.join("run")).unwrap();
    let root = home.join("agents").to_str().unwrap().parse::<lastword_transcript::Root>().unwrap();
    let uri = home.join("agents/acme/s.jsonl");
    let _copy =
        copy_transcript(&scratch, &root.for_tenant("acme").unwrap(), uri.to_str().unwrap(), MAX, &GO_ON).unwrap();
    std::process::abort();
}

#[test]
fn what_a_killed_program_left_is_removed_at_the_next_start_and_the_living_keep_theirs() {
    let machine = Machine::new();
    let mine = machine.copy_transcript(machine.evil().join("s.jsonl")).unwrap();
    let died = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "copies_and_dies", "--nocapture"])
        .env("LASTWORD_TEST_DIES_IN", machine.base.parent().unwrap())
        .output()
        .unwrap();
    assert!(!died.status.success(), "{died:?}");
    let living = machine.scratch.path().file_name().unwrap().to_str().unwrap().to_owned();
    let left: Vec<_> = names(&machine.base).into_iter().filter(|name| *name != living).collect();
    assert_eq!(left.len(), 1, "the killed program left its directory: {died:?}");
    assert_eq!(fs::read_to_string(machine.base.join(&left[0]).join("0/transcript")).unwrap(), "acme's own");

    let next = Scratch::open(&machine.base).unwrap();
    assert!(!machine.base.join(&left[0]).exists());
    assert_eq!(text(&mine), "evil's own");
    drop(next);
    assert_eq!(names(&machine.base), [living]);
}

#[test]
fn what_is_not_ours_stays() {
    let home = tempfile::tempdir().unwrap();
    let base = home.path();
    let precious = base.join("precious");
    fs::create_dir_all(precious.join("7")).unwrap();
    fs::write(precious.join("7/transcript"), "precious").unwrap();
    fs::write(precious.join(".lastword-lock"), "").unwrap();
    fs::set_permissions(&precious, Permissions::from_mode(0o700)).unwrap();
    // Links where a leftover, a copy or a lock would be.
    symlink(&precious, base.join("lastword-link00000000")).unwrap();
    let dead = leave(base);
    symlink(precious.join("7"), dead.join("8")).unwrap();
    let unlocked = base.join("lastword-unlocked0000");
    fs::create_dir(&unlocked).unwrap();
    fs::set_permissions(&unlocked, Permissions::from_mode(0o700)).unwrap();
    symlink(precious.join(".lastword-lock"), unlocked.join(".lastword-lock")).unwrap();
    // A person's directories and files with such names.
    fs::create_dir_all(base.join("lastword-main/src")).unwrap();
    fs::create_dir_all(base.join("lastword-notesnotesno/src")).unwrap();
    fs::set_permissions(base.join("lastword-notesnotesno"), Permissions::from_mode(0o700)).unwrap();
    fs::write(base.join("lastword-filefilefile"), "a file").unwrap();
    let shared = base.join("lastword-open00000000");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();
    let before = names(base);

    drop(Scratch::open(base).unwrap());
    assert_eq!(names(base), before);
    assert_eq!(fs::read_to_string(precious.join("7/transcript")).unwrap(), "precious");
    assert_eq!(names(&precious), [".lastword-lock", "7"]);
    assert_eq!(fs::read_to_string(base.join("lastword-filefilefile")).unwrap(), "a file");
    assert!(base.join("lastword-notesnotesno/src").exists());
    assert!(dead.join("8").is_symlink(), "a link where a copy would be is not ours");
}

#[test]
fn a_file_that_we_did_not_make_keeps_its_directory() {
    let home = tempfile::tempdir().unwrap();
    let dead = leave(home.path());
    fs::write(dead.join("7/notes"), "a person's").unwrap();
    drop(Scratch::open(home.path()).unwrap());
    assert_eq!(fs::read_to_string(dead.join("7/notes")).unwrap(), "a person's");
    assert!(!dead.join("7/transcript").exists());
    fs::remove_file(dead.join("7/notes")).unwrap();
    drop(Scratch::open(home.path()).unwrap());
    assert!(names(home.path()).is_empty());
}

#[test]
fn another_users_leftovers_stay() {
    let home = tempfile::tempdir().unwrap();
    let dead = leave(home.path());
    let other = rustix::fs::chown(&dead, Some(rustix::fs::Uid::from_raw(4711)), None);
    if other.is_err() {
        // Only root can make a directory of another user.
        return;
    }
    drop(Scratch::open(home.path()).unwrap());
    assert_eq!(fs::read_to_string(dead.join("7/transcript")).unwrap(), "left");
}

#[test]
fn programs_that_start_at_once_do_not_take_each_others_directory() {
    let machine = Machine::new();
    let root = machine.root.for_tenant("evil").unwrap();
    let uri = machine.evil().join("s.jsonl");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let scratch = Scratch::open(&machine.base).unwrap();
                    let copy = copy_transcript(&scratch, &root, uri.to_str().unwrap(), MAX, &GO_ON).unwrap();
                    assert_eq!(text(&copy), "evil's own");
                }
            });
        }
    });
    let living = machine.scratch.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(names(&machine.base), [living]);
}

#[test]
fn a_base_in_which_every_user_may_rename_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let base = home.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, Permissions::from_mode(0o777)).unwrap();
    let refused = Scratch::open(&base).unwrap_err();
    assert!(refused.to_string().contains("choose another"), "{refused}");
    fs::set_permissions(&base, Permissions::from_mode(0o1777)).unwrap();
    assert!(Scratch::open(&base).is_ok());
    assert_eq!(Scratch::open(&home.path().join("none")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
