//! The one thread that writes. Whatever has queued up becomes one transaction, so that a commit's price is shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::damage_note;
use super::error::is_damage;
use super::place::{Place, TakenAway};
use super::readers::Readers;
use super::retention::Retention;
use super::tables::{Failed, FileTables, Known};
use crate::store::{Resolved, Store};
use crate::{JournalError, Pending, Reply, Write, Written, transition};

/// Owners' lines that may wait for the disk. One more is refused: whoever sends faster than the disk takes has to hear it.
pub const MAX_QUEUED_WRITES: usize = 65_536;
/// Writes and outcomes of one transaction, and one command's more. At some microseconds each that is a tenth of a second:
/// nobody waits longer for others.
const MAX_GROUP: usize = 16_384;
/// How long outcomes of a drain are gathered before they are written. Nobody waits for one of them, and each time this thread
/// wakes it takes a processor from a worker; those that a crash takes within that time are delivered again.
const GATHER: Duration = Duration::from_millis(10);
/// How long outcomes that could not be written wait for the next try.
const RETRY: Duration = Duration::from_secs(1);

enum Command {
    /// An owner's line: refused when it cannot be written.
    Write(Box<Write>, Reply<Written>),
    /// What the runtime decided: tried again until it is written.
    Record(Vec<Write>, Reply<()>),
    Complete(Vec<Outcome>, Reply<()>),
    Flush(Reply<()>),
}

/// How an attempt ended.
struct Outcome {
    resolved: Resolved,
    /// It could not be written, and will not be.
    is_set_aside: bool,
}

impl Command {
    /// How much of a transaction it makes.
    fn size(&self) -> usize {
        match self {
            Self::Write(..) | Self::Flush(_) => 1,
            Self::Record(writes, _) => writes.len(),
            Self::Complete(outcomes, _) => outcomes.len(),
        }
    }
}

/// The other threads' end of the queue. Dropping it closes the journal once everything is written.
#[derive(Debug)]
pub(super) struct Queue {
    commands: Option<Sender<Command>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Queue {
    pub(super) fn write(&self, write: Write) -> Pending<Written> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED_WRITES {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let full = format!("{MAX_QUEUED_WRITES} lines wait for the disk already; send this one again later");
            return Pending::ready(Err(JournalError::Unavailable(full)));
        }
        let (reply, pending) = Pending::later();
        self.send(Command::Write(Box::new(write), reply));
        pending
    }

    pub(super) fn record(&self, writes: Vec<Write>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Record(writes, reply));
        pending
    }

    pub(super) fn complete(&self, resolved: Vec<Resolved>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        let outcomes = resolved.into_iter().map(|resolved| Outcome { resolved, is_set_aside: false });
        self.send(Command::Complete(outcomes.collect(), reply));
        pending
    }

    pub(super) fn flush(&self) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Flush(reply));
        pending
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
            let somebody_waits = !matches!(command, Command::Complete(..));
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
    let waiting = Arc::new(AtomicUsize::new(0));
    let writer = Writer {
        store,
        file,
        place,
        known,
        retention,
        commands: received,
        waiting: waiting.clone(),
        kept: Vec::new(),
        told: false,
    };
    let thread = std::thread::Builder::new().name("lastword-journal".to_owned()).spawn(move || writer.run())?;
    Ok(Queue { commands: Some(commands), waiting, thread: Some(thread) })
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
    waiting: Arc<AtomicUsize>,
    /// What could not be written and is tried again, in its order, before anything newer.
    kept: Vec<Command>,
    /// The trouble has been logged, and its end has not.
    told: bool,
}

impl Writer {
    fn run(mut self) {
        while let Some(group) = self.next_group() {
            self.commit(group);
        }
        // Whoever looks at the file while no program runs then finds nearly all of it in one place. What another connection
        // still reads stays in the log, and the next start finds it there.
        self.file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").ok();
    }

    /// What is kept, and what has queued up. None when the journal is closed and nothing more can be done.
    fn next_group(&mut self) -> Option<Vec<Command>> {
        let first = if self.kept.is_empty() {
            Some(self.commands.recv().ok()?)
        } else {
            match self.commands.recv_timeout(RETRY) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    // One last try.
                    let group = std::mem::take(&mut self.kept);
                    self.commit(group);
                    return None;
                }
            }
        };
        if self.known.draining && matches!(first, Some(Command::Complete(..))) {
            std::thread::park_timeout(GATHER);
        }
        let mut group = std::mem::take(&mut self.kept);
        group.extend(first);
        let mut size: usize = group.iter().map(Command::size).sum();
        while size < MAX_GROUP
            && let Ok(command) = self.commands.try_recv()
        {
            size += command.size();
            group.push(command);
        }
        let writes = group.iter().filter(|command| matches!(command, Command::Write(..))).count();
        self.waiting.fetch_sub(writes, Ordering::Relaxed);
        Some(group)
    }

    /// Writes a group as one transaction and answers; when that is not possible, keeps what has to be kept.
    fn commit(&mut self, mut group: Vec<Command>) {
        let written = self.place.look().map_err(Trouble::TakenAway).and_then(|()| self.apply(&mut group));
        let answers = match written {
            Ok(answers) => answers,
            Err(trouble) => return self.put_off_all(group, trouble),
        };
        // Where nobody will find it nothing is accepted. What the runtime decided is done with: it is written, and would not
        // be any more if it were done again in another file.
        let found = self.place.look();
        if found.is_ok() && std::mem::take(&mut self.told) {
            tracing::info!("the journal can be written again");
        }
        let lost = found.err().map(|taken_away| self.tell(Trouble::TakenAway(taken_away)));
        let mut answers = answers.into_iter();
        for command in group {
            match &lost {
                Some(error) if matches!(command, Command::Write(..) | Command::Flush(_)) => {
                    self.put_off(command, error);
                }
                _ => self.answer(command, &mut answers),
            }
        }
    }

    fn put_off_all(&mut self, group: Vec<Command>, trouble: Trouble) {
        // Rows that were made in this transaction went with it.
        self.known.plugins.clear();
        let error = self.tell(trouble);
        group.into_iter().for_each(|command| self.put_off(command, &error));
    }

    /// Logs it, once until the journal can be written again, and gives what everybody is answered.
    fn tell(&mut self, trouble: Trouble) -> JournalError {
        let error = match trouble {
            Trouble::TakenAway(taken_away) => {
                self.place.tell(&taken_away);
                if !std::mem::replace(&mut self.told, true) {
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
        let error = JournalError::from(error);
        if !std::mem::replace(&mut self.told, true) {
            tracing::error!(
                %error,
                "the journal cannot be written: starts are refused until it can, and outcomes wait to be recorded"
            );
        }
        error
    }

    /// Gives what became of each owner's line, in order.
    fn apply(&mut self, group: &mut [Command]) -> Result<Vec<Result<Written, JournalError>>, Trouble> {
        let sequence_was = self.known.next_sequence;
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tables = FileTables { file: &transaction, known: &mut self.known };
        let mut answers = Vec::new();
        for command in group {
            match command {
                Command::Write(write, _) => answers.push(refusal(transition::write(&mut tables, write))?),
                Command::Record(writes, _) => {
                    for write in writes {
                        refusal(transition::write(&mut tables, write))?.map_or_else(|error| defect(&error), drop);
                    }
                }
                Command::Complete(outcomes, _) => {
                    for Outcome { resolved, is_set_aside } in outcomes {
                        let written = refusal(tables.complete(resolved))?;
                        *is_set_aside = written.is_err();
                        written.unwrap_or_else(|error| defect(&error));
                    }
                }
                Command::Flush(_) => (),
            }
        }
        if self.known.next_sequence != sequence_was {
            let sql = "UPDATE journal SET next_sequence = ?1";
            transaction.prepare_cached(sql)?.execute(params![self.known.next_sequence])?;
        }
        self.retention.tidy(&transaction, self.known.next_sequence, &mut self.known.forgotten)?;
        // What is refused is not to be there when the files are put back.
        self.place.look().map_err(Trouble::TakenAway)?;
        transaction.commit()?;
        Ok(answers)
    }

    /// Everything before it is durable.
    fn answer(&mut self, command: Command, answers: &mut impl Iterator<Item = Result<Written, JournalError>>) {
        match command {
            Command::Write(_, reply) => reply.send(answers.next().unwrap_or(Err(JournalError::Closed))),
            Command::Record(_, reply) => reply.send(Ok(())),
            Command::Complete(outcomes, reply) => {
                for Outcome { resolved, is_set_aside } in outcomes {
                    match resolved.staged {
                        Some(staged) if is_set_aside => self.store.set_aside(&staged),
                        Some(staged) => self.store.commit(&staged),
                        None => (),
                    }
                }
                reply.send(Ok(()));
            }
            Command::Flush(reply) => reply.send(Ok(())),
        }
    }

    fn put_off(&mut self, command: Command, error: &JournalError) {
        match command {
            Command::Write(_, reply) => reply.send(Err(error.clone())),
            Command::Flush(reply) => reply.send(Err(error.clone())),
            command @ (Command::Record(..) | Command::Complete(..)) => self.kept.push(command),
        }
    }
}

/// A write that cannot be is one thing, a file that cannot be written another.
fn refusal<T>(result: Result<T, Failed>) -> rusqlite::Result<Result<T, JournalError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failed::Refused(error)) => Ok(Err(error)),
        Err(Failed::File(error)) => Err(error),
    }
}

fn defect(error: &JournalError) {
    tracing::error!(%error, "a defect of the runtime: something could not be recorded");
}
