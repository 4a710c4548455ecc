//! What an active session takes in memory, beside its own strings.

use std::sync::Arc;

use lastword::events::Session;
use lastword::{Runtime, Sandbox, SandboxConfig, SqliteJournal, StartRequest};

use crate::end::session;
use crate::process::bytes;
use crate::rounds::say;
use crate::setup::tokio_with;

const SESSIONS: u32 = 1_000_000;

/// Prints both.
///
/// # Errors
/// When something fails that must not, or this system does not tell what a process has in memory.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(1)?;
    let _context = tokio.enter();
    let dir = tempfile::tempdir()?;
    let journal = Arc::new(SqliteJournal::open(&dir.path().join("journal.db"))?);
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let runtime = Runtime::builder().sandbox(sandbox).journal(journal).build()?;
    // What grows once, whatever the number of sessions, is not theirs.
    tokio.block_on(start(&runtime, 0..1_000))?;
    let before = resident()?;
    tokio.block_on(start(&runtime, 1_000..1_000 + SESSIONS))?;
    let each = (resident()? - before) / f64::from(SESSIONS);
    let strings = strings(&session(SESSIONS / 2));
    say(format!("an active session in memory, journal on disk, mean of {SESSIONS}:"));
    say(format!("  its own strings             {strings:6} bytes"));
    say(format!("  all of it                   {each:6.0} bytes   {:.0} beside the strings", each - strings as f64));
    Ok(())
}

async fn start(runtime: &Runtime, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    for first in numbers.clone().step_by(1_000) {
        let thousand = first..(first + 1_000).min(numbers.end);
        let requests: Vec<_> = thousand.map(|n| runtime.start_session(StartRequest::new(session(n)))).collect();
        for request in requests {
            request.await?;
        }
    }
    Ok(())
}

/// The bytes of everything that the owner said of it.
fn strings(session: &Session) -> usize {
    let optional = [&session.key, &session.agent_id, &session.owner_kind, &session.cwd];
    let transcript = session.transcript.as_ref().map_or(0, |transcript| transcript.uri.len());
    let attributes: usize = session.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    let identity = session.identity.tenant.len() + session.identity.id.len();
    identity + optional.into_iter().flatten().map(String::len).sum::<usize>() + transcript + attributes
}

/// Bytes of this process in memory.
fn resident() -> anyhow::Result<f64> {
    bytes("self", "status", "VmRSS:")
}
