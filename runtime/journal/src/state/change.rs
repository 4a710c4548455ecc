//! Changes of a delivery that an operator wants, in a running program and while none runs.

use super::tables::Tables;
use crate::{Changed, ChangedDelivery, DeliveryChange, DeliveryKey, DeliveryState};

/// Changes a delivery that was not made.
///
/// # Errors
/// When a row cannot be read or written.
pub fn change_delivery<T: Tables>(
    tables: &mut T,
    change: DeliveryChange,
    delivery: &DeliveryKey,
) -> Result<ChangedDelivery, T::Error> {
    let unmade = tables.unmade(delivery)?;
    let run = tables.run();
    let (was, tried_in_this_run) = (unmade.map(|one| one.state), unmade.is_some_and(|one| one.run == run));
    let answer = |changed, owed| Ok(ChangedDelivery { changed, was, tried_in_this_run, owed });
    let Some(state) = was else { return answer(Changed::Unknown, None) };
    let owed = match change {
        DeliveryChange::Redeliver if state != DeliveryState::Dead => return answer(Changed::AlreadyOwed, None),
        DeliveryChange::Redeliver => tables.revive(delivery)?,
        DeliveryChange::Forget => {
            tables.forget_delivery(delivery)?;
            None
        }
        DeliveryChange::Adopt => {
            let owed = if state == DeliveryState::Orphaned { tables.adopt(delivery)? } else { None };
            let changed = match (&owed, state) {
                (Some(_), _) => Changed::Done,
                (None, DeliveryState::Owed) => Changed::AlreadyOwed,
                (None, _) => Changed::Unknown,
            };
            return answer(changed, owed);
        }
    };
    // The delivery begins with a clean record.
    tables.forget_suspicion(delivery)?;
    answer(Changed::Done, owed)
}
