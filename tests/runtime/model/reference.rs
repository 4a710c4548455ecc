//! The reference: what sessions and deliveries are, without disks, threads or time.
//!
//! It says what an owner is answered and who is owed what, and judges each attempt that the runtime tells of. A run that
//! loses what it did is a copy that is thrown away.

use std::collections::{BTreeMap, BTreeSet};

use lastword::Acceptance;
use lastword::events::{DrainReason, EndReason, EventKey, Hook};

use super::case::{Plugin, Reply, Request, What, Who};
use super::delivery::{Around, Delivery, Listed, Owed};
use super::subject::Told;

#[derive(Clone, Default)]
pub(super) struct Reference {
    run: u32,
    installed: Vec<Plugin>,
    conversations: BTreeMap<Who, Conversation>,
    /// The generation that each `op_id` of a session and a kind of line spoke of.
    ops: BTreeMap<(Who, Hook, &'static str), u32>,
    /// Dead ones are here as well.
    owed: BTreeMap<Delivery, Owed>,
    made: BTreeSet<Delivery>,
    /// Runs that have held sessions of dead runs for their owners.
    holding: BTreeSet<u32>,
    /// By run: why nobody was let in any more, and who was installed then.
    closed: BTreeMap<u32, (DrainReason, Vec<Plugin>)>,
}

#[derive(Clone, Default)]
struct Conversation {
    generation: u32,
    active: Option<Active>,
    /// The run in which the generation was noted last, once it has ended.
    ended: Option<u32>,
    /// The run whose drain has ended it.
    drained: Option<u32>,
}

#[derive(Clone)]
struct Active {
    /// The run in which its owner spoke of it last.
    noted: u32,
    /// Plugins that were owed its start.
    started: Vec<&'static str>,
    compactions: u32,
    cwd: Option<&'static str>,
}

/// A session as it is listed: whose, its generation, and its `cwd`.
pub(super) type Session = (Who, u32, Option<String>);

/// What was made of a request and the generation that it spoke of, or the code of a refusal.
pub(super) type Answer = Result<(Acceptance, u32), &'static str>;

impl Reference {
    pub(super) fn begin_run(&mut self, installed: &[Plugin]) {
        self.run += 1;
        self.installed = installed.to_vec();
        self.owed.values_mut().for_each(Owed::begin_run);
    }

    /// Ends the sessions that dead runs left and no owner may come back for, and says whose deliveries are orphans.
    pub(super) fn take_up(&mut self, grace: bool) {
        self.end_closed();
        for (who, noted) in self.active() {
            if !grace || !self.is_attachable(noted) {
                self.end_left(who);
            }
        }
        self.holding.extend(grace.then_some(self.run));
        for (delivery, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none()) {
            let end = Delivery { event: EventKey::End, ..*delivery };
            owed.orphaned = !self.installed.iter().any(|plugin| delivery.is_for(plugin));
            // One that has only lost the hook is told of newer events meanwhile.
            owed.late |= owed.orphaned && self.installed.iter().any(|plugin| end.is_for(plugin));
        }
    }

    /// No run since its owner spoke of it can have told anyone of its end.
    fn is_attachable(&self, noted: u32) -> bool {
        (noted + 1..self.run).all(|run| self.holding.contains(&run) && !self.closed.contains_key(&run))
    }

    pub(super) fn request(&mut self, request: &Request) -> Answer {
        let Request { who, what, op, cwd } = request;
        let is_end = matches!(what, What::End(_));
        let conversation = self.conversations.entry(*who).or_default();
        if self.closed.contains_key(&self.run) && !is_end {
            return Err("draining");
        }
        if conversation.drained == Some(self.run) {
            return Ok((Acceptance::DuplicateEnd, conversation.generation));
        }
        if let Some(generation) = op.and_then(|op| self.ops.get(&(*who, what.hook(), op))) {
            // An owner that starts a session is there, whether or not the line is new.
            if let (What::Start, Some(active)) = (what, &mut conversation.active) {
                active.noted = self.run;
            }
            return Ok((Acceptance::DuplicateOp, *generation));
        }
        let was_active = conversation.active.is_some();
        // Of a session that a dead run left it is a new one: its owner may have resumed it without a start.
        if is_end && !was_active && conversation.ended == Some(self.run) {
            return Ok((Acceptance::DuplicateEnd, conversation.generation));
        }
        conversation.generation += u32::from(!was_active);
        let generation = conversation.generation;
        if let Some(op) = op {
            self.ops.insert((*who, what.hook(), op), generation);
        }
        let new = Active { noted: self.run, started: Vec::new(), compactions: 0, cwd: None };
        let active = conversation.active.get_or_insert(new);
        match what {
            What::Start => {
                active.noted = self.run;
                active.cwd = cwd.or(active.cwd);
                if !was_active {
                    active.started = takers(&self.installed, *who, EventKey::Start);
                    self.owe(*who, EventKey::Start);
                }
            }
            What::Compaction(phase) => {
                active.noted = self.run;
                active.compactions += 1;
                // It says nothing of a session that is known.
                active.cwd = if was_active { active.cwd } else { *cwd };
                let event = EventKey::Compaction { n: active.compactions, phase: *phase };
                self.owe(*who, event);
            }
            What::End(reason) => self.end(*who, reason, &self.installed.clone()),
        }
        let how = match (what, was_active) {
            (What::Start, true) => Acceptance::Renoted,
            (What::Start, false) | (_, true) => Acceptance::Noted,
            (_, false) => Acceptance::Implied,
        };
        Ok((how, generation))
    }

    fn owe(&mut self, who: Who, event: EventKey) {
        let generation = self.conversations[&who].generation;
        for plugin in takers(&self.installed, who, event) {
            self.owed.insert(Delivery { who, generation, event, plugin }, Owed::new(None, false));
        }
    }

    /// The end is owed to every plugin that serves the tenant, and to those that were owed the start.
    fn end(&mut self, who: Who, reason: &EndReason, installed: &[Plugin]) {
        let conversation = self.conversations.get_mut(&who).unwrap();
        let active = conversation.active.take().unwrap();
        conversation.ended = Some(active.noted);
        let (generation, event) = (conversation.generation, EventKey::End);
        let serving = takers(installed, who, event);
        for plugin in active.started.into_iter().chain(serving.iter().copied()) {
            let owed = Owed::new(Some(reason), !serving.contains(&plugin));
            self.owed.insert(Delivery { who, generation, event, plugin }, owed);
        }
    }

    /// A session that nobody has come back for ends.
    pub(super) fn end_left(&mut self, who: Who) {
        self.end(who, &EndReason::Crashed, &self.installed.clone());
    }

    /// Nobody is let in any more, and nobody is called.
    pub(super) fn close(&mut self, reason: DrainReason) {
        self.closed.insert(self.run, (reason, self.installed.clone()));
    }

    /// Sessions of a run that was closed end for its reason, owed to those who were installed then.
    fn end_closed(&mut self) {
        for (who, noted) in self.active() {
            if let Some((reason, installed)) = self.closed.get(&noted).cloned() {
                self.end(who, &reason.end_reason(), &installed);
            }
        }
    }

    /// Every session ends: here those that somebody has come back for, with the drain's reason. Of the others a crash may
    /// leave no record.
    pub(super) fn drain(&mut self, reason: DrainReason) {
        self.close(reason);
        for (who, _) in self.active() {
            self.conversations.get_mut(&who).unwrap().drained = Some(self.run);
        }
        self.end_closed();
    }

    /// Judges an attempt, and takes note of it.
    pub(super) fn told(&mut self, told: &Told) -> Result<(), &'static str> {
        let delivery = told.delivery;
        let plugin =
            self.installed.iter().find(|plugin| delivery.is_for(plugin)).ok_or("its plugin is not installed")?;
        let older_waits = self.waiting().any(|(other, owed)| delivery.follows(other) && !owed.has_stepped_aside());
        let newer_is_made = self.made.iter().any(|other| other.follows(&delivery));
        let has_newer = newer_is_made || self.owed.keys().any(|other| other.follows(&delivery));
        let owed = self.owed.get_mut(&delivery).filter(|owed| owed.dead.is_none()).ok_or("it is not owed")?;
        let reply = plugin.guest.reply(delivery.event, owed.reason.as_ref(), told.attempt);
        owed.told(told, &Around { run: self.run, reply, has_newer, newer_is_made, older_waits })?;
        if reply == Reply::Ok {
            self.owed.remove(&delivery);
            self.made.insert(delivery);
        }
        Ok(())
    }

    /// What an installed plugin is owed.
    fn waiting(&self) -> impl Iterator<Item = (&Delivery, &Owed)> {
        let can_be_made = |delivery: &Delivery| self.installed.iter().any(|plugin| delivery.is_for(plugin));
        self.owed.iter().filter(move |(delivery, owed)| owed.dead.is_none() && can_be_made(delivery))
    }

    /// What has had no attempt in this run, or in its drain, although nothing was in its way.
    pub(super) fn untried(&self, in_drain: bool) -> Option<Delivery> {
        self.waiting().find(|(_, owed)| !owed.was_tried(in_drain)).map(|(delivery, _)| *delivery)
    }

    /// Active sessions, with the run in which each was noted last.
    fn active(&self) -> Vec<(Who, u32)> {
        self.conversations.iter().filter_map(|(who, c)| Some((*who, c.active.as_ref()?.noted))).collect()
    }

    /// Sessions of earlier runs that nobody has come back for.
    pub(super) fn unattached(&self) -> Vec<Who> {
        self.active().into_iter().filter(|(_, noted)| *noted < self.run).map(|(who, _)| who).collect()
    }

    /// What is listed as active: not what the next run only has to write down as ended.
    pub(super) fn sessions(&self) -> Vec<Session> {
        let mut listed = self.clone();
        listed.end_closed();
        let row = |(who, c): (Who, Conversation)| Some((who, c.generation, c.active?.cwd.map(str::to_owned)));
        listed.conversations.into_iter().filter_map(row).collect()
    }

    pub(super) fn deliveries(&self) -> BTreeMap<Delivery, Listed> {
        let mut listed = self.clone();
        listed.end_closed();
        listed.owed.into_iter().map(|(delivery, owed)| (delivery, owed.listed())).collect()
    }

    /// Ends that are owed, were given up in this run, or will be owed when the active sessions end.
    pub(super) fn undelivered_ends(&self) -> u64 {
        let mut then = self.clone();
        self.active().into_iter().for_each(|(who, _)| then.end_left(who));
        let counts = |owed: &Owed| owed.dead.is_none_or(|run| run == self.run);
        let ends = then.owed.iter().filter(|(delivery, owed)| delivery.event == EventKey::End && counts(owed));
        u64::try_from(ends.count()).unwrap()
    }
}

/// Who is to be told of such an event.
fn takers(installed: &[Plugin], who: Who, event: EventKey) -> Vec<&'static str> {
    installed.iter().filter(|plugin| plugin.takes(who.tenant, event)).map(|plugin| plugin.name).collect()
}
