//! Operators' changes of deliveries that were not made.

use serde::{Deserialize, Serialize};

use crate::{DeliveryState, PendingDelivery};

/// The change that an operator wants of a delivery that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryChange {
    /// A delivery that was given up is owed again, with no failures, and late: newer events of its session id have gone ahead.
    Redeliver,
    /// The delivery will not be made any more.
    Forget,
    /// An orphaned delivery is owed to its plugin again, which is installed now. Its attempts, its failures and its place in the order
    /// stay.
    Adopt,
}

/// The result of an operator's change of a delivery. In JSON `done`, `already_owed`, `unknown`, `under_way` or `unwritable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Changed {
    /// The delivery was changed.
    Done,
    /// Nothing was changed: the delivery is owed already.
    AlreadyOwed,
    /// Nothing was changed: the journal has no such delivery, because it was made or never existed. A delivery that was given up is not
    /// adopted either.
    Unknown,
    /// Nothing was changed: its plugin is being called with it, or the failure of a call is being written down. It will be made, or owed,
    /// or dead: ask again.
    UnderWay,
    /// Nothing was changed: the record of the delivery cannot be read or changed, though others can. The log says why, and a restart
    /// salvages what it can.
    Unwritable,
}

/// The result of a [`DeliveryChange`] for one delivery.
#[derive(Clone, Debug)]
pub struct ChangedDelivery {
    /// The result.
    pub changed: Changed,
    /// The delivery's state before. None if it is unknown.
    pub was: Option<DeliveryState>,
    /// Whether its last attempt on record was in this run.
    pub tried_in_this_run: bool,
    /// The delivery, if it is owed from now on. None for an end that a drain has tried: only the next run makes it.
    pub owed: Option<PendingDelivery>,
}

impl ChangedDelivery {
    /// The delivery could not be changed, see [`Changed::Unwritable`].
    #[must_use]
    pub fn unwritable() -> Self {
        Self { changed: Changed::Unwritable, was: None, tried_in_this_run: false, owed: None }
    }
}
