//! A process that may open no more files. A program of its own: its limit is that of all of its threads.

#![cfg(target_os = "linux")]

use std::time::Duration;

use lastword_egress::{Resolve, SystemResolver};
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// Standard input, output and error are open.
const NONE_LEFT: u64 = 3;

#[tokio::test]
async fn a_look_up_for_which_no_file_is_left_says_so_and_not_that_the_name_is_unknown() {
    let resolver = SystemResolver::new();
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(NONE_LEFT), ..usual }).unwrap();
    let found = tokio::time::timeout(Duration::from_secs(60), resolver.resolve("nowhere.invalid")).await;
    setrlimit(Resource::Nofile, usual).unwrap();
    let error = found.unwrap().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()), "{error}");
}
