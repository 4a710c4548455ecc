//! Plugins in C: their Makefile builds them, with the compiler of Zig.
//!
//! Any C compiler for `wasm32-wasi` would do. This one comes as a Python package for every platform, and has a C library in
//! it. The other two programs of the Makefile are libraries of ours already: `guest-tools` has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;

use super::cache::Recipe;
use super::{Example, Possible, venv};
use crate::console::say;
use crate::{process, repository, tools};

const REQUIREMENTS: &str = "xtask/src/guests/zig-requirements.txt";

pub(super) fn recipe() -> Recipe {
    let root = repository::root();
    let tools = [REQUIREMENTS, "xtask/src/bin/guest-tools", "Cargo.lock"].map(|path| root.join(path));
    Recipe { texts: vec![include_str!("c.rs"), include_str!("venv.rs")], paths: tools.into() }
}

pub(super) fn build(example: &Example) -> anyhow::Result<Possible<PathBuf>> {
    if !has_make() {
        return Ok(Possible::Lacks("it needs make; on Debian: apt install make".to_owned()));
    }
    let python = match venv::with(&repository::root().join(REQUIREMENTS))? {
        Possible::Done(python) => python,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let guest_tools = guest_tools()?;
    let mut make = Command::new("make");
    process::from_shell(&mut make, &example.folder);
    // Its own tree is no older and no newer than it should be; the stamp has decided that there is something to do.
    make.args(["--silent", "--always-make"]);
    make.arg(format!("CC={} -m ziglang cc -target wasm32-wasi", quoted(&python)));
    make.arg(format!("WIT_BINDGEN={} wit-bindgen", quoted(&guest_tools)));
    make.arg(format!("WASM_TOOLS={} wasm-tools", quoted(&guest_tools)));
    let cache = tools::folder()?.join("zig-cache");
    make.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    process::run(&mut make)?;
    Ok(Possible::Done(example.output()))
}

fn has_make() -> bool {
    let make =
        Command::new("make").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    make.is_ok_and(|status| status.success())
}

/// Builds the helper, which needs a WebAssembly toolkit: half a minute the first time.
fn guest_tools() -> anyhow::Result<PathBuf> {
    say("building what plugins in C need, guest-tools");
    let mut cargo = process::cargo(&repository::root());
    cargo.args(["build", "--quiet", "--package", "xtask", "--features", "guest-tools", "--bin", "guest-tools"]);
    process::run(&mut cargo)?;
    let program = repository::target()?.join("debug").join(format!("guest-tools{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} was not built: is build.target set in your cargo configuration?", program.display());
    Ok(program)
}

/// For the shell that make starts.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted(Path::new("/with a space/it's")), r"'/with a space/it'\''s'");
    }
}
