//! Tells a guest's place in its code from the engine's backtrace. The text has a bounded length, whatever the functions' names are.

use std::fmt::{self, Write};

use lastword_events::text::write_clipped;
use rustc_demangle::try_demangle;
use wasmtime::{FrameInfo, WasmBacktrace};

use crate::foreign::foreign_name;
use crate::limits::MAX_NAME_BYTES;

/// Functions that a message names, innermost first.
const MAX_FRAMES: usize = 8;
/// A longer mangled name is shown as it is, because demangling reads it to its end.
const MAX_MANGLED_BYTES: usize = 1024;

/// The functions that have names, innermost first: `inner < outer`. None when no function has one.
pub(crate) fn names(error: &wasmtime::Error) -> Option<String> {
    let names: Vec<_> = frames(error).iter().filter_map(FrameInfo::func_name).map(name).take(MAX_FRAMES).collect();
    (!names.is_empty()).then(|| names.join(" < "))
}

/// The place of a guest that did nothing wrong by itself: its functions' names, or without names their numbers, which `wasm-tools print`
/// shows as well.
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
    // The name is longer once it is escaped.
    foreign_name(&write_clipped(MAX_NAME_BYTES, |out| write_name(name, out)))
}

/// Writes a name readably for as long as `out` takes it. A mangled name of 1 KB can refer back to its own types and become as many MB as
/// its author likes, and no deadline ends the writing.
fn write_name(name: &str, out: &mut dyn Write) -> fmt::Result {
    let readable = if name.len() > MAX_MANGLED_BYTES { None } else { try_demangle(name).ok() };
    match readable {
        // `#` leaves out the hash at the name's end.
        Some(readable) => write!(out, "{readable:#}"),
        None => out.write_str(name),
    }
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

    /// Counts the bytes that are written to it, and passes them on.
    struct Counted<'a> {
        out: &'a mut dyn Write,
        bytes: usize,
    }

    impl Write for Counted<'_> {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            self.bytes += piece.len();
            self.out.write_str(piece)
        }
    }

    /// A reference back in a v0 name, to the byte at `position`.
    fn back_reference(position: usize) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let digit = |n: usize| char::from(DIGITS[n % 62]);
        match position.checked_sub(1) {
            None => "B_".to_owned(),
            Some(n) if n < 62 => format!("B{}_", digit(n)),
            Some(n) => format!("B{}{}_", digit(n / 62), digit(n)),
        }
    }

    /// A mangled name with a tuple of 8 types, then a tuple of 8 of those tuples, and so on.
    fn bomb() -> String {
        let mut name = "INvC1a1f".to_owned();
        let mut tuple = name.len();
        name.push_str("ThhhhhhhhE");
        while name.len() < 900 {
            let next = name.len();
            name.push_str(&format!("T{}E", back_reference(tuple).repeat(8)));
            tuple = next;
        }
        format!("_R{name}E")
    }

    #[test]
    fn a_name_that_refers_back_to_its_own_types_is_not_written_out() {
        let bomb = bomb();
        assert!(bomb.len() <= MAX_MANGLED_BYTES);
        write_clipped(MAX_NAME_BYTES, |out| {
            let mut out = Counted { out, bytes: 0 };
            assert!(write_name(&bomb, &mut out).is_err(), "it is told to stop");
            assert!(out.bytes <= 2 * MAX_NAME_BYTES, "{} bytes were written", out.bytes);
            Ok(())
        });
        let name = name(&bomb);
        assert!(name.starts_with("a::f::<(u8, u8") && name.ends_with('…') && name.len() <= MAX_NAME_BYTES, "{name}");
    }
}
