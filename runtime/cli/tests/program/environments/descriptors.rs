//! Few file descriptors (`ulimit -n`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use super::{COMMANDS, assert_refused, assert_served, command, twenty_ends};
use crate::support::{Home, start};

#[test]
fn with_too_few_descriptors_it_works_or_does_not_start_and_says_so() {
    let (mut served, mut refused) = (0, 0);
    for files in [8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 128] {
        let what = format!("ulimit -n of {files}");
        let ended = twenty_ends().after(&format!("ulimit -n {files}")).run();
        if ended.code() == 0 {
            assert_served(&ended, &what);
            served += 1;
        } else {
            assert_refused(&ended, &what, &["`ulimit -n`", &format!("now {files}")]);
            assert_eq!(served, 0, "{what}: fewer were enough");
            refused += 1;
        }
    }
    assert!(served > 1 && refused > 1, "{served} served, {refused} refused");
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let ended = twenty_ends().after("ulimit -S -n 16").run();
    assert_served(&ended, "a soft limit of 16");
}

#[test]
fn every_command_works_with_few_descriptors() {
    for name in COMMANDS {
        let ended = command(name).after("ulimit -n 32").run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr());
    }
}

#[test]
fn connections_leave_a_daemon_half_of_its_descriptors() {
    let home = Home::new();
    let program = home.serve().after("ulimit -n 256").start().ready();
    let mut held = Vec::new();
    loop {
        let mut stream = UnixStream::connect(home.socket()).unwrap();
        // One that is refused may be closed already.
        writeln!(stream, "{}", start(&format!("s{}", held.len()))).ok();
        let mut lines = BufReader::new(stream);
        let mut first = String::new();
        lines.read_line(&mut first).ok();
        if !first.contains("\"ready\"") {
            break;
        }
        held.push(lines);
        assert!(held.len() < 128, "it takes them until it has no file left");
    }
    assert!(!held.is_empty());
    drop(held);
    assert_eq!(program.stop().code(), 0);
}
