//! What the kernel tells of a process.

use std::fs;

use anyhow::Context;

/// What a line of a file about a process says, in bytes. `process` is its number or `self`, and `line` what the line begins with.
///
/// # Errors
/// When this system does not tell.
pub(crate) fn bytes(process: &str, file: &str, line: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/{file}");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let value =
        text.lines().find_map(|text| text.strip_prefix(line)).with_context(|| format!("no {line} in {path}"))?;
    let kib: f64 = value.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}
