//! Where in its code a guest was, from the engine's backtrace: bounded in length, whatever the functions are called.

use lastword_events::printable;
use rustc_demangle::try_demangle;
use wasmtime::{FrameInfo, WasmBacktrace};

use crate::outcome::clip;

/// Functions that a message names, innermost first.
const MAX_FRAMES: usize = 8;
/// Bytes of one function's name.
const MAX_NAME_BYTES: usize = 128;
/// A mangled name that is longer is shown as it is: how long it gets when it is written out is its author's choice.
const MAX_MANGLED_BYTES: usize = 1024;

/// The functions that have names, innermost first: `inner < outer`. None when none has.
pub(crate) fn names(error: &wasmtime::Error) -> Option<String> {
    let names: Vec<_> = frames(error).iter().filter_map(FrameInfo::func_name).map(name).take(MAX_FRAMES).collect();
    (!names.is_empty()).then(|| names.join(" < "))
}

/// The same for whoever wants to know where a guest was that did nothing wrong by itself: without names the numbers of its
/// functions, which `wasm-tools print` shows as well.
pub(crate) fn place(error: &wasmtime::Error) -> String {
    let frames = frames(error);
    match (names(error), frames) {
        (Some(names), _) => format!(", running in {names}"),
        (None, []) => String::new(),
        (None, frames) => {
            let numbers: Vec<_> = frames.iter().take(MAX_FRAMES).map(|frame| frame.func_index().to_string()).collect();
            format!(", running in function {} (it was built without names)", numbers.join(" < "))
        }
    }
}

fn frames(error: &wasmtime::Error) -> &[FrameInfo] {
    error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default()
}

fn name(name: &str) -> String {
    let readable = if name.len() > MAX_MANGLED_BYTES { None } else { try_demangle(name).ok() };
    // Without the hash at its end.
    let readable = readable.map_or_else(|| name.to_owned(), |name| format!("{name:#}"));
    // As escapes it is longer.
    clip(printable(&readable).into_owned(), MAX_NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_and_has_an_end() {
        assert_eq!(name("_ZN7session5notes4tidy17h0123456789abcdefE"), "session::notes::tidy");
        assert_eq!(name("_RNvNtCs1234_7mycrate3foo3bar"), "mycrate::foo::bar");
        assert_eq!(name("PyEval_EvalFrameDefault"), "PyEval_EvalFrameDefault");
        assert!(name(&"x".repeat(1 << 20)).len() <= MAX_NAME_BYTES);
        assert!(name(&"\u{202e}".repeat(100)).len() <= MAX_NAME_BYTES);
        // Back references that would double at each step.
        let mangled = format!("_RNvC1a{}", "1b".repeat(2_000));
        assert!(name(&mangled).len() <= MAX_NAME_BYTES);
    }
}
