//! A plugin that logs one line for every event of a session.
//!
//! A hook is an ordinary function. Whatever it prints becomes a log event of the runtime, with the plugin, the tenant
//! and the session beside it. Every call runs in a fresh sandbox: a `static` does not survive from one call to the next.

mod line;

// Reads the contract and generates the event types, the `Guest` trait and the exports.
wit_bindgen::generate!({ path: "../../wit", world: "session-lifecycle-hooks" });

struct SessionLog;

impl Guest for SessionLog {
    fn session_start(event: SessionStartEvent) -> Result<(), HookError> {
        println!("{}", line::start(&event));
        Ok(())
    }

    // `Ok` means "done, never call again for this delivery". A hook that could not do its work answers
    // `Err(HookError::Retry(why))` to be called again later, or `Err(HookError::Fatal(why))` when that would not help.
    fn session_end(event: SessionEndEvent) -> Result<(), HookError> {
        println!("{}", line::end(&event));
        Ok(())
    }

    fn session_compaction(event: SessionCompactionEvent) -> Result<(), HookError> {
        println!("{}", line::compaction(&event));
        Ok(())
    }
}

export!(SessionLog);
