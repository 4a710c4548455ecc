//! Where the daemon is: one line when it is ready, a private socket, and one daemon on it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Home, Raw, Signal, http};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_ready_line_says_where_it_is_and_the_socket_is_private_and_gone_at_the_end() {
    let home = Home::new();
    let program = home.serve().guest("prints").start();
    let ready = program.line("the first line", |_| true);
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["sockets"][0], home.socket().to_str().unwrap());
    assert_eq!(ready["plugins"][0]["name"], "prints");
    assert_eq!((mode(home.socket().parent().unwrap()), mode(&home.socket())), (0o700, 0o600));
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.lines.len(), 1, "one line, and no more: {:?}", ended.lines);
    assert!(!home.socket().exists());
}

#[test]
fn without_a_runtime_directory_the_socket_is_in_the_users_state_directory() {
    let home = Home::new();
    let program = home.serve().without_env("XDG_RUNTIME_DIR").start().ready();
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    program.stop();
}

#[test]
fn an_owner_is_one_connection_that_speaks_the_stdio_protocol() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let mut owner = Raw::connect(&home.socket());
    assert_eq!(owner.start("s1")["generation"], 1);
    let outcome = owner.end_and_be_told("s1");
    assert_eq!((&outcome["session"], &outcome["outcome"]), (&"s1".into(), &"delivered".into()));
    let ended = program.stop();
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_replaced() {
    let home = Home::new();
    assert!(home.serve().start().ready().kill().was_killed());
    assert!(home.socket().exists());
    let program = home.serve().start().ready();
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    assert_eq!(program.stop().code(), 0);
}

/// The system takes a moment to end a process, and closes its files last.
#[test]
fn a_daemon_waits_for_the_socket_and_the_journal_of_one_that_is_killed() {
    let home = Home::new();
    let first = home.serve().guest("prints").start().ready();
    let next = home.serve().guest("prints").start();
    next.log("if it is about to exit");
    assert!(first.kill().was_killed());
    assert_eq!(next.ready().stop().code(), 0);
}

#[test]
fn a_second_daemon_is_told_of_the_first_which_goes_on() {
    let home = Home::new();
    let first = home.serve().start().ready();
    home.serve().run().assert_refused(2, &["is served already, by process", &first.pid().as_raw_nonzero().to_string()]);
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    assert_eq!(first.stop().code(), 0);
}

#[test]
fn of_daemons_that_find_a_stale_socket_at_once_one_serves_and_the_others_say_so() {
    let home = Home::new();
    assert!(home.serve().start().ready().kill().was_killed());
    let started = [(); 4].map(|()| home.serve().start());
    for program in &started {
        program.until("its first line, or its end", |counts| counts.contains_key("ready"));
    }
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    let ended = started.map(|program| {
        program.signal_if_alive(Signal::TERM);
        program.ended()
    });
    let (served, refused): (Vec<&Ended>, Vec<_>) = ended.iter().partition(|ended| ended.code() == 0);
    assert_eq!((served.len(), refused.len()), (1, 3));
    for ended in refused {
        ended.assert_refused(2, &["is served already"]);
    }
}

#[test]
fn a_socket_of_another_program_and_a_file_are_left_alone() {
    let home = Home::new();
    let other = UnixListener::bind(home.join("other.sock")).unwrap();
    home.serve().arg("--socket").arg(home.join("other.sock")).run().assert_refused(2, &["by another program"]);
    drop(other);
    fs::write(home.join("diary"), "mine").unwrap();
    home.serve().arg("--socket").arg(home.join("diary")).run().assert_refused(2, &["is no socket"]);
    assert_eq!(fs::read(home.join("diary")).unwrap(), b"mine");
}

#[test]
fn a_link_in_the_place_of_the_lock_or_of_the_default_directory_is_not_followed() {
    let home = Home::new();
    let diary = home.join("diary");
    fs::write(&diary, "mine").unwrap();
    symlink(&diary, home.join("other.sock.lock")).unwrap();
    home.serve().arg("--socket").arg(home.join("other.sock")).run().assert_refused(2, &["it is a link"]);
    assert_eq!(fs::read(&diary).unwrap(), b"mine");
    fs::create_dir(home.join("elsewhere")).unwrap();
    symlink(home.join("elsewhere"), home.socket().parent().unwrap()).unwrap();
    home.serve().run().assert_refused(2, &["it is a link"]);
}

#[test]
fn an_address_takes_tokens_and_whoever_has_none_is_refused() {
    let home = Home::new();
    home.serve().arg("--listen").arg("127.0.0.1:0").run().assert_refused(2, &["without a token", "lastword token"]);
    let made = home.command("token").arg("gateway").run().stdout();
    let (token, entry) = (made.lines().next().unwrap().to_owned(), made.split_once("[[token]]").unwrap().1);
    let launch = home.serve().arg("--listen").arg("127.0.0.1:0").arg("--tokens");
    let program = launch.file("tokens.toml", format!("[[token]]{entry}")).start();
    let ready = program.line("the first line", |_| true);
    let address = ready["addresses"][0].as_str().unwrap().to_owned();
    let status = |authorization: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(stream, "GET /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(""), "401");
    assert_eq!(status(&format!("Authorization: Bearer {token}\r\n")), "200");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn curl_is_client_enough() {
    if Command::new("curl").arg("--version").output().is_err() {
        return;
    }
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let socket = home.socket();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.arg("--silent").arg("--show-error").arg("--fail-with-body").arg("--unix-socket").arg(&socket);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(curl(&["http://localhost/openapi.json"]).contains("openapi"));
    let lines = "{\"op\":\"start\",\"session\":{\"id\":\"s1\"}}\n{\"op\":\"end\",\"session\":{\"id\":\"s1\"}}\n";
    curl(&["--data-binary", lines, "--header", "content-type: application/x-ndjson", "http://localhost/v1/events"]);
    program.log("session-end s1");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().code(), 0);
}
