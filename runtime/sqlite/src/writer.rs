//! The one thread that writes. What has queued up becomes one transaction, so that a commit's price is shared; not all of it,
//! so that nobody waits long for others ([`write_queue`] says whose turn it is).

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
    // Before the committer, because fields are dropped in their order: whoever closes the file last moves its log into it, and a
    // connection that only reads cannot.
    store: Arc<Store<Readers>>,
    committer: Committer,
    files: Arc<JournalFiles>,
    messages: Receiver<Message>,
    counts: Arc<Counts>,
    /// What is not written yet; first of all what could not be, in its order.
    queue: WriteQueue,
    /// By tenant: what is in the file, and in the overlay still, because somebody had the tenant's lock.
    uncommitted: HashMap<Arc<str>, Vec<Staged>>,
    backoff: Backoff,
    /// Nothing more is taken.
    closed: bool,
    /// Gives the journal back at the end. The last field, so that the file is closed by then.
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
            // Where outcomes have failed alone, lines that were not tried do not wait.
            pauses = self.commit(group).is_some_and(|failed| {
                self.requeue(failed);
                has_appends
            });
        }
        let release = self.release.take();
        if let Some(release) = &release {
            release.close_readers();
        }
        // Whoever looks at the file while no program runs then finds nearly all of it in one place. What another connection
        // still reads stays in the log, and the next start finds it there.
        self.committer.checkpoint("TRUNCATE");
        drop(self);
        if let Some(release) = release {
            release.finish(written);
        }
    }

    /// Everything is written, with one last try of what could not be written before: lines first, and outcomes tenant by tenant, until
    /// something of a tenant cannot be written.
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
        // Who waits for all of that is told. And the files may be gone although there was nothing to write.
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

    /// Waits until there is something to try; for a while first, if lines could not be written. False when the journal is closed
    /// and nothing waits.
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

    /// Until somebody asks for something, or for a while. More outcomes are no reason to try at once; what the runtime decides and
    /// whoever waits for everything to be written are one to try outcomes as well.
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

    /// Writes a group as one transaction and answers; when that is not possible, gives it back, and why.
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
        // If the file was taken away, no program will find what was written, so requests are refused. What the runtime has decided is
        // not requeued: it was written, and repeating it in another file would not succeed.
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
        // What could not be written before may be among what still waits; and where nothing was written nothing is known.
        if !is_empty && !self.queue.has_requeued() && self.backoff.end() {
            tracing::info!("the journal can be written again");
        }
        self.queue.answer_flushes();
        None
    }

    /// Before anybody is answered. A group that is empty only says that the files are there.
    fn tell_observer(&self, group: &Group, began: Instant, error: Option<&JournalError>) {
        let Some(observer) = self.counts.commit_observer.get() else { return };
        if group.is_empty() && error.is_none() {
            return;
        }
        let commit = group.as_commit(began.elapsed());
        let commit = error.map_or(commit, |error| commit.failed(error));
        // A thread that unwinds would take the journal along.
        if catch_unwind(AssertUnwindSafe(|| observer(&commit))).is_err() {
            tracing::error!("the observer of commits panicked; the commit is not affected");
        }
    }

    /// Logs it, once until the journal can be written again, and gives what everybody is answered.
    fn log_failure(&mut self, failure: WriteFailure) -> JournalError {
        let is_first = self.backoff.begin();
        let error = match failure {
            WriteFailure::TakenAway(taken_away) => {
                self.files.log(&taken_away);
                if is_first {
                    // What was accepted may be in the log alone, and that may be what is gone. The database has it then, wherever
                    // it is.
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

    /// Everything in the group is durable. If it is `lost` all the same, owners are told so.
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
                // Nobody is answered who could still read it. That is rare: the tenant's lock is waited for.
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

    /// What guests have stored, and is written, is read from the file from now on: where nobody has the tenant's lock, who may hold
    /// it while it reads the file. The others' turn comes with the next group.
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
