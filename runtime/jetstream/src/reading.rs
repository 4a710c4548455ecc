//! Reads the messages of a stream that may be written to and purged meanwhile.

use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;

use crate::connect::pause;
use crate::error::ClusterError;
use crate::limits::{READ_PURGED_TRIES, READ_TRIES};
use crate::replay::{Replay, ReplayError, Replayed};
use crate::subjects::Subjects;

/// A message of a stream.
pub(crate) struct Message {
    pub(crate) sequence: u64,
    pub(crate) subject: Subject,
    pub(crate) body: Bytes,
    /// How many follow, as far as the copy knows that gives it.
    pub(crate) pending: u64,
}

/// The messages of a stream from its first one on, as one of its copies gives them.
pub(crate) trait Source {
    /// The next message.
    async fn next(&mut self) -> Result<Message, ClusterError>;

    /// Whether the stream's leader says that it has no message with this sequence.
    async fn lacks(&self, sequence: u64) -> bool;
}

/// Why a reading gave no journal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) error: ReplayError,
    /// Whether messages were purged meanwhile: then the error says nothing of the stream.
    pub(crate) is_purged: bool,
}

/// What came of one reading.
pub(crate) type Tried<T> = Result<Result<T, Unread>, ClusterError>;

/// Reads all messages up to the one with the sequence `until`, and tells of each. The inner error says why they are no journal.
pub(crate) async fn read_until(
    source: &mut impl Source,
    subjects: &Subjects,
    until: u64,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Result<Replayed, ReplayError>, ClusterError> {
    let mut replay = Replay::new(subjects.clone());
    loop {
        let Message { sequence, subject, body, pending } = source.next().await?;
        if let Err(error) = replay.message(sequence, &subject, &body) {
            return Ok(Err(error));
        }
        told(sequence);
        if sequence >= until {
            return Ok(replay.finish());
        }
        // The last messages are gone, or this copy lags behind and will have them.
        if pending == 0 && source.lacks(sequence + 1).await {
            return Ok(Err(replay.missing(until)));
        }
    }
}

/// Reads up to [`READ_TRIES`] times, until what was read is a journal, and some times more if messages were purged meanwhile. Nothing but
/// another reading tells a purge from damage in any case: the copy that is read may carry the purge out later than the leader, whose first
/// sequence is the new one from the beginning then.
pub(crate) async fn read_again<T>(again: Duration, mut read: impl AsyncFnMut() -> Tried<T>) -> Tried<T> {
    let (mut tries, mut purged) = (1, 0);
    loop {
        let unread = match read().await? {
            Ok(read) => return Ok(Ok(read)),
            Err(unread) => unread,
        };
        if unread.is_purged && purged < READ_PURGED_TRIES {
            purged += 1;
        } else if tries < READ_TRIES {
            tries += 1;
        } else {
            return Ok(Err(unread));
        }
        tracing::info!(error = %unread.error, "the journal's stream cannot be read, perhaps for a purge: it is read again");
        pause(again).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{Event, Session, SessionStart};
    use lastword_journal::JournalOp;

    use super::*;
    use crate::chain::{Chain, Effect};
    use crate::model::{Stream, fence, subjects};
    use crate::record::Record;

    /// A stream whose writer does something before each message is given.
    struct Written<'s> {
        stream: &'s mut Stream,
        /// The sequence of the message that was given last.
        given: u64,
        /// The last sequence that the copy has, as it says.
        has: u64,
        /// It never gives the message with this sequence, and has none there.
        lost: u64,
        meanwhile: &'s mut dyn FnMut(&mut Stream, u64),
    }

    impl<'s> Written<'s> {
        fn new(stream: &'s mut Stream, meanwhile: &'s mut dyn FnMut(&mut Stream, u64)) -> Self {
            let has = stream.last();
            Self { stream, given: 0, has, lost: 0, meanwhile }
        }
    }

    impl Source for Written<'_> {
        async fn next(&mut self) -> Result<Message, ClusterError> {
            let next = (self.given + 1).max(self.stream.first);
            (self.meanwhile)(self.stream, next);
            let mut sequence = next.max(self.stream.first);
            if sequence == self.lost {
                sequence += 1;
            }
            self.given = sequence;
            let (subject, body) = self.stream.get(sequence).unwrap().clone();
            let follow = (sequence + 1..=self.has).filter(|sequence| *sequence != self.lost).count();
            Ok(Message { sequence, subject: subject.into(), body, pending: follow.try_into().unwrap() })
        }

        async fn lacks(&self, sequence: u64) -> bool {
            sequence == self.lost || self.stream.get(sequence).is_none()
        }
    }

    /// The writer of a stream.
    struct Writer {
        chain: Chain,
        next: u64,
    }

    impl Writer {
        fn begin(stream: &mut Stream) -> Self {
            stream.take_over(1);
            Self { chain: Chain::new(subjects(), stream.replay().unwrap().position), next: 0 }
        }

        /// Writes a session's start, in a message of its own.
        fn write(&mut self, stream: &mut Stream) {
            let session = Arc::new(Session::new("acme", &format!("s{}", self.next)));
            let event = Arc::new(Event::Start(SessionStart::default()));
            self.next += 1;
            let start = Record::Op(JournalOp::Start { session, event, owed: vec![], op_id: None });
            self.chain.queue(start.encode().unwrap(), Duration::ZERO);
            stream.write(&mut self.chain);
        }

        /// Writes a snapshot, and purges what it has.
        fn snapshot(&mut self, stream: &mut Stream) {
            self.next += 1;
            let state = stream.replay().unwrap().state;
            self.chain.begin_snapshot(state.snapshot(), &fence(false, self.next));
            for effect in stream.write(&mut self.chain) {
                if let Effect::Snapshot { purge_below, .. } = effect {
                    stream.purge_below(purge_below);
                }
            }
        }
    }

    /// A stream with so many sessions, and its writer.
    fn written(sessions: u32) -> (Stream, Writer) {
        let mut stream = Stream::new();
        let mut writer = Writer::begin(&mut stream);
        (0..sessions).for_each(|_| writer.write(&mut stream));
        (stream, writer)
    }

    /// Reads what the stream has now, while its writer does that before each message is given.
    async fn read_now(stream: &mut Stream, meanwhile: &mut dyn FnMut(&mut Stream, u64)) -> Result<Replayed, Unread> {
        let read = read_again(Duration::ZERO, async || -> Tried<Replayed> {
            let (first, until) = (stream.first, stream.last());
            let mut source = Written::new(&mut *stream, &mut *meanwhile);
            let read = read_until(&mut source, &subjects(), until, &mut |_| ()).await?;
            Ok(read.map_err(|error| Unread { error, is_purged: stream.first > first }))
        });
        read.await.unwrap()
    }

    fn sessions(replayed: &Replayed) -> usize {
        replayed.state.tables().sessions().count()
    }

    #[tokio::test]
    async fn what_is_written_after_the_reading_began_is_not_in_it() {
        let (mut stream, mut writer) = written(5);
        let replayed = read_now(&mut stream, &mut |stream, _| writer.write(stream)).await.unwrap();
        assert_eq!((sessions(&replayed), replayed.position.last_sequence), (5, 6));
        assert_eq!((replayed.read.first_sequence, replayed.read.groups, &*replayed.read.by), (1, 5, "n1"));
        assert_eq!(stream.last(), 12, "the writer has gone on");
    }

    #[tokio::test]
    async fn a_stream_that_is_purged_behind_a_snapshot_while_it_is_read_is_read_anew() {
        let (mut stream, mut writer) = written(5);
        let mut times = 0;
        let mut purge = |stream: &mut Stream, next: u64| {
            if next == 3 {
                times += 1;
                writer.snapshot(stream);
                writer.write(stream);
            }
        };
        let replayed = read_now(&mut stream, &mut purge).await.unwrap();
        assert_eq!((sessions(&replayed), replayed.read.first_sequence), (6, 7));
        assert_eq!(times, 1);
    }

    #[tokio::test]
    async fn a_stream_that_is_purged_during_each_reading_is_given_up_and_not_called_damaged() {
        let (mut stream, mut writer) = written(5);
        let mut times = 0;
        let mut purge = |stream: &mut Stream, next: u64| {
            if next > stream.first {
                times += 1;
                writer.snapshot(stream);
            }
        };
        let unread = read_now(&mut stream, &mut purge).await.unwrap_err();
        assert!(unread.is_purged, "{unread:?}");
        assert_eq!(times, READ_PURGED_TRIES + READ_TRIES);
    }

    #[tokio::test]
    async fn a_message_that_is_missing_is_named_also_when_none_follows_it() {
        for lost in 2..=6 {
            let (mut stream, _) = written(5);
            let mut nothing = |_: &mut Stream, _: u64| ();
            let mut source = Written { lost, ..Written::new(&mut stream, &mut nothing) };
            let error = read_until(&mut source, &subjects(), 6, &mut |_| ()).await.unwrap().unwrap_err();
            assert_eq!((error.sequence, &*error.stream), (lost, "LW_J_abcdefgh"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_copy_that_lags_behind_is_waited_for() {
        let (mut stream, _) = written(5);
        let mut nothing = |_: &mut Stream, _: u64| ();
        // It says each time that it has no more.
        let mut source = Written { has: 0, ..Written::new(&mut stream, &mut nothing) };
        let replayed = read_until(&mut source, &subjects(), 6, &mut |_| ()).await.unwrap().unwrap();
        assert_eq!(sessions(&replayed), 5);
    }

    /// Readings of which only this one gives a journal. Gives what came of them, and their number.
    async fn readings(good: u32, is_purged: bool) -> (Result<u32, Unread>, u32) {
        let mut tries = 0;
        let read = read_again(Duration::ZERO, async || -> Tried<u32> {
            tries += 1;
            let error = ReplayError { stream: "S".to_owned(), sequence: tries.into(), why: "it is so".to_owned() };
            Ok(if tries == good { Ok(tries) } else { Err(Unread { error, is_purged }) })
        });
        let read = read.await.unwrap();
        (read, tries)
    }

    #[tokio::test]
    async fn a_stream_that_cannot_be_read_is_damaged_only_after_some_tries() {
        for (is_purged, most) in [(false, READ_TRIES), (true, READ_PURGED_TRIES + READ_TRIES)] {
            for good in 1..=most {
                assert_eq!(readings(good, is_purged).await, (Ok(good), good));
            }
            let (read, tries) = readings(most + 1, is_purged).await;
            assert_eq!((read.unwrap_err().error.sequence, tries), (most.into(), most));
        }
    }
}
