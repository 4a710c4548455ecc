//! What is done without a guest: lines are read and written, the journal is kept, deliveries are handed out.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use lastword::events::{
    DeliveryId, DrainReason, EndReason, Event, EventKey, Hook, JournalName, Outcome, PluginName, Session, SessionEnd,
    SessionStart, Timestamp,
};
use lastword::journal::{Appended, Completion, DeliveryKey, Journal, JournalOp, MemoryJournal, Receipt, Settlement};
use lastword::{EndRequest, Plugin, Runtime, StartRequest, Tenants};
use lastword_protocol::output::{self, Output};
use lastword_protocol::owners::InputFormat;
use lastword_protocol::reader::Reader;

/// What a gateway has said, as it said it.
const CAPTURED: &[u8] = include_bytes!("../../../tests/data/openclaw-2026.9.6-hooks.ndjson");
/// What a script makes of a path and a number that it does not know: no JSON.
const BROKEN: &[u8] = br#"{"op":"end","session":{"id":"s1","cwd":"C:\Users\me"},"reason":"reset","message_count":NaN}
"#;
/// Longer than any of these takes under valgrind.
const BUDGET: Duration = Duration::from_secs(600);

/// The lines of a gateway, each as it is.
pub(crate) fn line(times: u32, _folder: &Path) -> anyhow::Result<()> {
    read(InputFormat::Openclaw, CAPTURED, times)
}

/// A line that has to be repaired before it can be read.
pub(crate) fn repaired_line(times: u32, _folder: &Path) -> anyhow::Result<()> {
    read(InputFormat::Lastword, BROKEN, times)
}

fn read(format: InputFormat, lines: &[u8], times: u32) -> anyhow::Result<()> {
    let mut reader = Reader::new(format);
    let (mut all, mut refused) = (0, 0);
    for _ in 0..times {
        reader.push(black_box(lines), &mut |line| {
            all += 1;
            refused += u32::from(line.input.is_err());
        });
    }
    ensure!(refused == 0 && all >= times, "{refused} of {all} lines were refused");
    Ok(())
}

/// What an owner is told of an event that is on record, and of the call that it came to.
pub(crate) fn answer(times: u32, _folder: &Path) -> anyhow::Result<()> {
    let id = delivery_id()?;
    for line in 1..=u64::from(times) {
        let accepted = Output::Accepted(output::Accepted {
            op: "end",
            op_id: None,
            tenant: "default",
            session: "30978718-9dbb-47ca-81cf-00f4c4329df8",
            generation: 1,
            line,
            updated: false,
            code: None,
            dropped: &[],
        });
        let outcome = Output::Outcome(output::Outcome {
            delivery: &id,
            plugin: &id.plugin,
            hook: Hook::SessionEnd,
            tenant: "default",
            session: "30978718-9dbb-47ca-81cf-00f4c4329df8",
            generation: 1,
            reason: Some("shutdown"),
            attempt: 1,
            late: false,
            outcome: &Outcome::Delivered,
            failures: None,
            retry_at: None,
            dead: false,
            cost: Some(output::Cost { wall_us: 75, fuel: 16_946, peak_memory_bytes: 1 << 20, host_memory_bytes: 0 }),
        });
        ensure!(!black_box(accepted.line()).is_empty() && !black_box(outcome.line()).is_empty(), "no line was written");
    }
    Ok(())
}

/// A delivery's id, of which nothing is drawn: each process has the same.
pub(crate) fn delivery_id() -> anyhow::Result<DeliveryId> {
    let journal = JournalName::from_random([0; JournalName::LEN]);
    Ok(DeliveryId { journal, sequence: 17, event: EventKey::End, plugin: PluginName::new("memory")? })
}

/// A session's start and end, and that a plugin was told of both, in the journal in memory.
pub(crate) fn journal(times: u32, _folder: &Path) -> anyhow::Result<()> {
    let journal = MemoryJournal::new();
    journal.recover()?;
    let tenant: Arc<str> = "default".into();
    let plugin = PluginName::new("memory")?;
    let at = Timestamp::from_millisecond(1);
    let began = Arc::new(Event::Start(SessionStart::default()));
    let ended = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, at)));
    on_this_thread()?.block_on(async {
        for n in 0..times {
            let (event, owed) = (Arc::clone(&began), vec![plugin.clone()]);
            let start = JournalOp::Start { session: Arc::new(session(n)), event, owed: owed.clone(), op_id: None };
            let Appended::Session { sequence, session } = journal.append(start).await? else {
                bail!("a start without a name is a session of its own");
            };
            let (event, received) = (Arc::clone(&ended), Some(Receipt { at, said: 0 }));
            journal.append(JournalOp::End { sequence, session, event, owed, received, op_id: None }).await?;
            let delivered = |event| Completion {
                delivery: DeliveryKey { sequence, event, plugin: plugin.clone() },
                attempt: 1,
                settlement: Settlement::Delivered,
                changes: None,
            };
            let staged = journal.complete(&tenant, vec![delivered(EventKey::Start), delivered(EventKey::End)]);
            staged.pending.await?;
        }
        anyhow::Ok(())
    })
}

/// Sessions that start, and are all ended by a drain: each a delivery of its own.
pub(crate) fn dispatch(times: u32, _folder: &Path) -> anyhow::Result<()> {
    let tokio = on_this_thread()?;
    let _context = tokio.enter();
    let runtime = runtime([Hook::SessionEnd])?;
    tokio.block_on(async {
        for n in 0..times {
            runtime.start_session(StartRequest::new(session(n))).await?;
        }
        let report = runtime.drain(DrainReason::Shutdown).await;
        ensure!(report.delivered == u64::from(times), "not everything was delivered: {report:?}");
        anyhow::Ok(())
    })
}

/// One session id that starts and ends again and again: every event waits for the one before it.
pub(crate) fn lane(times: u32, _folder: &Path) -> anyhow::Result<()> {
    let tokio = on_this_thread()?;
    let _context = tokio.enter();
    let runtime = runtime([Hook::SessionStart, Hook::SessionEnd])?;
    tokio.block_on(async {
        for _ in 0..times {
            runtime.start_session(StartRequest::new(session(0))).await?;
            runtime.end_session(EndRequest::new(session(0), EndReason::Reset)).await?;
        }
        runtime.settled().await;
        ensure!(runtime.undelivered_ends() == 0, "not everything was delivered");
        anyhow::Ok(())
    })
}

/// One worker, and a plugin that is a function.
fn runtime<const N: usize>(hooks: [Hook; N]) -> anyhow::Result<Runtime> {
    let plugin = Plugin::native(PluginName::new("memory")?, hooks.into_iter().collect(), |_call| Outcome::Delivered)?;
    let builder = Runtime::builder().plugin(plugin, Tenants::Every);
    Ok(builder.workers(NonZeroUsize::MIN).drain_budget(BUDGET).build()?)
}

/// Everything that is waited for is done on this thread, or by the runtime's own.
pub(crate) fn on_this_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}

/// What OpenClaw says of a session.
pub(crate) fn session(n: u32) -> Session {
    let mut session = Session::new("default", &format!("30978718-9dbb-47ca-81cf-{n:012}"));
    session.key = Some("agent:main:a".into());
    session.agent_id = Some("main".into());
    session.owner_kind = Some("openclaw".into());
    session.cwd = Some("/home/user/.openclaw/workspace".into());
    session
}
