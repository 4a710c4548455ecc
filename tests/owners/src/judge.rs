//! What is wrong with what a trial has shown.

use crate::expected::{Expected, expected};
use crate::limits::FROM_DEATH_TO_END;
use crate::named::Way;
use crate::report::{Report, SessionTold};

impl Report {
    /// Each promise that does not hold, in a sentence. None: each session has ended once, with its reason, in time.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_of_the_agent();
        faults.extend(self.faults_of_the_way());
        for (place, session) in self.sessions.iter().enumerate() {
            faults.extend(faults_of(session, self.expected_of(place)));
        }
        faults
    }

    fn faults_of_the_agent(&self) -> Vec<String> {
        let stays = expected(self.owner, self.mode, self.way).stays;
        let mut faults = Vec::new();
        if self.stayed != stays {
            faults.push(format!("whether the agent goes on is {}, and was expected to be {stays}", self.stayed));
        }
        if self.ended_while_it_stayed > 0 {
            faults.push(format!("{} sessions ended while their agent went on", self.ended_while_it_stayed));
        }
        faults
    }

    /// Which sessions there have to be.
    fn faults_of_the_way(&self) -> Vec<String> {
        let wanted = if matches!(self.way, Way::Clear | Way::Resume) { 2 } else { 1 };
        let [first, rest @ ..] = self.sessions.as_slice() else { return vec!["no session was started".to_owned()] };
        let mut faults = Vec::new();
        if self.sessions.len() != wanted {
            faults.push(format!("there were {} sessions in place of {wanted}", self.sessions.len()));
        }
        for other in rest {
            let is_same = other.id == first.id;
            if self.way == Way::Resume && !(is_same && other.generation == first.generation + 1) {
                faults.push("the session that was resumed is not the next generation of its id".to_owned());
            }
            if self.way == Way::Clear && is_same {
                faults.push("the session that followed has the id of the one that was cleared".to_owned());
            }
        }
        if self.way == Way::Compaction && first.compactions == 0 {
            faults.push("no compaction was told".to_owned());
        }
        faults
    }

    /// What a session has to have shown.
    fn expected_of(&self, place: usize) -> Expected {
        // What follows a session that was cleared is left as any other is.
        let way = if self.way == Way::Clear && place > 0 { Way::Exit } else { self.way };
        expected(self.owner, self.mode, way)
    }
}

fn faults_of(session: &SessionTold, expected: Expected) -> Vec<String> {
    let name = format!("{}#{}", session.id, session.generation);
    let mut faults = Vec::new();
    if session.starts != 1 {
        faults.push(format!("{name} was started {} times", session.starts));
    }
    if session.ends.len() != 1 {
        faults.push(format!("{name} ended {} times", session.ends.len()));
    }
    for end in &session.ends {
        let reasons = reasons_of(session, expected);
        if !reasons.contains(&end.reason.as_str()) {
            faults.push(format!(
                "{name} ended as {:?}, and was expected to end as {}",
                end.reason,
                reasons.join(" or ")
            ));
        }
        if end.by_drain {
            faults.push(format!("{name} ended only when the daemon was stopped"));
        } else if u128::from(end.after_exit_ms) > FROM_DEATH_TO_END.as_millis() {
            faults.push(format!("{name} ended {} ms after its agent", end.after_exit_ms));
        }
    }
    faults
}

/// The reasons that a session may have ended with.
fn reasons_of(session: &SessionTold, expected: Expected) -> Vec<&'static str> {
    match expected.own_word {
        // What the agent says counts before anything else.
        Some(own) if session.own_ends > 0 => vec![own],
        // Agents wait for their hooks only so long: the user's was not called or was cut, and Lastword's may have been.
        Some(own) => vec![own, expected.lost],
        None => vec![expected.lost],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named::{Mode, Owner};
    use crate::report::End;

    fn end(reason: &str) -> End {
        End { reason: reason.to_owned(), after_exit_ms: 2_100, by_drain: false }
    }

    fn session(id: &str, generation: u32, reason: &str) -> SessionTold {
        let own_ends = usize::from(!matches!(reason, "unknown" | "crashed"));
        SessionTold { id: id.to_owned(), generation, own_ends, starts: 1, compactions: 0, ends: vec![end(reason)] }
    }

    fn report(way: Way, sessions: Vec<SessionTold>) -> Report {
        let (owner, mode) = (Owner::ClaudeCode, Mode::Terminal);
        Report { owner, mode, way, own_ends: 0, stayed: false, ended_while_it_stayed: 0, sessions }
    }

    fn faults(way: Way, sessions: Vec<SessionTold>) -> String {
        report(way, sessions).faults().join("; ")
    }

    #[test]
    fn one_end_with_its_reason_and_in_time_is_without_fault() {
        assert_eq!(faults(Way::Kill, vec![session("s", 1, "unknown")]), "");
        assert_eq!(faults(Way::Resume, vec![session("s", 1, "user-exit"), session("s", 2, "user-exit")]), "");
        assert_eq!(faults(Way::Clear, vec![session("s", 1, "clear"), session("t", 1, "user-exit")]), "");
    }

    #[test]
    fn an_end_that_the_agent_told_has_its_word_and_a_lost_one_has_lastwords() {
        assert_eq!(faults(Way::HangUp, vec![session("s", 1, "other")]), "");
        assert_eq!(faults(Way::HangUp, vec![session("s", 1, "unknown")]), "");
        let mut told = session("s", 1, "other");
        told.own_ends = 0;
        assert_eq!(faults(Way::HangUp, vec![told]), "", "the user's hook was cut, and Lastword's was not");
        let mut told = session("s", 1, "unknown");
        told.own_ends = 1;
        let fault = r#"s#1 ended as "unknown", and was expected to end as other"#;
        assert_eq!(faults(Way::HangUp, vec![told]), fault);
        assert!(faults(Way::HangUp, vec![session("s", 1, "crashed")]).contains("as other or unknown"));
    }

    #[test]
    fn an_end_that_is_missing_late_wrong_or_there_twice_is_a_fault() {
        let mut told = session("s", 1, "unknown");
        told.ends.clear();
        assert_eq!(faults(Way::Kill, vec![told]), "s#1 ended 0 times");
        let mut told = session("s", 1, "unknown");
        told.ends.push(end("unknown"));
        assert_eq!(faults(Way::Kill, vec![told]), "s#1 ended 2 times");
        let mut told = session("s", 1, "unknown");
        told.ends[0].after_exit_ms = 3_001;
        assert_eq!(faults(Way::Kill, vec![told]), "s#1 ended 3001 ms after its agent");
        let mut told = session("s", 1, "unknown");
        told.ends[0].by_drain = true;
        assert!(faults(Way::Kill, vec![told]).contains("only when the daemon was stopped"));
        assert!(faults(Way::Kill, vec![session("s", 1, "crashed")]).contains(r#""crashed""#));
        assert_eq!(faults(Way::Kill, vec![]), "no session was started");
    }

    #[test]
    fn a_session_that_is_resumed_cleared_or_compacted_has_to_be_told_as_that() {
        let same = || vec![session("s", 1, "user-exit"), session("s", 1, "user-exit")];
        assert!(faults(Way::Resume, same()).contains("not the next generation"));
        assert!(
            faults(Way::Clear, vec![session("s", 1, "clear"), session("s", 2, "user-exit")]).contains("has the id")
        );
        assert!(faults(Way::Compaction, vec![session("s", 1, "user-exit")]).contains("no compaction"));
        assert!(faults(Way::Compaction, same()).contains("2 sessions in place of 1"));
    }
}
