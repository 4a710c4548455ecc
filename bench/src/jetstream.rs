//! What a journal on JetStream costs, with three real servers on this machine: beside a client of nothing else, which appends and reads
//! the same bytes. Each figure is printed with its target, and a target that is missed is an error.
//!
//! A client that is connected to the leader of a stream is answered sooner than another one, and the servers choose their leaders. So both
//! sides are connected to the leader of their stream, or neither is.

mod appends;
mod lone;
mod made;
mod messages;
mod recovery;
mod servers;
mod sessions;
mod take_over;
mod throughput;

use crate::rounds::say;
use crate::targets::Targets;
use servers::Servers;

/// Names the program of the servers.
const PROGRAM: &str = "LASTWORD_NATS_SERVER";

/// Prints each figure and its target.
///
/// # Errors
/// When a target is missed, or something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    if std::env::var_os(PROGRAM).is_none() {
        say(format!("a journal on JetStream is not measured: {PROGRAM} names no nats-server"));
        return Ok(());
    }
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _context = tokio.enter();
    let servers = Servers::start()?;
    let mut targets = Targets::default();
    say("a journal on JetStream, with three servers that sync each write:");
    throughput::measure(&tokio, &servers, &mut targets)?;
    lone::measure(&tokio, &servers, &mut targets)?;
    recovery::measure(&tokio, &servers, &mut targets)?;
    take_over::measure(&tokio, &servers, &mut targets)?;
    targets.finish()
}
