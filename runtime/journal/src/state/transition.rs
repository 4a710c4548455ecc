//! The transitions of a journal: what each [`JournalOp`] and each [`Completion`] changes, whatever the [`Tables`] are made of. So a journal
//! in memory and one on disk behave alike, and a test of one holds for the other.

use std::sync::Arc;

use lastword_events::{EventKey, Hook, Identity, PluginName, Session};

use super::tables::{Attempts, DrainedRow, DrainedState, EndedSession, NewSession, RecordedEvent, Tables, serving};
use crate::limits::MAX_COUNT;
use crate::{Appended, Completion, CutCall, DeliveryKey, JournalError, JournalOp};

/// Carries out an operation. Assigns in place the generation of a session that begins.
///
/// # Errors
/// When the operation is not possible, or a row cannot be read or written.
pub fn apply<T: Tables>(tables: &mut T, op: &mut JournalOp) -> Result<Appended, T::Error> {
    match op {
        JournalOp::Start { session, event, owed, op_id } => {
            unless_known(tables, &session.identity.clone(), Hook::SessionStart, op_id.as_ref(), |tables| {
                let sequence = next_generation(tables, session)?;
                tables.insert_session(&NewSession { sequence, session, started: owed, compactions: 0, end: None })?;
                enqueue(tables, &RecordedEvent { sequence, key: EventKey::Start, session, event }, owed)?;
                Ok((session.generation, Appended::Session { sequence, session: session.clone() }))
            })
        }
        JournalOp::Update { sequence, session, op_id } => {
            unless_known(tables, &session.identity, Hook::SessionStart, op_id.as_ref(), |tables| {
                update(tables, *sequence, session, None)?;
                Ok((session.generation, Appended::Done))
            })
        }
        JournalOp::Compaction { sequence, n, session, event, owed, op_id } => {
            unless_known(tables, &session.identity, Hook::SessionCompaction, op_id.as_ref(), |tables| {
                update(tables, *sequence, session, Some(*n))?;
                let key = event.key(*n);
                enqueue(tables, &RecordedEvent { sequence: *sequence, key, session, event }, owed)?;
                Ok((session.generation, Appended::Done))
            })
        }
        JournalOp::CompactionWithoutStart { session, event, owed, op_id } => {
            unless_known(tables, &session.identity.clone(), Hook::SessionCompaction, op_id.as_ref(), |tables| {
                let sequence = next_generation(tables, session)?;
                tables.insert_session(&NewSession { sequence, session, started: &[], compactions: 1, end: None })?;
                enqueue(tables, &RecordedEvent { sequence, key: event.key(1), session, event }, owed)?;
                Ok((session.generation, Appended::Session { sequence, session: session.clone() }))
            })
        }
        JournalOp::End { sequence, session, event, owed, received, op_id } => {
            unless_known(tables, &session.identity, Hook::SessionEnd, op_id.as_ref(), |tables| {
                let ended = tables.end_session(*sequence, session, event)?;
                let ended = ended.ok_or(JournalError::UnknownSession(*sequence))?;
                forget_last_end(tables, &session.identity)?;
                let end = RecordedEvent { sequence: *sequence, key: EventKey::End, session, event };
                enqueue_end(tables, &end, &ended, owed)?;
                if let Some(received) = received {
                    tables.insert_recent_end(&end, *received)?;
                }
                Ok((session.generation, Appended::Done))
            })
        }
        JournalOp::EndWithoutStart { session, event, owed, received, op_id } => {
            unless_known(tables, &session.identity.clone(), Hook::SessionEnd, op_id.as_ref(), |tables| {
                let sequence = next_generation(tables, session)?;
                let end = Some(&**event);
                tables.insert_session(&NewSession { sequence, session, started: &[], compactions: 0, end })?;
                let end = RecordedEvent { sequence, key: EventKey::End, session, event };
                tables.insert_recent_end(&end, *received)?;
                enqueue(tables, &end, owed)?;
                Ok((session.generation, Appended::Session { sequence, session: session.clone() }))
            })
        }
        JournalOp::Replace { end, start } => replace(tables, end, start),
        JournalOp::Seen { sequence } => tables.remove_recent_end(*sequence).map(|()| Appended::Done),
        JournalOp::Installed { plugins, attaching } => {
            tables.set_installed(plugins, *attaching).map(|()| Appended::Done)
        }
        JournalOp::PluginsChanged { plugins } => tables.change_installed(plugins).map(|()| Appended::Done),
        JournalOp::EndNotOwed { sequence, plugin } => tables.remove_started(*sequence, plugin).map(|()| Appended::Done),
        JournalOp::Draining { reason, at } => tables.set_draining(*reason, *at).map(|()| Appended::Done),
        JournalOp::Orphaned { delivery, late } => tables.set_orphaned(delivery, *late).map(|()| Appended::Done),
        JournalOp::Ended { cut } => {
            for CutCall { delivery, attempt } in cut {
                tables.set_attempt(delivery, *attempt)?;
            }
            tables.set_ended().map(|()| Appended::Done)
        }
    }
}

/// Records how an attempt ended. The [`Store`](super::Store) has what the guest stored.
///
/// # Errors
/// When a row cannot be read or written.
pub fn complete<T: Tables>(tables: &mut T, completion: &Completion) -> Result<(), T::Error> {
    let Completion { delivery, attempt, settlement, .. } = completion;
    tables.clear_suspect(delivery)?;
    let DeliveryKey { sequence, event, plugin } = delivery;
    let is_end = *event == EventKey::End;
    // The end of a session that is still active is recorded as a drain's, and any other end as a delivery's: no end is recorded as both.
    // During a drain nearly every end is of an active session, and a look for the other kind costs as much as the write.
    if is_end && tables.is_draining() && tables.settle_drained_end(*sequence, plugin, *attempt, settlement)? {
        return Ok(());
    }
    let found = tables.settle_delivery(delivery, *attempt, settlement)?;
    if !found && is_end && !tables.is_draining() {
        tables.settle_drained_end(*sequence, plugin, *attempt, settlement)?;
    }
    Ok(())
}

/// Carries out `work` and remembers the `op_id`, unless an earlier request of the same kind and session had it.
fn unless_known<T: Tables>(
    tables: &mut T,
    identity: &Identity,
    kind: Hook,
    op_id: Option<&Arc<str>>,
    work: impl FnOnce(&mut T) -> Result<(u32, Appended), T::Error>,
) -> Result<Appended, T::Error> {
    let Some(op_id) = op_id else { return Ok(work(tables)?.1) };
    if let Some(generation) = tables.generation_of_op(identity, kind, op_id)? {
        return Ok(Appended::DuplicateOp { generation });
    }
    let (generation, appended) = work(tables)?;
    tables.insert_op(identity, kind, op_id, generation)?;
    Ok(appended)
}

/// Carries out both parts, or neither: everything that could prevent one of them is checked before the other is carried out.
fn replace<T: Tables>(tables: &mut T, end: &mut JournalOp, start: &mut JournalOp) -> Result<Appended, T::Error> {
    let known = [generation_of(tables, end)?, generation_of(tables, start)?];
    if let [Some(_), None] | [None, Some(_)] = known {
        return Err(JournalError::OpConflict(op_name(end).map_or_else(String::new, |(.., op)| op.to_string())).into());
    }
    if known == [None, None] {
        for op in [&*end, &*start] {
            match op {
                JournalOp::End { sequence, .. } | JournalOp::Update { sequence, .. }
                    if !tables.is_active(*sequence)? =>
                {
                    return Err(JournalError::UnknownSession(*sequence).into());
                }
                // The end of a session without a start is a generation as well, perhaps of the same id.
                JournalOp::EndWithoutStart { session, .. } => drop(latest_generation(tables, session, 2)?),
                JournalOp::Start { session, .. } => drop(latest_generation(tables, session, 1)?),
                _ => (),
            }
        }
    }
    let [end, start] = [apply(tables, end)?, apply(tables, start)?].map(Box::new);
    Ok(Appended::Replaced { end, start })
}

/// The generation of the first request with the operation's `op_id`. None if the `op_id` is new.
fn generation_of<T: Tables>(tables: &T, op: &JournalOp) -> Result<Option<u32>, T::Error> {
    match op_name(op) {
        Some((identity, kind, op_id)) => tables.generation_of_op(identity, kind, op_id),
        None => Ok(None),
    }
}

/// The session, the kind and the `op_id` of a part of a replacement, if it has an `op_id`.
fn op_name(op: &JournalOp) -> Option<(&Identity, Hook, &str)> {
    match op {
        JournalOp::Start { session, op_id, .. } | JournalOp::Update { session, op_id, .. } => {
            Some((&session.identity, Hook::SessionStart, op_id.as_deref()?))
        }
        JournalOp::End { session, op_id, .. } | JournalOp::EndWithoutStart { session, op_id, .. } => {
            Some((&session.identity, Hook::SessionEnd, op_id.as_deref()?))
        }
        _ => None,
    }
}

fn next_generation<T: Tables>(tables: &mut T, session: &mut Arc<Session>) -> Result<u64, T::Error> {
    let (kept, latest) = latest_generation(tables, session, 1)?;
    if kept.is_some() {
        tables.remove_last_recent_end(&session.identity)?;
    }
    Arc::make_mut(session).generation = latest + 1;
    Ok(tables.next_sequence())
}

/// The newest generation that is kept, and the newest that there was. Fails if there is no room for `more`.
fn latest_generation<T: Tables>(tables: &T, session: &Session, more: u32) -> Result<(Option<u32>, u32), T::Error> {
    let kept = tables.latest_generation(&session.identity)?;
    // A newer generation may be forgotten while an older one is still owed to a plugin.
    let latest = kept.unwrap_or(0).max(tables.forgotten_generations().of(&session.identity.tenant));
    if latest > MAX_COUNT.saturating_sub(more) {
        // No program of Lastword has written that number. There is no room for one more.
        let why = format!("generation {latest} of this session id is the last there can be: was the file changed?");
        return Err(JournalError::Damaged(why).into());
    }
    Ok((kept, latest))
}

fn update<T: Tables>(
    tables: &mut T,
    sequence: u64,
    session: &Arc<Session>,
    compactions: Option<u32>,
) -> Result<(), T::Error> {
    if !tables.update_session(sequence, session, compactions)? {
        return Err(JournalError::UnknownSession(sequence).into());
    }
    forget_last_end(tables, &session.identity)
}

/// An active session may have been known without its scope, or with another. So the end of the last session of this identity has no
/// duplicate any more.
fn forget_last_end<T: Tables>(tables: &mut T, identity: &Identity) -> Result<(), T::Error> {
    if identity.scope.is_empty() { Ok(()) } else { tables.remove_last_recent_end(identity) }
}

fn enqueue<T: Tables>(tables: &mut T, event: &RecordedEvent<'_>, owed: &[PluginName]) -> Result<(), T::Error> {
    tables.insert_deliveries(event, owed.iter().map(|plugin| (plugin, Attempts::default())))
}

/// Keeps what drains have settled of an end. Every run since the session began that did not end cleanly may have made an attempt, whether
/// or not the owner has spoken of the session later: a drain that was killed before its first commit has left no trace.
fn enqueue_end<T: Tables>(
    tables: &mut T,
    end: &RecordedEvent<'_>,
    ended: &EndedSession,
    owed: &[PluginName],
) -> Result<(), T::Error> {
    let EndedSession { first_run, drained } = ended;
    let run = tables.run();
    if drained.is_empty() && *first_run == run {
        return enqueue(tables, end, owed);
    }
    let clean = tables.clean_runs();
    let untraced = clean.untraced(*first_run, run);
    let attempt_of = |row: &DrainedRow| clean.attempt_in_run(row.attempt, row.run, run).max(untraced);
    let before = |plugin: &PluginName| match drained.iter().find(|row| row.plugin == *plugin) {
        Some(row) if row.state != DrainedState::Owed => None,
        Some(tried) => Some(Attempts { attempt: attempt_of(tried), ..Attempts::of_drain(tried) }),
        None => Some(Attempts { attempt: untraced, ..Attempts::default() }),
    };
    let open: Vec<_> = owed.iter().filter_map(|plugin| Some((plugin, before(plugin)?))).collect();
    tables.insert_deliveries(end, open.into_iter())?;
    // These deliveries are not made again, and an operator has to see them.
    let dead = drained.iter().filter(|row| row.state == DrainedState::Dead);
    tables.insert_deliveries(
        end,
        dead.map(|row| (&row.plugin, Attempts { run: Some(row.run), ..Attempts::of_drain(row) })),
    )?;
    if *first_run < run { mark_orphaned_ends(tables, end, owed) } else { Ok(()) }
}

/// Adds plugins that were sent the session's start and are not installed any more: they are owed its end all the same.
fn mark_orphaned_ends<T: Tables>(tables: &mut T, end: &RecordedEvent<'_>, owed: &[PluginName]) -> Result<(), T::Error> {
    let Some(installed) = tables.installed() else { return Ok(()) };
    let serving = serving(installed, &end.session.identity.tenant);
    for plugin in owed.iter().filter(|plugin| !serving.contains(plugin)) {
        let delivery = DeliveryKey { sequence: end.sequence, event: EventKey::End, plugin: plugin.clone() };
        tables.set_orphaned(&delivery, false)?;
    }
    Ok(())
}
