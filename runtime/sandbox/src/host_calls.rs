//! Which host call a guest is in: the engine names none, and a guest that is cut while it waits is told for what it
//! waited.
//!
//! Only calls of three interfaces can wait. Each is linked so that looking up its state, which happens at the beginning of
//! every call, also writes down which it is.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem;
use wasmtime_wasi_io::bindings::wasi::io::{poll, streams};

use crate::state::GuestState;

/// An interface with calls that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostCall {
    Poll,
    Streams,
    Files,
}

impl HostCall {
    const ALL: [Self; 3] = [Self::Poll, Self::Streams, Self::Files];

    /// From 1: 0 is for none of them.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Poll => 1,
            Self::Streams => 2,
            Self::Files => 3,
        }
    }

    pub(crate) fn of_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.number() == number)
    }

    /// With those of its calls that wait.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "wasi:io/poll (poll or pollable.block)",
            Self::Streams => "wasi:io/streams (a blocking read or write)",
            Self::Files => "wasi:filesystem",
        }
    }
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links WASI 0.2 as every plugin has it.
pub(crate) fn link_wasi(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, Table>(linker, |state: &mut GuestState| state.table_for(HostCall::Poll))?;
    streams::add_to_linker::<_, Table>(linker, |state: &mut GuestState| state.table_for(HostCall::Streams))?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, |state: &mut GuestState| {
        state.context.meter.in_host_call(HostCall::Files);
        state.filesystem()
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
