//! `--report`: what is drawn of a drain, and that nothing waits for it.

use std::fs;
use std::path::Path;

#[cfg(target_os = "linux")]
use lastword_faults::{Fault, Kind};

use crate::support::{Home, Launch, Raw, ids, sorted};

/// A machine that is busy draws as well: what a drain leaves of this is plenty.
const BUDGET: &str = "60s";

fn drawn(path: &Path, said: &[&str]) {
    let drawn = fs::read_to_string(path).unwrap();
    for said in said {
        assert!(drawn.contains(said), "{said:?} is missing in:\n{drawn}");
    }
}

/// The files of a directory, but for those of the program itself.
fn files(folder: &Path) -> Vec<String> {
    sorted(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()))
}

#[test]
fn a_drain_has_a_picture_of_every_plugin_that_it_has_told() {
    for (name, begins) in [("drain.svg", "<?xml"), ("drain.html", "<!DOCTYPE html>")] {
        let home = Home::new();
        let path = home.join(name);
        fs::write(&path, "of the drain before").unwrap();
        let launch = home.stdio().guest("prints").guest("trap").arg("--drain-budget").arg(BUDGET);
        let program = launch.arg("--report").arg(&path).start().ready();
        program.open(ids(3));
        let ended = program.stop();
        assert_eq!(ended.lines.last(), Some(ended.drain()), "nothing is said in its place");
        drawn(
            &path,
            &[begins, "3 sessions", "prints", "trap", "3 delivered", "3 failed (trap)", "budget 60.00 s", "exit "],
        );
        let said = ended.stderr();
        assert!(said.contains("the picture of the drain is ") && said.contains(name), "{said}");
        assert!(said.find("drained in") < said.find("the picture of the drain"), "{said}");
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_at_the_start_and_tried_at_the_end() {
    for is_mended in [false, true] {
        let home = Home::new();
        let folder = home.join("reports");
        let path = folder.join("drain.svg");
        let launch = home.stdio().guest("prints").arg("--drain-budget").arg(BUDGET);
        let program = launch.arg("--report").arg(&path).start().ready();
        let told = program.log("cannot be written");
        assert!(told.contains("--report: ") && told.contains(path.to_str().unwrap()), "{told}");
        if is_mended {
            fs::create_dir(&folder).unwrap();
        }
        program.open(["s1"]);
        let ended = program.stop();
        assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
        assert_eq!(path.exists(), is_mended);
        assert_eq!(ended.stderr().contains("the picture of the drain cannot be written to"), !is_mended);
    }
}

#[test]
fn what_is_no_picture_is_refused_at_the_start() {
    for command in ["stdio", "serve"] {
        let ended = Launch::command(command).arg("--report").arg("drain.png").run();
        ended.assert_refused(2, &["--report drain.png: ", ".svg or .html"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_leaves_no_half_of_a_picture_and_changes_nothing_else() {
    let home = Home::new();
    let folder = home.join("reports");
    fs::create_dir(&folder).unwrap();
    let launch = home.stdio().guest("prints").arg("--drain-budget").arg(BUDGET).arg("--report").arg(&folder);
    let program = launch.fault(&Fault::at(1, Kind::FailFrom, "reports/.lastword-")).start().ready();
    program.open(["s1"]);
    let ended = program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
    assert!(ended.stderr().contains("the picture of the drain cannot be written to"), "{}", ended.stderr());
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
}

#[test]
fn without_a_drain_there_is_no_picture() {
    let home = Home::new();
    let path = home.join("drain.svg");
    let config = "[drain]\nenabled = false\n";
    let program = home.stdio().guest("prints").config(config).arg("--report").arg(&path).start().ready();
    program.open(["s1"]);
    assert_eq!(program.stop().code(), 3);
    assert!(!path.exists());
}

#[test]
fn a_daemon_has_a_file_for_each_drain_and_so_for_an_owners_goodbye() {
    let home = Home::new();
    let folder = home.join("reports");
    fs::create_dir(&folder).unwrap();
    let launch = home.serve().guest("prints").arg("--drain-budget").arg(BUDGET).arg("--report").arg(&folder);
    let program = launch.start().ready();
    let mut staying = Raw::connect(&home.socket());
    staying.start("s1");
    let mut empty = Raw::connect(&home.socket());
    empty.say(r#"{"op":"shutdown"}"#);
    empty.hear("drain");
    let mut going = Raw::connect(&home.socket());
    going.start("s2");
    going.say(r#"{"op":"shutdown","reason":"restart"}"#);
    going.hear("drain");
    program.log("the picture of the drain is");
    let of_owner = files(&folder);
    assert_eq!(of_owner.len(), 1, "{of_owner:?}: one that had no session has no picture");
    drawn(&folder.join(&of_owner[0]), &["drain (restart) of a connection", "1 session,", ">1 delivered<"]);

    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let all = files(&folder);
    assert_eq!((all.len(), &all[0]), (2, &of_owner[0]), "the time is in their names: {all:?}");
    drawn(&folder.join(&all[1]), &["drain (shutdown)<", "1 session,", ">1 delivered<"]);
}
