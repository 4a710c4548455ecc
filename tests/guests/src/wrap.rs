//! Makes a component of the text of a core module and the world that it is for.

use anyhow::{Context as _, Result};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{PackageId, Resolve};

/// What a test guest exports. Each may import everything in `wit/guests.wit`; what its module does not use is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The required hook.
    SessionEnd,
    /// All three hooks.
    AllHooks,
    /// Only `session-start`: no plugin.
    SessionStartOnly,
    /// A `session-end` that takes a string: no plugin.
    WrongSessionEnd,
    /// A good `session-end` beside a `session-start` that takes a string: no plugin.
    WrongSessionStart,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            Self::SessionEnd => "session-end",
            Self::AllHooks => "all-hooks",
            Self::SessionStartOnly => "session-start-only",
            Self::WrongSessionEnd => "wrong-session-end",
            Self::WrongSessionStart => "wrong-session-start",
        }
    }
}

macro_rules! parts {
    ($($name:literal,)*) => {
        /// What an `;; include: ` line can name, and the text that takes its place.
        const PARTS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../wat/parts/", $name, ".wat")))),*];
    };
}

parts! {
    "append-header",
    "count-end",
    "default-bucket",
    "directories",
    "fill-bucket",
    "from-list",
    "header-section",
    "http",
    "increment",
    "keyvalue",
    "memory",
    "open-upload",
    "print",
    "print-event",
    "print-response",
    "read-body",
    "request-body",
    "response-body",
    "retry-with",
    "send",
    "session-dir",
    "set",
    "stdout",
    "store-error",
    "timer",
    "try-header",
}

/// Wraps one core module in text form into a component of `world`.
///
/// # Errors
/// When the text does not parse, names an unknown part, or does not fit the world.
pub fn from_wat(wat: &str, world: World) -> Result<Vec<u8>> {
    let mut module = wat::parse_str(with_parts(wat)?)?;
    let (resolve, package) = contract()?;
    let world = resolve.select_world(&[package], Some(world.name()))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// Wraps one core module in text form into a component of a world of another contract: `wit` is its whole text.
///
/// # Errors
/// When either text does not parse, or they do not fit.
pub fn of_contract(wit: &str, world: &str, wat: &str) -> Result<Vec<u8>> {
    let mut module = wat::parse_str(wat)?;
    let mut resolve = Resolve::default();
    let package = resolve.push_source("contract.wit", wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// The contract as it is, to be changed.
pub const CONTRACT: &str = include_str!("../../../wit/session-hooks.wit");

fn with_parts(wat: &str) -> Result<String> {
    let mut whole = String::with_capacity(wat.len());
    for line in wat.lines() {
        match line.trim().strip_prefix(";; include: ") {
            None => whole.push_str(line),
            Some(name) => {
                let part = PARTS.iter().find(|(n, _)| *n == name).with_context(|| format!("no part {name:?}"))?;
                whole.push_str(part.1.trim_end());
            }
        }
        whole.push('\n');
    }
    Ok(whole)
}

fn contract() -> Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    resolve.push_source("session-hooks.wit", include_str!("../../../wit/session-hooks.wit"))?;
    let guests =
        concat!(include_str!("../wit/guests.wit"), include_str!("../wit/wasi.wit"), include_str!("../wit/granted.wit"));
    let package = resolve.push_source("guests.wit", guests)?;
    Ok((resolve, package))
}
