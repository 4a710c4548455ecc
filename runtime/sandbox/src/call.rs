//! A call as its caller holds it: a future that meters the guest, cuts it, and can be dropped at any moment.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use lastword_events::{HookCall, Outcome};
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::time::Sleep;

use crate::flight::{Flight, Slot, TakenMemories, acquire};
use crate::guest::{Answer, attempt};
use crate::key_values::{Change, KeyValues};
use crate::limits::OUTER_CUT_GRACE;
use crate::meter::{Meter, Pause};
use crate::outcome::{of_deadline, of_host, of_panic};
use crate::plugin::Loaded;

/// How one call went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Delivered or failed; never deferred.
    pub outcome: Outcome,
    /// Units of fuel. Of a guest that was cut at its deadline it is only a lower bound: the engine keeps the count in a
    /// register, and writes it down when a function is called or left.
    pub fuel_used: u64,
    /// The most that its memories and tables had together, in bytes.
    pub peak_memory: u64,
    /// From the first poll to the answer.
    pub wall: Duration,
    /// What the deadline counted of that: running, or waiting for the host.
    pub active: Duration,
    /// What the guest has written to key-value storage, one for each key; empty unless it answered ok. Whoever gave the
    /// call its [`KeyValues`] makes them visible together with the outcome.
    pub changes: Vec<(String, Change)>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One call of a hook, made by [`Sandbox::call`](crate::Sandbox::call).
///
/// Nothing happens before the first poll. Each poll of a guest that keeps the CPU comes back within about a
/// [tick](crate::limits::TICK); dropping the call cuts the guest and frees all that it used. It can be polled on any
/// thread and outside of a tokio task, but inside a runtime's context
/// ([`Handle::enter`](tokio::runtime::Handle::enter)) with time enabled: a guest that waits for the host needs a timer.
#[must_use = "a call does nothing until it is polled"]
pub struct Call {
    stage: Stage,
    flight: Arc<Flight>,
    first_poll: Option<Instant>,
}

enum Stage {
    New(HookCall),
    /// All slots are taken, or the memories that it needs beside its slot's.
    Queued(HookCall, BoxFuture<Result<TakenMemories, AcquireError>>),
    Running(Running),
    Done,
}

/// The order matters: the guest goes before its slot and its memories are free.
struct Running {
    guest: BoxFuture<Answer>,
    waker: Waker,
    /// The outer cut. Only guests that wait for the host get one.
    cut: Option<Pin<Box<Sleep>>>,
    _slot: Slot,
    _memories: TakenMemories,
}

impl Call {
    pub(crate) fn new(plugin: Arc<Loaded>, call: HookCall, deadline: Duration) -> Self {
        let meter = Meter::new(deadline.min(plugin.limits.deadline), plugin.limits.fuel);
        Self { stage: Stage::New(call), flight: Arc::new(Flight { plugin, meter, key_values: None }), first_poll: None }
    }

    /// What the guest reads through the grant `keyvalue`. To be said before the first poll.
    pub fn with_key_values(mut self, store: Arc<dyn KeyValues>) -> Self {
        if let Some(flight) = Arc::get_mut(&mut self.flight) {
            flight.key_values = Some(store);
        }
        self
    }

    fn report(&mut self, answer: Answer) -> Report {
        let now = Instant::now();
        let Flight { plugin, meter, .. } = &*self.flight;
        Report {
            outcome: answer.outcome,
            changes: answer.changes,
            fuel_used: plugin.limits.fuel.saturating_sub(meter.fuel_left()),
            peak_memory: meter.peak_memory(),
            wall: self.first_poll.map_or(Duration::ZERO, |first| now.saturating_duration_since(first)),
            active: meter.finish(now),
        }
    }

    /// Takes a slot, and memories if it needs more than one; the guest is ready to be polled when this is `Ready(Ok)`.
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AcquireError>> {
        let (call, mut queued): (_, BoxFuture<_>) = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::New(call) => {
                let plugin = &self.flight.plugin;
                let taken = plugin.extra_memories.is_none()
                    && plugin.host.slots.try_acquire().map(SemaphorePermit::forget).is_ok();
                if taken {
                    self.launch(call, TakenMemories::default());
                    return Poll::Ready(Ok(()));
                }
                let flight = Arc::clone(&self.flight);
                (call, Box::pin(async move { acquire(&flight.plugin, &flight.plugin.host).await }))
            }
            Stage::Queued(call, queued) => (call, queued),
            started => {
                self.stage = started;
                return Poll::Ready(Ok(()));
            }
        };
        let Poll::Ready(memories) = queued.as_mut().poll(cx) else {
            self.stage = Stage::Queued(call, queued);
            return Poll::Pending;
        };
        self.launch(call, memories?);
        Poll::Ready(Ok(()))
    }

    /// The slot is taken, and from here on [`Slot`] gives it back.
    fn launch(&mut self, call: HookCall, memories: TakenMemories) {
        self.stage = Stage::Running(Running {
            guest: Box::pin(attempt(Arc::clone(&self.flight), call)),
            waker: Waker::from(Arc::clone(&self.flight)),
            cut: None,
            _slot: Slot::new(&self.flight),
            _memories: memories,
        });
    }

    /// The outer cut.
    fn cut(&mut self) -> Poll<Report> {
        let meter = &self.flight.meter;
        let outcome = of_deadline(meter.deadline(), meter.waiting(Instant::now()));
        self.end(outcome)
    }

    /// Ends the call: the guest is gone before its outcome is told.
    fn end(&mut self, answer: impl Into<Answer>) -> Poll<Report> {
        let answer = match self.drop_guest() {
            Ok(()) => answer.into(),
            Err(panic) => of_panic(&*panic).into(),
        };
        Poll::Ready(self.report(answer))
    }

    /// After a panic in the host a guest's destructors may panic as well; and what a guest has printed last goes to a
    /// subscriber that is not ours.
    fn drop_guest(&mut self) -> std::thread::Result<()> {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        catch_unwind(AssertUnwindSafe(|| drop(stage)))
    }
}

impl Drop for Call {
    /// A caller that cuts a call must not be taken along by it.
    fn drop(&mut self) {
        if let Err(panic) = self.drop_guest() {
            tracing::error!(outcome = %of_panic(&*panic), "a call that was dropped panicked");
        }
    }
}

impl Future for Call {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let this = &mut *self;
        let now = Instant::now();
        this.first_poll.get_or_insert(now);
        match this.start(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_closed)) => return this.end(of_host("the sandbox was closed".to_owned())),
        }
        let Stage::Running(running) = &mut this.stage else {
            return this.end(of_host("polled again after its end".to_owned()));
        };
        let Flight { plugin, meter, .. } = &*this.flight;
        let last = meter.deadline().saturating_add(OUTER_CUT_GRACE);
        if meter.begin(now) >= last {
            return this.cut();
        }
        let polled = {
            let _running = plugin.host.ticker.running();
            let mut inner = Context::from_waker(&running.waker);
            catch_unwind(AssertUnwindSafe(|| running.guest.as_mut().poll(&mut inner)))
        };
        match polled {
            Ok(Poll::Ready(answer)) => return this.end(answer),
            Err(panic) => return this.end(of_panic(&*panic)),
            Ok(Poll::Pending) => {}
        }
        match meter.pause(Instant::now(), cx.waker()) {
            Pause::Ready => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Pause::Waits { active } => match running.wait(last.saturating_sub(active), cx) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => this.cut(),
                Err(outcome) => this.end(outcome),
            },
        }
    }
}

impl Running {
    /// Wakes the caller when the guest has waited for `left`; ready when that is over.
    fn wait(&mut self, left: Duration, cx: &mut Context<'_>) -> Result<Poll<()>, Outcome> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(of_host(
                "a guest that waits for the host needs a tokio runtime: poll the call inside Handle::enter".to_owned(),
            ));
        }
        let now = tokio::time::Instant::now();
        // Beyond what a clock can say there is no cut to wait for.
        let Some(at) = now.checked_add(left) else { return Ok(Poll::Pending) };
        let cut = self.cut.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        let due = cut.as_mut().poll(cx);
        if due.is_pending() || at <= now {
            // A cut of an earlier wait may come early: the call is polled then, and this is asked again.
            return Ok(due);
        }
        cut.as_mut().reset(at);
        Ok(cut.as_mut().poll(cx))
    }
}
