//! The runtime, in the reference's words.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lastword::events::{DeliveryId, EndReason, FailureCause, Outcome, PluginName, Session, Timestamp};
use lastword::{
    Accepted, CompactionRequest, EndRequest, JournalErrorKind, Limits, OutcomeRecord, Refusal, RetryPolicy, Runtime,
    Source, StartRequest, Tenants,
};
use lastword_harness::{Harness, NEVER};
use lastword_journal::DeliveryKey;

use super::case::{Grace, Guest, Plugin, Reply, Request, Run, What, Who};
use super::crashing_journal::CrashingJournal;
use super::delivery::{Delivery, MAX_FAILURES};
use super::reference::{Answer, OP_CONFLICT};

/// The runtime in one of its runs.
pub(super) struct Subject {
    pub(super) runtime: Runtime,
    /// Every attempt, in order. It outlives the runtime, whose workers bring back what they have in hand.
    pub(super) attempts: Receiver<Attempt>,
}

/// The answer to a request that is under way.
pub(super) type Asked = Pin<Box<dyn Future<Output = Answer>>>;

/// An attempt as the runtime tells of it.
pub(super) struct Attempt {
    pub(super) id: DeliveryId,
    pub(super) delivery: Delivery,
    pub(super) reason: Option<EndReason>,
    pub(super) number: u32,
    pub(super) failures: u32,
    pub(super) late: bool,
    pub(super) dead: bool,
    pub(super) draining: bool,
    /// None when there was no attempt.
    pub(super) reply: Option<Reply>,
    /// The journal has refused the outcome.
    pub(super) refused: bool,
    /// The outcome is on record, refused or not.
    pub(super) on_record: bool,
}

impl Subject {
    pub(super) fn build(journal: &Arc<CrashingJournal>, run: &Run, grace: Grace) -> Self {
        let (tell, attempts) = channel();
        let record = journal.clone();
        let mut builder = Runtime::builder()
            .sandbox(Harness::sandbox())
            .journal(journal.clone())
            .workers(NonZeroUsize::new(2).unwrap())
            .drain_budget(NEVER)
            .breaker_threshold(u32::MAX)
            .retry(RetryPolicy { first: NEVER, max: NEVER, max_failures: MAX_FAILURES })
            .attach_grace(match grace {
                Grace::None => Duration::ZERO,
                Grace::Short => Duration::from_millis(1),
                Grace::Long => NEVER,
            })
            // The receiver is gone once something is found to be wrong.
            .on_outcome(move |outcome| drop(tell.send(Attempt::from(outcome, &record))));
        for plugin in &run.installed {
            builder = builder.plugin(compiled(plugin), tenants(plugin));
        }
        Self { runtime: builder.build().unwrap(), attempts }
    }

    /// A request is made when this is called, and carried out whether or not anyone waits for the answer.
    pub(super) fn say(&self, request: &Request) -> Asked {
        let Request { who, what, scope, op, cwd, began_later, begins } = request;
        let mut session = Session::of(who.identity(scope));
        session.cwd = cwd.map(str::to_owned);
        session.started_at = began_later.then(|| Timestamp::now().plus(NEVER));
        let op_id = op.map(Arc::from);
        let part = |accepted: &Accepted| (accepted.how, accepted.generation);
        let code = |refusal: Refusal| match refusal.journal_error() {
            Some(JournalErrorKind::OpConflict) => OP_CONFLICT,
            _ => refusal.code(),
        };
        let answer =
            move |answer: Result<Accepted, Refusal>| answer.map(|accepted| vec![part(&accepted)]).map_err(code);
        match what {
            What::Start => {
                let mut request = StartRequest::new(session);
                request.op_id = op_id;
                let asked = self.runtime.start_session(request);
                Box::pin(async move { answer(asked.await) })
            }
            What::Compaction(phase) => {
                let mut request = CompactionRequest::new(session, *phase);
                request.op_id = op_id;
                let asked = self.runtime.compaction(request);
                Box::pin(async move { answer(asked.await) })
            }
            What::End(reason) => {
                let mut end = EndRequest::new(session, reason.clone());
                end.op_id = op_id;
                let Some((who, scope)) = begins else {
                    let asked = self.runtime.end_session(end);
                    return Box::pin(async move { answer(asked.await) });
                };
                let mut begins = Session::of(who.identity(scope));
                (begins.cwd, end.session.cwd) = (end.session.cwd, None);
                let asked = self.runtime.replace_session(end, StartRequest::new(begins));
                Box::pin(async move {
                    let (ended, started) = asked.await.map_err(code)?;
                    Ok(vec![part(&ended), part(&started)])
                })
            }
        }
    }
}

/// The tenants that it serves.
pub(super) fn tenants(plugin: &Plugin) -> Tenants {
    plugin.tenant.map_or(Tenants::Every, |only| Tenants::Only(vec![only.into()]))
}

/// Compiling each once is enough for all cases.
pub(super) fn compiled(plugin: &Plugin) -> lastword::Plugin {
    static COMPILED: OnceLock<HashMap<(&str, Guest), lastword::Plugin>> = OnceLock::new();
    let all = COMPILED.get_or_init(|| {
        let every = Plugin::every_one();
        every.map(|plugin| ((plugin.name, plugin.guest), compile(&plugin))).collect()
    });
    all[&(plugin.name, plugin.guest)].clone()
}

fn compile(plugin: &Plugin) -> lastword::Plugin {
    let component = Source::Bytes(lastword_test_guests::component(plugin.guest.component()));
    Harness::sandbox().load(PluginName::new(plugin.name).unwrap(), &component, Limits::default()).unwrap()
}

impl Attempt {
    fn from(outcome: &OutcomeRecord<'_>, journal: &CrashingJournal) -> Self {
        let id = outcome.id.clone();
        let session = outcome.session;
        let delivery = Delivery {
            who: Who::of(&session.identity),
            generation: session.generation,
            event: id.event,
            plugin: Plugin::name(&id.plugin),
        };
        let key = DeliveryKey { sequence: id.sequence, event: id.event, plugin: id.plugin.clone() };
        let refused = journal.refused(key, outcome.attempt);
        Self {
            id,
            delivery,
            reason: outcome.reason.cloned(),
            number: outcome.attempt,
            failures: outcome.failures,
            late: outcome.late,
            dead: outcome.dead,
            draining: outcome.draining,
            reply: match outcome.outcome {
                Outcome::Delivered => Some(Reply::Ok),
                Outcome::Failed { cause: FailureCause::Retry, .. } => Some(Reply::Retry),
                Outcome::Failed { cause: FailureCause::Fatal, .. } => Some(Reply::Fatal),
                _ => None,
            },
            refused: refused.is_some(),
            on_record: refused.unwrap_or(true),
        }
    }
}
