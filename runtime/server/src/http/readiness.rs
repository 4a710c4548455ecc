//! Whether the daemon can serve.

use std::time::Instant;

use lastword::Runtime;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::limits::{READY_PROBE_EVERY, READY_TIMEOUT};

/// The journal's last answer. Each question is a write, so the daemon limits its rate, and asks one question at a time.
/// A caller that asks meanwhile gets the same answer.
#[derive(Default)]
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Whether the journal can write now. The log says why not, and the answer does not: anybody may ask.
    pub(crate) async fn of_journal(&self, runtime: &Runtime) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, can_write)) = *last
            && at.elapsed() < READY_PROBE_EVERY
        {
            return can_write;
        }
        let can_write = match timeout(READY_TIMEOUT, runtime.probe()).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the journal cannot be written");
                false
            }
            Err(_) => {
                tracing::warn!("the journal has not answered within {READY_TIMEOUT:?}");
                false
            }
        };
        *last = Some((Instant::now(), can_write));
        can_write
    }
}
