//! Extism's side of `just bench field`: calls of a plugin that answers at once, with the limits that ours have.
//!
//! Each line of the input is `fresh CALLS` (a plugin for each call, of code that is compiled already) or `kept CALLS` (one plugin, which
//! keeps its memory from one call to the next). Each answer is `lastword ` and what one call took, in µs.

#![forbid(unsafe_code)]

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

/// What our own plugins have by default.
const FUEL: u64 = 100_000_000_000;
const DEADLINE: Duration = Duration::from_millis(500);
/// In pages of 64 KiB: 64 MiB.
const MEMORY: u32 = 1_024;

/// Answers ok at once, as the guest that ours call.
const GUEST: &str = r#"(module (memory (export "memory") 1) (func (export "session_end") (result i32) i32.const 0))"#;
const EVENT: &str = r#"{"session":{"tenant":"default","id":"30978718-9dbb-47ca-81cf-00f4c4329df8","generation":1,"key":"agent:main:a","agent_id":"main","owner_kind":"openclaw","cwd":"/home/user/.openclaw/workspace"},"delivery":{"id":"k3f9a2c1.17/session-end/memory","attempt":1},"reason":"shutdown","ended_at":"2026-11-21T07:00:12.000Z"}"#;

fn main() -> anyhow::Result<()> {
    let manifest = Manifest::new([Wasm::data(wat::parse_str(GUEST)?)]).with_timeout(DEADLINE).with_memory_max(MEMORY);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_wasi(true).with_fuel_limit(FUEL))?;
    let mut kept = Plugin::new_from_compiled(&compiled)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (how, calls) = line.split_once(' ').context("a line is `fresh CALLS` or `kept CALLS`")?;
        let calls: u32 = calls.parse()?;
        let began = Instant::now();
        for _ in 0..calls {
            match how {
                "fresh" => call(&mut Plugin::new_from_compiled(&compiled)?)?,
                "kept" => call(&mut kept)?,
                _ => bail!("{how:?} is neither fresh nor kept"),
            }
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(calls.max(1));
        let mut out = std::io::stdout().lock();
        writeln!(out, "lastword {each}")?;
        out.flush()?;
    }
    Ok(())
}

fn call(plugin: &mut Plugin) -> anyhow::Result<()> {
    plugin.call::<&str, &[u8]>("session_end", EVENT)?;
    Ok(())
}
