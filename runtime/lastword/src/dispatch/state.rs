//! What the dispatcher's lock protects. Nothing here waits, calls a guest or writes a journal.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::thread::Thread;
use std::time::Instant;

use lastword_events::Outcome;

use super::PluginNumber;
use super::drain::Drain;
use super::fair::{Fair, QueueId, TenantNumber};
use super::finished::Finished;
use super::queue::{Job, Queue};
use crate::breaker::Breaker;
use crate::limits::{MAX_BATCH, MAX_IDLE_TENANTS};
use crate::owed::Owed;

#[derive(Default)]
pub(crate) struct State {
    pub(super) fair: Fair,
    pub(super) queues: Vec<Queue>,
    pub(super) tenants: HashMap<Arc<str>, TenantEntry>,
    /// Of tenants that were forgotten, to be used again.
    spare_tenants: Vec<TenantNumber>,
    spare_queues: Vec<QueueId>,
    /// With this many tenants the idle ones are forgotten.
    forget_at: usize,
    pub(super) ready: usize,
    pub(super) taken: u32,
    pub(super) retries: BinaryHeap<Reverse<Retry>>,
    /// One was added that no idle worker knows of.
    pub(super) new_retry: bool,
    /// Workers that found nothing to do.
    pub(super) idle: Vec<Thread>,
    pub(super) drain: Option<Drain>,
    pub(super) stopping: bool,
    /// `session-end` deliveries that are owed or dead.
    pub(super) undelivered_ends: u64,
}

pub(super) struct TenantEntry {
    number: TenantNumber,
    /// Queues of the plugins that serve this tenant, in the order of the configuration.
    pub(super) queues: Arc<[(PluginNumber, QueueId)]>,
}

/// A lane that wants to be looked at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Retry {
    pub(super) at: Instant,
    queue: QueueId,
    id: Arc<str>,
}

impl State {
    pub(super) fn is_quiet(&self) -> bool {
        self.ready == 0 && self.taken == 0
    }

    /// Wakes as many idle workers as there is work for; one, when there is only a new retry to sleep until.
    pub(super) fn wake(&mut self) {
        let retry = usize::from(std::mem::take(&mut self.new_retry));
        let wanted = self.ready.max(retry).min(self.idle.len());
        self.idle.drain(..wanted).for_each(|worker| worker.unpark());
    }

    /// Notes a tenant and makes its queues, or takes spare ones.
    pub(super) fn add_tenant(
        &mut self,
        tenant: &Arc<str>,
        plugins: &[PluginNumber],
        breaker_threshold: u32,
    ) -> Arc<[(PluginNumber, QueueId)]> {
        let number = match self.spare_tenants.pop() {
            Some(number) => {
                self.fair.reuse_tenant(number);
                number
            }
            None => self.fair.add_tenant(),
        };
        let mut queues = Vec::with_capacity(plugins.len());
        for &plugin in plugins {
            let new = Queue::new(tenant.clone(), plugin, Breaker::new(breaker_threshold));
            let spare = self.spare_queues.pop();
            let id = match spare.and_then(|id| Some((id, self.queues.get_mut(id)?))) {
                Some((id, queue)) => {
                    *queue = new;
                    self.fair.reuse_queue(id, number);
                    id
                }
                None => {
                    self.queues.push(new);
                    self.fair.add_queue(number)
                }
            };
            queues.push((plugin, id));
        }
        let entry = TenantEntry { number, queues: queues.into() };
        let queues = entry.queues.clone();
        self.tenants.insert(tenant.clone(), entry);
        queues
    }

    /// Forgets tenants that are owed nothing, once there are many: owners may make up tenants for ever.
    pub(super) fn forget_idle_tenants(&mut self) {
        // A drain's account is kept in the queues.
        if self.drain.is_some() || self.tenants.len() < self.forget_at.max(MAX_IDLE_TENANTS) {
            return;
        }
        let (queues, spare_queues, spare_tenants) = (&self.queues, &mut self.spare_queues, &mut self.spare_tenants);
        self.tenants.retain(|_, entry| {
            let idle = |&(_, queue): &(PluginNumber, QueueId)| queues.get(queue).is_none_or(Queue::is_idle);
            let keep = !entry.queues.iter().all(idle);
            if !keep {
                spare_queues.extend(entry.queues.iter().map(|(_, queue)| *queue));
                spare_tenants.push(entry.number);
            }
            keep
        });
        // At most one look at each tenant for each new one.
        self.forget_at = self.tenants.len() * 2;
    }

    /// Puts a new event into its lane.
    pub(super) fn push(&mut self, queue: QueueId, owed: Owed) {
        self.undelivered_ends += u64::from(owed.is_end());
        let draining = self.drain.is_some();
        let deferral = self.deferral(queue);
        let Some(q) = self.queues.get_mut(queue) else { return };
        let now = Instant::now();
        let lane = q.lanes.entry(owed.session.identity.id.clone()).or_default();
        if draining && lane.is_empty() {
            lane.begin_drain(now);
        }
        let launched = lane.push(owed, now);
        self.launch(queue, launched);
        if let Some(why) = deferral {
            self.pass_over(queue, why);
        }
    }

    /// Puts what a lane has launched at the end of its queue.
    pub(super) fn launch(&mut self, queue: QueueId, owed: Option<Owed>) {
        let (Some(owed), Some(q)) = (owed, self.queues.get_mut(queue)) else { return };
        q.ready.push_back(Job::Owed(owed));
        self.ready += 1;
        self.fair.set_ready(queue, true);
    }

    /// Takes deliveries out of a queue: at most `slots`, and so many that it holds no more than its `share`.
    pub(super) fn take(&mut self, queue: QueueId, slots: u32, share: u32) -> Vec<Job> {
        let Some(q) = self.queues.get_mut(queue) else { return Vec::new() };
        let room = slots.min(share.saturating_sub(q.taken));
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(MAX_BATCH);
        let mut jobs = Vec::with_capacity(room.min(q.ready_len()));
        let before = q.ready_len();
        while jobs.len() < room {
            if let Some(job) = q.ready.pop_front() {
                jobs.push(job);
            } else if let Some(end) = q.backlog.as_mut().and_then(Iterator::next) {
                jobs.extend(q.begin_end(end));
            } else {
                break;
            }
        }
        // A lane may have launched something of its own in place of an end.
        let taken = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        q.taken += taken;
        q.ends_taken += count_ends(&jobs);
        self.taken += taken;
        let (left, ready) = (q.ready_len(), q.ready_len() > 0);
        self.ready = self.ready + left - before;
        self.fair.set_ready(queue, ready);
        jobs
    }

    /// Deliveries that a worker has taken and not begun go back to where they were.
    pub(super) fn bring_back(&mut self, queue: QueueId, unbegun: Vec<Job>) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let count = unbegun.len();
        let taken = u32::try_from(count).unwrap_or(u32::MAX);
        q.taken -= taken;
        q.ends_taken -= count_ends(&unbegun);
        self.taken -= taken;
        for job in unbegun.into_iter().rev() {
            q.ready.push_front(job);
        }
        self.ready += count;
        if count > 0 {
            self.fair.set_ready(queue, true);
        }
    }

    pub(super) fn finish(&mut self, queue: QueueId, finished: Finished, now: Instant) {
        let Finished { owed, outcome, retry, in_drain, .. } = finished;
        self.taken -= 1;
        if outcome == Outcome::Delivered && owed.is_end() {
            self.undelivered_ends -= 1;
        }
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.taken -= 1;
        let id = owed.session.identity.id.clone();
        let Some(lane) = q.lanes.get_mut(&id) else { return };
        let launched = match retry {
            Some((due, _)) => lane.failed(owed, due, now, in_drain),
            None => lane.done(now),
        };
        if lane.is_empty() {
            q.lanes.remove(&id);
        } else if launched.is_none()
            && let Some(at) = lane.schedule()
        {
            self.retries.push(Reverse(Retry { at, queue, id }));
            self.new_retry = true;
        }
        self.launch(queue, launched);
    }

    /// Launches what has waited for its retry long enough.
    pub(super) fn launch_due(&mut self, now: Instant) {
        while let Some(Reverse(retry)) = self.retries.peek()
            && retry.at <= now
        {
            let Some(Reverse(Retry { queue, id, .. })) = self.retries.pop() else { return };
            let lane = self.queues.get_mut(queue).and_then(|q| q.lanes.get_mut(&id));
            let Some(lane) = lane else { continue };
            let launched = lane.look(now);
            if launched.is_none()
                && let Some(at) = lane.schedule()
            {
                self.retries.push(Reverse(Retry { at, queue, id }));
            }
            self.launch(queue, launched);
        }
    }
}

fn count_ends(jobs: &[Job]) -> u32 {
    u32::try_from(jobs.iter().filter(|job| job.is_end()).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_can_make_up_tenants_for_ever_and_only_those_that_are_owed_something_are_kept() {
        let mut state = State::default();
        let busy: Arc<str> = "busy".into();
        let kept = state.add_tenant(&busy, &[0], 5);
        state.queues[kept[0].1].taken = 1;
        for n in 0..10 * MAX_IDLE_TENANTS {
            state.forget_idle_tenants();
            state.add_tenant(&format!("made-up-{n}").into(), &[0], 5);
        }
        assert!(state.tenants.len() <= 2 * MAX_IDLE_TENANTS, "{} tenants", state.tenants.len());
        assert!(state.queues.len() <= 2 * MAX_IDLE_TENANTS, "{} queues", state.queues.len());
        assert_eq!(state.tenants.get(&busy).map(|entry| entry.queues.clone()), Some(kept.clone()));
        assert_eq!(*state.queues[kept[0].1].tenant, *busy, "its queue was given to nobody else");
    }
}
