//! The lines that `lastword stdio` prints, as far as the demo looks at them.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Line {
    Ready {
        recovered: Recovered,
    },
    Outcome(Outcome),
    Error(Refusal),
    Drain(Drain),
    #[serde(other)]
    Other,
}

/// What an earlier run left.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Recovered {
    pub(super) sessions: u64,
}

/// How one call of one plugin ended.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Outcome {
    pub(super) plugin: String,
    pub(super) hook: String,
    pub(super) session: String,
    pub(super) generation: u32,
    #[serde(default)]
    pub(super) reason: Option<String>,
    pub(super) outcome: Word,
    /// Of a failure, or of a deferral.
    #[serde(default)]
    pub(super) cause: Option<String>,
    /// Nothing when there was no call.
    #[serde(default)]
    pub(super) wall_us: Option<u64>,
    #[serde(default)]
    pub(super) fuel: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    Delivered,
    Failed,
    Deferred,
}

impl Outcome {
    /// `delivered`, `failed (deadline)`, `deferred (budget)`.
    pub(super) fn shown(&self) -> String {
        let word = match self.outcome {
            Word::Delivered => "delivered",
            Word::Failed => "failed",
            Word::Deferred => "deferred",
        };
        match &self.cause {
            Some(cause) => format!("{word} ({cause})"),
            None => word.to_owned(),
        }
    }
}

/// An input line that was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

/// What the drain did.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Drain {
    pub(super) reason: String,
    pub(super) budget_ms: u64,
    pub(super) elapsed_ms: u64,
    pub(super) sessions: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) deferred: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_specified_are_understood() {
        let delivered = r#"{"event":"outcome","delivery":"k3f9a2c1.17/session-end/memory","plugin":"memory",
            "hook":"session-end","tenant":"acme","session":"s1","generation":1,"reason":"reset","attempt":1,
            "outcome":"delivered","wall_us":412,"fuel":18233,"peak_memory_bytes":1114112}"#;
        let Ok(Line::Outcome(outcome)) = serde_json::from_str(delivered) else { panic!("no outcome") };
        assert_eq!((outcome.shown().as_str(), outcome.wall_us), ("delivered", Some(412)));

        let failed = r#"{"event":"outcome","delivery":"d","plugin":"p","hook":"session-end","tenant":"t","session":"s",
            "generation":1,"reason":"reset","attempt":1,"outcome":"failed","cause":"deadline",
            "message":"cut after 500 ms","failures":1,"retry_at":"2026-11-21T07:00:01.000Z"}"#;
        let Ok(Line::Outcome(outcome)) = serde_json::from_str(failed) else { panic!("no outcome") };
        assert_eq!(outcome.shown(), "failed (deadline)");

        let deferred = r#"{"event":"outcome","delivery":"d","plugin":"p","hook":"session-end","tenant":"t","session":"s",
            "generation":1,"reason":"shutdown","attempt":0,"outcome":"deferred","cause":"budget"}"#;
        let Ok(Line::Outcome(outcome)) = serde_json::from_str(deferred) else { panic!("no outcome") };
        assert_eq!((outcome.shown().as_str(), outcome.wall_us), ("deferred (budget)", None));

        let drain = r#"{"event":"drain","reason":"shutdown","budget_ms":2000,"elapsed_ms":31,"sessions":3,"delivered":3,
            "failed":0,"deferred":0,"timed_out":false,"warnings":[],"dropped_lines":0}"#;
        assert!(matches!(serde_json::from_str(drain), Ok(Line::Drain(Drain { delivered: 3, .. }))));

        let ready = r#"{"event":"ready","journal":"k3f9a2c1","plugins":[],"recovered":{"sessions":0,"deliveries":0}}"#;
        assert!(matches!(serde_json::from_str(ready), Ok(Line::Ready { recovered: Recovered { sessions: 0 } })));
        assert!(matches!(serde_json::from_str(r#"{"event":"accepted","line":1}"#), Ok(Line::Other)));
    }
}
