//! Writes that wait until they are durable, each with its answer.

use lastword_journal::state::Staged;
use lastword_journal::{Appended, ChangedDelivery, JournalError, Reply};

/// A write on its way into the chain.
pub(crate) struct Queued {
    /// The record. None for what changes nothing: it only waits for what is before it.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) waiting: Waiting,
}

/// A write that waits until it is durable.
pub(crate) struct Waiting {
    pub(crate) answer: Answer,
    /// Operations and completions, for the observer of commits.
    pub(crate) operations: usize,
    pub(crate) completions: usize,
    pub(crate) bytes: u64,
}

/// Who is told, and what.
pub(crate) enum Answer {
    /// An owner's request.
    Line(Reply<Appended>, Result<Appended, JournalError>),
    /// Decisions of the runtime.
    Decided(Reply<()>),
    /// Outcomes, and the values that stay in the overlay until then.
    Outcomes(Reply<()>, Vec<Staged>),
    /// An operator's change.
    Changed(Reply<Vec<ChangedDelivery>>, Result<Vec<ChangedDelivery>, JournalError>),
    /// Whoever asks whether everything before it is durable.
    Flush(Reply<()>),
    /// Whoever asks whether something can be written.
    Probe(Reply<()>),
}

impl Queued {
    pub(crate) fn flush(reply: Reply<()>) -> Self {
        Self {
            record: None,
            waiting: Waiting { answer: Answer::Flush(reply), operations: 0, completions: 0, bytes: 0 },
        }
    }
}

impl Waiting {
    /// Whether it counts among the requests that may wait.
    pub(crate) fn is_line(&self) -> bool {
        matches!(self.answer, Answer::Line(..) | Answer::Probe(_))
    }

    /// Whether it only asks: it can be answered with an error and nothing is lost.
    pub(crate) fn only_asks(&self) -> bool {
        matches!(self.answer, Answer::Flush(_) | Answer::Probe(_))
    }

    /// It is durable. Gives the values that are not only in the overlay any more.
    pub(crate) fn durable(self) -> Vec<Staged> {
        match self.answer {
            Answer::Line(reply, answer) => reply.send(answer),
            Answer::Changed(reply, answer) => reply.send(answer),
            Answer::Decided(reply) | Answer::Flush(reply) | Answer::Probe(reply) => reply.send(Ok(())),
            Answer::Outcomes(reply, staged) => {
                reply.send(Ok(()));
                return staged;
            }
        }
        Vec::new()
    }

    /// It will not be known to be durable.
    pub(crate) fn fail(self, error: &JournalError) {
        match self.answer {
            Answer::Line(reply, _) => reply.send(Err(error.clone())),
            Answer::Changed(reply, _) => reply.send(Err(error.clone())),
            Answer::Decided(reply) | Answer::Flush(reply) | Answer::Probe(reply) | Answer::Outcomes(reply, _) => {
                reply.send(Err(error.clone()));
            }
        }
    }
}
