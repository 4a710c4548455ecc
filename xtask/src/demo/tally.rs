//! Outcomes counted by plugin.

use std::collections::BTreeMap;

use super::act::Call;
use super::protocol::Word;

/// `15 delivered` or `3 failed (deadline), 12 deferred (budget)`, and the calls behind it.
pub(super) struct Tally<'a> {
    pub(super) plugin: &'a str,
    pub(super) calls: Vec<&'a Call>,
}

/// By plugin, in the order of their names.
pub(super) fn by_plugin(calls: &[Call]) -> Vec<Tally<'_>> {
    let mut plugins: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        plugins.entry(&call.outcome.plugin).or_default().push(call);
    }
    plugins.into_iter().map(|(plugin, calls)| Tally { plugin, calls }).collect()
}

impl Tally<'_> {
    pub(super) fn count(&self, word: Word) -> usize {
        self.calls.iter().filter(|call| call.outcome.outcome == word).count()
    }

    pub(super) fn shown(&self) -> String {
        let mut counts: BTreeMap<(Word, String), usize> = BTreeMap::new();
        for call in &self.calls {
            *counts.entry((call.outcome.outcome, call.outcome.shown())).or_default() += 1;
        }
        let parts: Vec<String> = counts.into_iter().map(|((_, shown), count)| format!("{count} {shown}")).collect();
        parts.join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::protocol::Outcome;
    use super::*;
    use std::time::Duration;

    pub(in super::super) fn call(plugin: &str, outcome: Word, cause: Option<&str>) -> Call {
        let outcome = Outcome {
            plugin: plugin.into(),
            hook: "session-end".into(),
            session: "s1".into(),
            generation: 1,
            reason: Some("shutdown".into()),
            outcome,
            cause: cause.map(Into::into),
            wall_us: None,
            fuel: None,
        };
        Call { outcome, heard_after: Duration::ZERO }
    }

    #[test]
    fn outcomes_are_counted_by_plugin_and_cause() {
        let calls = [
            call("spin", Word::Deferred, Some("budget")),
            call("good", Word::Delivered, None),
            call("spin", Word::Failed, Some("deadline")),
            call("spin", Word::Deferred, Some("budget")),
        ];
        let tallies = by_plugin(&calls);
        let shown: Vec<_> = tallies.iter().map(|tally| (tally.plugin, tally.shown())).collect();
        let expected = [("good", "1 delivered"), ("spin", "1 failed (deadline), 2 deferred (budget)")];
        assert_eq!(shown, expected.map(|(plugin, shown)| (plugin, shown.to_owned())));
        assert_eq!(tallies[1].count(Word::Deferred), 2);
    }
}
