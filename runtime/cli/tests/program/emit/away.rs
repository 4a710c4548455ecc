//! No daemon answers: the event is kept, and the next daemon takes it in.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use lastword_spool::{Spool, SpooledEvent, Stamp};

use super::stand_in::StandIn;
use super::{assert_silent, end, hook, refused, sessions, spool, start, until, waiting};
use crate::support::{Ended, Home};

/// A hook of Claude Code's that looks for the daemon at this socket.
fn hook_at(home: &Home, socket: &str, payload: &str) -> Ended {
    home.command("emit").arg("claude-code").arg("--socket").arg(home.join(socket)).input(payload).run()
}

/// The first event that waits loses its last byte. Gives the file's name.
fn tear_the_first(home: &Home) -> String {
    let file = waiting(home).swap_remove(0);
    let mut torn = fs::read(&file).unwrap();
    torn.pop();
    fs::write(&file, torn).unwrap();
    file.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn what_no_daemon_took_is_taken_in_by_the_next_one_in_order_and_once() {
    let home = Home::new();
    for payload in [start("s1"), end("s1"), start("s1"), end("s1"), start("s2")] {
        assert_silent(&hook(&home, &payload));
    }
    assert_eq!(waiting(&home).len(), 5);
    let program = home.serve().guest("prints").start().ready();
    assert!(waiting(&home).is_empty(), "it was taken in before the daemon was ready");
    let active = sessions(&home);
    assert_eq!(active.len(), 1, "{active:?}");
    // The start of the second generation came between the two ends, or the second end would have been the first one
    // again.
    let ended = program.stop();
    assert_eq!(ended.printed_ends("prints"), ["s1", "s1", "s2"]);
}

#[test]
fn what_is_left_while_a_daemon_runs_is_taken_in_as_it_comes() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    // Its socket is elsewhere, as far as this hook knows.
    assert_silent(&hook_at(&home, "nobody.sock", &end("s1")));
    program.log("session-end s1");
    until("the spool is empty", || waiting(&home).is_empty());
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn an_event_whose_answer_is_lost_is_kept_and_ends_its_session_once() {
    let home = Home::new();
    let real = home.join("real.sock");
    let program = home.serve().guest("prints").arg("--socket").arg(&real).start().ready();
    let stand_in = StandIn::that_loses_the_answer(home.join("lossy.sock"), &real);
    assert_silent(&hook_at(&home, "lossy.sock", &end("s1")));
    program.log("session-end s1");
    until("the spool is empty", || waiting(&home).is_empty());
    assert_eq!(stand_in.requests(), 1);
    // Had the first one been told twice, it would have been told before this one.
    assert_silent(&hook_at(&home, "lossy.sock", &end("s2")));
    program.log("session-end s2");
    assert_eq!(program.stop().printed_ends("prints"), ["s1", "s2"]);
}

#[test]
fn files_are_for_their_owner_alone_and_have_nothing_of_the_environment() {
    let home = Home::new();
    let launch = home.command("emit").arg("claude-code").env("ANTHROPIC_API_KEY", "sk-secret-in-the-environment");
    assert_silent(&launch.input(start("s1")).run());
    let files = waiting(&home);
    assert_eq!(files.len(), 1);
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(files[0].clone()), mode(spool(&home))), (0o600, 0o700));
    let content = String::from_utf8(fs::read(&files[0]).unwrap()).unwrap();
    assert!(content.contains(&start("s1")), "the payload is as it came: {content}");
    assert!(!content.contains("secret") && !content.contains("ANTHROPIC"), "{content}");
}

#[test]
fn a_spool_that_others_can_write_to_is_not_used_and_strict_says_why() {
    let home = Home::new();
    let loose = home.join("loose");
    fs::create_dir(&loose).unwrap();
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o777)).unwrap();
    let link = home.join("link");
    symlink(home.path(), &link).unwrap();
    for (directory, why) in [(&loose, "others can write to it"), (&link, "it is a link")] {
        let emit = || home.command("emit").arg("claude-code").arg("--spool").arg(directory);
        assert_silent(&emit().input(end("s1")).run());
        let strict = emit().arg("--strict").input(end("s1")).run();
        assert_eq!(strict.code(), 2);
        assert!(strict.stderr().contains(why), "{}", strict.stderr());
        home.serve().arg("--spool").arg(directory).run().assert_refused(2, &[why]);
    }
    assert!(fs::read_dir(&loose).unwrap().next().is_none());
}

#[test]
fn a_damaged_file_is_put_aside_and_named_and_what_no_daemon_takes_is_kept() {
    let home = Home::new();
    for payload in [end("s1"), end("s2"), r#"{"hook_event_name":"SessionEnd"}"#.to_owned(), end("s3")] {
        assert_silent(&hook(&home, &payload));
    }
    let torn = tear_the_first(&home);
    let program = home.serve().guest("prints").start().ready();
    program.log("session-end s3");
    until("nothing waits", || waiting(&home).is_empty());
    assert_eq!(refused(&home).len(), 1);
    assert!(spool(&home).join("damaged").join(&torn).exists());
    let ended = program.stop();
    assert!(ended.stderr().contains(&torn), "{}", ended.stderr());
    assert_eq!(ended.printed_ends("prints"), ["s2", "s3"]);
}

#[test]
fn what_came_after_an_event_that_cannot_be_read_yet_waits_until_that_is_settled() {
    let home = Home::new();
    for payload in [start("s1"), end("s1")] {
        assert_silent(&hook(&home, &payload));
    }
    let torn = tear_the_first(&home);
    let program = home.serve().guest("prints").start().ready();
    program.log("session-end s1");
    // It came a moment ago, so it was left for a while.
    assert!(spool(&home).join("damaged").join(torn).exists());
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn what_a_newer_hook_has_left_waits_for_a_daemon_that_understands_it() {
    let home = Home::new();
    let event = SpooledEvent::new("owner-of-the-future", &Stamp::now(), end("s1").into_bytes());
    let event = SpooledEvent { version: "999.0.0".to_owned(), ..event };
    Spool::at(spool(&home)).writer().unwrap().write(&event).unwrap();
    assert_silent(&hook(&home, &end("s2")));
    let program = home.serve().guest("prints").start().ready();
    program.log("events of the spool wait");
    program.log("session-end s2");
    assert_eq!((waiting(&home).len(), refused(&home).len()), (1, 0));
    program.kill();
}

#[test]
fn status_says_what_waits_when_no_daemon_answers() {
    let home = Home::new();
    assert_eq!(home.serve().start().ready().stop().code(), 0);
    let status = || home.command("status").arg("--journal").arg(home.journal()).run().stdout();
    assert!(!status().contains("in the spool"), "{}", status());
    assert_silent(&hook(&home, &start("s1")));
    assert!(status().contains("1 event waits in the spool"), "{}", status());
}

#[test]
fn a_second_daemon_leaves_the_spool_to_the_first() {
    let home = Home::new();
    let first = home.serve().guest("prints").start().ready();
    let second = home.command("serve").arg("--journal").arg("second.db").arg("--socket").arg("second.sock").start();
    second.log("another daemon takes in the spool");
    assert_silent(&hook_at(&home, "nobody.sock", &end("s1")));
    first.log("session-end s1");
    second.stop();
    assert_eq!(first.stop().printed_ends("prints"), ["s1"]);
}
