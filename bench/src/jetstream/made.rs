//! Journals that no run has written: one group at a time, so many would take minutes.

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use lastword::Journal as _;
use lastword::events::JournalName;
use lastword_jetstream::Cluster;
use lastword_jetstream::chain::Position;
use lastword_jetstream::group::{Group, chain_hash};
use lastword_jetstream::replay::Replay;
use lastword_jetstream::snapshot::MIN_TAIL_BYTES;
use lastword_jetstream::subjects::{Kind, Subjects};
use tokio::runtime::Runtime;

use super::servers::{OF_JOURNALS, Servers};

/// Bytes that are not acknowledged yet.
const UNDER_WAY: usize = 1 << 20;

/// A journal that nobody has, with groups in its stream.
pub(super) struct Made {
    pub(super) name: JournalName,
    pub(super) stream: String,
    pub(super) groups: u32,
    pub(super) bytes: u64,
}

/// Makes a journal with these groups of records: as many as a run can read without a snapshot being due, because that would take them away.
///
/// # Errors
/// When the servers do not take them.
pub(super) fn make(
    tokio: &Runtime,
    servers: &Servers,
    node: &Cluster,
    groups: impl Iterator<Item = anyhow::Result<Vec<Bytes>>>,
) -> anyhow::Result<Made> {
    let journal = servers.begin(node)?;
    let (name, stream) = (journal.name(), journal.status().stream);
    tokio.block_on(journal.release())?;
    drop(journal);
    let subjects = Subjects::new(&node.settings().prefix, name);
    ensure!(subjects.stream == stream, "the stream of the journal {name} is {stream}");
    let (groups, bytes) = tokio.block_on(async {
        let client = servers.client(OF_JOURNALS).await?;
        fill(&client, &subjects, groups).await
    })?;
    Ok(Made { name, stream, groups, bytes })
}

/// Gives how many groups there are, and their bytes.
async fn fill(
    client: &Context,
    subjects: &Subjects,
    groups: impl Iterator<Item = anyhow::Result<Vec<Bytes>>>,
) -> anyhow::Result<(u32, u64)> {
    let fence = client.get_stream_no_info(&subjects.stream).await?.get_raw_message(1).await?;
    let mut replay = Replay::new(subjects.clone());
    replay.message(1, &fence.subject, &fence.payload)?;
    let Position { epoch, mut number, mut hash, .. } = replay.finish()?.position;
    let (mut written, mut bytes) = (0, 0);
    let mut under_way = VecDeque::new();
    let mut bytes_under_way = 0;
    for records in groups {
        let group = Group {
            kind: Kind::Group,
            epoch,
            number: number + 1,
            previous: hash,
            continued: false,
            continues: false,
            records: records?,
        };
        let body = group.encode();
        let size = body.len();
        if bytes + u64::try_from(size)? > MIN_TAIL_BYTES {
            break;
        }
        (number, hash, bytes, written) =
            (group.number, chain_hash(hash, &body), bytes + u64::try_from(size)?, written + 1);
        while bytes_under_way > UNDER_WAY {
            let (acknowledged, size) = under_way.pop_front().context("nothing is under way")?;
            acknowledged.await?;
            bytes_under_way -= size;
        }
        let publish = PublishMessage::build().payload(body);
        under_way.push_back((client.send_publish(subjects.groups.clone(), publish).await?, size));
        bytes_under_way += size;
    }
    for (acknowledged, _) in under_way {
        acknowledged.await?;
    }
    Ok((written, bytes))
}
