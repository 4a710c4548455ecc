//! Which file is the journal, and whether it stays there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::{Home, Launch, Program, end, start};

/// With a configuration of one plugin, behind links as Kubernetes makes them.
struct Configured {
    home: Home,
}

impl Configured {
    fn new() -> Self {
        let configured = Self { home: Home::new() };
        let component = lastword_test_guests::write("prints", configured.home.path());
        assert_eq!(component, configured.component());
        configured.switch_to("..2026_11_20", "");
        symlink("..data/lastword.toml", configured.config()).unwrap();
        configured
    }

    fn component(&self) -> PathBuf {
        self.home.join("prints.wasm")
    }

    fn config(&self) -> PathBuf {
        self.home.join("lastword.toml")
    }

    /// The next version of the configuration, with something more in it.
    fn switch_to(&self, version: &str, more: &str) {
        let directory = self.home.join(version);
        fs::create_dir(&directory).unwrap();
        let component = self.component();
        let text = format!("{more}\n[[plugin]]\nname = \"prints\"\ncomponent = {component:?}\n");
        fs::write(directory.join("lastword.toml"), text).unwrap();
        let data = self.home.join("..data");
        fs::remove_file(&data).ok();
        symlink(version, &data).unwrap();
    }

    fn launch(&self) -> Launch {
        self.home.stdio().arg("--config").arg(self.config())
    }

    fn journals(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.join("lastword")).unwrap().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.extension().is_some_and(|extension| extension == "db") && !path.is_symlink())
            .collect()
    }
}

#[test]
fn a_configuration_behind_links_that_are_switched_keeps_its_journal() {
    let configured = Configured::new();
    let program = configured.launch().start().ready();
    program.open(["s1"]);
    program.kill();
    configured.switch_to("..2026_11_21", "# a comment was added");
    let program = configured.launch().start().ready();
    program.count("outcome", 1);
    let ended = program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]));
    assert_eq!(configured.journals().len(), 1);
    let listed = Launch::command("sessions").arg("--config").arg(configured.config());
    let state = configured.home.path().to_str().unwrap().to_owned();
    let listed = listed.env("XDG_STATE_HOME", Box::leak(state.into_boxed_str())).run();
    assert_eq!(listed.code(), 0, "who looks finds the same one: {}", listed.stderr());
}

/// As a program of an earlier version has named it.
#[test]
fn a_journal_with_an_old_name_is_kept_when_the_links_are_switched() {
    let configured = Configured::new();
    let real = fs::canonicalize(configured.config()).unwrap();
    let program = configured.home.stdio().arg("--config").arg(&real).start().ready();
    program.open(["s1"]);
    program.kill();
    // The new version is started with the links as they were, and is killed; then they are switched.
    let program = configured.launch().arg("--attach-grace").arg("1h").start().ready();
    program.kill();
    configured.switch_to("..2026_11_21", "# a comment was added");
    let program = configured.launch().start().ready();
    program.count("outcome", 1);
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn the_configuration_can_name_its_journal() {
    let configured = Configured::new();
    configured.switch_to("..named", "[journal]\npath = \"state.db\"\n");
    let program = configured.launch().start().ready();
    program.open(["s1"]);
    program.kill();
    assert!(configured.home.join("state.db").exists(), "beside the configuration, by the path that was given");
    let listed = Launch::command("sessions").arg("--config").arg(configured.config()).run();
    assert!(listed.stdout().contains("s1"), "{}", listed.stderr());
    // The command line comes first.
    let ended = configured.launch().arg("--journal").arg("memory").run();
    assert_eq!(ended.of("ready").next().unwrap()["recovered"]["sessions"], 0);
}

#[test]
fn a_mistake_in_what_is_said_of_the_journal_is_told_with_its_place() {
    let configured = Configured::new();
    configured.switch_to("..wrong", "[journal]\npaht = \"state.db\"\n");
    for command in [configured.launch(), Launch::command("sessions").arg("--config").arg(configured.config())] {
        let ended = command.run();
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr().contains("lastword.toml:2:1: unknown key \"paht\" in [journal]"), "{}", ended.stderr());
    }
}

#[test]
fn a_new_journal_beside_one_that_owes_something_names_it() {
    let configured = Configured::new();
    let program = configured.launch().start().ready();
    program.open(["s1"]);
    program.kill();
    let elsewhere = configured.home.join("moved.toml");
    fs::rename(configured.config(), &elsewhere).unwrap();
    let program = configured.home.stdio().arg("--config").arg(&elsewhere).start().ready();
    let warning = program.log("still owe something");
    let named = configured.journals().iter().filter(|path| warning.contains(&format!("{} (", path.display()))).count();
    assert!(named == 1 && warning.contains("(1 active session, "), "{warning}");
    program.stop();
    // The second time it is not new any more.
    let again = configured.home.stdio().arg("--config").arg(&elsewhere).run();
    assert!(!again.stderr().contains("still owe something"), "{}", again.stderr());
}

/// A program whose journal is in a directory of its own.
fn beside_nothing(home: &Home) -> (PathBuf, Program) {
    let directory = home.path().join("state");
    fs::create_dir_all(&directory).unwrap();
    let journal = directory.join("journal.db");
    let program = home.stdio().guest("prints").arg("--journal").arg(&journal).start().ready();
    program.open(["before"]);
    (journal, program)
}

fn refused(program: &Program) {
    program.send([start("after")]);
    let error = program.line("a refusal", |line| line["event"] == "error");
    assert_eq!(error["code"], "journal", "{error}");
}

#[test]
fn nothing_is_accepted_into_a_file_that_was_taken_away() {
    let home = Home::new();
    let (journal, program) = beside_nothing(&home);
    let aside = home.path().join("aside.db");
    fs::rename(&journal, &aside).unwrap();
    refused(&program);
    program.log("nothing is accepted any more");
    // Put back, it goes on, and nothing is missing.
    fs::rename(&aside, &journal).unwrap();
    program.send([end("before", "reset")]);
    program.line("its end", |line| line["event"] == "accepted" && line["op"] == "end");
    let ended = program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["before".to_owned()]), "{}", ended.stderr());
    let told = ended.log.iter().filter(|line| line.contains("nothing is accepted any more")).count();
    assert_eq!(told, 1, "SQLite itself removes its files at the end:\n{}", ended.stderr());
}

#[cfg(target_os = "linux")]
#[test]
fn that_the_journal_is_taken_away_is_seen_while_nobody_writes() {
    let away: [fn(&Path); 3] = [
        |journal| fs::remove_file(journal).unwrap(),
        |journal| fs::rename(journal.with_extension("db-wal"), journal.with_extension("old")).unwrap(),
        |journal| {
            let directory = journal.parent().unwrap();
            fs::rename(directory, directory.with_extension("old")).unwrap();
        },
    ];
    for away in away {
        let home = Home::new();
        let (journal, program) = beside_nothing(&home);
        away(&journal);
        let told = program.log("nothing is accepted any more");
        assert!(told.contains("ERROR") && told.contains("journal.db"), "{told}");
        refused(&program);
        program.kill();
    }
}
