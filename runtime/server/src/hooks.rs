//! Hooks that come from a spool. The server takes them as it takes hooks over HTTP.

use std::future::Future;
use std::sync::Arc;

use lastword::events::Identity;
use lastword_process::Process;

use crate::http::{Caller, OwnerQuery, Problem, ReadHook, Said, note, put_on_record, read_hook};
use crate::server::Server;

/// A parsed hook payload, which the server can [take](Server::take_hook).
#[derive(Debug)]
pub struct ReadPayload(ReadHook);

/// Why a hook is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookRefused {
    /// A stable code for programs, the same as over HTTP.
    pub code: &'static str,
    /// The mistake and the remedy, for people.
    pub detail: String,
    /// Whether the server may take the same hook later: the disk was full, or a quota was used up.
    pub may_pass: bool,
}

impl ReadPayload {
    /// Returns the session that the hook names. The hooks of one session have to be taken one after the other.
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
    /// Parses the payload of an owner's hook. `owner` is a word for `--from`. `event` is the owner's name for the
    /// event, for payloads that do not name it.
    ///
    /// # Errors
    /// When no server would take it.
    pub fn read_hook(&self, owner: &str, event: Option<&str>, payload: &[u8]) -> Result<ReadPayload, HookRefused> {
        Ok(ReadPayload(read_hook(self.shared(), owner, event, payload)?))
    }

    /// Takes a hook that a process of our own user left in the spool, as if it came over the socket. A hook with an
    /// `op_id` that was taken before does nothing. The future resolves when the hook is on record.
    ///
    /// `process` is the owner's process; its pid is of this pid namespace. If it still runs, the server watches it. If
    /// not, the owner is dead at once, and its sessions end after the grace.
    ///
    /// # Errors
    /// When the server does not take the hook, or not now.
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

/// Returns the query of a request whose owner is this process.
fn of_process(process: Option<Process>) -> OwnerQuery {
    let Some(Process { pid, start_time, boot_id }) = process else { return OwnerQuery::default() };
    // If a boot has no name, the start time identifies it already.
    let boot_id = Some(boot_id).filter(|boot_id| !boot_id.is_empty());
    OwnerQuery { pid: Some(pid), start_time: Some(start_time), boot_id, ..OwnerQuery::default() }
}
