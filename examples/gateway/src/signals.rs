//! What ends the service, and what has it look at its plugins again.

use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::gateway::Gateway;
use crate::reload::reload;

/// The signals that the service hears.
pub(crate) struct Signals {
    terminated: Signal,
    interrupted: Signal,
    hung_up: Signal,
}

/// Why the service ends.
pub(crate) enum Ending {
    /// Somebody said so: SIGTERM, or Ctrl-C.
    Signal,
    /// The runtime cannot serve its sessions any more.
    Failure,
}

impl Signals {
    /// From now on none of them kills the process. One that comes while the service starts is heard when it has.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind: SignalKind| {
            signal(kind).with_context(|| format!("cannot listen for signal {}", kind.as_raw_value()))
        };
        Ok(Self {
            terminated: listen(SignalKind::terminate())?,
            interrupted: listen(SignalKind::interrupt())?,
            hung_up: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves when the service is to end. At each SIGHUP the plugins become those of the folder.
    pub(crate) async fn until_the_end(mut self, gateway: &Arc<Gateway>) -> Ending {
        loop {
            tokio::select! {
                _ = self.terminated.recv() => return Ending::Signal,
                _ = self.interrupted.recv() => return Ending::Signal,
                () = gateway.runtime.failed() => return Ending::Failure,
                // Beside the others: compiling takes a minute for a large plugin, and a signal in that time is to be heard.
                _ = self.hung_up.recv() => drop(tokio::spawn(reload_and_tell(gateway.clone()))),
            }
        }
    }
}

async fn reload_and_tell(gateway: Arc<Gateway>) {
    match reload(&gateway.catalog).await {
        Ok(reloaded) => tracing::info!(%reloaded, "the plugins are those of the folder"),
        Err(error) => tracing::error!(%error, "the plugins stay as they were"),
    }
}
