//! The inputs that the fuzzer keeps, as ordinary tests: what it has found once does not come back.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails loudly, its helper functions too, and names the input that it failed with"
)]

use std::path::Path;

/// More would belong into a release of their own, and not into a clone.
const MOST_BYTES: u64 = 200 * 1024;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn replay(target: &str, property: fn(&[u8])) {
    let mut inputs = 0;
    for file in corpus().join(target).read_dir().unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        property(&std::fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 5, "{target} has {inputs} inputs");
    // And what every fuzzer begins with.
    property(b"");
}

#[test]
fn whatever_an_owner_writes_the_lines_after_it_are_taken() {
    replay("lines", lastword_fuzzed::lines);
}

#[test]
fn whatever_is_in_a_configuration_it_is_read_or_each_mistake_has_its_place() {
    replay("configuration", lastword_fuzzed::configuration);
}

#[test]
fn whatever_is_in_a_journals_rows_it_is_read_or_refused() {
    replay("journal_rows", lastword_fuzzed::journal_rows);
}

#[test]
fn whatever_uri_an_owner_names_only_its_tenants_files_are_lent() {
    replay("transcript_uris", lastword_fuzzed::transcript_uris);
}

#[test]
fn the_inputs_that_are_kept_are_few() {
    let mut bytes = 0;
    for target in corpus().read_dir().unwrap() {
        for file in target.unwrap().path().read_dir().unwrap() {
            bytes += file.unwrap().metadata().unwrap().len();
        }
    }
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}
