//! What was found of one thing.

use lastword_protocol::owners::InputFormat;
use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Good,
    Wrong,
    /// It is neither: there is nothing yet, or it cannot be told.
    Open,
}

/// What was found of one thing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<&'static str>,
    /// What was looked at, in a word that stays.
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

    /// With something that can be done.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
