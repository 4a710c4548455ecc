//! Writes that the file refuses even alone, though it takes all others. The journal sets each aside with its facts, so that the others go
//! on.
//!
//! No delivery is lost by that. An end that is not on record leaves its session active in the file, and a delivery whose outcome is not
//! on record stays owed. The next start tells plugins of both, under the same delivery ids.

use lastword_events::{EventKey, Session};
use lastword_journal::state::Resolved;
use lastword_journal::{Completion, JournalOp, Settlement};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use crate::limits::RETAINED_SET_ASIDE;
use crate::sqlite_error::is_of_the_command;

/// The largest record of one write, in bytes of JSON. A longer write is kept as its kind alone. A session with its end has some
/// kilobytes.
const MAX_WHAT_BYTES: usize = 64 << 10;

/// A write that was set aside.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Whether to store it. False for an owner's line, because its owner has been refused and still has the line.
    keep: bool,
    tenant: String,
    subject: AsideSubject,
    what: String,
    why: String,
}

/// The subject of a write that was set aside.
#[derive(Debug)]
enum AsideSubject {
    Session(String),
    Sequence(u64),
    Nobody,
}

impl Aside {
    /// An owner's line.
    pub(crate) fn refused(op: &JournalOp, why: &str) -> Self {
        Self { keep: false, ..Self::decided(op, why) }
    }

    /// An operation that the runtime decided or reported.
    pub(crate) fn decided(op: &JournalOp, why: &str) -> Self {
        let (kind, session, what) = described(op);
        let tenant = session.map_or_else(String::new, |session| session.identity.tenant.to_string());
        let subject =
            session.map_or(AsideSubject::Nobody, |session| AsideSubject::Session(session.identity.id.to_string()));
        Self { keep: true, tenant, subject, what: bounded(kind, &what), why: why.to_owned() }
    }

    /// The outcome of an attempt.
    pub(crate) fn outcome(tenant: &str, Resolved { completion, staged }: &Resolved, why: &str) -> Self {
        let Completion { delivery, attempt, settlement, .. } = completion;
        let (state, failure) = match settlement {
            Settlement::Delivered => ("delivered", None),
            Settlement::Owed { failures, cause, message, .. } => ("owed", Some((failures, cause, message))),
            Settlement::Dead { failures, cause, message } => ("dead", Some((failures, cause, message))),
        };
        let failure = failure.map(|(failures, cause, message)| {
            json!({ "failures": failures, "cause": cause.to_string(), "message": message })
        });
        let stored = staged.as_ref().map(|staged| {
            let bytes: usize = staged
                .writes
                .iter()
                .map(|write| write.key.len() + write.value.as_ref().map_or(0, |value| value.len()))
                .sum();
            json!({ "keys": staged.writes.len(), "bytes": bytes })
        });
        let what = json!({
            "outcome": state,
            "sequence": delivery.sequence,
            "event": delivery.event.to_string(),
            "plugin": delivery.plugin,
            "attempt": attempt,
            "failure": failure,
            "stored": stored,
        });
        let subject = AsideSubject::Sequence(delivery.sequence);
        Self { keep: true, tenant: tenant.to_owned(), subject, what: bounded(state, &what), why: why.to_owned() }
    }

    /// Whether the journal stores and counts it. The journal does not set aside a line that its owner still has.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep
    }

    /// Logs it, once the transaction is committed.
    pub(crate) fn log(&self) {
        let Self { what, why, .. } = self;
        if self.keep {
            tracing::error!(
                defect = %what,
                "this cannot be recorded, and is set aside: {why}; what is owed of it goes out after the next start, and \
                 `lastword journal check` lists it"
            );
        } else {
            tracing::error!(defect = %what, "an owner's line cannot be recorded, and is refused: {why}");
        }
    }
}

/// The record that is stored: the kind alone, if the whole is too long.
fn bounded(kind: &str, what: &Value) -> String {
    let text = what.to_string();
    if text.len() <= MAX_WHAT_BYTES { text } else { json!({ "too long": kind }).to_string() }
}

/// The kind of an operation, its session, and its facts.
fn described(op: &JournalOp) -> (&'static str, Option<&Session>, Value) {
    match op {
        JournalOp::Start { session, event, owed, .. } => {
            ("start", Some(session), json!({ "write": "start", "session": session, "event": event, "owed": owed }))
        }
        JournalOp::Update { sequence, session, .. } => {
            ("update", Some(session), json!({ "write": "update", "sequence": sequence, "session": session }))
        }
        JournalOp::Compaction { sequence, n, session, event, owed, .. } => {
            let event_key = event.key(*n).to_string();
            let what = json!({
                "write": "compaction", "sequence": sequence, "key": event_key, "session": session, "event": event, "owed": owed,
            });
            ("compaction", Some(session), what)
        }
        JournalOp::CompactionWithoutStart { session, event, owed, .. } => {
            let what = json!({ "write": "compaction", "session": session, "event": event, "owed": owed });
            ("compaction", Some(session), what)
        }
        JournalOp::End { sequence, session, event, owed, .. } => {
            let key = EventKey::End.to_string();
            let what = json!({
                "write": "end", "sequence": sequence, "key": key, "session": session, "event": event, "owed": owed,
            });
            ("end", Some(session), what)
        }
        JournalOp::EndWithoutStart { session, event, owed, .. } => {
            ("end", Some(session), json!({ "write": "end", "session": session, "event": event, "owed": owed }))
        }
        JournalOp::Replace { end, start } => {
            let ((_, session, end), (.., start)) = (described(end), described(start));
            ("replacement", session, json!({ "write": "replacement", "end": end, "start": start }))
        }
        JournalOp::Seen { sequence } => ("alive", None, json!({ "write": "alive", "sequence": sequence })),
        JournalOp::Installed { plugins, attaching } => {
            ("installed", None, json!({ "write": "installed", "plugins": plugins, "attaching": attaching }))
        }
        JournalOp::PluginsChanged { plugins } => {
            ("installed", None, json!({ "write": "plugins-changed", "plugins": plugins }))
        }
        JournalOp::EndNotOwed { sequence, plugin } => {
            ("end-not-owed", None, json!({ "write": "end-not-owed", "sequence": sequence, "plugin": plugin }))
        }
        JournalOp::Orphaned { delivery, late } => {
            let what = json!({
                "write": "orphaned",
                "sequence": delivery.sequence,
                "event": delivery.event.to_string(),
                "plugin": delivery.plugin,
                "late": late,
            });
            ("orphaned", None, what)
        }
        JournalOp::Draining { reason, at } => {
            ("draining", None, json!({ "write": "draining", "reason": reason.to_string(), "at": at.to_string() }))
        }
        JournalOp::Ended { cut } => ("ended", None, json!({ "write": "ended", "cut": cut.len() })),
    }
}

/// Writes down the writes that run `run` sets aside, in the transaction of the others. If the file refuses one of these rows, only the
/// log has the write.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn record(file: &Connection, run: u32, at: i64, asides: &[Aside]) -> rusqlite::Result<()> {
    let mut any = false;
    for aside in asides.iter().filter(|aside| aside.keep) {
        any = true;
        file.execute_batch("SAVEPOINT aside")?;
        match insert(file, run, at, aside) {
            Ok(()) => (),
            Err(error) if is_of_the_command(&error) => file.execute_batch("ROLLBACK TO aside")?,
            Err(error) => return Err(error),
        }
        file.execute_batch("RELEASE aside")?;
    }
    if any {
        let sql = "DELETE FROM set_aside WHERE number <= (SELECT max(number) FROM set_aside) - ?1";
        file.prepare_cached(sql)?.execute(params![RETAINED_SET_ASIDE])?;
    }
    Ok(())
}

fn insert(file: &Connection, run: u32, at: i64, aside: &Aside) -> rusqlite::Result<()> {
    let session = match &aside.subject {
        AsideSubject::Session(id) => id.clone(),
        AsideSubject::Nobody => String::new(),
        AsideSubject::Sequence(sequence) => file
            .prepare_cached("SELECT id FROM session WHERE sequence = ?1")?
            .query_row(params![sequence], |row| row.get(0))
            .optional()?
            .unwrap_or_default(),
    };
    let sql = "INSERT INTO set_aside (run, at, tenant, session, what, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    file.prepare_cached(sql)?.execute(params![run, at, aside.tenant, session, aside.what, aside.why])?;
    Ok(())
}
