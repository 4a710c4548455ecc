//! Sessions a second through the journal, against its own groups appended once more.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{bail, ensure};
use bytes::Bytes;
use lastword::Journal as _;
use lastword_jetstream::JetStreamJournal;
use lastword_journal::Appended;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::appends::Appends;
use super::messages;
use super::servers::{OF_JOURNALS, Servers};
use super::sessions::{delivered, end, plugin, start};
use crate::rounds::median;
use crate::targets::Targets;

const ROUNDS: usize = 5;
/// Owners that wait at the same time, and sessions of each, one after the other.
const OWNERS: u32 = 512;
const SESSIONS_OF_EACH: u32 = 40;
/// What the journal is to reach of what the bare appends would allow.
const OF_BARE: f64 = 0.7;

/// Prints both sides.
///
/// # Errors
/// When something fails that must not.
pub(super) fn measure(tokio: &Runtime, servers: &Servers, targets: &mut Targets) -> anyhow::Result<()> {
    let node = servers.node()?;
    let reader = tokio.block_on(servers.client(OF_JOURNALS))?;
    let (mut ours, mut bare) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let journal = Arc::new(servers.begin(&node)?);
        let stream = journal.status().stream;
        let mut appends = Appends::begin(tokio, servers, &journal)?;

        let began = Instant::now();
        tokio.block_on(live_and_end(&journal))?;
        ours.push(rate(began));

        tokio.block_on(journal.release())?;
        let mut groups: Vec<Bytes> = Vec::new();
        tokio.block_on(messages::read(&reader, &stream, |message| groups.push(message.payload.clone())))?;
        let began = Instant::now();
        tokio.block_on(async {
            // The first message is the fence.
            for group in groups.into_iter().skip(1) {
                appends.append(group).await?;
            }
            anyhow::Ok(())
        })?;
        bare.push(rate(began));
        tokio.block_on(servers.delete(&[&stream, appends.stream()]))?;
    }
    let (ours, bare) = (median(ours), median(bare));
    let what = format!("sessions a second, {OWNERS} owners that wait");
    let measured = format!("{ours:.0}/s, {:.2} × {bare:.0}/s", ours / bare);
    targets.tell(&what, &measured, &format!("≥ {OF_BARE} × bare appends"), ours >= OF_BARE * bare);
    Ok(())
}

/// Each owner's sessions, one after the other: start, end and delivery, each on record before the next.
async fn live_and_end(journal: &Arc<JetStreamJournal>) -> anyhow::Result<()> {
    let mut owners = JoinSet::new();
    for owner in 0..OWNERS {
        let journal = journal.clone();
        owners.spawn(async move {
            for n in 0..SESSIONS_OF_EACH {
                one(&journal, owner * SESSIONS_OF_EACH + n).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = owners.join_next().await {
        done??;
    }
    Ok(())
}

async fn one(journal: &JetStreamJournal, n: u32) -> anyhow::Result<()> {
    let plugin = plugin()?;
    let appended = journal.append(start(n)).await?;
    let Appended::Session { sequence, session } = appended else { bail!("a start was answered with {appended:?}") };
    let tenant = session.identity.tenant.clone();
    journal.append(end(sequence, session, &plugin)).await?;
    let staged = journal.complete(&tenant, vec![delivered(sequence, &plugin)]);
    ensure!(staged.refused.is_empty(), "an outcome was refused");
    staged.pending.await?;
    Ok(())
}

fn rate(began: Instant) -> f64 {
    f64::from(OWNERS * SESSIONS_OF_EACH) / began.elapsed().as_secs_f64()
}
