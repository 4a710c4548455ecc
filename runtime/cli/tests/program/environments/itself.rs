//! The program starts itself to compile, also when its file is gone or was replaced.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lastword_test_guests::bombs;

use super::{assert_served, twenty_ends};
use crate::support::Launch;

/// Runs a copy that is gone from the disk, and has another file in its place.
const REPLACED: &str = "cp \"$1\" ./copy && exec 3<./copy && rm ./copy && echo garbage >./copy && \
                        shift && exec /proc/self/fd/3 \"$@\"";

#[test]
fn a_program_whose_file_was_replaced_compiles_as_the_one_that_runs() {
    let ended = twenty_ends().through(["sh", "-c", REPLACED, "sh"]).run();
    assert_served(&ended, "replaced");
    assert!(!ended.stderr().contains("compiled in this process"), "{}", ended.stderr());
}

#[test]
fn a_program_that_was_started_through_the_dynamic_loader_compiles() {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"];
    let Some(loader) = loaders.into_iter().find(|loader| Path::new(loader).exists()) else {
        println!("skipped: this system's dynamic loader is none that the test knows");
        return;
    };
    assert_served(&twenty_ends().through([loader]).run(), "through the loader");
    assert_served(
        &twenty_ends().through([loader, "--inhibit-cache"]).run(),
        "through the loader, with an option for it",
    );
}

#[test]
fn the_process_that_compiles_has_no_descriptors_but_its_pipes() {
    let launch = Launch::stdio().component("bomb", &bombs::slow_to_compile(100));
    // What an owner leaves open.
    let program = launch.after("exec 7</dev/null 8>left-open").start();
    let child = program.child_that_used_cpu(Duration::from_millis(200));
    let open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", child.pid())).unwrap().map(Result::unwrap).collect();
    let open: Vec<_> = open.iter().map(|fd| fs::read_link(fd.path()).unwrap().display().to_string()).collect();
    assert!(open.len() == 3 && open.iter().all(|file| file.starts_with("pipe:")), "{open:?}");
    assert_eq!(program.stop().code(), 0);
    child.ended();
}
