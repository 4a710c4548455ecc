//! How long a start takes to be on record that nothing else waits beside, against a bare append of its bytes.

use std::time::Instant;

use lastword::Journal as _;
use lastword_jetstream::group::Group;
use lastword_jetstream::record::Record;
use lastword_jetstream::subjects::Kind;
use tokio::runtime::Runtime;

use super::appends::Appends;
use super::servers::Servers;
use super::sessions::{encoded, start};
use crate::rounds::micros;
use crate::targets::Targets;

/// In each round other servers lead the streams.
const ROUNDS: u32 = 5;
const STARTS: u32 = 400;
/// By how many of a hundred the time is not exceeded, and what ours may be of a bare append's there.
const PERCENTILES: [(usize, f64); 2] = [(50, 1.3), (99, 1.5)];

/// Prints both sides.
///
/// # Errors
/// When something fails that must not.
pub(super) fn measure(tokio: &Runtime, servers: &Servers, targets: &mut Targets) -> anyhow::Result<()> {
    let node = servers.node()?;
    let (mut ours, mut bare) = (vec![], vec![]);
    for round in 0..ROUNDS {
        let journal = servers.begin(&node)?;
        let stream = journal.status().stream;
        let mut appends = Appends::begin(tokio, servers, &journal)?;
        tokio.block_on(async {
            for n in 0..STARTS {
                let op = start(round * STARTS + n);
                let records = vec![encoded(&Record::Op(op.clone()))?];
                let group = Group {
                    kind: Kind::Group,
                    epoch: 1,
                    number: 1,
                    previous: 0,
                    continued: false,
                    continues: false,
                    records,
                };
                let body = group.encode();
                let began = Instant::now();
                journal.append(op).await?;
                ours.push(micros(began.elapsed()) / 1e3);
                let began = Instant::now();
                appends.append(body).await?;
                bare.push(micros(began.elapsed()) / 1e3);
            }
            journal.release().await?;
            servers.delete(&[&stream, appends.stream()]).await
        })?;
    }
    ours.sort_by(f64::total_cmp);
    bare.sort_by(f64::total_cmp);
    for (percent, most) in PERCENTILES {
        let (ours, bare) = (at(&ours, percent), at(&bare, percent));
        let measured = format!("{ours:.2} ms, {:.2} × {bare:.2} ms", ours / bare);
        let target = format!("≤ {most} × a bare append's");
        targets.tell(&format!("p{percent} of a lone start"), &measured, &target, ours <= most * bare);
    }
    Ok(())
}

/// Of sorted values, the one that so many of a hundred do not exceed.
fn at(values: &[f64], percent: usize) -> f64 {
    values.get(values.len() * percent / 100).copied().unwrap_or(0.0)
}
