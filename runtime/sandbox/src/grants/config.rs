//! The grant `config`: the operator's settings through `wasi:config/store`.

use std::collections::BTreeMap;

use wasmtime::component::Linker;
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};

use crate::state::GuestState;

/// The settings for the guests of one plugin. Made once, when the plugin is loaded.
pub(crate) fn variables(granted: Option<&BTreeMap<String, String>>) -> WasiConfigVariables {
    granted.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi_config::add_to_linker(linker, |state| WasiConfig::new(&state.context.plugin.config))
}
