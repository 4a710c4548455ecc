//! The one thread that writes. It carries out what the chain asks for, answers what is durable, makes snapshots, and looks after the
//! servers.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use lastword_journal::state::Staged;
use lastword_journal::{Commit, JournalError};
use tokio::sync::watch;

use crate::chain::{Action, Chain, Effect, Heard};
use crate::cluster::Cluster;
use crate::connect::{Client, Connection, Link};
use crate::error::ClusterError;
use crate::fence;
use crate::group::Group;
use crate::limits::{DROPPED_FOR, FULL_PERCENT, LOOK_AT_STREAM, PROVE_AGAIN, SILENT_AFTER};
use crate::record::FenceRecord;
use crate::shared::{Asked, Shared, silence};
use crate::snapshot;
use crate::status::Ended;
use crate::stream::{Facts, JournalStream};
use crate::sync::{Instant, Interval, JoinSet, MissedTickBehavior, interval_at, sleep_until, timeout};
use crate::waiting::{Queued, Waiting};

/// How long it is asked who has taken the journal over, before everyone is told that somebody has.
const ASK_WHO: Duration = Duration::from_secs(1);
/// How long values stay in the overlay when another thread has their tenant's lock, before they are tried again.
const SETTLE_AGAIN: Duration = Duration::from_millis(10);
/// Bytes of a message beside its body: its subject, its headers, and what the servers add.
const MESSAGE_OVERHEAD: u64 = 300;

/// The writer of a journal.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    cluster: Cluster,
    client: Client,
    link: watch::Receiver<Link>,
    stream: JournalStream,
    chain: Chain,
    /// With the number of the last record that each waits for.
    waiting: VecDeque<(u64, Waiting)>,
    /// The number of the last record in the chain, and of the last one that is durable.
    last: u64,
    durable: u64,
    /// By tenant: values that are durable and still in the overlay, because another thread had the tenant's lock.
    uncommitted: HashMap<Arc<str>, Vec<Staged>>,
    facts: Facts,
    /// How large the stream may become when it has to grow.
    max_growth: u64,
    snapshot_bytes: u64,
    is_growing: bool,
    /// Whether the servers are being asked what they prove.
    is_proving: bool,
    /// Since when the message under way is tried.
    published: Option<Instant>,
    published_bytes: u64,
    is_silent: bool,
    was_full: bool,
    /// Since when the journal is dropped.
    dropped: Option<Instant>,
    background: JoinSet<Done>,
}

/// Something beside the chain is done.
enum Done {
    Looked(Result<Facts, ClusterError>),
    Proved(Result<(), ClusterError>),
    Purged(Result<(), ClusterError>),
    Grown(Result<u64, ClusterError>),
}

type InFlight = Pin<Box<dyn Future<Output = Heard> + Send>>;

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cluster: Cluster,
        connection: Connection,
        stream: JournalStream,
        facts: Facts,
        chain: Chain,
        (snapshot_bytes, purge_below): (u64, Option<u64>),
    ) -> Self {
        let Connection { client, mut link } = connection;
        link.mark_unchanged();
        let mut writer = Self {
            shared,
            cluster,
            client,
            link,
            stream,
            chain,
            waiting: VecDeque::new(),
            last: 0,
            durable: 0,
            uncommitted: HashMap::new(),
            max_growth: facts.max_bytes.saturating_mul(2),
            facts,
            snapshot_bytes,
            is_growing: false,
            is_proving: false,
            published: None,
            published_bytes: 0,
            is_silent: false,
            was_full: false,
            dropped: None,
            background: JoinSet::new(),
        };
        if let Some(sequence) = purge_below {
            writer.purge(sequence);
        }
        writer
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Writes until the journal is released, or taken over.
    pub(crate) async fn run(mut self) {
        let (ended, written) = self.write().await;
        match &ended {
            Ended::Released => tracing::debug!(journal = %self.shared.name, "the journal is released"),
            Ended::TakenOver { .. } | Ended::Lost { .. } | Ended::Defect => tracing::error!("{ended}"),
        }
        self.end(ended, &written);
    }

    /// Why it ended, and whether everything is durable.
    async fn write(&mut self) -> (Ended, Result<(), JournalError>) {
        let (mut look, mut prove) = (every(LOOK_AT_STREAM), every(PROVE_AGAIN));
        let mut in_flight: Option<InFlight> = None;
        loop {
            let asked = self.take();
            self.snapshot_if_due();
            if in_flight.is_none() {
                in_flight = self.next();
            }
            self.report();
            if let Some(written) = self.is_over(asked) {
                return (Ended::Released, written);
            }
            let wake_at = self.wake_at();
            tokio::select! {
                // In this order: an answer first, because everyone waits for it.
                biased;
                heard = heard_of(&mut in_flight) => {
                    in_flight = None;
                    if let Some(ended) = self.heard(heard).await {
                        let error = ended.error();
                        return (ended, Err(error));
                    }
                }
                () = self.shared.wake.notified() => (),
                () = at(wake_at) => (),
                Some(done) = self.background.join_next() => self.done(done),
                Ok(()) = self.link.changed() => self.link_changed(),
                _ = look.tick() => {
                    self.look();
                    self.prove_if_in_doubt();
                }
                _ = prove.tick() => self.prove(),
            }
        }
    }

    /// Takes what was handed over into the chain. Gives whether the writer was asked to end before that.
    fn take(&mut self) -> Asked {
        let (asked, queue) = self.shared.take_queue();
        self.enqueue(queue);
        self.chain.hurry(self.shared.drains.load(Ordering::Relaxed));
        self.answer();
        self.settle();
        asked
    }

    fn enqueue(&mut self, queue: Vec<Queued>) {
        let now = self.now();
        for Queued { record, waiting } in queue {
            if let Some(record) = record {
                self.last = self.chain.queue(record, now);
            }
            self.waiting.push_back((self.last, waiting));
        }
    }

    /// What the chain asks for.
    fn next(&mut self) -> Option<InFlight> {
        let action = self.chain.next(self.now())?;
        let stream = self.stream.clone();
        Some(match action {
            Action::Publish { subject, headers, body, timeout } => {
                self.published.get_or_insert_with(Instant::now);
                self.published_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX).saturating_add(MESSAGE_OVERHEAD);
                Box::pin(async move { stream.publish(subject, headers, body, timeout).await })
            }
            Action::Look { sequence, timeout } => Box::pin(async move { stream.look(sequence, timeout).await }),
            Action::Info { timeout } => Box::pin(async move { stream.last_sequence(timeout).await }),
        })
    }

    /// What came of it. Gives why the journal ends, if it does.
    async fn heard(&mut self, heard: Heard) -> Option<Ended> {
        let was = self.chain.position();
        for effect in self.chain.heard(heard, self.now()) {
            match effect {
                Effect::Durable { up_to } => self.durable = self.durable.max(up_to),
                Effect::Snapshot { purge_below, bytes } => {
                    self.snapshot_bytes = bytes;
                    self.purge(purge_below);
                }
                Effect::Full { description } => self.full(&description),
                Effect::Silent { since } => self.silent(since),
                Effect::Fenced { by } => {
                    let fence = timeout(ASK_WHO, self.stream.last_fence()).await;
                    let fence = fence.ok().and_then(Result::ok).flatten();
                    let by_node = fence.and_then(|(_, body)| node_of(&body));
                    return Some(Ended::TakenOver { journal: self.shared.name, by: by_node, sequence: by });
                }
                Effect::Lost { why } => return Some(Ended::Lost { journal: self.shared.name, why }),
            }
        }
        if self.chain.position() != was {
            self.acknowledged();
        }
        None
    }

    /// The message under way is in the stream.
    fn acknowledged(&mut self) {
        self.facts.bytes = self.facts.bytes.saturating_add(self.published_bytes);
        if std::mem::take(&mut self.is_silent) {
            tracing::info!(journal = %self.shared.name, "the NATS servers acknowledge again");
        }
        let (mut operations, mut completions, mut bytes) = (0, 0, 0_u64);
        for (_, waiting) in self.waiting.iter().take_while(|(number, _)| *number <= self.durable) {
            operations += waiting.operations;
            completions += waiting.completions;
            bytes = bytes.saturating_add(waiting.bytes);
        }
        let took = self.published.take().map_or(Duration::ZERO, |since| since.elapsed());
        if operations + completions > 0 {
            self.observe(&Commit::new(operations, completions, bytes, took));
        }
        self.answer();
    }

    /// Answers what is durable.
    fn answer(&mut self) {
        let mut lines = 0;
        while let Some((number, _)) = self.waiting.front()
            && *number <= self.durable
            && let Some((_, waiting)) = self.waiting.pop_front()
        {
            lines += usize::from(waiting.is_line());
            for staged in waiting.durable() {
                self.uncommitted.entry(staged.space.tenant.clone()).or_default().push(staged);
            }
        }
        self.shared.lines_answered(lines);
    }

    /// Drops durable values from the overlay: the state has them. A tenant whose lock is held is tried again later.
    fn settle(&mut self) {
        let store = &self.shared.store;
        self.uncommitted.retain(|tenant, staged| !store.try_commit(tenant, staged.iter()));
    }

    /// Answers who only asks whether something can be written: it cannot.
    fn refuse_who_asks(&mut self, error: &JournalError) {
        if !self.waiting.iter().any(|(_, waiting)| waiting.only_asks()) {
            return;
        }
        let (asking, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, waiting)| waiting.only_asks());
        self.waiting = waiting;
        let lines = asking.iter().filter(|(_, waiting)| waiting.is_line()).count();
        asking.into_iter().for_each(|(_, waiting)| waiting.fail(error));
        self.shared.lines_answered(lines);
    }

    fn silent(&mut self, since: Duration) {
        let silent = self.now().saturating_sub(since);
        let error = silence(silent);
        if !std::mem::replace(&mut self.is_silent, true) {
            tracing::warn!(journal = %self.shared.name, "{error}; ends and outcomes wait");
        }
        self.observe(&Commit::new(0, 0, 0, silent).failed(&error));
    }

    fn full(&mut self, description: &str) {
        self.shared.is_full.store(true, Ordering::Relaxed);
        let description = lastword_events::printable(description);
        if !std::mem::replace(&mut self.was_full, true) {
            tracing::error!(
                journal = %self.shared.name,
                max_bytes = self.facts.max_bytes,
                "the journal's stream takes nothing more ({description}): starts are refused, ends and outcomes wait; it is given more room, \
                 up to twice as much: raise `max_bytes`, and `max_file_store` of the servers"
            );
        }
        self.observe(&Commit::new(0, 0, 0, Duration::ZERO).failed(&JournalError::Full(description.into_owned())));
        let wanted = self.facts.max_bytes.saturating_add(self.facts.max_bytes / 8).min(self.max_growth);
        if !self.is_growing && wanted > self.facts.max_bytes {
            self.is_growing = true;
            let stream = self.stream.clone();
            self.background.spawn(async move { Done::Grown(stream.grow(wanted).await) });
        }
    }

    fn observe(&self, commit: &Commit<'_>) {
        let Some(observer) = self.shared.observer.get() else { return };
        // A panic that unwinds this thread would end the journal.
        if catch_unwind(AssertUnwindSafe(|| observer(commit))).is_err() {
            tracing::error!("the observer of commits panicked; the commit is not affected");
        }
    }

    /// Begins a snapshot if one is due. The state is locked while it is copied, about 1 µs for each session: a drain has no time for that,
    /// and one that is left out is made by the next run.
    fn snapshot_if_due(&mut self) {
        let ends = self.shared.drains.load(Ordering::Relaxed) || self.shared.asked() != Asked::Nothing;
        let tail_bytes = self.chain.tail_bytes();
        if self.chain.is_snapshotting()
            || (ends && !self.shared.is_full.load(Ordering::Relaxed))
            || !snapshot::is_due(tail_bytes, self.snapshot_bytes, self.facts.bytes, self.facts.max_bytes)
        {
            return;
        }
        let (queue, snapshot) = self.shared.take_queue_and_snapshot();
        self.enqueue(queue);
        let record = fence::record(self.cluster.node(), false);
        tracing::debug!(journal = %self.shared.name, tail_bytes, "a snapshot begins");
        self.chain.begin_snapshot(snapshot, &record);
    }

    fn purge(&mut self, sequence: u64) {
        let stream = self.stream.clone();
        self.background.spawn(async move { Done::Purged(stream.purge_below(sequence).await) });
    }

    fn look(&mut self) {
        let stream = self.stream.clone();
        self.background.spawn(async move { Done::Looked(stream.facts().await) });
    }

    fn prove(&mut self) {
        self.is_proving = true;
        let (cluster, client) = (self.cluster.clone(), self.client.clone());
        self.background.spawn(async move { Done::Proved(cluster.prove(&client).await.map(drop)) });
    }

    /// A server that is started again answers as soon as it is there, or syncs from then on.
    fn prove_if_in_doubt(&mut self) {
        let is_in_doubt = {
            let status = self.shared.status.read();
            status.unproven.is_some() || status.unanswered.is_some()
        };
        if is_in_doubt && !self.is_proving {
            self.prove();
        }
    }

    fn link_changed(&mut self) {
        let link = *self.link.borrow_and_update();
        self.shared.status.write().is_connected = link.is_up;
        if link.is_up {
            // The server may be another one, or the same with other settings.
            self.prove();
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Looked(Ok(facts))) => {
                self.facts = facts;
                let limit = self.facts.max_bytes / 100 * FULL_PERCENT;
                let is_full = self.facts.bytes >= limit;
                self.was_full &= is_full;
                self.shared.is_full.store(is_full, Ordering::Relaxed);
                let mut status = self.shared.status.write();
                status.replicas.clone_from(&self.facts.replicas);
                status.max_bytes = self.facts.max_bytes;
            }
            // The writes themselves tell whether the servers answer.
            Ok(Done::Looked(Err(error))) => tracing::debug!(%error, "the journal's stream"),
            Ok(Done::Purged(Ok(()))) => self.look(),
            Ok(Done::Purged(Err(error))) => tracing::warn!(%error, "the next snapshot purges what this one has"),
            Ok(Done::Grown(grown)) => {
                self.is_growing = false;
                match grown {
                    Ok(max_bytes) => {
                        tracing::warn!(max_bytes, "the journal's stream has more room");
                        self.facts.max_bytes = max_bytes;
                    }
                    Err(error) => tracing::error!(%error, "the journal's stream cannot be given more room"),
                }
            }
            Ok(Done::Proved(proved)) => self.proved(proved),
            Err(error) => tracing::error!(%error, "a defect: a task of the journal has ended by itself"),
        }
    }

    /// What the servers do not prove any more is an alarm, and no reason to stop: what was acknowledged stays as it is.
    fn proved(&mut self, proved: Result<(), ClusterError>) {
        self.is_proving = false;
        let mut status = self.shared.status.write();
        let (unproven, unanswered) = match proved {
            Ok(()) => (None, None),
            // Silence takes nothing back of what was said before.
            Err(error) if error.is_only_silence() => (status.unproven.clone(), Some(error.to_string())),
            Err(error) => (Some(error.to_string()), None),
        };
        if (&status.unproven, &status.unanswered) == (&unproven, &unanswered) {
            return;
        }
        match (&unproven, &unanswered) {
            (_, Some(why)) => {
                tracing::warn!("not all NATS servers say whether they sync, and they are asked again: {why}");
            }
            (Some(why), None) => {
                tracing::error!("the NATS servers do not prove any more that they keep what they acknowledge: {why}");
            }
            (None, None) => tracing::info!("the NATS servers prove that they keep what they acknowledge"),
        }
        (status.unproven, status.unanswered) = (unproven, unanswered);
    }

    /// Tells callers and operators how it stands.
    fn report(&mut self) {
        let since = self.chain.waiting_since();
        self.shared.set_waiting_since(since);
        let position = self.chain.position();
        {
            let mut status = self.shared.status.write();
            (status.epoch, status.last_sequence) = (position.epoch, position.last_sequence);
            (status.bytes, status.waiting) = (self.facts.bytes, self.waiting.len());
        }
        if let Err(error) = self.shared.is_writable() {
            self.refuse_who_asks(&error);
        }
    }

    /// Whether the journal is released, and whether everything is durable then. `asked` is from before the queue was taken: whoever asks
    /// later may have handed something over since.
    fn is_over(&mut self, asked: Asked) -> Option<Result<(), JournalError>> {
        if asked == Asked::Nothing {
            return None;
        }
        if self.waiting.is_empty() && self.durable >= self.last {
            return Some(Ok(()));
        }
        if asked == Asked::Drop && self.dropped.get_or_insert_with(Instant::now).elapsed() >= DROPPED_FOR {
            return Some(Err(JournalError::Closed));
        }
        self.shared.is_writable().err().map(Err)
    }

    /// When to look again without having heard of anything.
    fn wake_at(&self) -> Option<Instant> {
        let chain = self.chain.wake_at();
        let silent = self.chain.waiting_since().map(|since| since + SILENT_AFTER).filter(|at| *at > self.now());
        let settle = (!self.uncommitted.is_empty()).then(|| self.now() + SETTLE_AGAIN);
        let dropped = self.dropped.map(|since| since + DROPPED_FOR);
        let ours = [chain, silent, settle].into_iter().flatten().min().map(|at| self.shared.began + at);
        [ours, dropped].into_iter().flatten().min()
    }

    fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Answers everyone who waits, and everyone who comes.
    fn end(&mut self, ended: Ended, written: &Result<(), JournalError>) {
        self.answer();
        let error = match written {
            Err(error) => error.clone(),
            Ok(()) => ended.error(),
        };
        let left = self.shared.end(ended, written);
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(_, waiting)| waiting);
        waiting.chain(left.into_iter().map(|queued| queued.waiting)).for_each(|waiting| waiting.fail(&error));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Only a panic of ours comes here without an end.
        if self.shared.ended.borrow().is_none() {
            self.end(Ended::Defect, &Err(JournalError::Closed));
        }
    }
}

async fn heard_of(in_flight: &mut Option<InFlight>) -> Heard {
    match in_flight {
        Some(heard) => heard.await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The node that has written a fence.
fn node_of(body: &Bytes) -> Option<String> {
    let fence = Group::decode(body).ok()?;
    let record = fence.records.first()?;
    let FenceRecord { by, .. } = FenceRecord::decode(record).ok()?;
    Some(lastword_events::printable(&by).into_owned())
}
