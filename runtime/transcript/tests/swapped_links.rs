//! A link that is swapped in while the path is walked leads nowhere.

#![cfg(any(target_os = "linux", target_os = "macos"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Machine, text};
use lastword_transcript::TranscriptError;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Attempts of each kind that must have happened, so that the swaps were seen from both sides.
const OF_EACH: u32 = 1_000;
/// Attempts after which a machine whose swaps are never seen fails the test.
const AT_MOST: u32 = 2_000_000;

/// Copies `uri` again and again while `one` and `other` change places, and counts (copied, refused).
fn copy_while_swapping(machine: &Machine, uri: &Path, one: &Path, other: &Path) -> (u32, u32) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            let mut swaps = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        let (mut copied, mut refused, mut foreign) = (0, 0, 0);
        for _ in 0..AT_MOST {
            match machine.copy_transcript(uri) {
                Ok(copy) if text(&copy) == "evil's own" => copied += 1,
                Ok(_) => foreign += 1,
                Err(TranscriptError::Link) => refused += 1,
                // For the words of a refusal the name is looked at again, and by then it may be the directory's.
                Err(TranscriptError::Gone) => {}
                Err(other) => panic!("{other:?}"),
            }
            if foreign > 0 || (copied >= OF_EACH && refused >= OF_EACH) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        let swaps = swaps.join().unwrap();
        assert_eq!(foreign, 0, "another tenant's transcript was copied, {swaps} swaps");
        (copied, refused)
    })
}

#[test]
fn a_directory_that_becomes_a_link_never_leads_to_another_tenants_file() {
    let machine = Machine::new();
    let (one, other) = (machine.evil().join("d"), machine.evil().join("other"));
    fs::create_dir(&one).unwrap();
    fs::write(one.join("s.jsonl"), "evil's own").unwrap();
    symlink(machine.agents.join("acme"), &other).unwrap();
    let (copied, refused) = copy_while_swapping(&machine, &one.join("s.jsonl"), &one, &other);
    assert!(copied >= OF_EACH && refused >= OF_EACH, "copied {copied}, refused {refused}");
    machine.assert_nothing_left();
}

#[test]
fn a_file_that_becomes_a_link_never_leads_to_another_tenants_file() {
    let machine = Machine::new();
    let (one, other) = (machine.evil().join("s.jsonl"), machine.evil().join("other"));
    symlink(machine.agents.join("acme/s.jsonl"), &other).unwrap();
    let (copied, refused) = copy_while_swapping(&machine, &one, &one, &other);
    assert!(copied >= OF_EACH && refused >= OF_EACH, "copied {copied}, refused {refused}");
    machine.assert_nothing_left();
}
