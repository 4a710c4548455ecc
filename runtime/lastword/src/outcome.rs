use lastword_events::{DeliveryId, EndReason, Outcome, Session, Timestamp};

use crate::sandbox::CallReport;

/// How one attempt ended, for whoever watches. See [`Builder::on_outcome`](crate::Builder::on_outcome).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutcomeRecord<'a> {
    /// Which delivery; names the plugin and the event.
    pub id: &'a DeliveryId,
    /// Whose event.
    pub session: &'a Session,
    /// Of an end: why.
    pub reason: Option<&'a EndReason>,
    /// The attempt's number; of a deferral without an attempt, the last one's.
    pub attempt: u32,
    /// Newer events of the session id went ahead.
    pub late: bool,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Recorded failures of this delivery, this one included.
    pub failures: u32,
    /// When it is tried again, if it failed and is.
    pub retry_at: Option<Timestamp>,
    /// It failed for the last time.
    pub dead: bool,
    /// Fuel, memory and time of the call; none when there was no call or the budget cut it.
    pub report: Option<&'a CallReport>,
    /// It happened in a drain.
    pub draining: bool,
}

/// Who is told of outcomes.
pub(crate) type Observer = Box<dyn Fn(&OutcomeRecord<'_>) + Send + Sync>;
