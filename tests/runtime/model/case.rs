//! What a case does: runs of the program on one journal, and what the owners of their sessions say.

use std::fmt;

use lastword::Leave;
use lastword::events::{CompactionPhase, DrainReason, EndReason, EventKey, Hook, Identity, PluginName};
use proptest::prelude::*;
use proptest::sample::select;

const TENANTS: &[&str] = &["t0", "t1"];
const IDS: &[&str] = &["s0", "s1"];
const NAMES: &[&str] = &["a", "b", "c"];
const OPS: &[&str] = &["x", "y", "z"];
/// Scopes of sessions; most events have none. The agent is in them.
const SCOPES: &[&str] = &["agent:a:x", "agent:a:y", "agent:b:x"];

/// Names a conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) tenant: &'static str,
    pub(super) id: &'static str,
}

/// What is installed under a plugin's name: a test guest whose answers are known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guest {
    /// Takes everything.
    Steady,
    /// Takes ends, and has no other hook.
    EndsOnly,
    /// Answers by what it is told, see its text.
    ByEvent,
    /// Takes no end, and has no other hook.
    Refuses,
    /// Gives up every end, and has no other hook.
    GivesUp,
}

/// What a guest answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Ok,
    Retry,
    Fatal,
}

/// An installed plugin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plugin {
    pub(super) name: &'static str,
    pub(super) guest: Guest,
    /// The only tenant that it serves, or all.
    pub(super) tenant: Option<&'static str>,
}

/// What an owner says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) who: Who,
    pub(super) what: What,
    /// Empty when it says none.
    pub(super) scope: &'static str,
    pub(super) op: Option<&'static str>,
    pub(super) cwd: Option<&'static str>,
    /// Of an end: the session began after every end that was told before.
    pub(super) began_later: bool,
    /// Of an end: the session that begins with it, as one request, and its scope.
    pub(super) begins: Option<(Who, &'static str)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Start,
    Compaction(CompactionPhase),
    End(EndReason),
}

impl Request {
    /// The end and the start of a replacement.
    pub(super) fn parts(&self) -> Option<(Self, Self)> {
        let (who, scope) = self.begins?;
        let end = Self { begins: None, cwd: None, ..self.clone() };
        let start = Self { who, scope, what: What::Start, began_later: false, begins: None, ..self.clone() };
        Some((end, start))
    }

    /// Whether it says something of this conversation.
    pub(super) fn is_of(&self, who: Who) -> bool {
        self.who == who || self.begins.is_some_and(|(begins, _)| begins == who)
    }
}

impl What {
    pub(super) fn hook(&self) -> Hook {
        match self {
            Self::Start => Hook::SessionStart,
            Self::Compaction(_) => Hook::SessionCompaction,
            Self::End(_) => Hook::SessionEnd,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The answer is waited for later.
    Say(Request),
    /// Something else is heard of a session, once every answer is there.
    Seen(Who, &'static str),
    /// What was given up is made again, once all is settled.
    Redeliver,
    /// Nothing that was not made for this plugin is made any more, once all is settled.
    Forget(&'static str),
    /// A plugin comes, or goes, or has another version, once all is settled. Not in a run that is killed at a write.
    Change(PluginChange),
    /// Every answer is waited for, and every attempt that is to be made now; then both sides are compared.
    Settle,
}

/// What is changed of the installed plugins. Nothing, if the one that is meant is not as it has to be for that.
#[derive(Clone, Copy, Debug)]
pub(super) enum PluginChange {
    Install(Plugin),
    Replace(&'static str, Guest),
    Uninstall(&'static str, Leave),
}

/// How long owners have to come back for sessions of the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grace {
    None,
    /// As long as the run lasts.
    Long,
    /// It is over before anybody comes.
    Short,
}

/// The journal takes so many more commands, answers the last of them or not, and then neither takes nor answers anything:
/// what the run does from there on is what a kill leaves no record of.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrashPoint {
    pub(super) commands: u32,
    pub(super) answers_last: bool,
}

/// How a run ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It is dropped where it stands.
    Crash,
    /// It drains, and these come too late for it.
    Drain(DrainReason, Vec<Request>),
    /// It closes without a drain, and these come after that.
    Close(DrainReason, Vec<Request>),
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) installed: Vec<Plugin>,
    pub(super) grace: Grace,
    pub(super) crash_point: Option<CrashPoint>,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

#[derive(Clone)]
pub(super) struct Case(pub(super) Vec<Run>);

impl Who {
    pub(super) fn identity(self, scope: &str) -> Identity {
        Identity::new(self.tenant, self.id).in_scope(scope)
    }

    /// Whatever the scope.
    pub(super) fn of(identity: &Identity) -> Self {
        Self { tenant: known(TENANTS, &identity.tenant), id: known(IDS, &identity.id) }
    }
}

fn known(names: &'static [&'static str], name: &str) -> &'static str {
    names.iter().find(|known| **known == name).unwrap()
}

impl Guest {
    const ALL: [Self; 5] = [Self::Steady, Self::EndsOnly, Self::ByEvent, Self::Refuses, Self::GivesUp];

    /// Its name among the test guests.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Steady => "good-all",
            Self::EndsOnly => "good",
            Self::ByEvent => "answers-by-event",
            Self::Refuses => "retry",
            Self::GivesUp => "fatal",
        }
    }

    fn has(self, hook: Hook) -> bool {
        hook == Hook::SessionEnd || matches!(self, Self::Steady | Self::ByEvent)
    }

    pub(super) fn reply(self, event: EventKey, reason: Option<&EndReason>, attempt: u32) -> Reply {
        let is_before = matches!(event, EventKey::Compaction { phase: CompactionPhase::Before, .. });
        match self {
            Self::Steady | Self::EndsOnly => Reply::Ok,
            Self::Refuses => Reply::Retry,
            Self::GivesUp => Reply::Fatal,
            Self::ByEvent if is_before || reason == Some(&EndReason::Restart) => Reply::Fatal,
            Self::ByEvent if attempt % 2 == 1 => Reply::Retry,
            Self::ByEvent => Reply::Ok,
        }
    }
}

impl Plugin {
    pub(super) fn name(name: &PluginName) -> &'static str {
        known(NAMES, name.as_str())
    }

    /// Every guest under every name.
    pub(super) fn every_one() -> impl Iterator<Item = Self> {
        let named = |name: &'static &str| Guest::ALL.map(|guest| Self { name, guest, tenant: None });
        NAMES.iter().flat_map(named)
    }

    /// Whether it is to be told of such events of this tenant's sessions.
    pub(super) fn takes(&self, tenant: &str, event: EventKey) -> bool {
        self.tenant.is_none_or(|only| only == tenant) && self.guest.has(event.hook())
    }
}

impl Run {
    /// Nothing is in the way of any delivery.
    pub(super) fn that_takes_everything() -> Self {
        let plugin = |name: &&'static str| Plugin { name, guest: Guest::Steady, tenant: None };
        let installed = NAMES.iter().map(plugin).collect();
        let end = End::Drain(DrainReason::Shutdown, Vec::new());
        Self { installed, grace: Grace::None, crash_point: None, steps: vec![Step::Settle], end }
    }
}

impl Case {
    /// A run dies and leaves sessions; the next one has a grace in which nobody comes back for them, and is drained; its journal
    /// takes so many commands. Drawn once, when a worker could be faster than the drain.
    pub(super) fn drained_in_a_grace(commands: u32, answers_last: bool) -> Self {
        let steps = |who: &[(&'static str, &'static str)]| {
            let who = who.iter().map(|&(tenant, id)| Who { tenant, id });
            let (what, scope, began_later) = (What::Start, "", false);
            let start =
                |who| Request { who, what: what.clone(), scope, op: None, cwd: None, began_later, begins: None };
            who.map(|who| Step::Say(start(who))).collect()
        };
        let named = |(name, guest)| Plugin { name, guest, tenant: None };
        let with = |guests: [Guest; 3]| NAMES.iter().copied().zip(guests).map(named).collect();
        let left = Run {
            installed: with([Guest::ByEvent, Guest::Steady, Guest::Steady]),
            grace: Grace::None,
            crash_point: None,
            steps: steps(&[("t1", "s1"), ("t0", "s1"), ("t0", "s0")]),
            end: End::Crash,
        };
        let drained = Run {
            installed: with([Guest::EndsOnly, Guest::GivesUp, Guest::ByEvent]),
            grace: Grace::Long,
            crash_point: Some(CrashPoint { commands, answers_last }),
            steps: steps(&[("t1", "s0")]),
            end: End::Drain(DrainReason::Shutdown, Vec::new()),
        };
        Self(vec![left, drained])
    }
}

fn who() -> impl Strategy<Value = Who> {
    (select(TENANTS), select(IDS)).prop_map(|(tenant, id)| Who { tenant, id })
}

/// Some owners have scopes, and say them nearly always.
fn scope() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 2 => select(SCOPES)]
}

fn request() -> impl Strategy<Value = Request> {
    let phase = select(&[CompactionPhase::After, CompactionPhase::Before][..]);
    let reason = select(&[EndReason::Reset, EndReason::Restart][..]);
    let what =
        prop_oneof![4 => Just(What::Start), 3 => reason.prop_map(What::End), 2 => phase.prop_map(What::Compaction)];
    let op = prop::option::weighted(0.25, select(OPS));
    let cwd = prop::option::weighted(0.25, select(&["/old", "/new"][..]));
    let begins = prop::option::weighted(0.25, (who(), scope()));
    let of_end = (prop::bool::weighted(0.1), begins);
    (who(), what, scope(), op, cwd, of_end).prop_map(|(who, what, scope, op, cwd, (began_later, begins))| {
        let is_end = matches!(what, What::End(_));
        Request { who, what, scope, op, cwd, began_later: began_later && is_end, begins: begins.filter(|_| is_end) }
    })
}

fn installed() -> impl Strategy<Value = Vec<Plugin>> {
    let plugin = move || {
        let tenant = prop_oneof![2 => Just(None), 1 => select(TENANTS).prop_map(Some)];
        prop::option::weighted(0.8, (select(&Guest::ALL[..]), tenant))
    };
    [plugin(), plugin(), plugin()].prop_map(|chosen| {
        let named = NAMES.iter().zip(chosen);
        named.filter_map(|(name, chosen)| chosen.map(|(guest, tenant)| Plugin { name, guest, tenant })).collect()
    })
}

fn end() -> impl Strategy<Value = End> {
    let reason = || select(&[DrainReason::Shutdown, DrainReason::Restart, DrainReason::Crashed][..]);
    let after = || prop::collection::vec(request(), 0..3);
    prop_oneof![
        4 => Just(End::Crash),
        4 => (reason(), after()).prop_map(|(reason, after)| End::Drain(reason, after)),
        1 => (reason(), after()).prop_map(|(reason, after)| End::Close(reason, after)),
    ]
}

fn run(crash_point: impl Strategy<Value = Option<CrashPoint>>) -> impl Strategy<Value = Run> {
    let grace = prop_oneof![5 => Just(Grace::None), 3 => Just(Grace::Long), 1 => Just(Grace::Short)];
    let seen = (who(), scope()).prop_map(|(who, scope)| Step::Seen(who, scope));
    let step = prop_oneof![
        12 => request().prop_map(Step::Say),
        4 => Just(Step::Settle),
        1 => seen,
        1 => Just(Step::Redeliver),
        1 => select(NAMES).prop_map(Step::Forget),
        3 => change().prop_map(Step::Change),
    ];
    let steps = prop::collection::vec(step, 0..10);
    (installed(), grace, crash_point, steps, end()).prop_map(|(installed, grace, crash_point, mut steps, end)| {
        if crash_point.is_some() {
            steps.retain(|step| !matches!(step, Step::Change(_)));
        }
        Run { installed, grace, crash_point, steps, end }
    })
}

fn change() -> impl Strategy<Value = PluginChange> {
    let tenant = prop_oneof![2 => Just(None), 1 => select(TENANTS).prop_map(Some)];
    let guest = || select(&Guest::ALL[..]);
    let leave = prop_oneof![3 => Just(Leave::Orphaned), 1 => Just(Leave::Dropped)];
    prop_oneof![
        3 => (select(NAMES), guest(), tenant)
            .prop_map(|(name, guest, tenant)| PluginChange::Install(Plugin { name, guest, tenant })),
        2 => (select(NAMES), guest()).prop_map(|(name, guest)| PluginChange::Replace(name, guest)),
        2 => (select(NAMES), leave).prop_map(|(name, leave)| PluginChange::Uninstall(name, leave)),
    ]
}

/// Runs that write everything down.
pub(super) fn without_loss() -> impl Strategy<Value = Case> {
    prop::collection::vec(run(Just(None)), 1..4).prop_map(Case)
}

/// Runs of which most are killed before they have written everything down.
pub(super) fn with_loss() -> impl Strategy<Value = Case> {
    let crash_point =
        (0u32..24, any::<bool>()).prop_map(|(commands, answers_last)| CrashPoint { commands, answers_last });
    let crash_point = prop::option::weighted(0.7, crash_point);
    prop::collection::vec(run(crash_point), 1..5).prop_map(Case)
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Start => write!(f, "start {}", self.who)?,
            What::Compaction(phase) => write!(f, "compaction {} {}", self.who, phase.as_str())?,
            What::End(reason) => write!(f, "end {} ({reason})", self.who)?,
        }
        let scope = Some(self.scope).filter(|scope| !scope.is_empty());
        let begins = self.begins.map(|(who, scope)| format!("{who} {scope}"));
        let (begins, later) = (begins.as_deref(), self.began_later.then_some("later"));
        let said = [("scope", scope), ("begins", begins), ("op_id", self.op), ("cwd", self.cwd), ("began", later)];
        said.into_iter().try_for_each(|(name, value)| value.map_or(Ok(()), |value| write!(f, " {name}={value}")))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugin = |p: &Plugin| format!("{}={:?} for {}", p.name, p.guest, p.tenant.unwrap_or("all"));
        let installed: Vec<String> = self.installed.iter().map(plugin).collect();
        write!(f, "[{}]", installed.join(", "))?;
        if self.grace != Grace::None {
            write!(f, ", grace: {:?}", self.grace)?;
        }
        if let Some(CrashPoint { commands, answers_last }) = self.crash_point {
            let last = if answers_last { "" } else { ", the last without an answer" };
            write!(f, ", its journal takes {commands} commands{last}")?;
        }
        for step in &self.steps {
            match step {
                Step::Say(request) => write!(f, "\n    {request}")?,
                Step::Seen(who, scope) => write!(f, "\n    seen {who} {scope}")?,
                Step::Redeliver => write!(f, "\n    redeliver all")?,
                Step::Forget(plugin) => write!(f, "\n    forget what {plugin} has not had")?,
                Step::Change(change) => write!(f, "\n    {change:?}")?,
                Step::Settle => write!(f, "\n    settle")?,
            }
        }
        let after = match &self.end {
            End::Crash => return write!(f, "\n    crash"),
            End::Drain(reason, after) => write!(f, "\n    drain ({reason})").map(|()| after)?,
            End::Close(reason, after) => write!(f, "\n    close ({reason})").map(|()| after)?,
        };
        after.iter().try_for_each(|request| write!(f, "\n    {request}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(n, run)| write!(f, "\n  run {} {run}", n + 1))
    }
}
