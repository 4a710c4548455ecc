//! What a plugin reads is a private, bounded copy of the transcript, and gone with its handle.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{GO_ON, MAX, Machine, mode, names, text};
use lastword_transcript::{TranscriptError, copy_transcript};

#[test]
fn a_copy_is_one_read_only_file_in_a_private_directory() {
    let machine = Machine::new();
    let copy = machine.copy_transcript(machine.evil().join("s.jsonl")).unwrap();
    assert_eq!(names(copy.dir()), ["transcript"]);
    assert_eq!((mode(copy.dir()), mode(&copy.dir().join("transcript"))), (0o700, 0o400));
    assert_eq!(mode(machine.scratch.path()), 0o700);
    assert!(copy.dir().starts_with(machine.scratch.path()));
    assert_eq!((copy.bytes(), copy.is_cut()), (10, false));
}

#[test]
fn nothing_is_left_of_a_copy_that_is_dropped() {
    let machine = Machine::new();
    let uri = machine.evil().join("s.jsonl");
    let (first, second) = (machine.copy_transcript(&uri).unwrap(), machine.copy_transcript(&uri).unwrap());
    assert_ne!(first.dir(), second.dir());
    drop(first);
    assert_eq!(text(&second), "evil's own");
    drop(second);
    machine.assert_nothing_left();
}

#[test]
fn what_happens_to_the_original_afterwards_does_not_change_the_copy() {
    let machine = Machine::new();
    let uri = machine.evil().join("s.jsonl");
    let copy = machine.copy_transcript(&uri).unwrap();
    File::options().append(true).open(&uri).unwrap().write_all(b", and more").unwrap();
    assert_eq!(text(&copy), "evil's own");
    File::options().write(true).open(&uri).unwrap().write_all(b"EVIL").unwrap();
    assert_eq!(text(&copy), "evil's own");
    fs::remove_file(&uri).unwrap();
    assert_eq!(text(&copy), "evil's own");
}

#[test]
fn a_sparse_file_of_ten_gigabytes_costs_no_more_than_the_limit() {
    let machine = Machine::new();
    let uri = machine.evil().join("sparse");
    let mut sparse = File::create(&uri).unwrap();
    sparse.write_all(b"begins").unwrap();
    sparse.set_len(10 << 30).unwrap();
    let copy = machine.copy_transcript(&uri).unwrap();
    assert_eq!((copy.bytes(), copy.is_cut()), (MAX, true));
    let content = fs::read(copy.dir().join("transcript")).unwrap();
    assert_eq!(content.len() as u64, MAX);
    assert!(content.starts_with(b"begins\0"));
    drop(copy);
    machine.assert_nothing_left();
}

#[test]
fn a_file_that_grows_during_the_copy_is_cut_at_the_limit() {
    let machine = Machine::new();
    let uri = machine.evil().join("growing");
    let mut growing = File::create(&uri).unwrap();
    growing.write_all(&vec![b'x'; usize::try_from(MAX).unwrap()]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Ends by itself: a test that fails must not fill the disk.
            for _ in 0..1_000 {
                growing.write_all(&[b'y'; 4096]).unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..20 {
            assert_eq!(machine.copy_transcript(&uri).unwrap().bytes(), MAX);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_limit_of_zero_copies_an_empty_file() {
    let machine = Machine::new();
    let root = machine.root.for_tenant("evil").unwrap();
    let uri = machine.evil().join("s.jsonl");
    let copy = copy_transcript(&machine.scratch, &root, uri.to_str().unwrap(), 0, &GO_ON).unwrap();
    assert_eq!((text(&copy), copy.bytes(), copy.is_cut()), (String::new(), 0, true));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_says_it_is_empty_is_read_all_the_same() {
    let machine = Machine::new();
    let uri = format!("/proc/{}/status", std::process::id());
    assert_eq!(fs::metadata(&uri).unwrap().len(), 0);
    let copy = machine.copy_below(&"/proc".parse().unwrap(), &uri).unwrap();
    assert!(text(&copy).starts_with("Name:"));
    assert_eq!(copy.bytes(), text(&copy).len() as u64);
}

#[test]
fn nothing_is_copied_for_a_call_that_is_over() {
    let machine = Machine::new();
    let root = machine.root.for_tenant("evil").unwrap();
    let uri = machine.evil().join("s.jsonl");
    let refused = copy_transcript(&machine.scratch, &root, uri.to_str().unwrap(), MAX, &AtomicBool::new(true));
    assert!(matches!(refused, Err(TranscriptError::Cancelled)), "{refused:?}");
    machine.assert_nothing_left();
}

#[test]
fn a_copy_that_is_cancelled_half_way_leaves_nothing() {
    let machine = Machine::new();
    let uri = machine.evil().join("sparse");
    File::create(&uri).unwrap().set_len(1 << 40).unwrap();
    let root = machine.root.for_tenant("evil").unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copying = scope.spawn(|| copy_transcript(&machine.scratch, &root, uri.to_str().unwrap(), 4 << 30, &over));
        // The copy has begun; it would take seconds.
        let has_begun = loop {
            if let Some(copy) = names(machine.scratch.path()).into_iter().find(|name| name != ".lastword-lock")
                && fs::metadata(machine.scratch.path().join(copy).join("transcript")).is_ok_and(|file| file.len() > 0)
            {
                break true;
            }
            if copying.is_finished() {
                break false;
            }
            std::thread::yield_now();
        };
        over.store(true, Ordering::Relaxed);
        let refused = copying.join().unwrap();
        assert!(has_begun && matches!(refused, Err(TranscriptError::Cancelled)), "{refused:?}");
    });
    machine.assert_nothing_left();
}

#[test]
fn a_copy_that_cannot_be_written_leaves_nothing_and_says_what_failed() {
    let machine = Machine::new();
    let uri = machine.evil().join("s.jsonl");
    // The scratch is gone from under the program: somebody cleaned /tmp.
    fs::remove_dir_all(machine.scratch.path()).unwrap();
    let refused = machine.copy_transcript(&uri).unwrap_err();
    assert_eq!((refused.name(), refused.to_string().as_str()), ("io", "cannot make a private directory"));
}

#[test]
fn many_at_once_do_not_get_into_each_others_way() {
    let machine = Machine::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let machine = &machine;
            scope.spawn(move || {
                let uri = machine.evil().join(format!("{thread}.jsonl"));
                fs::write(&uri, format!("thread {thread}")).unwrap();
                for _ in 0..500 {
                    let copy = machine.copy_transcript(&uri).unwrap();
                    assert_eq!(text(&copy), format!("thread {thread}"));
                }
            });
        }
    });
    machine.assert_nothing_left();
}
