//! As many connections as the daemon takes, and more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::memory::status;
use crate::support::{Home, Program, Raw, start};

/// Half of them to the socket, and half over TCP, where the machine lets a process have so many files.
const CONNECTIONS: u64 = 10_000;
/// With fewer this says nothing.
const LEAST: u64 = 1_000;
/// What a daemon has of files for each connection to the socket, and one over TCP: docs/api.md.
const FILES_FOR_EACH: u64 = 4;
/// What we have open besides.
const OUR_FILES: u64 = 200;
/// Connections over TCP that may have shown no token at once, and requests of a token that may come at once: docs/api.md.
const STRANGERS_AT_ONCE: usize = 100;
const REQUESTS_OF_A_TOKEN: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
/// A busy connection's buffer, as `MAX_CONNECTIONS` counts with it.
const OF_A_CONNECTION: u64 = 64 << 10;

/// Bytes of the daemon that are in memory.
fn resident(program: &Program) -> u64 {
    status(program, "VmRSS").unwrap()
}

/// How many connections of each kind there may be here, with as many files as this process may have.
fn of_each_kind() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let files = limit.maximum.unwrap_or(u64::MAX);
    // The daemon has so many files as well, and we have both kinds.
    let each = (CONNECTIONS / 2).min(files / FILES_FOR_EACH).min(files.saturating_sub(OUR_FILES) / 2);
    assert!(2 * each >= LEAST, "this takes {} open files: raise the hard limit (ulimit -Hn)", LEAST * 2 + OUR_FILES);
    if 2 * each < CONNECTIONS {
        println!(
            "{} connections, for {files} open files: {CONNECTIONS} take {}",
            2 * each,
            CONNECTIONS / 2 * FILES_FOR_EACH
        );
    }
    each
}

/// An owner each: connections that say nothing are cut after a while.
fn owners(socket: &Path, number: u64) -> Vec<BufReader<UnixStream>> {
    let connect = |n| {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, "{}", start(&format!("of-the-crowd-{n}"))).unwrap();
        BufReader::with_capacity(1024, stream)
    };
    let mut owners: Vec<_> = (0..number).map(connect).collect();
    for (n, owner) in owners.iter_mut().enumerate() {
        for event in ["ready", "accepted"] {
            let mut line = String::new();
            owner.read_line(&mut line).unwrap();
            assert!(line.contains(event), "owner {n}: {line:?}");
        }
    }
    owners
}

/// Somebody each who watches what happens, which does not end.
fn watchers(address: &str, tokens: &[String], number: usize) -> Vec<TcpStream> {
    let mut watchers = Vec::with_capacity(number);
    while watchers.len() < number {
        let before = watchers.len();
        for n in before..number.min(before + STRANGERS_AT_ONCE) {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let token = &tokens[n / REQUESTS_OF_A_TOKEN];
            write!(stream, "GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
            watchers.push(stream);
        }
        for watcher in &mut watchers[before..] {
            let mut begin = [0; 12];
            watcher.read_exact(&mut begin).unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200");
        }
    }
    watchers
}

/// What somebody is told for whom there is no room.
fn refusal(mut stream: impl std::io::Read) -> String {
    let mut text = Vec::new();
    // Whoever says nothing is told all of it, and then the connection is closed.
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn ten_thousand_connections_hold_up_no_owner_take_so_much_memory_and_one_more_is_refused() {
    let each = of_each_kind();
    let number = usize::try_from(each).unwrap();
    let home = Home::new();
    let (mut tokens, mut file) = (Vec::new(), String::new());
    for n in 0..=number / REQUESTS_OF_A_TOKEN {
        let (token, entry) = home.token(&format!("crowd-{n}"), "read-only");
        tokens.push(token);
        file.push_str(&entry);
    }
    let launch = home.serve().guest("good").arg("--listen").arg("127.0.0.1:0").arg("--tokens");
    let launch = launch.file("tokens.toml", file).after(&format!("ulimit -n {}", each * FILES_FOR_EACH));
    let program = launch.start();
    let ready = program.line("the first line", |_| true);
    let address = ready["addresses"][0].as_str().unwrap();
    let mut ordinary = Raw::connect(&home.socket());
    ordinary.start("before");
    let before = resident(&program);

    // Two places are the ordinary owner's, and the last one's.
    let owners = owners(&home.socket(), each - 2);
    let watchers = watchers(address, &tokens, number);
    let crowded = resident(&program);
    let most = 2 * each * OF_A_CONNECTION;
    assert!(crowded <= before + most, "{before} bytes before, {crowded} with {} connections", 2 * each);

    for n in 0..20 {
        ordinary.start(&format!("s{n}"));
        ordinary.end_and_be_told(&format!("s{n}"));
    }
    let mut last = Raw::connect(&home.socket());
    last.start("last");
    // Many are refused, and none of them leaves anything behind.
    for _ in 0..1000 {
        let unix = UnixStream::connect(home.socket()).unwrap();
        unix.set_read_timeout(Some(PATIENCE)).unwrap();
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        for told in [refusal(unix), refusal(tcp)] {
            assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("\"too_many_connections\""), "{told:?}");
        }
    }
    let flooded = resident(&program);
    assert!(flooded <= crowded + 64 * MIB, "{crowded} bytes before 2000 were refused, {flooded} after");
    ordinary.end_and_be_told("before");
    drop((last, owners, watchers));
    // There is room again.
    let deadline = Instant::now() + PATIENCE;
    let mut again = loop {
        assert!(Instant::now() < deadline, "they have all gone");
        let mut stream = UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, "{}", start("after")).ok();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).ok();
        if line.contains("\"ready\"") {
            break lines;
        }
    };
    let mut line = String::new();
    again.read_line(&mut line).unwrap();
    assert!(line.contains("accepted"), "{line:?}");
    let ended = program.kill();
    assert!(!ended.stderr().contains("could not be taken"), "it has files for all that it takes: {}", ended.stderr());
}
