//! Owners: threads that say what is drawn about a few sessions, and wait for each answer or for all of them.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lastword_events::{CompactionPhase, EndReason, Identity, Session};
use lastword_on_shuttle::{
    Acceptance, Accepted, CompactionRequest, EndRequest, JournalError, Refusal, Runtime, StartRequest,
};
use shuttle::future::block_on;

use crate::draw::{chance, linger, one_of, up_to};
use crate::record::OnRecord;
use crate::trace::trace;

/// An owner says so many things at most.
const MOST_LINES: usize = 6;

/// A generation of a session.
pub(crate) type Generation = (Identity, u32);

/// What all owners of a run have been answered.
pub(crate) struct Answers {
    state: Mutex<State>,
    on_record: Arc<OnRecord>,
    /// The journal is let go of at the end: what comes later is refused.
    journal_closes: AtomicBool,
    /// The journal may be out of reach, or another's.
    journal_fails: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Sessions that were registered.
    accepted: HashSet<Generation>,
    /// As a drain was about to begin.
    accepted_before: Option<HashSet<Generation>>,
    /// Sessions that somebody had ended before a drain was about to begin, the disk's answer or not.
    ended_before: HashSet<Generation>,
}

impl Answers {
    pub(crate) fn new(on_record: Arc<OnRecord>, journal_fails: bool) -> Self {
        Self { state: Mutex::default(), on_record, journal_closes: AtomicBool::new(false), journal_fails }
    }

    /// A drain is about to begin.
    pub(crate) fn a_drain_begins(&self) {
        let mut state = self.state.lock().unwrap();
        if state.accepted_before.is_none() {
            state.accepted_before = Some(state.accepted.clone());
        }
    }

    /// The run ends, and lets go of its journal.
    pub(crate) fn the_journal_closes(&self) {
        self.journal_closes.store(true, Ordering::Relaxed);
    }

    /// Sessions that were registered, and sessions that somebody had ended, before the first drain began.
    pub(crate) fn before_the_drain(&self) -> (HashSet<Generation>, HashSet<Generation>) {
        let state = self.state.lock().unwrap();
        (state.accepted_before.clone().unwrap_or_default(), state.ended_before.clone())
    }
}

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Start,
    Compaction,
    End,
    /// The end of a session, and the start of one, as one request.
    Replace,
}

/// What a line was answered: of each part that it has.
type Answer = Result<Vec<(Line, Accepted)>, Refusal>;

/// A line that was said.
struct Said {
    line: Line,
    has_op_id: bool,
    before_the_drain: bool,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

/// Speaks of these sessions until it has said all that it has to say.
pub(crate) fn speak(runtime: &Runtime, sessions: &[Identity], lines: &[Line], answers: &Answers) {
    let mut said = Vec::new();
    let hesitates = up_to(3);
    let most_lines = if lines.is_empty() { 0 } else { up_to(MOST_LINES - 1) + 1 };
    for n in 0..most_lines {
        // Over all of a drain, some of them.
        if up_to(2) < hesitates {
            linger();
        }
        let whose = &sessions[up_to(sessions.len() - 1)];
        // Something else is heard of it, now and then.
        if chance(1, 4) {
            trace!("owner: something of {}", whose.id);
            runtime.seen(whose);
        }
        // The first line is a start more often than not.
        let line = if n == 0 && chance(3, 4) && lines.contains(&Line::Start) { Line::Start } else { one_of(lines) };
        let other = &sessions[up_to(sessions.len() - 1)];
        let one = say(runtime, line, whose, other, answers);
        if chance(1, 2) {
            one.wait_for_answer(answers);
        } else {
            said.push(one);
        }
    }
    said.into_iter().for_each(|one| one.wait_for_answer(answers));
}

/// `other` is the session that begins, of a replacement.
fn say(runtime: &Runtime, line: Line, whose: &Identity, other: &Identity, answers: &Answers) -> Said {
    let (session, begins) = (Session::of(whose.clone()), Session::of(other.clone()));
    // A line that is sent again, now and then.
    let named = || match line {
        Line::Replace => format!("{} {} by {} {}", whose.id, whose.scope, other.id, other.scope),
        _ => format!("{} {}", whose.id, whose.scope),
    };
    let op_id: Option<Arc<str>> = chance(1, 3).then(|| format!("{line:?} {} {}", named(), up_to(1)).into());
    let has_op_id = op_id.is_some();
    trace!("owner: {line:?} of {}", named());
    let one = move |answer: Result<Accepted, Refusal>| answer.map(|accepted| vec![(line, accepted)]);
    let answer: Pin<Box<dyn Future<Output = Answer> + Send>> = match line {
        Line::Start => {
            let mut request = StartRequest::new(session);
            request.op_id = op_id;
            let started = runtime.start_session(request);
            Box::pin(async move { one(started.await) })
        }
        Line::Compaction => {
            let mut request = CompactionRequest::new(session, CompactionPhase::Before);
            request.op_id = op_id;
            let compacted = runtime.compaction(request);
            Box::pin(async move { one(compacted.await) })
        }
        Line::End => {
            let mut request = EndRequest::new(session, EndReason::Reset);
            request.op_id = op_id;
            let ended = runtime.end_session(request);
            Box::pin(async move { one(ended.await) })
        }
        Line::Replace => {
            let mut end = EndRequest::new(session, EndReason::Reset);
            end.op_id = op_id;
            let replaced = runtime.replace_session(end, StartRequest::new(begins));
            Box::pin(async move {
                let (ended, started) = replaced.await?;
                Ok(vec![(Line::End, ended), (Line::Start, started)])
            })
        }
    };
    // Looked at last: a request is made when its function has returned.
    Said { line, has_op_id, before_the_drain: answers.state.lock().unwrap().accepted_before.is_none(), answer }
}

impl Said {
    fn wait_for_answer(self, answers: &Answers) {
        let Self { line, has_op_id, before_the_drain, answer } = self;
        let answer = block_on(answer);
        trace!("owner: {line:?} answered {answer:?}");
        let mut state = answers.state.lock().unwrap();
        let parts = match (line, answer) {
            (_, Ok(parts)) => parts,
            (_, Err(Refusal::Journal(JournalError::Full(_) | JournalError::Busy(_)))) => return,
            (_, Err(Refusal::Journal(JournalError::Unavailable(_)))) if answers.journal_fails => return,
            (_, Err(Refusal::Journal(JournalError::Closed))) if answers.journal_closes.load(Ordering::Relaxed) => {
                return;
            }
            (Line::Start | Line::Compaction | Line::Replace, Err(Refusal::Draining | Refusal::Quota { .. })) => return,
            (_, answer) => panic!("a {line:?} was answered {answer:?}"),
        };
        for (line, accepted) in parts {
            if let (Line::End, true) = (line, before_the_drain)
                && accepted.how != Acceptance::DuplicateOp
            {
                state.ended_before.insert((accepted.identity.clone(), accepted.generation));
            }
            match (line, accepted) {
                (line, Accepted { identity, generation, how: Acceptance::Registered | Acceptance::Implied, .. }) => {
                    let session = (identity, generation);
                    // A drain ends the session of an end whose op_id another end had before: then there is no more to be recorded.
                    let is_known_by_op = has_op_id && state.accepted_before.is_some();
                    answers.on_record.look(|record| {
                        let sequence = record.sequence(&session);
                        let has_ended = sequence.is_some_and(|sequence| record.has_ended(sequence));
                        let is_there = if line == Line::End { has_ended || is_known_by_op } else { sequence.is_some() };
                        assert!(is_there, "a {line:?} of {session:?} was acknowledged, and is not on record");
                    });
                    state.accepted.insert(session);
                }
                (Line::End, Accepted { how: Acceptance::DuplicateEnd, .. }) => (),
                (_, Accepted { how: Acceptance::DuplicateOp, .. }) => (),
                (Line::Start, Accepted { how: Acceptance::Updated, .. }) => (),
                (_, accepted) => panic!("a {line:?} was answered {accepted:?}"),
            }
        }
    }
}
