//! Thousands of guests that wait for a server: how many of 10 000 sessions are delivered in one drain of 2 s, and what a guest takes
//! of memory while it waits. Each figure is printed with its target, and a target that is missed is an error.
//!
//! The server is a process of its own, so that what its connections take is not counted here.

mod server;

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use lastword::events::{DrainReason, DrainReport, PluginName, Session};
use lastword::{Limits, Plugin, Runtime, Sandbox, SandboxConfig, Source, StartRequest, Tenants};
use lastword_sandbox::{AllowList, Grants};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::interval;

use crate::end::session;
use crate::rounds::say;
use crate::targets::Targets;

pub(crate) use server::{Server, serve};

const SESSIONS: u32 = 10_000;
/// How long the server takes, in milliseconds.
const WAITS: [u64; 2] = [50, 200];
/// What a guest that waits may take, page tables included.
const KIB_OF_A_GUEST: u64 = 96;
const PEAK_MIB: u64 = 400;
/// How often this process looks at itself.
const LOOK: Duration = Duration::from_millis(5);

/// Prints each figure and its target.
///
/// # Errors
/// When a target is missed, or something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    figures()?.finish()
}

/// Prints each figure and its target. In a process that has done nothing else: what others have freed would be used again, and not be seen.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn figures() -> anyhow::Result<Targets> {
    allow_files()?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let (slots, bound) = (sandbox.allocation().slots, sandbox.allocation().bound);
    say(format!(
        "{SESSIONS} sessions whose plugin posts to a server, in a drain of 2 s, {slots} calls at once ({bound}):"
    ));
    let mut targets = Targets::default();
    for wait in WAITS {
        let server = Server::start(wait)?;
        let (report, seen) = tokio.block_on(drain(&sandbox, server.authority()))?;
        // The guest answers ok in any case: only the server knows what has arrived.
        let answered = server.end()?;
        tell(&mut targets, wait, report.delivered.min(answered), report.elapsed, &seen);
    }
    Ok(targets)
}

/// As many open files as the system allows, as the program has it when it starts.
///
/// # Errors
/// When the system refuses.
pub(crate) fn allow_files() -> std::io::Result<()> {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    Ok(())
}

/// A plugin that posts each end to the server at `authority`.
///
/// # Errors
/// When it cannot be loaded.
pub(crate) fn load_posts(sandbox: &Sandbox, authority: &str) -> anyhow::Result<Plugin> {
    let allowed: AllowList = [format!("http://{authority}").parse()?].into_iter().collect();
    let grants = Grants { http: Some(allowed), ..Grants::default() };
    let component = Source::Bytes(lastword_test_guests::component("http-posts"));
    Ok(sandbox.load_with(PluginName::new("posts")?, &component, Limits::default(), grants)?)
}

/// A session whose end [such a plugin](load_posts) posts there.
pub(crate) fn posted_session(n: u32, authority: &str) -> Session {
    let mut session = session(n);
    (session.key, session.agent_id) = (Some(authority.to_owned()), Some("/".to_owned()));
    session
}

async fn drain(sandbox: &Sandbox, authority: &str) -> anyhow::Result<(DrainReport, Seen)> {
    let plugin = load_posts(sandbox, authority)?;
    let runtime = Runtime::builder().sandbox(sandbox.clone()).plugin(plugin, Tenants::Every).build()?;
    for n in 0..SESSIONS {
        runtime.start_session(StartRequest::new(posted_session(n, authority))).await?;
    }
    let mut seen = Seen::begin()?;
    let mut looks = interval(LOOK);
    let mut drain = pin!(runtime.drain(DrainReason::Shutdown));
    let report = poll_fn(|cx| {
        while looks.poll_tick(cx).is_ready() {
            seen.look(sandbox);
        }
        drain.as_mut().poll(cx)
    })
    .await;
    Ok((report, seen))
}

fn tell(targets: &mut Targets, wait: u64, delivered: u64, took: Duration, seen: &Seen) {
    let measured = format!("{delivered} in {:.0} ms", took.as_secs_f64() * 1e3);
    let all = delivered == u64::from(SESSIONS);
    targets.tell(&format!("delivered, {wait} ms each"), &measured, &SESSIONS.to_string(), all);
    let each = seen.of_a_guest();
    let measured = format!("{each} KiB, {} at once", seen.guests);
    let target = format!("≤ {KIB_OF_A_GUEST} KiB");
    targets.tell(&format!("memory of a guest that waits {wait} ms"), &measured, &target, each <= KIB_OF_A_GUEST);
    let peak = seen.peak >> 10;
    targets.tell(
        &format!("peak of the process, {wait} ms each"),
        &format!("{peak} MiB"),
        &format!("≤ {PEAK_MIB} MiB"),
        peak <= PEAK_MIB,
    );
}

/// What the process was seen to take, in KiB, page tables included.
struct Seen {
    before: u64,
    peak: u64,
    /// The most guests that were seen at once, and what the process took then.
    guests: u64,
    with_guests: u64,
}

impl Seen {
    fn begin() -> anyhow::Result<Self> {
        let before = taken().context("this system does not tell what a process has in memory")?;
        Ok(Self { before, peak: before, guests: 0, with_guests: before })
    }

    fn look(&mut self, sandbox: &Sandbox) {
        let (Some(taken), Some(in_use)) = (taken(), sandbox.slots_in_use()) else { return };
        self.peak = self.peak.max(taken);
        // A stack that is being cleared is in use, and is no guest's any more.
        let guests = in_use.min(u64::from(sandbox.allocation().slots));
        if (guests, taken) > (self.guests, self.with_guests) {
            (self.guests, self.with_guests) = (guests, taken);
        }
    }

    fn of_a_guest(&self) -> u64 {
        self.with_guests.saturating_sub(self.before) / self.guests.max(1)
    }
}

/// KiB that are resident, and those of page tables.
fn taken() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some(of("VmRSS:")? + of("VmPTE:")?)
}
