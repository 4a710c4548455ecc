//! Plugins for tests, good and hostile, without a toolchain: WebAssembly text that is wrapped into components.
//!
//! Each guest is one file in `wat/`, whose first line says what it does and why. `;; include: x` stands for
//! `wat/parts/x.wat`.
//!
//! ```
//! let component = lastword_test_guests::component("good");
//! assert_eq!(component[..4], *b"\0asm");
//! ```
//!
//! What it is not: examples for plugin authors. Those are in `guest-examples/` and use real languages.

mod wrap;

use std::path::{Path, PathBuf};

pub use wrap::{World, from_wat};

/// Iterations that cost [`component`]`("burn")` about 300 ms of CPU on the 2-core machine where it was measured: one
/// takes 1 ns and 7 units of fuel.
pub const BURN_ITERATIONS: u64 = 300_000_000;

macro_rules! guests {
    ($($name:literal in $world:ident,)*) => {
        /// Every guest that [`component`] knows.
        pub const NAMES: &[&str] = &[$($name),*];

        fn source(name: &str) -> Option<(&'static str, World)> {
            match name {
                $($name => Some((include_str!(concat!("../wat/", $name, ".wat")), World::$world)),)*
                _ => None,
            }
        }
    };
}

guests! {
    // Answer.
    "good" in SessionEnd,
    "good-all" in AllHooks,
    "prints" in AllHooks,
    "prints-late" in AllHooks,
    "start-fails" in AllHooks,
    "starts-late" in AllHooks,
    "retry" in SessionEnd,
    "fatal" in SessionEnd,
    "retry-by-attempt" in SessionEnd,
    "long-excuse" in SessionEnd,
    "forges" in SessionEnd,
    // Take their time.
    "burn" in SessionEnd,
    "spin" in SessionEnd,
    "spin-start" in SessionEnd,
    "spin-on-x" in SessionEnd,
    "sleep" in SessionEnd,
    "sleep-50ms" in SessionEnd,
    // Trap or leave.
    "trap" in SessionEnd,
    "start-traps" in SessionEnd,
    "recurse" in SessionEnd,
    "divide" in SessionEnd,
    "out-of-bounds" in SessionEnd,
    "bad-indirect-call" in SessionEnd,
    "exit" in SessionEnd,
    // Take memory.
    "grow" in SessionEnd,
    "grow-and-go-on" in SessionEnd,
    "grow-table" in SessionEnd,
    "needs-40mib" in SessionEnd,
    "needs-4gib" in SessionEnd,
    // Use the host.
    "log-flood" in SessionEnd,
    "prints-much" in SessionEnd,
    "prints-partly" in SessionEnd,
    "prints-then-traps" in SessionEnd,
    "sees-nothing" in SessionEnd,
    "asks-much-random" in SessionEnd,
    "many-handles" in SessionEnd,
    // Are refused when they are loaded.
    "imports-http" in SessionEnd,
    "imports-keyvalue" in SessionEnd,
    "imports-config" in SessionEnd,
    "imports-unheard-of" in SessionEnd,
    "no-session-end" in SessionStartOnly,
    "wrong-session-end" in WrongSessionEnd,
    "wrong-session-start" in WrongSessionStart,
}

/// The guest `name` as a component.
///
/// # Panics
/// When there is none of that name, or its text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "a test that names no guest has nothing to test")]
pub fn component(name: &str) -> Vec<u8> {
    if name == "burn" {
        return burn(BURN_ITERATIONS);
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
    let wat = include_str!("../wat/burn.wat").replace("BURN_ITERATIONS", &iterations.to_string());
    from_wat(&wat, World::SessionEnd).unwrap_or_else(|e| panic!("wat/burn.wat: {e:#}"))
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
