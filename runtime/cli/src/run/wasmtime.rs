//! Prints the same call for the plain `wasmtime` CLI, as a line for a POSIX shell.

use std::fmt::Write as _;
use std::path::Path;

use lastword::Limits;
use lastword_events::{HookCall, is_plain};
use lastword_sandbox::Grants;

use super::wave;

/// Returns `wasmtime run … --invoke 'session-end({…})' plugin.wasm`, with the limits and the grants.
pub(super) fn command(plugin: &Path, call: &HookCall, limits: &Limits, granted: &Grants) -> String {
    format!(
        "wasmtime run {}{} --invoke {} {}",
        bounds(limits),
        grants(granted),
        shell_word(&wave::call(call)),
        shell_word(&plugin.display().to_string())
    )
}

/// Returns the limits. wasmtime counts each memory by itself, and from the start of the program, so its counts are
/// close to ours but not equal.
fn bounds(limits: &Limits) -> String {
    format!("-W fuel={},timeout={}ms,max-memory-size={}", limits.fuel, limits.deadline.as_millis(), limits.memory)
}

/// Returns the options for the grants, except the transcript: ours is a copy in its own directory.
fn grants(grants: &Grants) -> String {
    let mut options = Vec::new();
    for (name, value) in grants.config.iter().flatten() {
        options.push(format!("config-var={name}={value}"));
    }
    let interfaces = [
        (grants.config.is_some(), "config"),
        (grants.key_value.is_some(), "keyvalue"),
        (grants.http.is_some(), "http"),
    ];
    options.extend(interfaces.into_iter().filter(|(granted, _)| *granted).map(|(_, name)| name.to_owned()));
    options.iter().map(|option| format!(" -S {}", shell_word(option))).collect()
}

/// Quotes one word for a POSIX shell, without control characters. (A word that has control characters and ends in
/// newlines loses those newlines: no notation for them works in all shells.)
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if text.chars().all(is_plain) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let octal = text.chars().fold(String::new(), |mut octal, c| {
        if is_plain(c) && !"\\%'".contains(c) {
            octal.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a String cannot fail.
                write!(octal, "\\{byte:03o}").unwrap_or_default();
            }
        }
        octal
    });
    format!("\"$(printf '{octal}')\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_word_back() {
        for text in
            ["plain-1.wasm", "with space", "it's", "$(rm -rf)", "", "a\"b\\c!*", "\x1b[2J\n$(x)%s\\n'\u{202e}\u{9b}é."]
        {
            assert!(shell_word(text).chars().all(is_plain));
            let script = format!("printf %s {}", shell_word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
