//! Components in which every name is text for a terminal to obey, or looks like a line of the program's own.

use crate::wrap::{World, from_wat};

/// The beginning of a line that none of ours begins with.
pub const FORGED: &str = "FORGED 2026 INFO lastword: all is well";

/// Clears the screen, begins a line, goes back to its beginning, turns the direction of writing, separates a line, sets a
/// colour in C1, erases.
#[must_use]
pub fn hostile() -> String {
    format!("\x1b[2J\n{FORGED}\r\u{202e}\u{2028}\u{9b}31m\u{7f}\u{61c}")
}

/// One component for each place in which there is a name, with a word for the place. Those that are valid are plugins.
///
/// # Panics
/// When a text is wrong.
#[must_use]
#[expect(clippy::panic, reason = "only for tests")]
pub fn hostile_names() -> Vec<(&'static str, Vec<u8>)> {
    let name: String = hostile().bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let component = |text: &str| {
        let text = text.replace("NAME", &name);
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"))
    };
    let plugin = |body: &str| {
        let text = format!(
            r#"(module $"{name}" (memory (export "memory") 1)
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
              (func $"{name}" {body})
              (func (export "session-end") (param i32) (result i32) (call $"{name}") (i32.const 0)))"#
        );
        from_wat(&text, World::SessionEnd).unwrap_or_else(|e| panic!("{text}: {e:#}"))
    };
    const EXPORTS: &str = r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))"#;
    vec![
        ("export", component(&format!(r#"(component {EXPORTS} (export "NAME" (func $f)))"#))),
        ("hook", component(&format!(r#"(component {EXPORTS} (export "session-endNAME" (func $f)))"#))),
        ("import", component(r#"(component (import "NAME" (func)))"#)),
        ("url", component(r#"(component (import "url=<NAME>" (func)))"#)),
        ("dependency", component(r#"(component (import "unlocked-dep=<a:b/NAME>" (component)))"#)),
        ("interface", component(r#"(component (import "wasi:cli/NAME@0.2.0" (instance (export "f" (func)))))"#)),
        ("version", component(r#"(component (import "wasi:cli/stdout@NAME" (instance (export "f" (func)))))"#)),
        ("field", component(r#"(component (type (record (field "NAME" u8))))"#)),
        ("case", component(r#"(component (type (variant (case "NAME" u8))))"#)),
        (
            "core-import",
            component(r#"(component (core module $m (import "NAME" "NAME" (func))) (core instance (instantiate $m)))"#),
        ),
        (
            "core-export",
            component(
                r#"(component (core module $m) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "NAME"))))"#,
            ),
        ),
        ("core-module", wat::parse_str(format!(r#"(module (import "{name}" "{name}" (func)))"#)).unwrap_or_default()),
        ("trap", plugin("unreachable")),
        ("fuel", plugin("(loop (br 0))")),
    ]
}
