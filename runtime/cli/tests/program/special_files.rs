//! Names of files that stand for something else: nothing is waited for that may never come.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Ended, Launch};

/// A named pipe, a socket, a directory and a device, each with what is said of it.
fn no_files(dir: &Path) -> Vec<(PathBuf, &'static str)> {
    let [pipe, socket, directory] = ["pipe.wasm", "socket.wasm", "directory.wasm"].map(|name| dir.join(name));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    std::fs::create_dir(&directory).unwrap();
    vec![(pipe, "is a pipe (FIFO)"), (socket, "is a socket"), (directory, "is a directory")]
}

#[track_caller]
fn assert_refused(ended: &Ended, path: &Path, said: &str) {
    assert_eq!(ended.code(), 2, "{}", ended.stderr());
    let (name, stderr) = (path.file_name().unwrap().to_str().unwrap(), ended.stderr());
    assert!(stderr.contains(name) && stderr.contains(said) && stderr.contains("name "), "{stderr}");
    assert!(ended.lines.is_empty() && ended.text.is_empty());
}

#[test]
fn a_component_that_is_no_file_is_refused_at_once_by_every_command() {
    let home = tempfile::tempdir().unwrap();
    for (path, said) in no_files(home.path()) {
        for command in ["check", "run", "test", "compile"] {
            assert_refused(&Launch::command(command).arg(&path).run(), &path, said);
        }
        assert_refused(&Launch::stdio().arg("--plugin").arg(&path).run(), &path, said);
        let plugin = format!("[[plugin]]\nname = \"a\"\ncomponent = {path:?}\n");
        let ended = Launch::stdio().config(&plugin).run();
        assert_refused(&ended, &path, said);
        assert!(ended.stderr().contains("lastword.toml:3:13: component: "), "{}", ended.stderr());
    }
    let device = Launch::command("check").arg("/dev/null").run();
    assert_refused(&device, Path::new("/dev/null"), "is a device");
}

#[test]
fn a_configuration_or_an_event_that_is_no_file_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    for (path, said) in no_files(home.path()) {
        assert_refused(&Launch::stdio().arg("--config").arg(&path).run(), &path, said);
        let run = Launch::command("run");
        let plugin = lastword_test_guests::write("prints", run.dir());
        assert_refused(&run.arg(plugin).arg("--event").arg(&path).run(), &path, said);
    }
}

const CONFIG: &str = "[[plugin]]\nname = \"prints\"\ncomponent = \"prints.wasm\"\n";

#[test]
fn a_configuration_can_come_through_stdin_and_names_components_from_the_current_directory() {
    let launch = Launch::stdio().with_guest("prints").input(CONFIG);
    let ended = launch.arg("--config").arg("-").arg("--journal").arg("memory").run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.lines[0]["plugins"][0]["name"], "prints");
    assert_eq!(ended.drained("sessions"), 0, "stdin was the configuration, so there are no events");
}

/// What a shell's `<(…)` is: a pipe that is named by its descriptor, while stdin is the owner's.
#[test]
fn a_configuration_can_come_from_process_substitution() {
    let launch = Launch::stdio().with_guest("prints");
    launch.write("some.toml", CONFIG);
    let script =
        r#"exec 3<&0; cat some.toml | { exec 4<&0 0<&3 3<&-; exec "$@" --config /dev/fd/4 --journal memory; }"#;
    let program = launch.shell(script).start().ready();
    program.open(["s1"]);
    program.send([r#"{"op":"shutdown"}"#]);
    let ended = program.ended();
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
}

#[test]
fn a_configuration_that_never_ends_is_read_as_far_as_its_limit() {
    let ended = Launch::stdio().arg("--config").arg("/dev/zero").run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("has more than 1048576 bytes"), "{}", ended.stderr());
}

#[test]
fn dev_null_is_an_empty_configuration() {
    let ended = Launch::stdio().arg("--config").arg("/dev/null").run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.lines[0]["plugins"], serde_json::json!([]));
}

#[test]
fn a_configuration_from_a_pipe_has_the_journal_that_it_names_or_the_one_of_none() {
    let cases = [
        ("[drain]\nbudget = \"1s\"\n", "/lastword/default.db\n"),
        ("[journal]\npath = \"own.db\"\n", "the journal is own.db\n"),
    ];
    for (text, journal) in cases {
        let ended = Launch::stdio().input(text).arg("--config").arg("-").run();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        assert!(ended.stderr().contains(journal), "{}", ended.stderr());
    }
}

#[test]
fn an_event_can_come_through_stdin() {
    let run = Launch::command("run");
    let plugin = lastword_test_guests::write("prints", run.dir());
    let ended = run.input(r#"{"session":{"id":"from-stdin"}}"#).arg(plugin).arg("--event").arg("-").run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(ended.stdout().contains("session-end from-stdin attempt=1"), "{}", ended.stdout());
}
