//! What operators change of deliveries that were not made.

use serde::Serialize;

use crate::{DeliveryState, PendingDelivery};

/// What is wanted of a delivery that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryChange {
    /// One that was given up is owed again, with no failures, and late: newer events of its session id have gone ahead.
    Redeliver,
    /// It will not be made any more.
    Forget,
    /// An orphaned one is owed to its plugin again, which is installed now. Its attempts, its failures and its place in the order stay
    /// as they were.
    Adopt,
}

/// What became of a delivery that an operator wanted changed. In JSON `done`, `already_owed`, `unknown`, `under_way`
/// or `unwritable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Changed {
    /// What was asked.
    Done,
    /// Nothing: it is owed already.
    AlreadyOwed,
    /// Nothing: the journal has no such delivery; it was made, or never was. Of one that was given up, nothing is adopted either.
    Unknown,
    /// Nothing: its plugin is being called with it, or the failure of a call is being written down. It is made then, or owed, or
    /// dead: ask again.
    UnderWay,
    /// Nothing: what is on record of it cannot be read or changed, though others can. The log says why, and a restart salvages what it
    /// can.
    Unwritable,
}

/// What a journal has made of a [`DeliveryChange`].
#[derive(Clone, Debug)]
pub struct ChangedDelivery {
    /// What became of it.
    pub changed: Changed,
    /// What it was; none when it is unknown.
    pub was: Option<DeliveryState>,
    /// Its last attempt that is on record was in this run.
    pub tried_in_this_run: bool,
    /// What is owed from now on. None where nothing is, and for an end that a drain has tried: only the next run makes it.
    pub owed: Option<PendingDelivery>,
}

impl ChangedDelivery {
    /// It could not be changed, see [`Changed::Unwritable`].
    #[must_use]
    pub fn unwritable() -> Self {
        Self { changed: Changed::Unwritable, was: None, tried_in_this_run: false, owed: None }
    }
}
