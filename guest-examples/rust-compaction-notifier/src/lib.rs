//! A plugin that tells a webhook when a session is compacted, and when that is done: so people in a chat see why there is a
//! pause. Once each, however often a delivery is attempted.
//!
//! Every call runs in a fresh sandbox. What was told is kept in key-value storage.

mod notice;
mod post;
mod told;

use notice::Notice;
use told::Told;
use wasi::config::store as config;

wit_bindgen::generate!({ path: "wit", world: "plugin", generate_all });

struct CompactionNotifier;

impl Guest for CompactionNotifier {
    fn session_compaction(event: SessionCompactionEvent) -> Result<(), HookError> {
        let Ok(Some(webhook)) = config::get("webhook") else {
            let help = "the setting `webhook` is missing: write config = { webhook = \"https://example.com/hook\" }";
            // Trying again would not help: somebody has to write it, and can then have it delivered again.
            return Err(HookError::Fatal(help.to_owned()));
        };
        let told = Told::of(&event.session)?;
        if let Some(status) = told.status(&event.delivery) {
            println!("told already: {status}");
            return Ok(());
        }
        let notice = Notice::of(&event);
        let status = post::json(&webhook, &notice, &event.delivery.id)?;
        told.add(&event.delivery, status);
        println!("told: {} ({status})", notice.text);
        Ok(())
    }

    /// Every plugin has this hook. Here it forgets what was kept for the session.
    fn session_end(event: SessionEndEvent) -> Result<(), HookError> {
        Told::of(&event.session)?.forget()
    }
}

export!(CompactionNotifier);
