//! The one thread that writes. What has queued up becomes one transaction, so that a commit's price is shared; not all of it,
//! so that nobody waits long for others ([`waiting`](crate::waiting) says whose turn it is).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use lastword_events::Timestamp;
use lastword_journal::state::{Resolved, Staged, Store};
use lastword_journal::{Appended, JournalError, JournalOp, Pending};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::command::{Command, Line, Outcomes};
use crate::damage_note;
use crate::error::{is_damage, is_of_the_command, unavailable};
use crate::group_size::GroupSize;
use crate::limits::{GATHER, MAX_FAILED_TRIES, MAX_QUEUED_WRITES, RETRY};
use crate::one_by_one::{Applied, OneByOne};
use crate::place::{Place, TakenAway};
use crate::readers::Readers;
use crate::retention::Retention;
use crate::set_aside;
use crate::tables::{FileTables, Known};
use crate::waiting::{Group, Waiting, Which};

/// The other threads' end of the queue. Dropping it closes the journal once everything is written.
#[derive(Debug)]
pub(super) struct Queue {
    commands: Option<Sender<Command>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

/// What both ends count.
#[derive(Debug, Default)]
struct Counts {
    /// Owners' lines that are not answered.
    lines: AtomicUsize,
    /// What was set aside in this run.
    set_aside: AtomicU64,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Queue {
    pub(super) fn append(&self, op: JournalOp) -> Pending<Appended> {
        let waiting = self.counts.lines.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED_WRITES {
            self.counts.lines.fetch_sub(1, Ordering::Relaxed);
            let full = format!("{MAX_QUEUED_WRITES} lines wait for the disk already; send this one again later");
            return Pending::ready(Err(JournalError::Unavailable(full)));
        }
        let (reply, pending) = Pending::later();
        self.send(Command::Line(Line::Append(Box::new(op), reply)));
        pending
    }

    pub(super) fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Line(Line::AppendDecided(ops, reply)));
        pending
    }

    pub(super) fn complete(&self, tenant: &Arc<str>, completions: Vec<Resolved>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Outcomes(Outcomes::new(tenant.clone(), completions, reply)));
        pending
    }

    pub(super) fn flush(&self) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Flush(reply));
        pending
    }

    pub(super) fn set_aside(&self) -> u64 {
        self.counts.set_aside.load(Ordering::Relaxed)
    }

    /// Has the writer look at its files, though nobody has anything to write.
    pub(super) fn nudge(&self) -> impl Fn() + Send + use<> {
        let commands = self.commands.clone();
        move || {
            let (reply, _) = Pending::later();
            if let Some(commands) = &commands {
                commands.send(Command::Flush(reply)).ok();
            }
        }
    }

    fn send(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let somebody_waits = !matches!(command, Command::Outcomes(_));
            // The thread is gone only after a panic of ours; the reply that is dropped here says `Closed`.
            commands.send(command).ok();
            if somebody_waits && let Some(thread) = &self.thread {
                thread.thread().unpark();
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(
    file: Connection,
    place: Arc<Place>,
    known: Known,
    store: Arc<Store<Readers>>,
    retention: Retention,
) -> std::io::Result<Queue> {
    let (commands, received) = channel();
    let counts = Arc::new(Counts::default());
    let writer = Writer {
        store,
        file,
        place,
        known,
        retention,
        commands: received,
        counts: counts.clone(),
        waiting: Waiting::default(),
        uncommitted: HashMap::new(),
        size: GroupSize::new(),
        fails: false,
        tenants_at_once: 1,
        failed_tries: 0,
        outcomes_wait_until: None,
        closed: false,
    };
    let thread = std::thread::Builder::new().name("lastword-journal".to_owned()).spawn(move || writer.run())?;
    Ok(Queue { commands: Some(commands), counts, thread: Some(thread) })
}

/// Why a group could not be written.
enum Trouble {
    TakenAway(TakenAway),
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

struct Writer {
    // Before the file, because fields are dropped in their order: whoever closes the file last moves its log into it, and a
    // connection that only reads cannot.
    store: Arc<Store<Readers>>,
    file: Connection,
    place: Arc<Place>,
    known: Known,
    retention: Retention,
    commands: Receiver<Command>,
    counts: Arc<Counts>,
    /// What is not written yet; first of all what could not be, in its order.
    waiting: Waiting,
    /// By tenant: what is in the file, and in front of it still, because somebody had the tenant's lock.
    uncommitted: HashMap<Arc<str>, Vec<Staged>>,
    size: GroupSize,
    /// A try has failed, which has been logged, and something of it still waits.
    fails: bool,
    /// Meanwhile a group has outcomes of so many tenants: of one after a failure, and of twice as many after each group that is
    /// written.
    tenants_at_once: usize,
    /// Groups of outcomes that have failed since the last pause.
    failed_tries: u32,
    /// Meanwhile outcomes are not tried before this.
    outcomes_wait_until: Option<Instant>,
    /// Nothing more comes.
    closed: bool,
}

impl Writer {
    fn run(mut self) {
        let mut pauses = false;
        while self.receive(pauses) {
            if self.closed {
                self.try_the_rest();
                break;
            }
            let which = self.which();
            let group = self.waiting.next_group(self.size.bytes(), which);
            let has_lines = !group.lines.is_empty();
            // Where outcomes have failed alone, lines that were not tried do not wait.
            pauses = self.commit(group).is_some_and(|failed| {
                self.put_back(failed);
                has_lines
            });
        }
        // Whoever looks at the file while no program runs then finds nearly all of it in one place. What another connection
        // still reads stays in the log, and the next start finds it there.
        self.file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").ok();
    }

    /// What the next group may have.
    fn which(&self) -> Which {
        if !self.fails {
            return Which::Both;
        }
        let waits = self.outcomes_wait_until.is_some_and(|until| until > Instant::now());
        Which::Apart { tenants: if waits { 0 } else { self.tenants_at_once } }
    }

    /// One last try of everything, after something could not be written: of lines first, and of outcomes tenant by tenant, until
    /// something of a tenant cannot be written.
    fn try_the_rest(&mut self) {
        while self.waiting.has_lines() {
            let group = self.waiting.next_group(self.size.bytes(), Which::Apart { tenants: 0 });
            if let Some((group, error)) = self.commit(group) {
                self.refuse(group, &error);
                break;
            }
        }
        loop {
            let group = self.waiting.next_outcomes(self.size.bytes());
            if group.is_empty() {
                return;
            }
            if let Some((group, _)) = self.commit(group) {
                self.waiting.give_up(&group);
            }
        }
    }

    /// Waits until there is something to try; for a while first, if lines could not be written. False when the journal is closed
    /// and nothing waits.
    fn receive(&mut self, pauses: bool) -> bool {
        if self.waiting.is_empty() {
            match self.wait_for_anything() {
                Some(command) => self.waiting.push(command),
                None => return false,
            }
        } else if pauses {
            self.wait_for_the_next_try(Instant::now() + RETRY);
        } else if self.which() == (Which::Apart { tenants: 0 })
            && !self.waiting.has_lines()
            && let Some(until) = self.outcomes_wait_until
        {
            self.wait_for_the_next_try(until);
        }
        if self.known.draining && self.waiting.has_outcomes_only() && self.waiting.outcome_bytes() < self.size.bytes() {
            std::thread::park_timeout(GATHER);
        }
        while let Ok(command) = self.commands.try_recv() {
            self.waiting.push(command);
        }
        true
    }

    /// None when the journal is closed.
    fn wait_for_anything(&mut self) -> Option<Command> {
        while !self.uncommitted.is_empty() {
            match self.commands.recv_timeout(GATHER) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Timeout) => self.settle_committed(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.commands.recv().ok()
    }

    /// Until somebody asks for something, or for a while. More outcomes are no reason to try at once; what the runtime decides and
    /// whoever waits for everything to be written are one to try outcomes as well.
    fn wait_for_the_next_try(&mut self, until: Instant) {
        loop {
            match self.commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(outcomes @ Command::Outcomes(_)) => self.waiting.push(outcomes),
                Ok(asked) => {
                    if !matches!(asked, Command::Line(Line::Append(..))) {
                        self.outcomes_wait_until = None;
                    }
                    return self.waiting.push(asked);
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
        let applied = match self.place.look().map_err(Trouble::TakenAway).and_then(|()| self.apply(&mut group)) {
            Ok(applied) => applied,
            Err(trouble) => {
                // Rows that were made in this transaction went with it.
                self.known.plugins.clear();
                let error = self.tell(trouble);
                return Some((group, error));
            }
        };
        // Where nobody will find it nothing is accepted. What the runtime decided is done with: it is written, and would not
        // be any more if it were done again in another file.
        let lost = self.place.look().err().map(|taken_away| self.tell(Trouble::TakenAway(taken_away)));
        self.answer(group, applied, lost.as_ref());
        if let Some(error) = &lost {
            self.waiting.refuse_flushes(error);
            return None;
        }
        if had_outcomes {
            self.failed_tries = 0;
            self.outcomes_wait_until = None;
            self.tenants_at_once = self.tenants_at_once.saturating_mul(2);
        }
        // What could not be written before may be among what still waits; and where nothing was written nothing is known.
        if self.fails && !is_empty && !self.waiting.has_put_back() {
            self.fails = false;
            tracing::info!("the journal can be written again");
        }
        self.waiting.answer_flushes();
        None
    }

    /// Logs it, once until the journal can be written again, and gives what everybody is answered.
    fn tell(&mut self, trouble: Trouble) -> JournalError {
        let told = std::mem::replace(&mut self.fails, true);
        let error = match trouble {
            Trouble::TakenAway(taken_away) => {
                self.place.tell(&taken_away);
                if !told {
                    // What was accepted may be in the log alone, and that may be what is gone. The database has it then, wherever
                    // it is.
                    self.file.execute_batch("PRAGMA wal_checkpoint(FULL)").ok();
                }
                return JournalError::Unavailable(taken_away.to_string());
            }
            Trouble::File(error) => error,
        };
        if is_damage(&error) {
            damage_note::leave(self.place.path());
        }
        let error = unavailable(&error);
        if !told {
            tracing::error!(
                %error,
                "the journal cannot be written: starts are refused until it can, and outcomes wait to be recorded"
            );
        }
        error
    }

    /// Writes the group. When one thing in it cannot be written whatever the disk does, each is tried by itself.
    fn apply(&mut self, group: &mut Group) -> Result<Applied, Trouble> {
        match self.try_to_apply(group, false) {
            Err(Trouble::File(error)) if is_of_the_command(&error) => {
                self.known.plugins.clear();
                self.try_to_apply(group, true)
            }
            applied => applied,
        }
    }

    fn try_to_apply(&mut self, group: &mut Group, by_itself: bool) -> Result<Applied, Trouble> {
        let began = Instant::now();
        let (run, sequence_was) = (self.known.run, self.known.next_sequence);
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut each = OneByOne::new(FileTables { file: &transaction, known: &mut self.known }, by_itself);
        each.lines(group.lines.iter_mut().map(|(_, line)| line))?;
        each.outcomes(group.outcomes.iter().map(|(_, outcomes)| outcomes))?;
        let applied = each.applied();
        let next_sequence = self.known.next_sequence;
        if next_sequence != sequence_was {
            transaction.prepare_cached("UPDATE journal SET next_sequence = ?1")?.execute(params![next_sequence])?;
        }
        match self.retention.tidy(&transaction, next_sequence, &mut self.known.forgotten) {
            // Rows that are not ours are in its way: nothing is forgotten then, and the rest goes on.
            Err(error) if by_itself && is_of_the_command(&error) => {
                tracing::error!(%error, "ended sessions cannot be forgotten");
            }
            tidied => tidied?,
        }
        set_aside::write(&transaction, run, Timestamp::now().as_millisecond(), &applied.asides)?;
        // What is refused is not to be there when the files are put back.
        self.place.look().map_err(Trouble::TakenAway)?;
        let worked = began.elapsed();
        transaction.commit()?;
        self.size.measured(group.cost(), worked, began.elapsed().saturating_sub(worked));
        Ok(applied)
    }

    /// Everything in the group is durable. If it is `lost` all the same, owners are told so.
    fn answer(&mut self, group: Group, applied: Applied, lost: Option<&JournalError>) {
        let Applied { lines, asides, unwritable, damage } = applied;
        if damage {
            damage_note::leave(self.place.path());
        }
        let mut answers = lines.into_iter();
        for (_, line) in group.lines {
            match line {
                Line::Append(_, reply) => {
                    self.counts.lines.fetch_sub(1, Ordering::Relaxed);
                    let answer = answers.next().unwrap_or(Err(JournalError::Closed));
                    reply.send(lost.map_or(answer, |error| Err(error.clone())));
                }
                Line::AppendDecided(_, reply) => reply.send(Ok(())),
            }
        }
        for aside in &asides {
            aside.tell();
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

    fn put_back(&mut self, (group, error): (Group, JournalError)) {
        let had_outcomes = !group.outcomes.is_empty();
        self.refuse(group, &error);
        if had_outcomes {
            self.tenants_at_once = 1;
            self.failed_tries += 1;
            if self.failed_tries >= MAX_FAILED_TRIES || !self.waiting.goes_on_with_others() {
                self.failed_tries = 0;
                self.outcomes_wait_until = Some(Instant::now() + RETRY);
            }
        }
    }

    fn refuse(&mut self, group: Group, error: &JournalError) {
        let refused = self.waiting.put_back(group, error);
        self.counts.lines.fetch_sub(refused, Ordering::Relaxed);
    }
}
