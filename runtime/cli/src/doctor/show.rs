//! Prints the findings, for people and for programs.

use std::io::{self, Write};

use lastword_events::printable;
use serde::Serialize;

use super::finding::{Finding, State};
use crate::plain_json::plain_json;
use crate::style::{BAD, DIM, GOOD};

/// All findings.
#[derive(Serialize)]
struct All<'f> {
    /// Whether nothing is wrong.
    ok: bool,
    findings: &'f [Finding],
}

/// Prints a line for each finding, with its remedy below.
pub(super) fn show(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let mut owner = None;
    for finding in findings {
        if finding.owner != owner {
            owner = finding.owner;
            writeln!(out, "{}", owner.unwrap_or_default())?;
        }
        let indent = if owner.is_some() { "  " } else { "" };
        let says = printable(&finding.says);
        match finding.state {
            State::Good => writeln!(out, "{indent}{GOOD}✓{GOOD:#} {says}")?,
            State::Wrong => writeln!(out, "{indent}{BAD}✗{BAD:#} {says}")?,
            State::Open => writeln!(out, "{indent}{DIM}–{DIM:#} {says}")?,
        }
        if let Some(hint) = &finding.hint {
            writeln!(out, "{indent}  {}", printable(hint))?;
        }
    }
    Ok(())
}

/// Prints one JSON object.
pub(super) fn json(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let ok = findings.iter().all(|finding| finding.state != State::Wrong);
    let line = serde_json::to_string(&All { ok, findings })?;
    writeln!(out, "{}", plain_json(&line))
}

#[cfg(test)]
mod tests {
    use lastword_protocol::owners::InputFormat;

    use super::*;

    #[test]
    fn each_finding_has_a_line_and_what_is_wrong_a_hint() {
        let codex = Some(InputFormat::Codex);
        let findings = [
            Finding::good(None, "daemon", "the daemon answers"),
            Finding::good(codex, "hooks", "its hooks are there"),
            Finding::wrong(codex, "trust", "Codex trusts none", "trust them"),
            Finding::open(codex, "last-hook", "nothing yet"),
        ];
        let mut out = Vec::new();
        show(&mut anstream::StripStream::new(&mut out), &findings).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "✓ the daemon answers\ncodex\n  ✓ its hooks are there\n  ✗ Codex trusts none\n    trust them\n  – nothing yet\n"
        );
        let mut out = Vec::new();
        json(&mut out, &findings).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&value["ok"], &value["findings"][2]["state"]), (&false.into(), &"wrong".into()));
        assert_eq!(value["findings"][2]["owner"], "codex");
    }
}
