//! Continues, after the daemon was killed, the sessions of owners that still live.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use lastword::events::{Identity, OwnerProcess, Session, SessionOwner};
use lastword_process::{Process, WatchError, Watched};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Life, OwnerId, OwnerName, Owners, SaidOwner, is_active};
use crate::limits::{END_RETRY, RESUMES_AT_ONCE};
use crate::runtimes::Runtimes;

/// The owners of the last run, as a start found them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Resumed {
    /// Owners that live, or whose lease has begun anew.
    pub owners: u64,
    /// Sessions of these owners, which continue.
    pub sessions: u64,
    /// Sessions whose owner is dead or unknown, and sessions that had ended before they could continue. The runtime's
    /// grace decides about them.
    pub left: u64,
}

/// A session that continues, and its owner.
type GoingOn = (Arc<Session>, SessionOwner);

impl Owners {
    /// Continues the sessions of owners that live. The runtime must have a grace, so that these sessions are still
    /// active.
    pub(crate) async fn resume(self: &Arc<Self>, runtime: &Runtimes) -> Resumed {
        let (mut resumed, mut going_on) = (Resumed::default(), Vec::new());
        for (name, sessions) in by_owner(runtime.own().sessions()) {
            let Some((id, record)) = self.resume_owner(&name, &sessions) else {
                resumed.left += sessions.len() as u64;
                continue;
            };
            resumed.owners += 1;
            for session in sessions {
                let kind: Arc<str> = session.owner_kind.as_deref().unwrap_or_default().into();
                self.registry.lock().note(&session.identity, Some(id), &kind, self.clock.now());
                going_on.push((session, record.clone()));
            }
        }
        self.wake.notify_one();
        let all = going_on.len() as u64;
        let Attached { refused, ended } = attach(runtime, going_on).await;
        self.settle_all(runtime, &ended);
        resumed.left += ended.len() as u64;
        resumed.sessions = all.saturating_sub((refused.len() + ended.len()) as u64);
        if !refused.is_empty() {
            let sessions = refused.len();
            tracing::warn!(sessions, "sessions whose owners live could not be written down again: it is tried again");
            tokio::spawn(attach_until_done(Arc::downgrade(self), runtime.clone(), refused));
        }
        resumed
    }

    /// Returns the owner, if it lives. It may have lived in several ways, and not all of its sessions are on record
    /// with the last one: the life of its newest session that still holds counts for all.
    fn resume_owner(self: &Arc<Self>, name: &OwnerName, sessions: &[Arc<Session>]) -> Option<(OwnerId, SessionOwner)> {
        let mut looked_at: Vec<&SessionOwner> = Vec::new();
        for session in sessions {
            let Some(record) = session.owner.as_deref().filter(|record| !looked_at.contains(record)) else { continue };
            looked_at.push(record);
            let kind: Arc<str> = session.owner_kind.as_deref().unwrap_or_default().into();
            if let Some(id) = self.resume_as(name, &kind, record) {
                return Some((id, record.clone()));
            }
        }
        None
    }

    /// Forgets those of these sessions that are not active.
    fn settle_all(&self, runtime: &Runtimes, ended: &[Identity]) {
        let mut registry = self.registry.lock();
        ended.iter().for_each(|identity| registry.settle(identity, is_active(runtime)));
    }

    /// Returns the records to write for these sessions now: their owners may live otherwise by now, or may have
    /// changed.
    fn with_their_owners(&self, runtime: &Runtimes, sessions: Vec<GoingOn>) -> Vec<GoingOn> {
        let mut registry = self.registry.lock();
        let owned = sessions.into_iter().filter_map(|(session, _)| {
            registry.settle(&session.identity, is_active(runtime));
            let record = registry.record_of(&session.identity)?;
            Some((session, record))
        });
        owned.collect()
    }

    fn resume_as(self: &Arc<Self>, name: &OwnerName, kind: &Arc<str>, record: &SessionOwner) -> Option<OwnerId> {
        let (life, watched) = match (&record.process, record.lease_ms) {
            (Some(OwnerProcess { pid, start_time, boot_id }), _) => {
                let process = Process { pid: *pid, start_time: *start_time, boot_id: boot_id.clone() };
                let watched = Watched::begin(&process).map_err(|error| tell(name, &error)).ok()?;
                (Life::Process(process), Some(watched))
            }
            (None, Some(lease)) => (Life::Lease(Duration::from_millis(lease)), None),
            (None, None) => return None,
        };
        let said = SaidOwner { kind: kind.clone(), ..SaidOwner::default() };
        let registration = self.registered(name, &said, life, watched).ok()?;
        Some(registration.registered.id)
    }
}

/// Groups the sessions with an owner on record by its name, newest first.
fn by_owner(sessions: Vec<Arc<Session>>) -> HashMap<OwnerName, Vec<Arc<Session>>> {
    let mut by_owner: HashMap<_, Vec<Arc<Session>>> = HashMap::new();
    for session in sessions {
        let Some(record) = &session.owner else { continue };
        let name = OwnerName::new(&session.identity.tenant, &record.name);
        by_owner.entry(name).or_default().push(session);
    }
    for sessions in by_owner.values_mut() {
        sessions.sort_by_key(|session| std::cmp::Reverse(session.started_at));
    }
    by_owner
}

/// The sessions that were to continue and do not.
#[derive(Default)]
struct Attached {
    /// Sessions that could not be written down.
    refused: Vec<GoingOn>,
    /// Sessions that were not active any more: the runtime's grace was over first.
    ended: Vec<Identity>,
}

/// Writes down the owners of these sessions, so that the runtime does not end them. Does not start ended sessions
/// again.
async fn attach(runtime: &Runtimes, sessions: Vec<GoingOn>) -> Attached {
    stream::iter(sessions)
        .map(|(session, record)| {
            let (identity, generation) = (session.identity.clone(), session.generation);
            let with_owner = Session { owner: Some(Box::new(record.clone())), generation, ..Session::of(identity) };
            let answer = runtime.update_session(with_owner);
            async move { (answer.await, (session, record)) }
        })
        .buffer_unordered(RESUMES_AT_ONCE)
        .fold(Attached::default(), |mut attached, (answer, (session, record))| {
            match answer {
                Ok(Some(_)) => {}
                Ok(None) => attached.ended.push(session.identity.clone()),
                Err(_) => attached.refused.push((session, record)),
            }
            std::future::ready(attached)
        })
        .await
}

/// Retries, because a full disk may have room later.
async fn attach_until_done(owners: Weak<Owners>, runtime: Runtimes, mut sessions: Vec<GoingOn>) {
    while !sessions.is_empty() {
        let Some(clock) = owners.upgrade().map(|owners| owners.clock.clone()) else { return };
        clock.sleep_until(clock.now() + END_RETRY).await;
        let Some(still) = owners.upgrade().filter(|owners| !owners.is_stopped()) else { return };
        sessions = still.with_their_owners(&runtime, sessions);
        drop(still);
        let attached = attach(&runtime, sessions).await;
        let Some(still) = owners.upgrade() else { return };
        still.settle_all(&runtime, &attached.ended);
        sessions = attached.refused;
    }
}

fn tell(name: &OwnerName, error: &WatchError) {
    let (tenant, owner) = (&*name.tenant, &*name.name);
    match error {
        WatchError::Gone(_) => tracing::info!(tenant, owner, %error, "an owner has died while no daemon ran"),
        error => tracing::warn!(tenant, owner, %error, "nobody can tell whether an owner lives: it has to come back"),
    }
}
