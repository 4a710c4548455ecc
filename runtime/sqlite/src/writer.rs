//! The one thread that writes. It joins queued writes into one transaction, so that they share the cost of a commit. A transaction has a
//! bound, so that no write waits long for others ([`write_queue`] decides the order).

mod backoff;
mod commit;
mod group_size;
mod handle;
mod write_queue;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use lastword_journal::JournalError;
use lastword_journal::state::{Resolved, Staged, Store};
use rusqlite::Connection;

pub(crate) use self::handle::WriterHandle;

use self::backoff::Backoff;
use self::commit::{Committer, WriteFailure};
use self::handle::Counts;
use self::write_queue::{Group, GroupContents, WriteQueue};
use crate::apply::{Applied, RunState};
use crate::command::{Append, Command, Message};
use crate::damage_note;
use crate::limits::{GATHER, RETRY};
use crate::ownership::JournalFiles;
use crate::readers::Readers;
use crate::release::ReleaseGuard;
use crate::sqlite_error::{is_damage, unavailable};

/// Starts the thread.
pub(crate) fn spawn(
    file: Connection,
    files: Arc<JournalFiles>,
    state: RunState,
    store: Arc<Store<Readers>>,
) -> std::io::Result<WriterHandle> {
    let (messages, received) = channel();
    let counts = Arc::new(Counts::default());
    let writer = Writer {
        store,
        committer: Committer::new(file, files.clone(), state),
        files,
        messages: received,
        counts: counts.clone(),
        queue: WriteQueue::default(),
        uncommitted: HashMap::new(),
        backoff: Backoff::new(),
        closed: false,
        release: None,
    };
    let thread = std::thread::Builder::new().name("lastword-journal".to_owned()).spawn(move || writer.run())?;
    Ok(WriterHandle::new(messages, counts, thread))
}

struct Writer {
    // Before the committer, because Rust drops fields in their order. The last connection to close moves the log into the database, and a
    // connection that only reads cannot.
    store: Arc<Store<Readers>>,
    committer: Committer,
    files: Arc<JournalFiles>,
    messages: Receiver<Message>,
    counts: Arc<Counts>,
    /// Writes that are not committed. Those that failed come first, in their order.
    queue: WriteQueue,
    /// By tenant: values that the file has and the overlay still holds, because another thread had the tenant's lock.
    uncommitted: HashMap<Arc<str>, Vec<Staged>>,
    backoff: Backoff,
    /// The writer takes no more writes.
    closed: bool,
    /// Gives the journal back at the end. It is the last field, so that the file is closed before.
    release: Option<ReleaseGuard>,
}

impl Writer {
    fn run(mut self) {
        let (mut pauses, mut written) = (false, Ok(()));
        while self.receive(pauses) {
            if self.closed {
                written = self.write_the_rest();
                break;
            }
            let group = self.queue.next_group(self.committer.group_bytes(), self.backoff.contents());
            let has_appends = !group.appends.is_empty();
            // Lines that were not tried do not wait when outcomes have failed alone.
            pauses = self.commit(group).is_some_and(|failed| {
                self.requeue(failed);
                has_appends
            });
        }
        let release = self.release.take();
        if let Some(release) = &release {
            release.close_readers();
        }
        // So a reader of the file finds nearly all rows in the database while no program runs. Pages that another connection still reads
        // stay in the log, and the next start finds them there.
        self.committer.checkpoint("TRUNCATE");
        drop(self);
        if let Some(release) = release {
            release.finish(written);
        }
    }

    /// Writes all that is left, with one last try of writes that failed before: lines first, and then outcomes tenant by tenant, until a
    /// write of a tenant fails.
    fn write_the_rest(&mut self) -> Result<(), JournalError> {
        let mut written = Ok(());
        while self.queue.has_appends() {
            let group = self.queue.next_group(self.committer.group_bytes(), GroupContents::Separate { tenants: 0 });
            if let Some((group, error)) = self.commit(group) {
                self.refuse(group, &error);
                written = Err(error);
                break;
            }
        }
        loop {
            let group = self.queue.next_outcomes(self.committer.group_bytes());
            if group.is_empty() {
                break;
            }
            if let Some((group, error)) = self.commit(group) {
                self.queue.give_up(&group);
                written = Err(error);
            }
        }
        // Answers flushes. The files may be gone even if nothing was to be written.
        if written.is_ok()
            && let Some((_, error)) = self.commit(Group::default())
        {
            written = Err(error);
        }
        written
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Write(command) => self.queue.push(command),
            Message::Release(guard) => (self.closed, self.release) = (true, Some(guard)),
        }
    }

    /// Waits until there is something to try. Waits for a while first, if lines could not be written. False when the journal is closed
    /// and no write waits.
    fn receive(&mut self, pauses: bool) -> bool {
        if self.queue.is_empty() {
            match self.wait_for_anything() {
                Some(message) => self.take(message),
                None => return false,
            }
        } else if pauses {
            self.wait_for_the_next_try(Instant::now() + RETRY);
        } else if !self.queue.has_appends()
            && let Some(until) = self.backoff.outcomes_wait_until()
        {
            self.wait_for_the_next_try(until);
        }
        if !self.closed
            && self.committer.is_draining()
            && self.queue.has_outcomes_only()
            && self.queue.outcome_bytes() < self.committer.group_bytes()
        {
            std::thread::park_timeout(GATHER);
        }
        while !self.closed
            && let Ok(message) = self.messages.try_recv()
        {
            self.take(message);
        }
        true
    }

    /// None when the journal is closed.
    fn wait_for_anything(&mut self) -> Option<Message> {
        while !self.uncommitted.is_empty() {
            match self.messages.recv_timeout(GATHER) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Timeout) => self.settle_committed(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.messages.recv().ok()
    }

    /// Waits for a request, or until `until`. Outcomes do not end the wait. Anything else does; a decided operation, a change or a flush
    /// also retries outcomes.
    fn wait_for_the_next_try(&mut self, until: Instant) {
        loop {
            match self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Message::Write(outcomes @ Command::Outcomes(_))) => self.queue.push(outcomes),
                Ok(release @ Message::Release(_)) => return self.take(release),
                Ok(Message::Write(asked)) => {
                    if !matches!(asked, Command::Append(Append::Requested(..) | Append::Probe(_))) {
                        self.backoff.try_now();
                    }
                    return self.queue.push(asked);
                }
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// Writes a group as one transaction and answers. If the write fails, gives the group back with the reason.
    fn commit(&mut self, mut group: Group) -> Option<(Group, JournalError)> {
        let (is_empty, had_outcomes) = (group.is_empty(), !group.outcomes.is_empty());
        let began = Instant::now();
        let applied = match self.committer.commit(&mut group) {
            Ok(applied) => applied,
            Err(failure) => {
                let error = self.log_failure(failure);
                self.tell_observer(&group, began, Some(&error));
                return Some((group, error));
            }
        };
        // The commit succeeded. If the file was taken away (`taken_away`), no program will find its rows, so requests are refused.
        // Decisions of the runtime are not requeued: they were written, and repeating them in another file would not succeed.
        let lost = self.files.check().err().map(|taken_away| self.log_failure(WriteFailure::TakenAway(taken_away)));
        self.tell_observer(&group, began, lost.as_ref());
        self.answer(group, applied, lost.as_ref());
        if let Some(error) = &lost {
            self.queue.refuse_flushes(error);
            return None;
        }
        if had_outcomes {
            self.backoff.outcomes_written();
        }
        // Writes that failed before may still wait. An empty group wrote nothing, so it says nothing about the disk.
        if !is_empty && !self.queue.has_requeued() && self.backoff.end() {
            tracing::info!("the journal can be written again");
        }
        self.queue.answer_flushes();
        None
    }

    /// Tells the observer before any answer is sent. An empty group only says that the files are in place.
    fn tell_observer(&self, group: &Group, began: Instant, error: Option<&JournalError>) {
        let Some(observer) = self.counts.commit_observer.get() else { return };
        if group.is_empty() && error.is_none() {
            return;
        }
        let commit = group.as_commit(began.elapsed());
        let commit = error.map_or(commit, |error| commit.failed(error));
        // A panic that unwinds this thread would end the journal.
        if catch_unwind(AssertUnwindSafe(|| observer(&commit))).is_err() {
            tracing::error!("the observer of commits panicked; the commit is not affected");
        }
    }

    /// Logs the failure, once until the journal can be written again, and gives the error for all answers.
    fn log_failure(&mut self, failure: WriteFailure) -> JournalError {
        let is_first = self.backoff.begin();
        let error = match failure {
            WriteFailure::TakenAway(taken_away) => {
                self.files.log(&taken_away);
                if is_first {
                    // Accepted rows may be in the log alone, and the log may be the missing file. The checkpoint moves them into the
                    // database, wherever it is.
                    self.committer.checkpoint("FULL");
                }
                return JournalError::Unavailable(taken_away.to_string());
            }
            WriteFailure::File(error) => error,
        };
        if is_damage(&error) {
            damage_note::write(self.files.path());
        }
        let error = unavailable(&error);
        if is_first {
            tracing::error!(
                %error,
                "the journal cannot be written: starts are refused until it can, and outcomes wait to be recorded"
            );
        }
        error
    }

    /// Answers a group whose commit succeeded. If the file was taken away (`lost`), requests are refused.
    fn answer(&mut self, group: Group, applied: Applied, lost: Option<&JournalError>) {
        let Applied { answers, changed, asides, unwritable, damage } = applied;
        if damage {
            damage_note::write(self.files.path());
        }
        let (mut answers, mut changed) = (answers.into_iter(), changed.into_iter());
        for (_, append) in group.appends {
            match append {
                Append::Requested(_, reply) => {
                    self.counts.lines.fetch_sub(1, Ordering::Relaxed);
                    let answer = answers.next().unwrap_or(Err(JournalError::Closed));
                    reply.send(lost.map_or(answer, |error| Err(error.clone())));
                }
                Append::Decided(_, reply) => reply.send(Ok(())),
                Append::Changes(.., reply) => reply.send(changed.next().ok_or(JournalError::Closed)),
                Append::Probe(reply) => {
                    self.counts.lines.fetch_sub(1, Ordering::Relaxed);
                    reply.send(lost.map_or(Ok(()), |error| Err(error.clone())));
                }
            }
        }
        for aside in &asides {
            aside.log();
            self.counts.set_aside.fetch_add(u64::from(aside.is_kept()), Ordering::Relaxed);
        }
        let written: Vec<_> = group
            .outcomes
            .into_iter()
            .zip(unwritable)
            .flat_map(|((_, outcomes), unwritable)| {
                // Removes the value from the overlay before answering, so that nobody who has the answer can still read it. This may
                // block on the tenant's lock, which is rare.
                outcomes.set_aside(&unwritable).for_each(|staged| self.store.set_aside(staged));
                outcomes.answer(&unwritable)
            })
            .collect();
        for Resolved { staged, .. } in written {
            if let Some(staged) = staged {
                self.uncommitted.entry(staged.space.tenant.clone()).or_default().push(*staged);
            }
        }
        self.settle_committed();
    }

    /// Drops committed values from the overlay, so reads go to the file. Skips a tenant whose lock is held; it is retried later.
    fn settle_committed(&mut self) {
        let store = &self.store;
        self.uncommitted.retain(|tenant, staged| !store.try_commit(tenant, staged.iter()));
    }

    fn requeue(&mut self, (group, error): (Group, JournalError)) {
        let had_outcomes = !group.outcomes.is_empty();
        self.refuse(group, &error);
        if had_outcomes {
            self.backoff.outcomes_failed(|| self.queue.defer_to_others());
        }
    }

    fn refuse(&mut self, group: Group, error: &JournalError) {
        let refused = self.queue.requeue(group, error);
        self.counts.lines.fetch_sub(refused, Ordering::Relaxed);
    }
}
