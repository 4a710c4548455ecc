//! Guests that take memory step by step.

use std::fmt::Write;

use crate::{World, from_wat};

/// A page of WebAssembly memory, in bytes.
pub const PAGE: u64 = 64 * 1024;

/// A guest that begins with one page. For each step its `session-end` takes so many more, and traps when it is refused; then
/// it waits in the host for `wait_ms`. It answers ok. It does not touch what it takes.
///
/// # Panics
/// When its text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn grows(steps: &[u32], wait_ms: u64) -> Vec<u8> {
    let body = body(steps, wait_ms);
    let wat = format!("(module {IMPORTS} {MEMORY} (func (export \"session-end\") (param i32) (result i32) {body}))");
    from_wat(&wat, World::SessionEnd).unwrap_or_else(|e| panic!("{wat}: {e:#}"))
}

/// A guest with every hook that takes memory step by step: its `session-end` takes `end` pages, and each of the others `start`.
///
/// # Panics
/// When its text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn grows_by_hook(start: u32, end: u32, wait_ms: u64) -> Vec<u8> {
    let mut wat = format!("(module {IMPORTS} {MEMORY}");
    for (hook, pages) in [("session-start", start), ("session-compaction", start), ("session-end", end)] {
        let body = body(&[pages], wait_ms);
        let _never = write!(wat, "(func (export \"{hook}\") (param i32) (result i32) {body})");
    }
    wat.push(')');
    from_wat(&wat, World::AllHooks).unwrap_or_else(|e| panic!("{wat}: {e:#}"))
}

const IMPORTS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;

const MEMORY: &str = r#"
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
      (global.set $heap (i32.add (local.get $at) (local.get 3)))
      (local.get $at))"#;

fn body(steps: &[u32], wait_ms: u64) -> String {
    let mut body = String::new();
    for pages in steps {
        let _never = write!(
            body,
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))
             (call $block (call $after (i64.const {})))",
            wait_ms * 1_000_000
        );
    }
    body + "i32.const 0"
}
