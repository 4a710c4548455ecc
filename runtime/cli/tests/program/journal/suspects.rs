//! A delivery that takes the program down must not do so at every start; and a program that is killed by others has none.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use lastword_events::{EndReason, Event, PluginName, Session, SessionEnd, Timestamp};
use lastword_journal::{Journal as _, JournalOp, Receipt};
use lastword_sqlite::SqliteJournal;
use rustix::process::{Pid, Signal as Kill, kill_process};
use serde_json::{Value, json};

use crate::support::{Ended, Home, Launch, Program};

/// Deaths after which the one is given up at the latest: two beside others, three alone.
const MOST_DEATHS: usize = 5;

fn launch(home: &Home, guest: &str, more: &str) -> Launch {
    let config = format!("[[plugin]]\nname = \"{guest}\"\ncomponent = \"{guest}.wasm\"\n{more}\n");
    home.launch().with_guest(guest).config(&config)
}

fn dead(home: &Home) -> Vec<Value> {
    let listed = Launch::command("deliveries").arg("--state").arg("dead").arg("--json").arg("--journal");
    let listed = listed.arg(home.journal()).run();
    assert_eq!(listed.code(), 0, "{}", listed.stderr());
    listed.text.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A server that stands for what takes the program down: whoever asks it for `poison` is killed before it answers.
struct Killer {
    address: String,
    victim: Arc<AtomicI32>,
}

impl Killer {
    fn lie_in_wait() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let victim = Arc::new(AtomicI32::new(0));
        let of_thread = victim.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
                // One that is killed may leave nothing.
                let Ok(bytes) = stream.read(&mut request) else { continue };
                if request[..bytes].windows(8).any(|word| word == b"/poison/") {
                    kill_process(Pid::from_raw(of_thread.load(Ordering::SeqCst)).unwrap(), Kill::KILL).ok();
                } else {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").ok();
                }
            }
        });
        Self { address, victim }
    }

    fn watch(&self, program: Program) -> Program {
        self.victim.store(program.pid().as_raw_nonzero().get(), Ordering::SeqCst);
        program
    }

    /// The end of a session of which the server is told.
    fn end(&self, id: &str) -> String {
        json!({"op": "end", "session": {"id": id, "key": self.address}, "reason": "reset"}).to_string()
    }
}

#[test]
fn a_delivery_that_takes_the_program_down_is_given_up_and_the_others_are_made() {
    let (home, killer) = (Home::in_memory(), Killer::lie_in_wait());
    let grant = format!("http = [\"http://{}\"]", killer.address);
    let launch = || launch(&home, "http-reports", &grant);
    let ids: Vec<String> = (0..20).map(|n| format!("s{n:02}")).collect();
    let first = launch().start().ready();
    let first = killer.watch(first);
    first.send(ids[..10].iter().map(String::as_str).chain(["poison"]).map(|id| killer.end(id)));
    let mut runs: Vec<Ended> = vec![first.ended()];
    // More is said at the next start, which may not come to it.
    let mut second = killer.watch(launch().start());
    second.send(ids[10..].iter().map(|id| killer.end(id)));
    second.close_stdin();
    runs.push(second.ended());
    while runs.last().unwrap().was_killed() {
        assert!(runs.len() <= MOST_DEATHS, "it goes on and on");
        let mut next = killer.watch(launch().start());
        next.close_stdin();
        runs.push(next.ended());
    }
    assert!(runs.len() > 3, "three deaths alone are the least");
    let last = runs.last().unwrap();
    assert_eq!(last.code(), 0, "nothing is owed any more: {}", last.stderr());
    assert!(last.stderr().contains("given up as dead"), "{}", last.stderr());
    let dead = dead(&home);
    let dead: Vec<_> = dead.iter().map(|row| (row["session"].as_str(), row["cause"].as_str())).collect();
    assert_eq!(dead, [(Some("poison"), Some("lost"))]);
    // What the last run but one had delivered may be on no line of its: that nothing is owed says it.
    let after = launch().run();
    assert_eq!(after.of("ready").next().unwrap()["recovered"], json!({"sessions": 0, "deliveries": 0}));
}

#[test]
fn a_loop_of_kills_gives_nothing_up() {
    const OWED: usize = 10_000;
    let home = Home::in_memory();
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = SqliteJournal::open(&home.journal()).unwrap();
    journal.recover().unwrap();
    let ends = (0..OWED).map(|n| {
        let session = Arc::new(Session::new("default", &format!("s{n}")));
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        let owed = vec![PluginName::new("sleep-50ms").unwrap()];
        let received = Receipt { at: Timestamp::now(), said: 0 };
        journal.append(JournalOp::EndWithoutStart { session, event, owed, received, op_id: None })
    });
    for written in ends.collect::<Vec<_>>() {
        tokio.block_on(written).unwrap();
    }
    drop(journal);
    for _ in 0..10 {
        let program = launch(&home, "sleep-50ms", "").start().ready();
        program.count("outcome", 1);
        program.kill();
    }
    assert_eq!(dead(&home), [] as [Value; 0]);
}
