//! The gateway is killed, and started again.

use std::sync::Mutex;
use std::thread;

use crate::support::{Home, until};

/// Sessions that are accepted before the kill.
const ACCEPTED: usize = 300;
const CLIENTS: u32 = 4;

#[test]
fn after_sigkill_under_load_every_session_that_was_accepted_gets_its_end() {
    let home = Home::of_tenant("acme");
    home.put("memory", "prints");
    let gateway = home.start();
    let (owners, accepted) = (gateway.owners().another(), Mutex::new(Vec::new()));
    let first = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (owners, accepted) = (owners.another(), &accepted);
            // Until the gateway is gone. Every other session ends in time.
            scope.spawn(move || {
                for number in 0.. {
                    let path = format!("/tenants/acme/sessions/s{client}-{number}");
                    let Ok(answer) = owners.send("POST", &path, &[], Some(Vec::new())) else { return };
                    answer.is(201);
                    accepted.lock().unwrap().push(format!("s{client}-{number}"));
                    if number % 2 == 0 && owners.send("DELETE", &path, &[], None).is_err() {
                        return;
                    }
                }
            });
        }
        until("enough sessions are accepted", || {
            let count = accepted.lock().unwrap().len();
            if count >= ACCEPTED { Ok(()) } else { Err(format!("{count} are")) }
        });
        gateway.kill()
    });

    let accepted = accepted.into_inner().unwrap();
    let gateway = home.start();
    until("every session has its end", || {
        let second = gateway.log();
        let has_end = |id: &String| {
            let end = format!("session-end {id} attempt=");
            first.contains(&end) || second.contains(&end)
        };
        match accepted.iter().find(|id| !has_end(id)) {
            None => Ok(()),
            Some(id) => Err(format!("{id} of {} has none", accepted.len())),
        }
    });
    assert_ne!(gateway.scrape().sum("lastword_recovered_sessions", &[]), 0);
    gateway.stop();
}
