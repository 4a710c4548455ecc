//! An owner gets files below its own root, and nothing else.

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use common::{Machine, text};
use lastword_transcript::{Kind, Root, TranscriptError};

#[test]
fn an_owners_own_transcript_is_copied_however_it_is_spelled() {
    let machine = Machine::new();
    let own = machine.evil().join("s.jsonl");
    let deep = machine.evil().join("2026/11/a b.jsonl");
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    fs::write(&deep, "deep").unwrap();
    assert_eq!(machine.outcome(&own), "evil's own");
    assert_eq!(machine.outcome(&deep), "deep");
    assert_eq!(machine.outcome(format!("file://{}", own.display())), "evil's own");
    assert_eq!(machine.outcome(format!("file://localhost{}", deep.display()).replace(' ', "%20")), "deep");
    assert_eq!(machine.outcome(own.to_str().unwrap().replace('/', "//")), "evil's own");
}

#[test]
fn an_owner_cannot_name_its_way_out_of_its_root() {
    let machine = Machine::new();
    let agents = machine.agents.display();
    for uri in [
        format!("{agents}/acme/s.jsonl"),
        format!("file://{agents}/acme/s.jsonl"),
        format!("{agents}/evil/../acme/s.jsonl"),
        format!("{agents}/evil/./s.jsonl"),
        format!("{agents}/evil/x/../../acme/s.jsonl"),
        format!("file://{agents}/evil/%2e%2e/acme/s.jsonl"),
        format!("file://{agents}/evil%2f..%2facme/s.jsonl"),
        format!("{agents}/../secret"),
        format!("{agents}/evil/.."),
        // Names that only begin like the root's last one.
        format!("{agents}/evil.old/s.jsonl"),
        format!("{agents}/evils.jsonl"),
        format!("{agents}/EVIL/s.jsonl"),
        // The root itself, and what is above it.
        format!("{agents}/evil"),
        format!("{agents}/evil/"),
        format!("{agents}"),
        machine.secret().display().to_string(),
        "/etc/passwd".to_owned(),
        "/proc/self/root/etc/passwd".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(machine.outcome(&uri), "outside-root", "{uri}");
    }
    for uri in ["sqlite:/w/agents.db", "evil/s.jsonl", "s.jsonl", ""] {
        assert_eq!(machine.outcome(uri), "opaque", "{uri}");
    }
}

#[test]
fn a_transcript_that_is_not_there_is_told_from_one_that_is_refused() {
    let machine = Machine::new();
    for gone in ["none.jsonl", "none/s.jsonl", "s.jsonl/below-a-file", &"long".repeat(100)] {
        assert_eq!(machine.outcome(machine.evil().join(gone)), "gone", "{gone}");
    }
    let nobody = format!("{}/{{tenant}}", machine.home.path().join("nowhere").display()).parse::<Root>().unwrap();
    let refused = machine.copy_below(&nobody, machine.home.path().join("nowhere/evil/s.jsonl")).unwrap_err();
    assert_eq!(refused.name(), "no-root");
    assert!(refused.to_string().contains("correct `root`"), "{refused}");
    fs::remove_dir_all(machine.evil()).unwrap();
    assert_eq!(machine.outcome(machine.evil().join("s.jsonl")), "gone");
}

#[test]
fn a_path_has_at_most_so_many_names() {
    let machine = Machine::new();
    // The tenant's name, the directories, the file.
    let deepest = machine.evil().join("d/".repeat(126));
    fs::create_dir_all(&deepest).unwrap();
    fs::write(deepest.join("s"), "deepest").unwrap();
    fs::create_dir(deepest.join("d")).unwrap();
    fs::write(deepest.join("d/s"), "too deep").unwrap();
    assert_eq!(machine.outcome(deepest.join("s")), "deepest");
    assert_eq!(machine.outcome(deepest.join("d/s")), "too-deep");
}

#[test]
fn no_link_below_the_root_is_followed_wherever_it_leads() {
    let machine = Machine::new();
    let evil = machine.evil();
    symlink("../acme/s.jsonl", evil.join("file")).unwrap();
    symlink("../acme", evil.join("directory")).unwrap();
    symlink("/", evil.join("everything")).unwrap();
    symlink("s.jsonl", evil.join("harmless")).unwrap();
    symlink("loop", evil.join("loop")).unwrap();
    symlink("nowhere", evil.join("dangling")).unwrap();
    fs::create_dir(evil.join("d")).unwrap();
    symlink("../../acme", evil.join("d/up")).unwrap();
    for name in [
        "file",
        "file/",
        "directory/s.jsonl",
        "everything/etc/passwd",
        "harmless",
        "loop",
        "dangling",
        "dangling/x",
        "d/up/s.jsonl",
    ] {
        assert_eq!(machine.outcome(evil.join(name)), "link", "{name}");
    }
}

#[test]
fn a_tenant_cannot_move_the_part_of_its_root_that_is_its_own() {
    let machine = Machine::new();
    let root: Root = format!("{}/{{tenant}}/sessions", machine.agents.display()).parse().unwrap();
    fs::create_dir(machine.agents.join("acme/sessions")).unwrap();
    fs::write(machine.agents.join("acme/sessions/s.jsonl"), "acme's").unwrap();
    symlink("../acme/sessions", machine.evil().join("sessions")).unwrap();
    let refused = machine.copy_below(&root, machine.evil().join("sessions/s.jsonl")).unwrap_err();
    assert_eq!(refused.name(), "link");
    // Nor the directory with its name.
    fs::rename(machine.evil(), machine.agents.join("away")).unwrap();
    symlink("acme", machine.evil()).unwrap();
    assert_eq!(machine.outcome(machine.evil().join("s.jsonl")), "link");
}

#[test]
fn a_link_in_the_operators_part_of_the_root_is_the_operators_choice() {
    let machine = Machine::new();
    let link = machine.home.path().canonicalize().unwrap().join("link");
    symlink(&machine.agents, &link).unwrap();
    let root: Root = format!("{}/{{tenant}}", link.display()).parse().unwrap();
    // Owners name the file as the operator does, or as the system does.
    for uri in [link.join("evil/s.jsonl"), machine.evil().join("s.jsonl")] {
        assert_eq!(text(&machine.copy_below(&root, uri).unwrap()), "evil's own");
    }
    for uri in [link.join("acme/s.jsonl"), machine.agents.join("acme/s.jsonl")] {
        assert_eq!(machine.copy_below(&root, uri).unwrap_err().name(), "outside-root");
    }
}

#[test]
fn a_second_name_of_another_tenants_file_is_refused() {
    let machine = Machine::new();
    let own = machine.evil().join("mine.jsonl");
    fs::hard_link(machine.agents.join("acme/s.jsonl"), &own).unwrap();
    assert_eq!(machine.outcome(&own), "hard-link");
    // An archive by renaming leaves one name.
    fs::rename(machine.evil().join("s.jsonl"), machine.evil().join("s.jsonl.archived")).unwrap();
    assert_eq!(machine.outcome(machine.evil().join("s.jsonl.archived")), "evil's own");
}

#[test]
fn what_is_no_file_is_refused_by_its_kind_and_nothing_waits_for_it() {
    let machine = Machine::new();
    let evil = machine.evil();
    fs::create_dir(evil.join("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(evil.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(evil.join("socket")).unwrap();
    let devices: Root = "/dev".parse().unwrap();
    let (done, finished) = mpsc::channel();
    // In a thread of its own, so that an open that waits for the pipe's other end fails the test rather than hangs it.
    std::thread::spawn(move || {
        let kinds = ["directory", "fifo", "socket"].map(|name| machine.copy_transcript(evil.join(name)));
        let device = machine.copy_below(&devices, "/dev/null");
        machine.assert_nothing_left();
        done.send((kinds, device)).unwrap();
    });
    let (kinds, device) = finished.recv_timeout(Duration::from_secs(10)).expect("an open that waits for nobody");
    let kind = |refused| match refused {
        Err(TranscriptError::NotAFile(kind)) => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kinds.map(kind), [Kind::Directory, Kind::Fifo, Kind::Socket]);
    assert_eq!(kind(device), Kind::Device);
}

#[test]
fn a_root_around_the_copies_gives_no_tenants_copy_to_another() {
    let machine = Machine::new();
    let everything: Root = machine.base.to_str().unwrap().parse().unwrap();
    let above: Root = machine.base.parent().unwrap().to_str().unwrap().parse().unwrap();
    let others = lastword_transcript::Scratch::open(&machine.base).unwrap();
    let acme = machine.root.for_tenant("acme").unwrap();
    let uri = machine.agents.join("acme/s.jsonl");
    for scratch in [&machine.scratch, &others] {
        let copy =
            lastword_transcript::copy_transcript(scratch, &acme, uri.to_str().unwrap(), common::MAX, &common::GO_ON)
                .unwrap();
        for root in [&everything, &above] {
            let refused = machine.copy_below(root, copy.dir().join("transcript")).unwrap_err();
            assert_eq!(refused.name(), "outside-root");
        }
    }
    // The rest below such a root is copied as usual.
    assert_eq!(text(&machine.copy_below(&above, machine.secret()).unwrap()), "nobody's");
}

#[test]
fn a_refusal_does_not_repeat_the_owners_text() {
    let machine = Machine::new();
    for uri in ["/etc/forged\nline", "forged:x", "file:///forged%"] {
        let refused = machine.copy_transcript(uri).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("forged"), "{refused:?}");
    }
    let bytes = Path::new(std::ffi::OsStr::from_bytes(b"forged\xff"));
    fs::write(machine.evil().join(bytes), "not UTF-8").unwrap();
    let uri = format!("file://{}/forged%ff", machine.evil().display());
    assert_eq!(machine.outcome(uri), "not UTF-8");
}
