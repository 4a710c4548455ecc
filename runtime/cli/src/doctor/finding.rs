//! The finding of one check.

use lastword_protocol::owners::InputFormat;
use serde::Serialize;

/// The state of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Good,
    Wrong,
    /// Neither good nor bad: nothing has happened yet, or the state is unknown.
    Open,
}

/// The finding of one check, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<&'static str>,
    /// The name of the check, which is stable.
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl Finding {
    fn new(owner: Option<InputFormat>, check: &'static str, state: State, says: impl Into<String>) -> Self {
        Self { owner: owner.map(InputFormat::as_str), check, state, says: says.into(), hint: None }
    }

    pub(super) fn good(owner: Option<InputFormat>, check: &'static str, says: impl Into<String>) -> Self {
        Self::new(owner, check, State::Good, says)
    }

    pub(super) fn open(owner: Option<InputFormat>, check: &'static str, says: impl Into<String>) -> Self {
        Self::new(owner, check, State::Open, says)
    }

    pub(super) fn wrong(
        owner: Option<InputFormat>,
        check: &'static str,
        says: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(owner, check, State::Wrong, says) }
    }

    /// Adds a remedy.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
