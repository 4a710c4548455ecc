//! Directories that cannot be made or used: the cache, the home, the place for the journal, the temporary directory.

use super::{ENDS, assert_refused, assert_served, command, twenty_ends};
use crate::support::Launch;

/// A directory below this cannot be made, by root either.
const NO_DIRECTORY: &str = "/proc/self/status";

fn warnings(log: &[String], said: &str) -> usize {
    log.iter().filter(|line| line.contains(said)).count()
}

#[test]
fn a_cache_that_cannot_be_made_is_told_once_and_the_work_goes_on() {
    let ended = twenty_ends().guest("good").arg("--cache-dir").arg(format!("{NO_DIRECTORY}/cache")).run();
    assert_eq!(ended.ends("prints", "delivered").len(), ENDS, "{}", ended.stderr());
    assert_eq!(warnings(&ended.log, "compiled code is not cached"), 1, "{}", ended.stderr());
}

#[test]
fn a_home_that_cannot_be_used_leaves_the_program_its_named_directories() {
    for home in ["", "relative", NO_DIRECTORY] {
        let launch = twenty_ends().env("HOME", home).without_env("XDG_CACHE_HOME").without_env("XDG_STATE_HOME");
        let journal = launch.dir().join("j.db");
        assert_served(&launch.arg("--journal").arg(journal).run(), &format!("HOME={home:?}"));
    }
    // XDG directories need no home.
    let ended = twenty_ends().env("HOME", "relative").run();
    assert_served(&ended, "XDG directories and no home");
    assert_eq!(warnings(&ended.log, "compiled code is"), 0, "{}", ended.stderr());
}

#[test]
fn without_a_place_for_the_journal_it_does_not_start_and_says_how_to_name_one() {
    let launch = || twenty_ends().without_env("XDG_CACHE_HOME").without_env("XDG_STATE_HOME");
    let ended = launch().env("HOME", "relative").run();
    assert_refused(&ended, "a relative home", &["HOME is relative, which is not an absolute path", "--journal PATH"]);
    let ended = launch().env("HOME", NO_DIRECTORY).run();
    assert_eq!(ended.code(), 5, "{}", ended.stderr());
    assert!(ended.log.last().unwrap().contains("--journal PATH"), "{}", ended.stderr());
}

#[test]
fn xdg_directories_that_are_empty_or_relative_count_for_nothing() {
    for value in ["", "relative", "./here"] {
        let launch = twenty_ends().env("XDG_CACHE_HOME", value).env("XDG_STATE_HOME", value);
        let home = launch.dir().to_owned();
        let ended = launch.run();
        assert_served(&ended, value);
        assert!(home.join(".local/state/lastword/default.db").exists(), "{value:?}");
        assert!(home.join(".cache/lastword/compiled").is_dir(), "{value:?}");
        assert!(!home.join("relative").exists() && !home.join("here").exists(), "{value:?}");
    }
}

#[test]
fn compile_does_not_claim_to_have_kept_what_it_could_not() {
    let launch = Launch::command("compile").with_guest("prints").arg("prints.wasm");
    let ended = launch.arg("--cache-dir").arg(format!("{NO_DIRECTORY}/cache")).run();
    assert_eq!(ended.code(), 2, "{}", ended.stderr());
    assert!(ended.stderr().contains("cannot be kept in"), "{}", ended.stderr());
    assert!(!ended.stdout().contains("kept in"), "{}", ended.stdout());
}

#[test]
fn a_temporary_directory_that_cannot_be_used_is_told_at_the_start_when_a_transcript_is_granted() {
    let config = |guest: &str| {
        format!(
            "[[plugin]]\nname = \"{guest}\"\ncomponent = \"{guest}.wasm\"\ntenants = [\"default\"]\n\
             transcript = {{ root = \"/agents/{{tenant}}\" }}\n"
        )
    };
    for tmp in ["/nowhere", NO_DIRECTORY] {
        let ended =
            Launch::stdio().with_guest("transcript-reads").config(&config("transcript-reads")).env("TMPDIR", tmp).run();
        assert_refused(&ended, tmp, &["transcripts are copied to", tmp, "set TMPDIR"]);
        // Who cannot read files needs none.
        let ended = Launch::stdio().with_guest("prints").config(&config("prints")).env("TMPDIR", tmp).run();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
    }
    let ended =
        Launch::stdio().with_guest("transcript-reads").config(&config("transcript-reads")).env("TMPDIR", "").run();
    assert_eq!(ended.code(), 0, "an empty TMPDIR is none: {}", ended.stderr());
}

#[test]
fn every_command_works_without_a_home_and_without_a_temporary_directory() {
    for name in ["run", "check", "test"] {
        let launch = command(name).env("HOME", "").env("TMPDIR", "/nowhere");
        let ended = launch.without_env("XDG_CACHE_HOME").without_env("XDG_STATE_HOME").run();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr());
    }
}
