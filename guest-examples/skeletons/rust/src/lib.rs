//! A Lastword plugin.

wit_bindgen::generate!({ path: "wit", world: "plugin", generate_all });

struct Plugin;

impl Guest for Plugin {
    /// Called when a session has ended, at least once. `Err(HookError::Retry(why))` asks to be called again later with
    /// the same `delivery.id`; `Err(HookError::Fatal(why))` says that this would not help.
    fn session_end(event: SessionEndEvent) -> Result<(), HookError> {
        println!("{} ended: {:?}", event.session.id, event.reason);
        Ok(())
    }
}

export!(Plugin);
