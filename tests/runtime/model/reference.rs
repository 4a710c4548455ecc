//! The reference: what sessions and deliveries are, without disks, threads or time.
//!
//! It says what an owner is answered and who is owed what, and judges each attempt that the runtime tells of. A run that
//! loses what it did is a copy that is thrown away.

use std::collections::{BTreeMap, BTreeSet};

use lastword::events::{DrainReason, EndReason, EventKey, Hook};
use lastword::{Acceptance, Leave};

use super::case::{Guest, Plugin, Reply, Request, What, Who};
use super::delivery::{Circumstances, Delivery, Listed, PendingDelivery};
use super::subject::Attempt;

#[derive(Clone, Default)]
pub(super) struct Reference {
    run: u32,
    installed: Vec<Plugin>,
    conversations: BTreeMap<Who, Conversation>,
    /// The generations that each `op_id` of an id and a kind of line spoke of, by the scope of the session.
    ops: BTreeMap<(Who, Hook, &'static str), Vec<Line>>,
    /// Dead ones are here as well.
    owed: BTreeMap<Delivery, PendingDelivery>,
    /// With the run that has made it, and its place then.
    made: BTreeMap<Delivery, (u32, u32)>,
    /// The last place.
    place: u32,
    /// Runs that have held sessions of dead runs for their owners.
    holding: BTreeSet<u32>,
    /// By run: why nobody was let in any more, and who was installed then.
    closed: BTreeMap<u32, (DrainReason, Vec<Plugin>)>,
}

/// The scope of the session that a line was of, and the generation.
type Line = (&'static str, u32);

/// What is known of an id.
#[derive(Clone, Default)]
struct Conversation {
    /// The newest.
    generation: u32,
    active: Vec<Active>,
    /// Sessions whose end may be repeated.
    ended: Vec<Ended>,
    /// Sessions that a run's drain has ended.
    drained: Vec<(u32, &'static str)>,
    drained_in: u32,
}

#[derive(Clone)]
struct Ended {
    generation: u32,
    scope: &'static str,
    /// Its owner did not say which.
    guessed: bool,
}

#[derive(Clone)]
struct Active {
    generation: u32,
    scope: &'static str,
    /// The run in which its owner spoke of it last.
    registered: u32,
    /// Plugins that were owed its start.
    started: Vec<&'static str>,
    compactions: u32,
    cwd: Option<&'static str>,
}

impl Conversation {
    fn scopes(&self) -> Vec<(u32, &'static str)> {
        self.active.iter().map(|active| (active.generation, active.scope)).collect()
    }

    fn drained(&self, run: u32) -> &[(u32, &'static str)] {
        if self.drained_in == run { &self.drained } else { &[] }
    }

    fn active_mut(&mut self, generation: u32) -> Option<&mut Active> {
        self.active.iter_mut().find(|active| active.generation == generation)
    }

    /// The session whose end this one repeats.
    fn repeated(&self, scope: &str) -> Option<u32> {
        let of = |wanted: &str| self.ended.iter().find(|ended| ended.scope == wanted);
        let newest = || self.ended.iter().max_by_key(|ended| (ended.guessed, ended.generation));
        let found = if scope.is_empty() { newest() } else { of(scope).or_else(|| of("")) };
        found.map(|ended| ended.generation)
    }

    /// Whether a line of this scope is of a session that has ended, and not of the one that it would be taken for.
    fn is_of_ended(&self, scope: &str, taken_for: u32, may_repeat: bool) -> bool {
        let is_repeated = |ended: &Ended| may_repeat && ended.guessed && ended.generation > taken_for;
        let is_meant = |ended: &Ended| if scope.is_empty() { is_repeated(ended) } else { ended.scope == scope };
        self.ended.iter().any(is_meant)
    }

    /// The generation of the session among these that a request is of.
    fn found(&self, sessions: &[(u32, &'static str)], request: &Request, is_start: bool) -> Option<u32> {
        let (scope, is_end) = (request.scope, matches!(request.what, What::End(_)));
        let generation = meant(sessions, scope, is_start)?;
        let may_repeat = is_end && request.op.is_none() && !request.began_later;
        let is_exact = sessions.contains(&(generation, scope));
        (is_exact || !self.is_of_ended(scope, generation, may_repeat)).then_some(generation)
    }
}

/// The generation of the session that an event is of.
fn meant(sessions: &[(u32, &'static str)], said: &str, is_start: bool) -> Option<u32> {
    let of = |wanted: &str| sessions.iter().find(|(_, scope)| *scope == wanted);
    let of_agent = || {
        let mut of = sessions.iter().filter(|(_, scope)| !scope.is_empty() && agent(scope) == agent(said));
        of.next().filter(|_| of.next().is_none() && !is_start)
    };
    let found = match of(said) {
        Some(exact) => Some(exact),
        None if said.is_empty() => sessions.iter().max(),
        None => of("").or_else(of_agent),
    };
    found.map(|(generation, _)| *generation)
}

fn agent(scope: &str) -> &str {
    scope.rsplit_once(':').unwrap().0
}

/// Names a session.
pub(super) type Key = (Who, u32);

/// A session as it is listed: whose, its generation, its scope, and its `cwd`.
pub(super) type Session = (Who, u32, String, Option<String>);

/// What was made of a request and the generation that it spoke of.
type Part = (Acceptance, u32);

/// What was made of each part of a request, a replacement having two, or the code of a refusal.
pub(super) type Answer = Result<Vec<Part>, &'static str>;

/// Of the two parts of a replacement one has had the `op_id` before.
pub(super) const OP_CONFLICT: &str = "op conflict";

/// The session that a request is of, as it is known before.
struct Found {
    /// None when it is a new one.
    generation: Option<u32>,
    as_known: &'static str,
    /// With its `op_id` it may have been of whatever session of the id.
    any: bool,
}

impl Reference {
    pub(super) fn begin_run(&mut self, installed: &[Plugin]) {
        self.run += 1;
        self.installed = installed.to_vec();
        self.owed.values_mut().for_each(PendingDelivery::begin_run);
        // What is on record comes in this order, whatever happened in which between sessions of one id.
        let recorded = self.owed.values_mut().filter(|owed| !owed.by_drain);
        recorded.zip(1..).for_each(|(owed, place)| owed.place = place);
        self.place = u32::try_from(self.owed.len()).unwrap();
    }

    /// Ends the sessions that dead runs left and no owner may come back for, and says whose deliveries are orphans.
    pub(super) fn take_up(&mut self, grace: bool) {
        // The ends that this run has to write down come after that, in the order of their sessions.
        let last = self.place;
        for (delivery, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.by_drain) {
            (owed.place, owed.by_drain) = (last + delivery.generation, false);
        }
        for (key, registered) in self.active() {
            self.place = last + key.1;
            if let Some((reason, installed)) = self.closed.get(&registered).cloned() {
                self.end(key, &reason.end_reason(), &installed);
            } else if !grace || !self.is_attachable(registered) {
                self.end_recovered(key);
            }
        }
        self.place = last + self.conversations.values().map(|c| c.generation).max().unwrap_or(0);
        self.holding.extend(grace.then_some(self.run));
        for (delivery, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none()) {
            let end = Delivery { event: EventKey::End, ..*delivery };
            owed.orphaned = !self.installed.iter().any(|plugin| delivery.is_for(plugin));
            // One that has only lost the hook is told of newer events meanwhile.
            owed.late |= owed.orphaned && self.installed.iter().any(|plugin| end.is_for(plugin));
        }
    }

    /// No run since its owner spoke of it can have told anyone of its end.
    fn is_attachable(&self, registered: u32) -> bool {
        (registered + 1..self.run).all(|run| self.holding.contains(&run) && !self.closed.contains_key(&run))
    }

    pub(super) fn request(&mut self, request: &Request) -> Answer {
        match request.parts() {
            Some((end, start)) => self.replace_session(&end, &start),
            None => self.request_one(request).map(|part| vec![part]),
        }
    }

    fn request_one(&mut self, request: &Request) -> Result<Part, &'static str> {
        let is_end = matches!(request.what, What::End(_));
        if self.closed.contains_key(&self.run) && !is_end {
            return Err("draining");
        }
        let found = self.find(request);
        let conversation = &self.conversations[&request.who];
        if found.generation.is_none()
            && let Some(generation) = conversation.found(conversation.drained(self.run), request, false)
        {
            return Ok((Acceptance::DuplicateEnd, generation));
        }
        if let Some(generation) = self.told_before(request, &found) {
            self.come_back(request, found.generation);
            return Ok((Acceptance::DuplicateOp, generation));
        }
        if is_end
            && found.generation.is_none()
            && let Some(generation) = self.repeated(request)
        {
            return Ok((Acceptance::DuplicateEnd, generation));
        }
        Ok(self.carry_out(request, &found))
    }

    /// Both parts are done, or neither is. What they are of is known before.
    fn replace_session(&mut self, end: &Request, start: &Request) -> Answer {
        if self.closed.contains_key(&self.run) {
            return Err("draining");
        }
        let (ends, mut begins) = (self.find(end), self.find(start));
        let is_there = begins.generation;
        if is_there.is_some() && end.who == start.who && is_there == ends.generation {
            begins = Found { generation: None, as_known: start.scope, any: start.scope.is_empty() };
        }
        match (self.told_before(end, &ends), self.told_before(start, &begins)) {
            (Some(ended), Some(begun)) => {
                self.come_back(start, is_there);
                return Ok(vec![(Acceptance::DuplicateOp, ended), (Acceptance::DuplicateOp, begun)]);
            }
            (None, None) => (),
            _ => return Err(OP_CONFLICT),
        }
        if ends.generation.is_none()
            && let Some(generation) = self.repeated(end)
        {
            return Ok(vec![(Acceptance::DuplicateEnd, generation), self.request_one(start)?]);
        }
        Ok(vec![self.carry_out(end, &ends), self.carry_out(start, &begins)])
    }

    fn find(&mut self, request: &Request) -> Found {
        let (run, scope) = (self.run, request.scope);
        let conversation = self.conversations.entry(request.who).or_default();
        let generation = conversation.found(&conversation.scopes(), request, request.what == What::Start);
        let mut found = Found { generation, as_known: scope, any: scope.is_empty() };
        if let Some(active) = generation.and_then(|generation| conversation.active_mut(generation))
            && scope.is_empty()
        {
            found.as_known = active.scope;
            found.any = active.scope.is_empty() || active.registered == run;
        }
        found
    }

    /// The generation that the first line with its `op_id` spoke of.
    fn told_before(&self, request: &Request, found: &Found) -> Option<u32> {
        let lines = self.ops.get(&(request.who, request.what.hook(), request.op?))?;
        lines.iter().rev().find(|(of, _)| found.any || *of == found.as_known).map(|(_, generation)| *generation)
    }

    /// An owner that starts a session is there, whether or not the line is new.
    fn come_back(&mut self, request: &Request, found: Option<u32>) {
        let (run, conversation) = (self.run, self.conversations.entry(request.who).or_default());
        let active = found.and_then(|generation| conversation.active_mut(generation));
        if let (What::Start, Some(active)) = (&request.what, active) {
            active.registered = run;
        }
    }

    /// The session whose end this one repeats.
    fn repeated(&self, end: &Request) -> Option<u32> {
        let may_repeat = end.op.is_none() && !end.began_later;
        self.conversations.get(&end.who).filter(|_| may_repeat)?.repeated(end.scope)
    }

    fn carry_out(&mut self, request: &Request, found: &Found) -> Part {
        let Request { who, what, scope, op, cwd, .. } = request;
        let (run, as_known) = (self.run, found.as_known);
        let conversation = self.conversations.entry(*who).or_default();
        let generation = found.generation.unwrap_or_else(|| {
            conversation.generation += 1;
            let (generation, scope) = (conversation.generation, *scope);
            let new = Active { generation, scope, registered: run, started: Vec::new(), compactions: 0, cwd: None };
            conversation.active.push(new);
            generation
        });
        if let Some(op) = op {
            self.ops.entry((*who, what.hook(), op)).or_default().push((as_known, generation));
        }
        conversation.ended.retain(|ended| ended.scope != as_known);
        let active = conversation.active_mut(generation).unwrap();
        active.scope = as_known;
        match what {
            What::Start => {
                active.registered = run;
                active.cwd = cwd.or(active.cwd);
                if found.generation.is_none() {
                    active.started = takers(&self.installed, *who, EventKey::Start);
                    self.owe((*who, generation), EventKey::Start);
                }
            }
            What::Compaction(phase) => {
                active.registered = run;
                active.compactions += 1;
                // It says nothing of a session that is known.
                active.cwd = if found.generation.is_some() { active.cwd } else { *cwd };
                let event = EventKey::Compaction { n: active.compactions, phase: *phase };
                self.owe((*who, generation), event);
            }
            What::End(reason) => {
                conversation.ended.push(Ended { generation, scope: as_known, guessed: scope.is_empty() });
                self.place += 1;
                self.orphan_without_hook(|other, owed| other.who == *who && !owed.late);
                self.end((*who, generation), reason, &self.installed.clone());
            }
        }
        let how = match (what, found.generation.is_some()) {
            (What::Start, true) => Acceptance::Updated,
            (What::Start, false) | (_, true) => Acceptance::Registered,
            (_, false) => Acceptance::Implied,
        };
        (how, generation)
    }

    /// Something else is heard of a session. Gives how many sessions live although they have ended.
    pub(super) fn seen(&mut self, who: Who, said: &str) -> usize {
        let conversation = self.conversations.entry(who).or_default();
        if conversation.active.iter().any(|active| said.is_empty() || active.scope == said) {
            return 0;
        }
        let before = conversation.ended.len();
        let is_meant = |scope: &str| said.is_empty() || scope.is_empty() || scope == said;
        conversation.ended.retain(|ended| !is_meant(ended.scope));
        before - conversation.ended.len()
    }

    fn owe(&mut self, (who, generation): Key, event: EventKey) {
        self.place += 1;
        for plugin in takers(&self.installed, who, event) {
            let delivery = Delivery { who, generation, event, plugin };
            self.orphan_without_hook(|other, owed| other.is_beside(&delivery) && !owed.late);
            self.owed.insert(delivery, PendingDelivery::new(None, self.place, false));
        }
    }

    /// The end is owed to every plugin that serves the tenant, and to those that were owed the start.
    fn end(&mut self, (who, generation): Key, reason: &EndReason, installed: &[Plugin]) {
        let sessions = &mut self.conversations.get_mut(&who).unwrap().active;
        let at = sessions.iter().position(|active| active.generation == generation).unwrap();
        let (active, event) = (sessions.remove(at), EventKey::End);
        let serving = takers(installed, who, event);
        for plugin in active.started.into_iter().chain(serving.iter().copied()) {
            let owed = PendingDelivery::new(Some(reason), self.place, !serving.contains(&plugin));
            self.owed.insert(Delivery { who, generation, event, plugin }, owed);
        }
    }

    /// A session that nobody has come back for ends.
    pub(super) fn end_recovered(&mut self, key: Key) {
        self.end(key, &EndReason::Crashed, &self.installed.clone());
    }

    /// From now on starts are refused, and no plugin is called.
    pub(super) fn close(&mut self, reason: DrainReason) {
        self.closed.insert(self.run, (reason, self.installed.clone()));
    }

    /// Sessions of a run that was closed end for its reason, owed to those who were installed then.
    fn end_closed(&mut self) {
        for (key, registered) in self.active() {
            if let Some((reason, installed)) = self.closed.get(&registered).cloned() {
                self.end(key, &reason.end_reason(), &installed);
            }
        }
    }

    /// Every session ends: here those that somebody has come back for, with the drain's reason. Of the others a crash may
    /// leave no record.
    pub(super) fn drain(&mut self, reason: DrainReason) {
        self.close(reason);
        self.orphan_without_hook(|_, _| true);
        self.place += 1;
        let drained: BTreeSet<Key> = self.active().into_iter().map(|(key, _)| key).collect();
        for conversation in self.conversations.values_mut() {
            (conversation.drained, conversation.drained_in) = (conversation.scopes(), self.run);
        }
        self.end_closed();
        let is_drained = |delivery: &Delivery| drained.contains(&(delivery.who, delivery.generation));
        let ends = self.owed.iter_mut().filter(|(one, _)| one.event == EventKey::End && is_drained(one));
        // Sessions of earlier runs are still active here.
        ends.for_each(|(_, owed)| owed.by_drain = true);
    }

    /// Judges an attempt, and takes note of it.
    pub(super) fn attempted(&mut self, attempt: &Attempt) -> Result<(), &'static str> {
        let delivery = attempt.delivery;
        let plugin =
            self.installed.iter().find(|plugin| delivery.is_for(plugin)).ok_or("its plugin is not installed")?;
        let (place, came_back) =
            self.owed.get(&delivery).map(|owed| (owed.place, owed.came_back)).ok_or("it is not owed")?;
        // Of one session the event says it; sessions of one id may overlap.
        let is_newer = |other: &Delivery, its_place: u32| {
            other.follows(&delivery)
                || other.is_beside(&delivery) && other.generation != delivery.generation && its_place > place
        };
        // What came back is late, and waits for no other session.
        let is_older = |other: &Delivery, its_place: u32| {
            delivery.follows(other)
                || !came_back
                    && other.is_beside(&delivery)
                    && other.generation != delivery.generation
                    && its_place < place
        };
        let older_waits = self.waiting().any(|(other, owed)| is_older(other, owed.place) && !owed.has_stepped_aside());
        // What another session was told in an earlier run was after this had stepped aside, which is on record.
        let counts = |other: &Delivery, run: u32| run == self.run || other.generation == delivery.generation;
        let newer_is_made = self.made.iter().any(|(other, &(run, place))| counts(other, run) && is_newer(other, place));
        // Those without an order have one in which they were taken.
        let may_be_newer = |other: &Delivery, its_place: u32| {
            is_newer(other, its_place) || other.is_beside(&delivery) && its_place == place
        };
        let counts_as_newer = |other: &Delivery, owed: &PendingDelivery| {
            owed.came_back && other.is_beside(&delivery) && other.generation > delivery.generation
        };
        let has_newer = self.made.iter().any(|(other, &(run, place))| counts(other, run) && may_be_newer(other, place))
            || self.owed.iter().any(|(other, owed)| may_be_newer(other, owed.place) || counts_as_newer(other, owed));
        let owed = self.owed.get_mut(&delivery).filter(|owed| owed.dead.is_none()).ok_or("it is not owed")?;
        let reply = plugin.guest.reply(delivery.event, owed.reason.as_ref(), attempt.number);
        owed.attempted(attempt, &Circumstances { run: self.run, reply, has_newer, newer_is_made, older_waits })?;
        if reply == Reply::Ok {
            self.owed.remove(&delivery);
            self.made.insert(delivery, (self.run, place));
        }
        Ok(())
    }

    /// What was given up is owed again. `marked`: it is on record whose plugin is gone. Gives how many they were.
    pub(super) fn redeliver(&mut self, marked: bool) -> u64 {
        let dead = self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_some());
        let again = dead.map(|(delivery, owed)| {
            owed.redeliver(marked && !self.installed.iter().any(|plugin| delivery.is_for(plugin)));
        });
        u64::try_from(again.count()).unwrap()
    }

    /// Nothing of this is owed to the plugin any more. Gives how many they were.
    pub(super) fn forget(&mut self, plugin: &str) -> u64 {
        let before = self.owed.len();
        self.owed.retain(|delivery, _| delivery.plugin != plugin);
        u64::try_from(before - self.owed.len()).unwrap()
    }

    pub(super) fn has_plugin(&self, name: &str) -> bool {
        self.installed.iter().any(|plugin| plugin.name == name)
    }

    /// A further plugin: what was orphaned under its name is owed to it again, in the order in which that is on record.
    pub(super) fn install(&mut self, plugin: Plugin) {
        self.installed.push(plugin);
        for (delivery, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none() && owed.orphaned) {
            if delivery.is_for(&plugin) {
                self.place += 1;
                owed.place = self.place;
                owed.adopt();
            }
            owed.late |= delivery.lacks_hook(&plugin);
        }
    }

    /// Another version. What was orphaned for want of a hook that this one has is owed to it again, and was overtaken.
    pub(super) fn replace(&mut self, name: &str, guest: Guest) {
        let plugin = self.installed.iter_mut().find(|plugin| plugin.name == name).unwrap();
        plugin.guest = guest;
        let orphans = self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none() && owed.orphaned);
        for (_, owed) in orphans.filter(|(delivery, _)| delivery.is_for(plugin)) {
            owed.adopt();
            (owed.late, owed.came_back) = (true, true);
        }
    }

    /// It goes. Gives how many deliveries it was owed that are orphaned now, or dropped.
    pub(super) fn uninstall(&mut self, name: &'static str, leave: Leave) -> u64 {
        let at = self.installed.iter().position(|plugin| plugin.name == name).unwrap();
        let plugin = self.installed.remove(at);
        let is_its = |delivery: &Delivery| delivery.is_for(&plugin) || delivery.lacks_hook(&plugin);
        if leave == Leave::Dropped {
            let serves = |who: &Who| plugin.tenant.is_none_or(|only| only == who.tenant);
            for (_, conversation) in self.conversations.iter_mut().filter(|(who, _)| serves(who)) {
                conversation.active.iter_mut().for_each(|active| active.started.retain(|started| *started != name));
            }
            let before = self.owed.len();
            self.owed.retain(|delivery, owed| owed.dead.is_some() || !is_its(delivery));
            return u64::try_from(before - self.owed.len()).unwrap();
        }
        let owed = self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none() && !owed.orphaned);
        let orphaned = owed.filter(|(delivery, _)| is_its(delivery)).map(|(_, owed)| owed.orphaned = true);
        u64::try_from(orphaned.count()).unwrap()
    }

    /// Something newer than these is owed, or a drain begins: what their plugin has no hook for has its turn, and is orphaned.
    fn orphan_without_hook(&mut self, is_in_turn: impl Fn(&Delivery, &PendingDelivery) -> bool) {
        for (delivery, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.dead.is_none()) {
            if is_in_turn(delivery, owed) && self.installed.iter().any(|plugin| delivery.lacks_hook(plugin)) {
                owed.orphan_without_hook();
            }
        }
    }

    /// Everything has had its turn.
    pub(super) fn settled(&mut self) {
        self.owed.values_mut().for_each(PendingDelivery::is_settled);
    }

    /// The run ended while these waited for their turn to be orphaned, and they are owed as before.
    pub(super) fn killed(&mut self, is_owed: impl Fn(&Delivery) -> bool) {
        let owed = self.owed.iter_mut().filter(|(delivery, _)| is_owed(delivery));
        owed.for_each(|(_, owed)| owed.is_as_before());
    }

    /// What an installed plugin is owed.
    fn waiting(&self) -> impl Iterator<Item = (&Delivery, &PendingDelivery)> {
        let can_be_made = |delivery: &Delivery| self.installed.iter().any(|plugin| delivery.is_for(plugin));
        self.owed.iter().filter(move |(delivery, owed)| owed.dead.is_none() && can_be_made(delivery))
    }

    /// What has had no attempt in this run, or in its drain, although nothing was in its way.
    pub(super) fn untried(&self, in_drain: bool) -> Option<Delivery> {
        self.waiting().find(|(_, owed)| !owed.was_tried(in_drain)).map(|(delivery, _)| *delivery)
    }

    /// Active sessions, with the run in which each was registered last.
    fn active(&self) -> Vec<(Key, u32)> {
        let of = |(who, c): (&Who, &Conversation)| -> Vec<(Key, u32)> {
            c.active.iter().map(|active| ((*who, active.generation), active.registered)).collect()
        };
        self.conversations.iter().flat_map(of).collect()
    }

    /// Sessions of earlier runs that nobody has come back for.
    pub(super) fn unattached(&self) -> Vec<Key> {
        self.active().into_iter().filter(|(_, registered)| *registered < self.run).map(|(key, _)| key).collect()
    }

    /// What is listed as active: not what the next run only has to write down as ended.
    pub(super) fn sessions(&self) -> Vec<Session> {
        let mut listed = self.clone();
        listed.end_closed();
        let rows = |(who, c): (Who, Conversation)| {
            let row =
                move |active: Active| (who, active.generation, active.scope.to_owned(), active.cwd.map(str::to_owned));
            c.active.into_iter().map(row)
        };
        let mut rows: Vec<Session> = listed.conversations.into_iter().flat_map(rows).collect();
        rows.sort();
        rows
    }

    pub(super) fn deliveries(&self) -> BTreeMap<Delivery, Listed> {
        let mut listed = self.clone();
        listed.end_closed();
        listed.owed.into_iter().map(|(delivery, owed)| (delivery, owed.listed())).collect()
    }

    /// Ends that are owed, were given up in this run, or will be owed when the active sessions end.
    pub(super) fn undelivered_ends(&self) -> u64 {
        let mut then = self.clone();
        self.active().into_iter().for_each(|(key, _)| then.end_recovered(key));
        let counts = |owed: &PendingDelivery| owed.dead.is_none_or(|run| run == self.run);
        let ends = then.owed.iter().filter(|(delivery, owed)| delivery.event == EventKey::End && counts(owed));
        u64::try_from(ends.count()).unwrap()
    }
}

/// Who is to be told of such an event.
fn takers(installed: &[Plugin], who: Who, event: EventKey) -> Vec<&'static str> {
    installed.iter().filter(|plugin| plugin.takes(who.tenant, event)).map(|plugin| plugin.name).collect()
}
