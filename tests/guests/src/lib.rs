//! Plugins for tests, good and hostile, without a toolchain: WebAssembly text that is wrapped into components.
//!
//! Each guest is one file in a folder of `wat/`, whose first line says what it does and why. `;; include: x` stands for
//! `wat/parts/x.wat`. Those that are too large for a text are functions in [`bombs`].
//!
//! ```
//! let component = lastword_test_guests::component("good");
//! assert_eq!(component[..4], *b"\0asm");
//! ```
//!
//! What it is not: examples for plugin authors. Those are in `guest-examples/` and use real languages.

#![forbid(unsafe_code)]

pub mod bombs;
pub mod grows;
mod list;
pub mod names;
mod wrap;

use std::path::{Path, PathBuf};

pub use list::{NAMES, hostile};
use list::{built, source};
pub use wrap::{CONTRACT, World, from_wat, of_contract};

/// Iterations that cost [`component`]`("burn")` about 300 ms of CPU on the 2-core machine where it was measured: one
/// takes 1 ns and 7 units of fuel.
pub const BURN_ITERATIONS: u64 = 300_000_000;

/// The guest `name` as a component.
///
/// # Panics
/// When there is none of that name, or its text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "a test that names no guest has nothing to test")]
pub fn component(name: &str) -> Vec<u8> {
    if let Some(bytes) = built(name) {
        return bytes;
    }
    let Some((wat, world)) = source(name) else {
        panic!("there is no test guest {name:?}; there are: {}", NAMES.join(", "));
    };
    from_wat(wat, world).unwrap_or_else(|e| panic!("wat/{name}.wat: {e:#}"))
}

/// The guest `burn` with a cost of its own, see [`BURN_ITERATIONS`].
///
/// # Panics
/// When `iterations` is 0: the loop would not end.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn burn(iterations: u64) -> Vec<u8> {
    assert!(iterations > 0, "the loop counts down to 0, so it needs at least 1");
    let wat = include_str!("../wat/honest/burn.wat").replace("BURN_ITERATIONS", &iterations.to_string());
    from_wat(&wat, World::SessionEnd).unwrap_or_else(|e| panic!("wat/honest/burn.wat: {e:#}"))
}

/// A plugin of `lastword:hooks@0.1.0` that was built when that version was the newest, and is kept as component text. It
/// does what the guest `prints` does.
///
/// # Panics
/// When the committed text is no component.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn frozen_0_1_0() -> Vec<u8> {
    let wat = include_str!("../frozen/plugin-0.1.0.wat");
    wat::parse_str(wat).unwrap_or_else(|e| panic!("frozen/plugin-0.1.0.wat: {e}"))
}

/// A component as text in binary form, as it is: nothing checks that it is valid.
///
/// # Panics
/// When the text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn from_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Writes the guest to `<dir>/<name>.wasm` and returns that path.
///
/// # Panics
/// As [`component`], or when the file cannot be written.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn write(name: &str, dir: &Path) -> PathBuf {
    let path = dir.join(format!("{name}.wasm"));
    std::fs::write(&path, component(name)).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    path
}
