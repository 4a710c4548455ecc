//! A journal that is copied while a daemon writes to it, and one that is made of the copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{Home, Launch, Raw};

fn journal(home: &Home, verb: &str) -> Launch {
    home.command("journal").arg(verb)
}

#[test]
fn a_backup_beside_a_busy_daemon_is_whole_and_a_journal_of_it_has_another_name() {
    let home = Home::new();
    let program = home.serve().guest("prints").start();
    let name = program.line("the first line", |_| true)["journal"].as_str().unwrap().to_owned();
    let mut owner = Raw::connect(&home.socket());
    owner.start("stays");
    let (socket, stop) = (home.socket(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let busy = std::thread::spawn(move || {
        let mut owner = Raw::connect(&socket);
        let mut sent = 0;
        while !stopped.load(Ordering::Relaxed) {
            owner.start(&format!("b{sent}"));
            owner.end(&format!("b{sent}"));
            sent += 1;
        }
        sent
    });
    let copies = ["one.backup", "two.backup", "three.backup"].map(|name| home.join(name));
    for copy in &copies {
        let made = journal(&home, "backup").arg("--journal").arg(home.journal()).arg(copy).run();
        assert_eq!(made.code(), 0, "{}", made.stderr());
        let checked = journal(&home, "check").arg("--journal").arg(copy).run();
        assert!(checked.stdout().contains("whole"), "{} {}", checked.stdout(), checked.stderr());
    }
    let twice = journal(&home, "backup").arg("--journal").arg(home.journal()).arg(&copies[0]).run();
    assert_eq!(twice.code(), 5);
    assert!(twice.stderr().contains("nothing is written over one"), "{}", twice.stderr());
    stop.store(true, Ordering::Relaxed);
    assert!(busy.join().unwrap() > 0);

    let onto_itself = journal(&home, "restore").arg("--journal").arg(home.journal()).arg(&copies[2]).run();
    assert_eq!(onto_itself.code(), 5, "the daemon has it");
    drop(owner);
    program.kill();
    let onto_another = journal(&home, "restore").arg("--journal").arg(home.journal()).arg(&copies[2]).run();
    assert_eq!(onto_another.code(), 5, "there is one");

    let new = home.join("new.db");
    let restored = journal(&home, "restore").arg("--journal").arg(&new).arg(&copies[2]).run();
    assert_eq!(restored.code(), 0, "{}", restored.stderr());
    let sessions = home.command("sessions").arg("--journal").arg(&new).run().stdout();
    assert!(sessions.contains("stays"), "{sessions}");
    let exported = journal(&home, "export").arg("--journal").arg(&new).run();
    let first: Value = serde_json::from_str(&exported.text[0]).unwrap();
    assert_ne!(first["journal"], name.as_str());

    // And it can be served: what the backup has as active ends as crashed.
    let program = home.stdio().arg("--journal").arg(&new).guest("prints").start();
    assert_eq!(program.line("the first line", |_| true)["journal"], first["journal"]);
    program.log("session-end stays");
    assert_eq!(program.stop().code(), 0);
}
