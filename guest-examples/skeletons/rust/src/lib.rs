//! A Lastword plugin: says a word for every session that ended.

// Reads the contract and generates the event types, the `Guest` trait and the exports.
wit_bindgen::generate!({ path: "wit", world: "session-hooks" });

struct MyPlugin;

impl Guest for MyPlugin {
    /// Called at least once for every session that ended, each time in a fresh sandbox.
    fn session_end(event: SessionEndEvent) -> Result<(), HookError> {
        println!("{} ended: {:?}", event.session.id, event.reason);
        // Done. `Err(HookError::Retry(why))` asks to be called again later with the same `event.delivery.id`,
        // `Err(HookError::Fatal(why))` says that it would not help.
        Ok(())
    }
}

export!(MyPlugin);
