//! A system whose processes this crate does not support.

use std::os::fd::BorrowedFd;

use crate::{NotVisible, ProcessError, WatchError};

pub(crate) fn boot_id() -> Result<&'static str, ProcessError> {
    Err(ProcessError::NotSupported)
}

/// Unknown on this system.
pub(crate) fn pid_namespace() -> Option<u64> {
    None
}

/// No handle exists on this system.
#[derive(Debug)]
pub(crate) enum Handle {}

impl Handle {
    pub(crate) fn open(_pid: u32) -> Result<Self, ProcessError> {
        Err(ProcessError::NotSupported)
    }

    pub(crate) fn start_time(&self) -> Result<u64, ProcessError> {
        match *self {}
    }

    pub(crate) fn uid(&self) -> Result<u32, ProcessError> {
        match *self {}
    }

    pub(crate) fn check_runs(&self) -> Result<(), ProcessError> {
        match *self {}
    }
}

/// No credentials exist on this system.
#[derive(Debug)]
pub(crate) enum Credentials {}

impl Credentials {
    pub(crate) fn of(_socket: BorrowedFd<'_>) -> Result<Self, ProcessError> {
        Err(ProcessError::NotSupported)
    }

    pub(crate) fn uid(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match *self {}
    }

    pub(crate) fn check_namespace(&self) -> Result<(), NotVisible> {
        match *self {}
    }

    pub(crate) fn check_user(&self) -> Result<(), NotVisible> {
        match *self {}
    }
}

/// No watch exists on this system.
#[derive(Debug)]
pub(crate) enum Watch {}

impl Watch {
    #[expect(clippy::needless_pass_by_value, reason = "on Linux the watch goes on with the handle's descriptor")]
    pub(crate) fn new(handle: Handle) -> Result<Self, WatchError> {
        match handle {}
    }

    pub(crate) async fn exited(&self) {
        match *self {}
    }
}
