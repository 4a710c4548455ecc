//! Plugins in C: their Makefile builds them, with the compiler of Zig.
//!
//! Any C compiler for `wasm32-wasi` would do. This one comes as a Python package for every platform, and has a C library in
//! it.

use std::path::PathBuf;

use super::cache::Recipe;
use super::{Example, Possible, guest_tools, venv};
use crate::{process, repository, tools};

const REQUIREMENTS: &str = "xtask/src/guests/requirements/zig.txt";

pub(super) fn recipe() -> Recipe {
    let mut paths = vec![repository::root().join(REQUIREMENTS)];
    paths.extend(guest_tools::sources());
    Recipe { texts: vec![include_str!("c.rs"), include_str!("guest_tools.rs"), include_str!("venv.rs")], paths }
}

pub(super) fn build(example: &Example) -> anyhow::Result<Possible<PathBuf>> {
    let python = match venv::with(&repository::root().join(REQUIREMENTS))? {
        Possible::Done(python) => python,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let mut make = match guest_tools::make(example)? {
        Possible::Done(make) => make,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    make.arg(format!("CC={} -m ziglang cc -target wasm32-wasi", guest_tools::quoted(&python)));
    let cache = tools::folder()?.join("zig-cache");
    make.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    process::run(&mut make)?;
    Ok(Possible::Done(example.output()))
}
