//! How long it takes from the fence that ends a node's run until its sessions' ends are told elsewhere, with as much to read as a journal
//! has before a snapshot.

use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use lastword::{Runtime, Sandbox, SandboxConfig, Tenants};
use lastword_jetstream::JetStreamJournal;
use lastword_jetstream::record::Record;

use super::made::{Made, make};
use super::servers::Servers;
use super::sessions::{encoded, start};
use crate::rounds::median;
use crate::setup::load_good;
use crate::targets::Targets;

/// Each has a journal of its own: what is made of it is written to its stream.
const ROUNDS: usize = 3;
/// Starts in a group: some 60 KiB.
const STARTS: u32 = 128;
/// Seconds from the fence to the first call.
const FIRST_CALL_S: f64 = 2.0;
/// A call that takes longer to come is a mistake.
const COMES_WITHIN: Duration = Duration::from_secs(120);

/// Prints the time and its target.
///
/// # Errors
/// When something fails that must not.
pub(super) fn measure(tokio: &tokio::runtime::Runtime, servers: &Servers, targets: &mut Targets) -> anyhow::Result<()> {
    let node = servers.node()?;
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = load_good(&sandbox)?;
    let mut took = vec![];
    let mut size = String::new();
    for _ in 0..ROUNDS {
        let Made { name, stream, groups, bytes } = make(tokio, servers, &node, (0..).map(group))?;
        size = format!("{} MiB, {} sessions", bytes >> 20, groups * STARTS);

        let (tell_fenced, fenced) = channel();
        // Asked right before the fence is written; more than once if that has to be tried again.
        let is_wanted = move || tell_fenced.send(Instant::now()).is_ok();
        let journal = JetStreamJournal::take_over_if(&node, name, is_wanted)?;
        let (tell_called, called) = sync_channel(1);
        let runtime = Runtime::builder()
            .sandbox(sandbox.clone())
            .plugin(plugin.clone(), Tenants::Every)
            .journal(Arc::new(journal))
            .on_outcome(move |_| {
                // The first one counts. Nobody waits for the others.
                tell_called.try_send(Instant::now()).ok();
            })
            .build()?;
        let called = called.recv_timeout(COMES_WITHIN).context("nothing was called")?;
        let fenced = fenced.try_iter().last().context("there was no fence")?;
        took.push(called.saturating_duration_since(fenced).as_secs_f64());

        tokio.block_on(runtime.detach())?;
        drop(runtime);
        tokio.block_on(servers.delete(&[&stream]))?;
    }
    let took = median(took);
    let what = format!("fence to first call, {size}");
    targets.tell(&what, &format!("{took:.2} s"), &format!("≤ {FIRST_CALL_S} s"), took <= FIRST_CALL_S);
    Ok(())
}

/// A group of sessions that are active.
fn group(number: u32) -> anyhow::Result<Vec<Bytes>> {
    let first = number * STARTS;
    (first..first + STARTS).map(|n| encoded(&Record::Op(start(n)))).collect()
}
