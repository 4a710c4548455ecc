//! A worker: a plain thread that serves queues one slice after the other.
//!
//! A worker polls calls itself and does not spawn a task for each: a hook runs for microseconds, and a task would cost more than the call.
//! A guest that spins yields at every epoch tick, so a slice is never much longer than a tick. A guest that waits for the host is put aside
//! until its waker fires. Within one queue the worker finishes the calls that have begun before it begins another, so that calls end
//! instead of being all half done.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use lastword_events::{Deferral, Delivery, HookCall, Outcome};
use lastword_journal::CallMark;

use crate::after_call::{AfterCall, ServedSlice};
use crate::call_spans::ObservedCall;
use crate::call_waker::{CallWaker, Inbox};
use crate::core::Core;
use crate::dispatch::{
    ConcludedSlice, Deferred, DrainContext, FinishedCall, Permit, PutBack, QueueId, Slice, Taken, WorkerStep,
};
use crate::installed::{Installed, InstalledPlugins, PluginNumber, Version};
use crate::limits::SLICE;
use crate::queued_delivery::QueuedDelivery;
use crate::sandbox::limits::TICK;
use crate::sync::{now, thread};

pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    /// Calls that have begun. An entry is used again with its waker.
    calls: Vec<CallEntry>,
    free: Vec<usize>,
    /// Begun calls that can go on, by queue. The call that ran last is in front.
    runnable: HashMap<QueueId, VecDeque<usize>>,
    woken: Vec<usize>,
    /// The slice that the dispatcher takes back at the next step.
    concluded: Option<ConcludedSlice>,
    /// The number of the last change of installed plugins, and the plugins after it.
    installed: (u64, Arc<InstalledPlugins>),
    /// Dropped after the calls: whoever waits for the end of the runtime finds no call left.
    core: Arc<Core>,
}

struct CallEntry {
    waker: Arc<CallWaker>,
    task_waker: Waker,
    running: Option<Running>,
}

/// The queue that a worker serves, with its plugin.
struct ServedQueue<'a> {
    queue: QueueId,
    plugin: PluginNumber,
    installed: &'a Installed,
}

/// A call that has begun.
struct Running {
    queue: QueueId,
    plugin: PluginNumber,
    /// The version of the plugin that is called.
    version: Version,
    delivery: QueuedDelivery,
    permit: Permit,
    /// Ticks at which the call had to yield: so long it ran and did not wait.
    ticks: u32,
    call: ObservedCall,
    /// Dropped after the call: fields are dropped in their order.
    _mark: Option<CallMark>,
}

impl Worker {
    /// Serves until the runtime stops. Runs on a thread of its own, inside the tokio runtime's context.
    pub(crate) fn run(core: Arc<Core>) {
        let handle = core.handle().clone();
        let _context = handle.enter();
        let _fail_on_panic = FailOnPanic(Arc::downgrade(&core));
        core.sandbox().prepare_thread();
        let inbox = Arc::new(Inbox::new(thread::current()));
        let installed = (core.dispatcher().plugin_changes(), core.dispatcher().installed());
        let mut worker = Self {
            core,
            installed,
            inbox,
            calls: Vec::new(),
            free: Vec::new(),
            runnable: HashMap::new(),
            woken: Vec::new(),
            concluded: None,
        };
        while worker.step() {}
    }

    /// Serves one slice, or sleeps once. Gives false if there is nothing left to do.
    fn step(&mut self) -> bool {
        self.take_woken();
        let begun: Vec<QueueId> = self.runnable.keys().copied().collect();
        match self.core.dispatcher().next(self.concluded.take(), &begun) {
            WorkerStep::Notify(deferred) => self.notify(&deferred),
            WorkerStep::Serve(slice) => self.concluded = self.serve(slice),
            // Owners that share the processor hand in more meanwhile. To sleep and to be woken for each delivery costs more than the delivery.
            WorkerStep::Yield => thread::yield_now(),
            WorkerStep::Idle(None) => thread::park(),
            WorkerStep::Idle(Some(until)) => self.core.time().park_until(until),
            WorkerStep::Cut => {
                self.cut();
                thread::park();
            }
            WorkerStep::Leave { cut } => {
                if cut {
                    self.cut();
                }
                if !self.has_calls() {
                    self.core.dispatcher().leave();
                    return false;
                }
                thread::park();
            }
            WorkerStep::Stop => {
                // A dropped runtime records nothing any more.
                if self.core.run_end().is_orderly() {
                    self.cut();
                }
                return false;
            }
        }
        true
    }

    fn has_calls(&self) -> bool {
        self.calls.iter().any(|entry| entry.running.is_some())
    }

    fn notify(&self, deferred: &[Deferred]) {
        let dispatcher = self.core.dispatcher();
        let installed = dispatcher.installed();
        for one in deferred {
            let Some(plugin) = installed.get(one.plugin) else { continue };
            self.core.publisher().deferred(plugin.called(), &one.delivery, Deferral::Quota, false);
        }
        dispatcher.notified(deferred);
    }

    fn take_woken(&mut self) {
        let mut woken = std::mem::take(&mut self.woken);
        self.inbox.take(&mut woken);
        for call in woken.drain(..) {
            // A waker may fire after its call has ended, when its entry has another call. That call is then polled once for nothing, unless
            // it is runnable already.
            let queue = self.calls.get(call).and_then(|entry| entry.running.as_ref()).map(|running| running.queue);
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

    fn serve(&mut self, slice: Slice) -> Option<ConcludedSlice> {
        let Slice { queue, plugin, jobs, drain, plugin_changes } = slice;
        let core = self.core.clone();
        let plugins = self.plugins_after(plugin_changes);
        let installed = plugins.get(plugin)?;
        let calls = AfterCall::new(&core, queue, installed.called());
        let began = now();
        let mut mine = self.take_runnable(queue);
        let mut jobs = jobs.into_iter();
        let mut served = ServedSlice::with_room(mine.len() + jobs.len());
        loop {
            let call = match mine.pop_front() {
                Some(call) => call,
                // A job from before a change may be for a plugin that is paused, replaced or uninstalled.
                None if core.dispatcher().plugin_changes() != plugin_changes => break,
                None => match jobs.next() {
                    Some(taken) if !installed.plugin.hooks().contains(taken.job.hook()) => {
                        served.without_hook.push(taken);
                        continue;
                    }
                    Some(taken) => self.begin(&ServedQueue { queue, plugin, installed }, taken, drain.as_deref()),
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
        served.unstarted = jobs.collect();
        Some(calls.conclude(served))
    }

    /// The installed plugins after so many changes, or after later ones.
    fn plugins_after(&mut self, changes: u64) -> Arc<InstalledPlugins> {
        if self.installed.0 != changes {
            self.installed = (changes, self.core.dispatcher().installed());
        }
        self.installed.1.clone()
    }

    fn take_runnable(&mut self, queue: QueueId) -> VecDeque<usize> {
        self.runnable.remove(&queue).unwrap_or_default()
    }

    /// Begins a call. The guest runs when the call is polled.
    fn begin(
        &mut self,
        &ServedQueue { queue, plugin, installed }: &ServedQueue<'_>,
        taken: Taken,
        drain: Option<&DrainContext>,
    ) -> usize {
        let mut queued = taken.job.delivery();
        queued.begin();
        let own = installed.plugin.limits().deadline;
        let left = drain.map_or(own, |drain| drain.cut_at.saturating_duration_since(self.core.time().now()).min(own));
        let key = queued.delivery_key(installed.name());
        let mark = self.core.journal().mark_call(&key);
        let delivery = Delivery {
            id: key.id(self.core.journal_name()),
            attempt: queued.attempt,
            remaining_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            late: queued.late,
        };
        let call = HookCall { session: queued.session.clone(), delivery, event: queued.event.clone() };
        let spans = self.core.publisher().call(&call, drain.is_some());
        // The budget needs no deadline of its own: a guest yields at every tick, and the worker drops the call.
        let mut call = self.core.sandbox().call(&installed.plugin, call, own);
        if let Some(memory) = taken.memory {
            call = call.with_memory(memory);
        }
        // Only for a plugin with the grant: a count that all workers share costs more than it seems to.
        let version = installed.version();
        if version.key_value_quota.is_some() {
            call = call.with_key_values(self.core.key_values().clone());
        }
        self.store(Running {
            queue,
            plugin,
            version,
            delivery: queued,
            permit: taken.permit,
            ticks: 0,
            call: ObservedCall::new(call, spans),
            _mark: mark,
        })
    }

    fn store(&mut self, running: Running) -> usize {
        if let Some(free) = self.free.pop()
            && let Some(entry) = self.calls.get_mut(free)
        {
            entry.running = Some(running);
            return free;
        }
        let call = self.calls.len();
        let waker = Arc::new(CallWaker::new(call, self.inbox.clone()));
        let task_waker = Waker::from(waker.clone());
        self.calls.push(CallEntry { waker, task_waker, running: Some(running) });
        call
    }

    /// Polls a call. If the call has ended, its attempt is over or the call is put back.
    fn poll(&mut self, call: usize, drain: Option<&DrainContext>, served: &mut ServedSlice) -> Polled {
        let Some(entry) = self.calls.get_mut(call) else { return Polled::Waiting };
        let Some(running) = &mut entry.running else { return Polled::Waiting };
        if let Some(drain) = drain {
            // The call may have waited since before the drain, and its guest may not have begun.
            running.call.cut_at(self.core.time().by_machine(drain.cut_at));
        }
        entry.waker.begin_poll();
        match running.call.poll(&mut Context::from_waker(&entry.task_waker)) {
            Poll::Pending if entry.waker.end_poll() => {
                running.ticks = running.ticks.saturating_add(1);
                Polled::Yielded
            }
            Poll::Pending => Polled::Waiting,
            Poll::Ready(report) => match entry.running.take() {
                Some(Running { version, delivery, permit, ticks, .. }) => {
                    self.free.push(call);
                    match report.outcome {
                        Outcome::Deferred(why) => match PutBack::new(delivery, permit, why, report, TICK * ticks) {
                            Ok(put_back) => served.put_back.push(put_back),
                            Err(failed) => served.finished.push(failed.of_version(version)),
                        },
                        _ => {
                            let finished = FinishedCall::reported(delivery, permit, report, TICK * ticks);
                            served.finished.push(finished.of_version(version));
                        }
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
        let installed = self.core.dispatcher().installed();
        for (call, entry) in self.calls.iter_mut().enumerate() {
            let Some(Running { queue, plugin, delivery, permit, call: future, _mark: mark, .. }) = entry.running.take()
            else {
                continue;
            };
            self.free.push(call);
            drop(future);
            drop(mark);
            let Some(plugin) = installed.get(plugin) else { continue };
            let calls = AfterCall::new(&self.core, queue, plugin.called());
            self.core.dispatcher().take_back(calls.cut(delivery, permit));
        }
    }
}

/// Fails the runtime if a worker panics: the worker's calls would wait for ever.
struct FailOnPanic(Weak<Core>);

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(core) = self.0.upgrade()
        {
            core.fail();
        }
    }
}

enum Polled {
    Finished,
    /// The call has yielded, and can go on at once.
    Yielded,
    /// The call waits for the host. Its waker fires when it can go on.
    Waiting,
}
