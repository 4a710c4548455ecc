//! A worker: a plain thread that serves queues one slice after the other.
//!
//! It polls the calls itself rather than spawning a task for each: a hook runs for microseconds, and a task would cost
//! more than the call. Guests that spin yield at every epoch tick, so a slice is never much longer than a tick; guests
//! that wait for the host are put aside until their waker says so. Within one queue the worker finishes what it has
//! begun before it begins another, so that calls run to their end rather than all being half done.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lastword_events::{Deferral, Delivery, HookCall, Outcome};
use lastword_journal::CallMark;

use crate::attempt::{Attempt, PutBack, Served};
use crate::call_waker::{CallWaker, Inbox};
use crate::dispatch::{Deferred, DrainFacts, Installed, Pick, PluginNumber, QueueId, Slice, Taken};
use crate::inner::Inner;
use crate::limits::SLICE;
use crate::owed::Owed;
use crate::sandbox::Call;
use crate::sandbox::limits::TICK;
use crate::sync::{now, thread};

pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    /// Calls that have begun; a slot is used again with its waker.
    calls: Vec<CallSlot>,
    free: Vec<usize>,
    /// Begun calls that can go on, by queue, the one that ran last in front.
    runnable: HashMap<QueueId, VecDeque<usize>>,
    woken: Vec<usize>,
    /// Behind the calls: whoever waits for the runtime to be gone finds none of them.
    inner: Arc<Inner>,
}

struct CallSlot {
    waker: Arc<CallWaker>,
    task_waker: Waker,
    running: Option<Running>,
}

struct Running {
    queue: QueueId,
    plugin: PluginNumber,
    owed: Owed,
    /// Ticks at which it had to yield: it ran for so long, and did not wait.
    ticks: u32,
    call: Pin<Box<Call>>,
    /// Behind the call: fields are dropped in their order.
    _mark: Option<CallMark>,
}

impl Worker {
    /// Serves until the runtime stops. Runs on a thread of its own, inside the tokio runtime's context.
    pub(crate) fn run(inner: Arc<Inner>) {
        let handle = inner.handle.clone();
        let _context = handle.enter();
        inner.sandbox.prepare_thread();
        let inbox = Arc::new(Inbox::new(thread::current()));
        let mut worker =
            Self { inner, inbox, calls: Vec::new(), free: Vec::new(), runnable: HashMap::new(), woken: Vec::new() };
        while worker.turn() {}
    }

    /// One slice, or one sleep. False when the runtime is gone.
    fn turn(&mut self) -> bool {
        self.take_woken();
        let begun: Vec<QueueId> = self.runnable.keys().copied().collect();
        match self.inner.dispatcher.next(&begun) {
            Pick::Tell(deferred) => self.tell(&deferred),
            Pick::Serve(slice) => self.serve(slice),
            Pick::Idle(None) => thread::park(),
            Pick::Idle(Some(until)) => thread::park_timeout(until.saturating_duration_since(now())),
            Pick::Cut => {
                self.cut();
                thread::park();
            }
            Pick::Stop => return false,
        }
        true
    }

    fn tell(&self, deferred: &[Deferred]) {
        let dispatcher = &self.inner.dispatcher;
        for one in deferred {
            let Some(plugin) = dispatcher.plugin_name(one.queue) else { continue };
            self.inner.tell_deferred(&plugin, &one.owed, Deferral::Quota, false);
        }
        dispatcher.told(deferred);
    }

    fn take_woken(&mut self) {
        let mut woken = std::mem::take(&mut self.woken);
        self.inbox.take(&mut woken);
        for call in woken.drain(..) {
            // A waker may fire after its call has ended, and its slot may have another call by now: that one is then
            // polled once for nothing, unless it is on its way already.
            let queue = self.calls.get(call).and_then(|slot| slot.running.as_ref()).map(|running| running.queue);
            if let Some(queue) = queue {
                let runnable = self.runnable_of(queue);
                if !runnable.contains(&call) {
                    runnable.push_back(call);
                }
            }
        }
        self.woken = woken;
    }

    fn runnable_of(&mut self, queue: QueueId) -> &mut VecDeque<usize> {
        self.runnable.entry(queue).or_default()
    }

    fn serve(&mut self, slice: Slice) {
        let Slice { queue, plugin, jobs, drain } = slice;
        let inner = self.inner.clone();
        let Some(installed) = inner.dispatcher.installed().get(plugin) else { return };
        let began = now();
        let mut mine = self.take_runnable(queue);
        let mut jobs = jobs.into_iter();
        let mut served = Served::default();
        loop {
            let call = match mine.pop_front() {
                Some(call) => call,
                None => match jobs.next() {
                    Some(taken) => self.begin((queue, plugin), installed, taken, drain.as_deref()),
                    None => break,
                },
            };
            match self.poll(call, drain.as_deref(), &mut served) {
                Polled::Finished | Polled::Waiting => (),
                Polled::Yielded => {
                    mine.push_front(call);
                    break;
                }
            }
            if now().saturating_duration_since(began) >= SLICE {
                break;
            }
        }
        if !mine.is_empty() {
            self.runnable_of(queue).extend(mine);
        }
        served.time = now().saturating_duration_since(began);
        served.unbegun = jobs.collect();
        inner.conclude(queue, &installed.plugin, served);
    }

    fn take_runnable(&mut self, queue: QueueId) -> VecDeque<usize> {
        self.runnable.remove(&queue).unwrap_or_default()
    }

    /// Begins a call; it runs when it is polled.
    fn begin(
        &mut self,
        (queue, plugin): (QueueId, PluginNumber),
        installed: &Installed,
        taken: Taken,
        drain: Option<&DrainFacts>,
    ) -> usize {
        let mut owed = taken.job.owed();
        owed.begin();
        owed.reserved = taken.reserved;
        let own = installed.plugin.limits().deadline;
        let left = drain.map_or(own, |drain| drain.cut_at.saturating_duration_since(now()).min(own));
        let key = owed.delivery_key(installed.plugin.name());
        let mark = self.inner.journal.mark_call(&key);
        let delivery = Delivery {
            id: key.id(self.inner.journal_name),
            attempt: owed.attempt,
            remaining_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            late: owed.late,
        };
        let call = HookCall { session: owed.session.clone(), delivery, event: owed.event.clone() };
        // The budget needs no deadline of its own: a guest comes back at every tick, and the worker drops it.
        let mut call = self.inner.sandbox.call(&installed.plugin, call, own);
        if let Some(memory) = taken.memory {
            call = call.with_memory(memory);
        }
        // Only for who was granted it: a count that all workers share costs more than it looks.
        if installed.plugin.key_value_quota().is_some() {
            call = call.with_key_values(self.inner.key_values.clone());
        }
        self.place(Running { queue, plugin, owed, ticks: 0, call: Box::pin(call), _mark: mark })
    }

    fn place(&mut self, running: Running) -> usize {
        if let Some(free) = self.free.pop()
            && let Some(slot) = self.calls.get_mut(free)
        {
            slot.running = Some(running);
            return free;
        }
        let call = self.calls.len();
        let waker = Arc::new(CallWaker::new(call, self.inbox.clone()));
        let task_waker = Waker::from(waker.clone());
        self.calls.push(CallSlot { waker, task_waker, running: Some(running) });
        call
    }

    /// Polls a call; if that was its last, its attempt is over or it is put back.
    fn poll(&mut self, call: usize, drain: Option<&DrainFacts>, served: &mut Served) -> Polled {
        let Some(slot) = self.calls.get_mut(call) else { return Polled::Waiting };
        let Some(running) = &mut slot.running else { return Polled::Waiting };
        if let Some(drain) = drain {
            // It may have waited since before the drain, and its guest has yet to begin.
            running.call.cut_at(drain.cut_at);
        }
        slot.waker.begin_poll();
        match running.call.as_mut().poll(&mut Context::from_waker(&slot.task_waker)) {
            Poll::Pending if slot.waker.end_poll() => {
                running.ticks = running.ticks.saturating_add(1);
                Polled::Yielded
            }
            Poll::Pending => Polled::Waiting,
            Poll::Ready(report) => match slot.running.take() {
                Some(Running { owed, ticks, .. }) => {
                    self.free.push(call);
                    match report.outcome {
                        Outcome::Deferred(why) => match PutBack::new(owed, why, report, TICK * ticks) {
                            Ok(put_back) => served.put_back.push(put_back),
                            Err(failed) => served.attempts.push(*failed),
                        },
                        _ => served.attempts.push(Attempt::finished(owed, report, TICK * ticks)),
                    }
                    Polled::Finished
                }
                None => Polled::Waiting,
            },
        }
    }

    /// Drops every call that has begun.
    fn cut(&mut self) {
        self.runnable.clear();
        for (call, slot) in self.calls.iter_mut().enumerate() {
            let Some(Running { queue, plugin, owed, call: future, _mark: mark, .. }) = slot.running.take() else {
                continue;
            };
            self.free.push(call);
            drop(future);
            drop(mark);
            let Some(installed) = self.inner.dispatcher.installed().get(plugin) else { continue };
            let served = Served { attempts: vec![Attempt::cut(owed)], ..Served::default() };
            self.inner.conclude(queue, &installed.plugin, served);
        }
    }
}

enum Polled {
    Finished,
    /// It yielded, and can go on at once.
    Yielded,
    /// It waits for the host; its waker will say.
    Waiting,
}
