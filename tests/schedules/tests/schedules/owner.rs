//! Owners: threads that say what is drawn about a few sessions, and wait for each answer or for all of them.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use lastword_events::{CompactionPhase, EndReason, Identity, Session};
use lastword_on_shuttle::{
    Acceptance, Accepted, CompactionRequest, EndRequest, JournalError, Refusal, Runtime, StartRequest,
};
use shuttle::future::block_on;

use crate::draw::{chance, linger, one_of, up_to};
use crate::trace::trace;

/// An owner says so many things at most.
const MOST_LINES: usize = 6;

/// A generation of a session.
pub(crate) type Generation = (Identity, u32);

/// What all owners have been answered.
#[derive(Default)]
pub(crate) struct Answers(Mutex<State>);

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
    /// A drain is about to begin.
    pub(crate) fn a_drain_begins(&self) {
        let mut state = self.0.lock().unwrap();
        if state.accepted_before.is_none() {
            state.accepted_before = Some(state.accepted.clone());
        }
    }

    /// Sessions that were registered, and sessions that somebody had ended, before the first drain began.
    pub(crate) fn before_the_drain(&self) -> (HashSet<Generation>, HashSet<Generation>) {
        let state = self.0.lock().unwrap();
        (state.accepted_before.clone().unwrap_or_default(), state.ended_before.clone())
    }
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Start,
    Compaction,
    End,
}

/// A line that was said.
struct Said {
    line: Line,
    before_the_drain: bool,
    answer: Pin<Box<dyn Future<Output = Result<Accepted, Refusal>> + Send>>,
}

/// Speaks of these sessions until it has said all that it has to say.
pub(crate) fn speak(runtime: &Runtime, sessions: &[Identity], answers: &Answers) {
    let mut said = Vec::new();
    let hesitates = up_to(3);
    for n in 0..=up_to(MOST_LINES - 1) {
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
        let line =
            if n == 0 && chance(3, 4) { Line::Start } else { one_of(&[Line::Start, Line::Compaction, Line::End]) };
        let one = say(runtime, line, whose, answers);
        if chance(1, 2) {
            one.wait_for_answer(answers);
        } else {
            said.push(one);
        }
    }
    said.into_iter().for_each(|one| one.wait_for_answer(answers));
}

fn say(runtime: &Runtime, line: Line, whose: &Identity, answers: &Answers) -> Said {
    let session = Session::of(whose.clone());
    // A line that is sent again, now and then.
    let op_id: Option<Arc<str>> =
        chance(1, 3).then(|| format!("{line:?} {} {} {}", whose.id, whose.scope, up_to(1)).into());
    trace!("owner: {line:?} of {}", whose.id);
    let answer: Pin<Box<dyn Future<Output = _> + Send>> = match line {
        Line::Start => Box::pin(runtime.start_session(StartRequest { op_id, ..StartRequest::new(session) })),
        Line::Compaction => {
            let request = CompactionRequest::new(session, CompactionPhase::Before);
            Box::pin(runtime.compaction(CompactionRequest { op_id, ..request }))
        }
        Line::End => Box::pin(runtime.end_session(EndRequest { op_id, ..EndRequest::new(session, EndReason::Reset) })),
    };
    // Looked at last: a request is made when its function has returned.
    Said { line, before_the_drain: answers.0.lock().unwrap().accepted_before.is_none(), answer }
}

impl Said {
    fn wait_for_answer(self, answers: &Answers) {
        let Self { line, before_the_drain, answer } = self;
        let answer = block_on(answer);
        trace!("owner: {line:?} answered {answer:?}");
        let mut state = answers.0.lock().unwrap();
        if let (Line::End, true, Ok(accepted)) = (line, before_the_drain, &answer)
            && accepted.how != Acceptance::DuplicateOp
        {
            state.ended_before.insert((accepted.identity.clone(), accepted.generation));
        }
        match (line, answer) {
            (_, Ok(Accepted { identity, generation, how: Acceptance::Registered | Acceptance::Implied, .. })) => {
                state.accepted.insert((identity, generation));
            }
            (Line::End, Ok(Accepted { how: Acceptance::DuplicateEnd, .. })) => (),
            (_, Ok(Accepted { how: Acceptance::DuplicateOp, .. })) => (),
            (Line::Start, Ok(Accepted { how: Acceptance::Updated, .. })) => (),
            (_, Err(Refusal::Journal(JournalError::Unavailable(_)))) => (),
            (Line::Start | Line::Compaction, Err(Refusal::Draining | Refusal::Quota { .. })) => (),
            (_, answer) => panic!("a {line:?} was answered {answer:?}"),
        }
    }
}
