//! A plugin that keeps claude-mem's worker free of ghost rows: a row that is opened for a session is closed when the session
//! ends, also when the worker was away, or the gateway was killed.
//!
//! Every call runs in a fresh sandbox. What the end has to know of the start is kept in key-value storage.

mod open;
mod post;
mod worker;

use wasi::config::store as config;
use worker::{End, Init, Row};

wit_bindgen::generate!({ path: "wit", world: "plugin", generate_all });

struct ClaudeMem;

impl Guest for ClaudeMem {
    fn session_start(event: SessionStartEvent) -> Result<(), HookError> {
        if event.delivery.late {
            // The session has ended while the worker could not be reached: who would close the row?
            return Ok(());
        }
        let row = Row::of(&event.session);
        open::remember(&event.session, &row)?;
        tell("/api/sessions/init", &Init::new(&row, &event), &event.delivery.id)?;
        println!("opened {row}");
        Ok(())
    }

    fn session_end(event: SessionEndEvent) -> Result<(), HookError> {
        // Without a note the start did not get through. The worker may have opened the row all the same, and only its answer
        // was lost. If there is no such row, the worker says so, and that is fine.
        let row = open::forget(&event.session)?.unwrap_or_else(|| Row::of(&event.session));
        if event.delivery.late && row.is_shared(&event.session) {
            // A newer run of this session goes on with the row, and its end will close it.
            return Ok(());
        }
        tell("/api/sessions/session-end", &End::new(&row, &event), &event.delivery.id)?;
        println!("closed {row}");
        Ok(())
    }
}

export!(ClaudeMem);

/// Posts to the worker. What it cannot take now is sent again later, with the same `delivery`: an end waits in the journal
/// until the worker is back.
fn tell(endpoint: &str, body: &impl serde::Serialize, delivery: &str) -> Result<(), HookError> {
    let Ok(Some(worker)) = config::get("worker") else {
        let help = "the setting `worker` is missing: write config = { worker = \"http://127.0.0.1:37777\" }";
        // Trying again would not help: somebody has to write it, and can then have it delivered again.
        return Err(HookError::Fatal(help.to_owned()));
    };
    post::json(&format!("{}{endpoint}", worker.trim_end_matches('/')), body, delivery)?;
    Ok(())
}
