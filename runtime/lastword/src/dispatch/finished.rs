use std::time::Instant;

use lastword_events::{Outcome, Timestamp};

use crate::owed::Owed;
use crate::sandbox::CallReport;

/// An attempt that a worker brings back.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) owed: Owed,
    pub(crate) outcome: Outcome,
    pub(crate) report: Option<CallReport>,
    /// When it is due again, if it is.
    pub(crate) retry: Option<(Instant, Timestamp)>,
    /// It has failed for the last time.
    pub(crate) dead: bool,
    /// What it costs the tenant, in units of fuel.
    pub(crate) fuel: u64,
    /// The journal has been told of it, together with what it stored.
    pub(crate) recorded: bool,
    /// It counts in the account of a drain.
    pub(crate) in_drain: bool,
    /// An end that has failed, and not for the last time, while nobody drained: its failure is being written down.
    pub(crate) unwritten: bool,
    /// It has given its slot back already, while its failure is being written down.
    pub(crate) released: bool,
}
