//! Hooks that do not come over HTTP, but from a spool: they are taken as those that do.

use std::future::Future;
use std::sync::Arc;

use lastword::events::Identity;
use lastword_process::Process;

use crate::http::{Caller, OwnerQuery, Problem, ReadHook, Said, note, put_on_record, read_hook};
use crate::server::Server;

/// A hook's payload that was read, and can be [taken](Server::take_hook).
#[derive(Debug)]
pub struct ReadPayload(ReadHook);

/// Why a hook is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookRefused {
    /// A stable word for programs, the same as over HTTP.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// Whether the very same may be taken later: the disk was full, or a quota was used up.
    pub may_pass: bool,
}

impl ReadPayload {
    /// The session that it is about, if it names one. Hooks of one session have to be taken one after the other.
    #[must_use]
    pub fn session(&self) -> Option<&Identity> {
        match &self.0.said {
            Said::Event(event) => Some(&event.session.identity),
            Said::Other { session, .. } => session.as_ref(),
        }
    }
}

impl From<Problem> for HookRefused {
    fn from(problem: Problem) -> Self {
        let may_pass = problem.may_pass();
        let (code, detail) = problem.words();
        Self { code, detail, may_pass }
    }
}

impl Server {
    /// Reads the payload of a hook of this owner: `owner` is a word for `--from`, and `event` the owner's name for it,
    /// where the payload does not say it.
    ///
    /// # Errors
    /// When no server would take it.
    pub fn read_hook(&self, owner: &str, event: Option<&str>, payload: &[u8]) -> Result<ReadPayload, HookRefused> {
        Ok(ReadPayload(read_hook(self.shared(), owner, event, payload)?))
    }

    /// Takes a hook that was left by a process of our own user, as if it came over the socket: with the `op_id` of one
    /// that was taken before nothing is done. The future resolves when it is on record.
    ///
    /// The process is its owner's, as its number is in this pid namespace. It is watched if it still runs; if it does not, the owner is dead at once, and its
    /// sessions end after the grace.
    ///
    /// # Errors
    /// When it is not taken, or not now.
    pub fn take_hook(
        &self,
        hook: ReadPayload,
        op_id: &str,
        process: Option<Process>,
    ) -> impl Future<Output = Result<(), HookRefused>> + Send + 'static + use<> {
        let (shared, op_id) = (self.shared().clone(), Arc::<str>::from(op_id));
        async move {
            let (caller, owner) = (Caller::of_spool(), of_process(process));
            let ReadHook { kind, said } = hook.0;
            match said {
                Said::Event(event) => {
                    put_on_record(&shared, &caller, &owner, kind, Some(op_id), *event).await?;
                }
                Said::Other { name, session } => {
                    note(&shared, &caller, &owner, kind, &name, session)?.ok();
                }
            }
            Ok(())
        }
    }
}

/// What a request would say of an owner that is this process.
fn of_process(process: Option<Process>) -> OwnerQuery {
    let Some(Process { pid, start_time, boot_id }) = process else { return OwnerQuery::default() };
    // Where a boot has no name the start time says it already.
    let boot_id = Some(boot_id).filter(|boot_id| !boot_id.is_empty());
    OwnerQuery { pid: Some(pid), start_time: Some(start_time), boot_id, ..OwnerQuery::default() }
}
