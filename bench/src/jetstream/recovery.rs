//! How long a node takes to have a journal of a hundred thousand groups, against a client that only reads them.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;
use lastword::Journal as _;
use lastword::events::PluginName;
use lastword_jetstream::JetStreamJournal;
use lastword_jetstream::record::{Record, RecordedOutcome};
use lastword_journal::JournalOp;
use tokio::runtime::Runtime;

use super::made::{Made, make};
use super::messages;
use super::servers::{OF_JOURNALS, Servers};
use super::sessions::{delivered, encoded, end, plugin, start};
use crate::rounds::{median, say};
use crate::targets::Targets;

const ROUNDS: usize = 5;
/// Each has three groups: its start, its end and what came of it.
const SESSIONS: u32 = 33_334;
/// What a take-over may take of a bare read.
const OF_A_READ: f64 = 3.0;

/// Prints both sides.
///
/// # Errors
/// When something fails that must not.
pub(super) fn measure(tokio: &Runtime, servers: &Servers, targets: &mut Targets) -> anyhow::Result<()> {
    let node = servers.node()?;
    let plugin = plugin()?;
    let groups = (0..SESSIONS).flat_map(|n| groups_of(n, &plugin));
    let Made { name, stream, groups, bytes } = make(tokio, servers, &node, groups)?;
    ensure!(groups == 3 * SESSIONS, "{groups} groups have {bytes} bytes: more of them would have a snapshot made");
    say(format!("  {groups} groups, {} MiB", bytes >> 20));
    let reader = tokio.block_on(servers.client(OF_JOURNALS))?;
    let (mut ours, mut bare) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut read = 0;
        tokio.block_on(messages::read(&reader, &stream, |message| read += message.payload.len()))?;
        bare.push(began.elapsed().as_secs_f64());
        ensure!(u64::try_from(read)? >= bytes, "{read} bytes of {bytes} were read");

        let began = Instant::now();
        let journal = JetStreamJournal::take_over(&node, name)?;
        let left = journal.recover()?;
        ours.push(began.elapsed().as_secs_f64());
        ensure!(left.sessions.is_empty() && left.deliveries.is_empty(), "all of them have ended, and were delivered");
        tokio.block_on(journal.release())?;
    }
    tokio.block_on(servers.delete(&[&stream]))?;
    let (ours, bare) = (median(ours), median(bare));
    let measured = format!("{ours:.2} s, {:.1} × {bare:.2} s", ours / bare);
    let target = format!("≤ {OF_A_READ} × a bare read");
    targets.tell(&format!("a take-over of {groups} groups"), &measured, &target, ours <= OF_A_READ * bare);
    Ok(())
}

/// The groups of one session, which the journal has given the number behind `n`.
fn groups_of(n: u32, plugin: &PluginName) -> Vec<anyhow::Result<Vec<Bytes>>> {
    let sequence = u64::from(n) + 1;
    let start = start(n);
    let ended = match &start {
        JournalOp::Start { session, .. } => {
            let mut session = session.clone();
            Arc::make_mut(&mut session).generation = 1;
            Some(Record::Op(end(sequence, session, plugin)))
        }
        _ => None,
    };
    let outcome = RecordedOutcome::new(delivered(sequence, plugin), None);
    let records = [Some(Record::Op(start)), ended, Some(Record::Outcomes(vec![outcome]))];
    records.into_iter().flatten().map(|record| Ok(vec![encoded(&record)?])).collect()
}
