//! Whether anything could be written now.

use std::time::{Duration, Instant};

use lastword::Runtime;
use tokio::sync::Mutex;

/// A disk that has not answered for so long hangs, whatever it will say.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Whoever asks sooner gets the last answer: a probe writes and syncs, and anyone may ask.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Asks the journal, once for all who want to know.
pub(crate) struct Health {
    runtime: Runtime,
    last: Mutex<Option<(Instant, Probed)>>,
}

/// How long the journal took to write, or why it cannot.
pub(crate) type Probed = Result<Duration, String>;

impl Health {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { runtime, last: Mutex::default() }
    }

    /// Whether sessions could be started now, as far as the journal is concerned.
    pub(crate) async fn probe(&self) -> Probed {
        let mut last = self.last.lock().await;
        if let Some((at, probed)) = &*last
            && at.elapsed() < PROBE_EVERY
        {
            return probed.clone();
        }
        let probed = match tokio::time::timeout(PROBE_TIMEOUT, self.runtime.probe()).await {
            Ok(probed) => probed.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the journal has not answered for {PROBE_TIMEOUT:?}")),
        };
        *last = Some((Instant::now(), probed.clone()));
        probed
    }
}
