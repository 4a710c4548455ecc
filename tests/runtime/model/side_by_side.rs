//! One run, of the runtime and of its reference.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lastword::events::{DrainReason, EndReason, Event, EventKey, PluginName, Session};
use lastword::{Acceptance, DeliveryFilter, Refusal};
use lastword_journal::JournalOp;

use super::case::{End, Grace, Plugin, PluginChange, Reply, Request, Run, Step, Who};
use super::crashing_journal::CrashingJournal;
use super::reference::{self, Answer, Key, Reference};
use super::scenario::Scenario;
use super::subject::{Asked, Attempt, Subject, compiled, tenants};

/// What is waited for is there at once, or never.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Or what the two sides disagree on.
pub(super) type Checked = Result<(), String>;

/// The runtime and its reference in one run.
pub(super) struct SideBySide<'a> {
    scenario: &'a mut Scenario,
    journal: &'a CrashingJournal,
    pub(super) live: Reference,
    pub(super) subject: Subject,
    /// Requests whose answers have not been looked at.
    asked: Vec<(Request, Asked)>,
    /// The session whose last request is on record although it was refused.
    unanswered: Option<Who>,
    /// Every delivery has had its attempt.
    rested: bool,
}

impl<'a> SideBySide<'a> {
    pub(super) async fn begin(
        scenario: &'a mut Scenario,
        run: &Run,
        journal: &'a Arc<CrashingJournal>,
    ) -> Result<Self, String> {
        let grace = run.grace;
        let subject = Subject::build(journal, run, grace);
        let mut live = scenario.disk.clone();
        live.take_up(grace != Grace::None);
        if journal.has(|write| matches!(write, JournalOp::Installed { .. })) {
            scenario.disk.take_up(grace != Grace::None);
        }
        let mut both = Self { scenario, journal, live, subject, asked: Vec::new(), unanswered: None, rested: false };
        if grace == Grace::Short {
            both.outlive_grace().await?;
        }
        Ok(both)
    }

    /// Waits until the sessions that nobody comes back for have ended.
    async fn outlive_grace(&mut self) -> Checked {
        let left = self.live.unattached();
        let over = async {
            loop {
                // Recorded as one.
                let recorded: Vec<Key> = left.iter().copied().filter(|key| self.has_end_of(*key)).collect();
                let unanswered = self.journal.ends_are_unanswered();
                let ended = if unanswered { 0 } else { recorded.len() };
                let is_over = self.journal.has_crashed() || recorded.len() == left.len();
                if is_over && self.subject.runtime.sessions().len() + ended == left.len() {
                    return (recorded, unanswered);
                }
                tokio::task::yield_now().await;
            }
        };
        let (recorded, unanswered) = in_time("the end of a grace of 1 ms", over).await?;
        for key in recorded {
            self.scenario.disk.end_recovered(key);
            if !unanswered {
                self.live.end_recovered(key);
            }
        }
        Ok(())
    }

    /// The runtime's own record that the session has crashed. An owner says something else.
    fn has_end_of(&self, key: Key) -> bool {
        self.journal.has(|write| match write {
            JournalOp::End { session, event, .. } => {
                let crashed = matches!(&**event, Event::End(end) if end.reason == EndReason::Crashed);
                crashed && (Who::of(&session.identity), session.generation) == key
            }
            _ => false,
        })
    }

    async fn look_for_unanswered(&mut self) {
        if let Some(identity) = self.journal.unanswered().await {
            self.unanswered = Some(Who::of(&identity));
        }
    }

    pub(super) async fn play(&mut self, run: &Run) -> Checked {
        for step in &run.steps {
            match step {
                Step::Say(request) => {
                    self.rested = false;
                    self.asked.push((request.clone(), self.subject.say(request)));
                }
                Step::Seen(who, scope) => self.seen(*who, scope).await?,
                Step::Redeliver => self.redeliver().await?,
                Step::Forget(plugin) => self.forget(plugin).await?,
                Step::Change(change) => self.change(*change).await?,
                Step::Settle => self.settle().await?,
            }
        }
        self.answers().await?;
        let after = match &run.end {
            End::Crash => return Ok(()),
            End::Drain(reason, after) => {
                self.drain(*reason).await?;
                after
            }
            End::Close(reason, after) => {
                self.close(*reason).await?;
                after
            }
        };
        for request in after {
            self.asked.push((request.clone(), self.subject.say(request)));
            self.answers().await?;
        }
        Ok(())
    }

    /// Something else is heard of a session: it is on record if the session has just ended, and not otherwise.
    async fn seen(&mut self, who: Who, scope: &'static str) -> Checked {
        self.answers().await?;
        let before = self.journal.seen();
        self.subject.runtime.seen(&who.identity(scope));
        let (recorded, live) = (self.journal.seen() - before, self.live.seen(who, scope));
        if recorded > 0 {
            self.scenario.disk.seen(who, scope);
        }
        if !self.journal.has_crashed() {
            same(&format!("sessions of {who} {scope} that live after their end"), &recorded, &live)?;
        }
        Ok(())
    }

    /// An operator has everything made again that was given up.
    async fn redeliver(&mut self) -> Checked {
        self.settle().await?;
        let orphans = self.journal.orphans();
        let asked = self.subject.runtime.redeliver_all(&DeliveryFilter::default());
        let answer = in_time("the answer to an operator", asked).await?;
        let marked = self.journal.orphans() > orphans;
        if self.is_on_record(&answer)? {
            self.scenario.disk.redeliver(marked);
        }
        if let Ok(again) = answer {
            self.rested = false;
            same("what is made again", &again, &self.live.redeliver(marked))?;
        }
        Ok(())
    }

    /// An operator lets go what a plugin has not had.
    async fn forget(&mut self, plugin: &'static str) -> Checked {
        self.settle().await?;
        let had_crashed = self.journal.has_crashed();
        let filter = DeliveryFilter::default().of_plugin(PluginName::new(plugin).unwrap());
        let asked = self.subject.runtime.forget_all(&filter);
        let answer = in_time("the answer to an operator", asked).await?;
        if self.is_on_record(&answer)? {
            self.scenario.disk.forget(plugin);
        }
        match answer {
            Ok(forgotten) => same("what is forgotten", &forgotten, &self.live.forget(plugin)),
            // It was taken out of the queues before that.
            Err(_) if !had_crashed => {
                self.live.forget(plugin);
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// A plugin comes, goes, or has another version.
    async fn change(&mut self, change: PluginChange) -> Checked {
        self.settle().await?;
        let (runtime, disk) = (&self.subject.runtime, &mut self.scenario.disk);
        match change {
            PluginChange::Install(plugin) if !self.live.has_plugin(plugin.name) => {
                runtime.install(compiled(&plugin), tenants(&plugin)).map_err(|error| error.to_string())?;
                [&mut self.live, disk].into_iter().for_each(|side| side.install(plugin));
            }
            PluginChange::Replace(name, guest) if self.live.has_plugin(name) => {
                let version = Plugin { name, guest, tenant: None };
                runtime.replace(compiled(&version)).map_err(|error| error.to_string())?;
                [&mut self.live, disk].into_iter().for_each(|side| side.replace(name, guest));
            }
            PluginChange::Uninstall(name, leave) if self.live.has_plugin(name) => {
                let asked = runtime.uninstall(&PluginName::new(name).unwrap().into(), leave);
                let out = in_time("the end of a plugin", asked).await?.map_err(|error| error.to_string())?;
                let owed = [&mut self.live, disk].map(|side| side.uninstall(name, leave));
                same("what an uninstalled plugin was owed", &[out.owed; 2], &owed)?;
            }
            _ => (),
        }
        self.settle().await
    }

    /// Whether what an operator has changed is on record, answered or not.
    fn is_on_record(&self, answer: &Result<u64, Refusal>) -> Result<bool, String> {
        match answer {
            Ok(_) => Ok(true),
            Err(_) if self.journal.has_crashed() => Ok(self.journal.change_is_unanswered()),
            Err(refused) => Err(format!("an operator was refused: {refused}")),
        }
    }

    async fn answers(&mut self) -> Checked {
        for (request, asked) in std::mem::take(&mut self.asked) {
            let answer = in_time(&format!("the answer to `{request}`"), asked).await?;
            self.compare_answer(&request, answer).await?;
        }
        Ok(())
    }

    async fn compare_answer(&mut self, request: &Request, answer: Answer) -> Checked {
        if answer == Err("journal") && self.journal.has_crashed() {
            self.look_for_unanswered().await;
            if self.unanswered.is_some_and(|who| request.is_of(who)) {
                self.unanswered = None;
                self.scenario.disk.request(request).ok();
            }
            return Ok(());
        }
        let expected = self.live.request(request);
        same(&format!("the answer to `{request}`"), &answer, &expected)?;
        // A refusal, or a second end, leaves nothing on record.
        match &answer {
            Ok(parts) if parts.iter().any(|(how, _)| *how != Acceptance::DuplicateEnd) => {
                same(&format!("what is on record of `{request}`"), &answer, &self.scenario.disk.request(request))
            }
            _ => Ok(()),
        }
    }

    fn hear(&mut self) -> Result<Vec<Attempt>, String> {
        let attempts: Vec<Attempt> = self.subject.attempts.try_iter().collect();
        attempts.iter().try_for_each(|attempt| self.scenario.hear(&mut self.live, attempt))?;
        Ok(attempts)
    }

    async fn settle(&mut self) -> Checked {
        self.answers().await?;
        let runtime = &self.subject.runtime;
        in_time("the end of all work", runtime.settled()).await?;
        let mut sessions: Vec<_> = runtime.sessions().iter().map(|session| listed(session)).collect();
        let undelivered = runtime.undelivered_ends();
        self.hear()?;
        sessions.sort();
        same("active sessions", &sessions, &self.live.sessions())?;
        if self.journal.has_crashed() {
            return Ok(());
        }
        same("undelivered ends", &undelivered, &self.live.undelivered_ends())?;
        [&mut self.live, &mut self.scenario.disk].into_iter().for_each(Reference::settled);
        self.rested = true;
        self.all_tried(false)
    }

    fn all_tried(&self, in_drain: bool) -> Checked {
        let untried = self.live.untried(in_drain);
        untried.map_or(Ok(()), |delivery| Err(format!("{delivery} had no attempt")))
    }

    async fn drain(&mut self, reason: DrainReason) -> Checked {
        self.hear()?;
        let left = self.live.unattached();
        let active = self.live.sessions().len() - left.len();
        self.live.drain(reason);
        left.iter().for_each(|key| self.live.end_recovered(*key));
        let report = in_time("the end of the drain", self.subject.runtime.drain(reason)).await?;
        if self.journal.has(|write| matches!(write, JournalOp::Draining { .. })) {
            self.scenario.disk.drain(reason);
        }
        for key in self.scenario.disk.unattached() {
            if self.has_end_of(key) {
                self.scenario.disk.end_recovered(key);
            }
        }
        let attempts = self.hear()?;
        let ends = |reply: fn(Option<Reply>) -> bool| {
            let ends = attempts.iter().filter(|attempt| attempt.draining && attempt.delivery.event == EventKey::End);
            u64::try_from(ends.filter(|attempt| reply(attempt.reply)).count()).unwrap()
        };
        let (made, failed) = (ends(|reply| reply == Some(Reply::Ok)), ends(|reply| reply != Some(Reply::Ok)));
        let found = (report.sessions, report.delivered, report.failed, report.deferred);
        same("the drain's report", &found, &(u64::try_from(active).unwrap(), made, failed, 0))?;
        if self.journal.has_crashed() { Ok(()) } else { self.all_tried(self.rested) }
    }

    async fn close(&mut self, reason: DrainReason) -> Checked {
        self.live.close(reason);
        in_time("the end of a close", self.subject.runtime.close(reason)).await?;
        if self.journal.has(|write| matches!(write, JournalOp::Draining { .. })) {
            self.scenario.disk.close(reason);
        }
        Ok(())
    }
}

pub(super) fn listed(session: &Session) -> reference::Session {
    let scope = session.identity.scope.to_string();
    (Who::of(&session.identity), session.generation, scope, session.cwd.clone())
}

async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, wait).await.map_err(|_| format!("{what} does not come"))
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, and the model has {expected:?}")) }
}
