//! Makes deliveries again that were given up, and forgets others.
//!
//! First everything is written that the journal was handed before, because an operator may know of an outcome that is not written yet.
//! Then:
//!
//! - *Redeliver*: the journal changes the rows, and what is owed again is enqueued once that is on record.
//! - *Forget*: deliveries that wait in a queue are [withdrawn](crate::dispatch::Withdrawal). Then the journal is told, and only then what
//!   is newer of the sessions goes on, whenever the journal answers. So nothing newer is on record before. A delivery that is under way
//!   stays, and one that the journal could not forget is restored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lastword_events::{DeliveryId, EventKey, Identity, PluginName};
use lastword_journal::{
    Changed, ChangedDelivery, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, JournalError,
    JournalErrorKind, PageRequest,
};

use super::listing::{deliveries, rows};
use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::dispatch::{EventOfSession, Withdrawal};
use crate::limits::CHANGES_AT_ONCE;
use crate::recovered_end::mark_orphaned;
use crate::request::Refusal;
use crate::waiters::Settled;

/// Changes these deliveries, and says of each what became of it. A delivery that is named twice is changed once.
pub(crate) async fn change_each(
    core: Arc<Core>,
    change: DeliveryChange,
    ids: Vec<DeliveryId>,
) -> Result<Vec<Changed>, Refusal> {
    core.journal().flush().await?;
    let is_ours = |id: &&DeliveryId| id.journal == core.journal_name();
    let mut named = HashSet::new();
    let keys = ids.iter().filter(is_ours).map(DeliveryKey::from).filter(|key| named.insert(key.clone()));
    let keys: Vec<DeliveryKey> = keys.collect();
    let mut changed = HashMap::with_capacity(keys.len());
    for some in keys.chunks(CHANGES_AT_ONCE) {
        changed.extend(match change {
            DeliveryChange::Redeliver => redeliver(&core, some.to_vec()).await?,
            DeliveryChange::Forget => forget(&core, some.to_vec()).await?,
            // This change is not for operators. It happens when a plugin is installed.
            DeliveryChange::Adopt => HashMap::new(),
        });
    }
    let answer = |id: &DeliveryId| changed.get(&DeliveryKey::from(id)).copied().filter(|_| is_ours(&id));
    Ok(ids.iter().map(|id| answer(id).unwrap_or(Changed::Unknown)).collect())
}

/// Changes all deliveries that match the filter, and gives their number.
pub(crate) async fn change_all(
    core: Arc<Core>,
    change: DeliveryChange,
    filter: DeliveryFilter,
) -> Result<u64, Refusal> {
    let mut page = PageRequest::first(CHANGES_AT_ONCE);
    let mut changed = 0u64;
    loop {
        let found = deliveries(core.clone(), filter.clone(), page.clone()).await?;
        let ids: Vec<DeliveryId> = found.rows.into_iter().map(|row| row.delivery).collect();
        let done = change_each(core.clone(), change, ids).await?.into_iter().filter(|one| *one == Changed::Done);
        changed = changed.saturating_add(u64::try_from(done.count()).unwrap_or(u64::MAX));
        page.after = found.next;
        if page.after.is_none() {
            return Ok(changed);
        }
    }
}

async fn redeliver(core: &Core, keys: Vec<DeliveryKey>) -> Result<HashMap<DeliveryKey, Changed>, JournalError> {
    let changed = core.journal().change_deliveries(DeliveryChange::Redeliver, keys.clone()).await?;
    // A plugin that is installed meanwhile finds what is orphaned here.
    let set = core.lock_active();
    let mut ops = DecidedOps::of(core.journal());
    for (key, one) in keys.iter().zip(&changed) {
        take_out(core, key, one);
        if let Some(owed) = &one.owed
            && !core.dispatcher().enqueue_redelivered(owed)
        {
            mark_orphaned(core, owed, &mut ops);
        }
    }
    core.dispatcher().count_orphaned_ends(ops.orphaned_ends());
    drop(ops);
    drop(set);
    Ok(keys.into_iter().zip(changed).map(|(key, one)| (key, one.changed)).collect())
}

async fn forget(core: &Core, keys: Vec<DeliveryKey>) -> Result<HashMap<DeliveryKey, Changed>, JournalError> {
    let found = rows(core, keys.clone()).await?;
    let is_owed = |row: &&DeliveryRow| row.state == DeliveryState::Owed;
    let owed: HashSet<DeliveryKey> =
        found.iter().flatten().filter(is_owed).map(|row| DeliveryKey::from(&row.delivery)).collect();
    let withdrawals = withdraw(core, found.iter().flatten().filter(is_owed));
    let withdrawn: HashSet<DeliveryKey> =
        withdrawals.iter().flat_map(|(plugin, one)| one.withdrawn().map(|event| key_of(plugin, event))).collect();
    // A delivery that is owed and was in no queue is with a worker, or was with one when its record was read, or is on its way into a
    // queue.
    let stays = |key: &DeliveryKey| owed.contains(key) && !withdrawn.contains(key);
    let (stay, go): (Vec<DeliveryKey>, Vec<DeliveryKey>) = keys.into_iter().partition(stays);
    let pending = core.journal().change_deliveries(DeliveryChange::Forget, go.clone());
    withdrawals.iter().for_each(|(_, withdrawal)| core.dispatcher().advance_lanes(withdrawal));
    let changed = match pending.await {
        Ok(changed) => changed,
        // Whether the deliveries are forgotten is unknown: the next start reads what is on record. Until then none of them is called.
        Err(error) if error.kind() == JournalErrorKind::Closed => {
            let ends = withdrawn.iter().filter(|key| key.event == EventKey::End).count();
            core.dispatcher().count_orphaned_ends(u64::try_from(ends).unwrap_or(u64::MAX));
            end(core, withdrawals, |_| false);
            return Err(error);
        }
        Err(error) => {
            end(core, withdrawals, |_| true);
            return Err(error);
        }
    };
    let of_go = || go.iter().zip(&changed);
    let unwritable = of_go().filter(|(_, one)| one.changed == Changed::Unwritable).map(|(key, _)| key);
    let unwritable: HashSet<&DeliveryKey> = unwritable.collect();
    end(core, withdrawals, |key| unwritable.contains(key));
    let sessions: HashMap<DeliveryKey, Identity> = found.iter().flatten().map(session_of).collect();
    for (key, one) in of_go() {
        if !withdrawn.contains(key) {
            take_out(core, key, one);
        }
        if one.changed == Changed::Done {
            core.operators().waiters().tell(vec![(key.clone(), Settled::Forgotten)], &Ok(()));
            if let Some(session) = sessions.get(key) {
                core.publisher().observers().forgotten(session, &key.id(core.journal_name()));
            }
        }
    }
    let stays = stay.into_iter().map(|key| (key, Changed::UnderWay));
    Ok(go.into_iter().zip(changed).map(|(key, one)| (key, one.changed)).chain(stays).collect())
}

/// Takes these deliveries out of the queues, by plugin and tenant.
fn withdraw<'a>(core: &Core, rows: impl Iterator<Item = &'a DeliveryRow>) -> Vec<(PluginName, Withdrawal)> {
    let mut wanted: HashMap<(Arc<str>, PluginName), HashMap<EventOfSession, Arc<str>>> = HashMap::new();
    for row in rows {
        let queue = (Arc::from(&*row.tenant), row.delivery.plugin.clone());
        let event = (row.delivery.sequence, row.delivery.event);
        wanted.entry(queue).or_default().insert(event, Arc::from(&*row.session));
    }
    let withdraw = |((tenant, plugin), wanted): ((Arc<str>, PluginName), _)| {
        let withdrawal = core.dispatcher().withdraw(&tenant, &plugin, wanted)?;
        Some((plugin, withdrawal))
    };
    wanted.into_iter().filter_map(withdraw).collect()
}

fn key_of(plugin: &PluginName, (sequence, event): EventOfSession) -> DeliveryKey {
    DeliveryKey { sequence, event, plugin: plugin.clone() }
}

/// The journal has answered. What it could not forget is owed as before.
fn end(core: &Core, withdrawals: Vec<(PluginName, Withdrawal)>, stays: impl Fn(&DeliveryKey) -> bool) {
    for (plugin, withdrawal) in withdrawals {
        core.dispatcher().end_withdrawal(withdrawal, |event| stays(&key_of(&plugin, event)));
    }
}

fn session_of(row: &DeliveryRow) -> (DeliveryKey, Identity) {
    (DeliveryKey::from(&row.delivery), Identity::new(&row.tenant, &row.session))
}

/// Removes from the counts a delivery that was in no queue: its state has changed.
fn take_out(core: &Core, key: &DeliveryKey, one: &ChangedDelivery) {
    let (Changed::Done, Some(was)) = (one.changed, one.was) else { return };
    match was {
        DeliveryState::Dead => core.operators().out_of_queues().remove_dead(&key.plugin, 1),
        DeliveryState::Orphaned => core.operators().out_of_queues().remove_orphaned(&key.plugin, 1),
        DeliveryState::Owed => (),
    }
    // A delivery that was given up is counted only if that was in this run.
    if key.event == EventKey::End && (was != DeliveryState::Dead || one.tried_in_this_run) {
        core.dispatcher().forget_undelivered_ends(1);
    }
}
