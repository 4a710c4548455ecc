//! Why a journal in a cluster cannot be used.

use std::io;

use lastword_events::JournalName;
use thiserror::Error;

use crate::proof::ProofError;
use crate::settings::SettingsError;

/// Why a journal in a cluster could not be begun or taken over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file with a secret or a certificate cannot be read.
    #[error("the file {path} cannot be used: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No server takes the connection.
    #[error("no connection to the NATS servers {servers}: {why}")]
    Connection {
        /// The servers that were tried.
        servers: String,
        /// What the client says.
        why: String,
    },
    /// The servers do not keep what they acknowledge, or do not prove it.
    #[error(transparent)]
    Unproven(#[from] ProofError),
    /// JetStream refuses a request, or does not answer it.
    #[error("JetStream does not {what}: {why}")]
    Request {
        /// What was asked for.
        what: String,
        /// What the servers say, and what to do.
        why: String,
    },
    /// The journal has no stream.
    #[error(
        "there is no journal {0} in the cluster: it was never begun, or all that it owed was delivered and it was deleted"
    )]
    Missing(JournalName),
    /// Another node has taken the journal over just now.
    #[error("the journal {0} was taken over by another node just now: leave it to that one")]
    TakenByAnother(JournalName),
    /// Whoever wanted to take the journal over does not want it any more.
    #[error("the journal {0} is not taken over: meanwhile it is another node's, or this one leaves")]
    NotWanted(JournalName),
    /// What is in the stream cannot be read.
    #[error("the journal {name} is damaged: {why}; the stream was left as it is")]
    Damaged {
        /// The journal.
        name: JournalName,
        /// Which message, and what is wrong with it.
        why: String,
    },
    /// The journal's thread cannot be started.
    #[error(
        "the journal's thread could not be started: {0}; raise the number of processes that this user may have (`ulimit -u`, or the \
         container's pids limit)"
    )]
    Thread(io::Error),
    /// The journal's thread is gone.
    #[error("the journal's thread has ended before it answered: that is a defect, and the log says why")]
    Defect,
}

impl ClusterError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers have the error in a `map_err`, and nothing else to do with it"
    )]
    pub(crate) fn request(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Request { what: what.into(), why: lastword_events::printable(&why.to_string()).into_owned() }
    }

    /// Whether servers only do not answer, and none says that it keeps less than it acknowledges.
    pub(crate) fn is_only_silence(&self) -> bool {
        match self {
            Self::Unproven(error) => matches!(error, ProofError::Missing { .. }),
            Self::Request { .. } | Self::Connection { .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_says_nothing_and_one_that_does_not_sync_says_it() {
        let server = || "n2".to_owned();
        let why = String::new;
        let missing = ProofError::Missing { answered: 2, wanted: 3, how: why(), why: why() };
        assert!(ClusterError::from(missing).is_only_silence());
        assert!(ClusterError::request("tell the servers' settings", "no answer").is_only_silence());
        for error in [
            ProofError::NoSync { server: server() },
            ProofError::NoJetStream { server: server() },
            ProofError::Old { server: server(), version: "2.10.0".to_owned() },
        ] {
            assert!(!ClusterError::from(error).is_only_silence());
        }
    }
}
