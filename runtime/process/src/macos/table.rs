//! The processes of the system, for the search of an agent's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sysinfo::{ProcessRefreshKind, UpdateKind};

use super::handle::look;
use crate::ProcessTable;

/// The processes that the system shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proc;

impl ProcessTable for Proc {
    fn parent(&self, pid: u32) -> Option<u32> {
        look(pid, ProcessRefreshKind::nothing(), sysinfo::Process::parent).ok()?.map(sysinfo::Pid::as_u32)
    }

    fn executable(&self, pid: u32) -> Option<PathBuf> {
        let what = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always);
        look(pid, what, |process| process.exe().map(Path::to_owned)).ok()?
    }

    fn command_line(&self, pid: u32) -> Option<Vec<OsString>> {
        let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
        look(pid, what, |process| Some(process.cmd().to_owned())).ok()?
    }
}
