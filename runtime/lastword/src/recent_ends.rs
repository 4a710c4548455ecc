//! The ends of the last 10 s, and whether a new end is a duplicate of one.

use std::collections::VecDeque;
use std::time::Instant;

use lastword_events::{Identity, Scope, Session, Timestamp};
use lastword_journal::{DUPLICATE_WITHIN, RETAINED_RECENT_ENDS, RecentEnd};

use crate::reported_fields::ReportedFields;
use crate::request::ReceivedEnd;
use crate::scoped_map::ScopedMap;
use crate::session_query::{SessionQuery, agent, agent_of};

/// The newest ends. If one is forgotten too early, its duplicate is delivered as an end. No end is lost.
#[derive(Debug, Default)]
pub(crate) struct RecentEnds {
    ends: ScopedMap<Recent>,
    /// The ends in the order in which they came.
    order: VecDeque<(Identity, u64)>,
}

/// The last end of a session. Nothing was heard of the session since.
#[derive(Debug)]
struct Recent {
    sequence: u64,
    generation: u32,
    agent: Option<Box<str>>,
    at: Instant,
    /// The time of the end, as the owner says it.
    ended_at: Timestamp,
    reported: ReportedFields,
}

/// An end that was told before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DuplicateEnd {
    pub(crate) identity: Identity,
    pub(crate) generation: u32,
    /// The fields that this end says and the first end did not.
    pub(crate) more: Vec<&'static str>,
}

impl RecentEnds {
    /// Takes over what a journal has of dead runs. There the wall clock counts, and from now on the monotonic clock.
    pub(crate) fn recover(&mut self, ended: Vec<RecentEnd>, now: Instant, clock: Timestamp) {
        for RecentEnd { sequence, identity, generation, agent_id, ended_at, received } in ended {
            let passed = clock.as_millisecond().checked_sub(received.at.as_millisecond());
            let passed = passed.and_then(|ms| u64::try_from(ms).ok()).map(std::time::Duration::from_millis);
            // With a clock that was set back the age is unknown.
            let Some(at) = passed.and_then(|passed| now.checked_sub(passed)) else { continue };
            let reported = ReportedFields::from_bits(received.said);
            let agent = agent_of(agent_id.as_deref(), &identity.scope).map(Box::from);
            self.insert(identity, Recent { sequence, generation, agent, at, ended_at, reported });
        }
    }

    /// An owner's end is on record.
    pub(crate) fn add(&mut self, sequence: u64, session: &Session, end: &ReceivedEnd, reported: ReportedFields) {
        let (identity, generation) = (session.identity.clone(), session.generation);
        let (agent, ended_at) = (agent(session).map(Box::from), end.request.event.ended_at);
        self.insert(identity, Recent { sequence, generation, agent, at: end.received_at, ended_at, reported });
    }

    fn insert(&mut self, identity: Identity, recent: Recent) {
        self.order.push_back((identity.clone(), recent.sequence));
        self.ends.insert(identity, recent);
        if self.order.len() > RETAINED_RECENT_ENDS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((identity, sequence)) = self.order.pop_front()
            && self.ends.get(&identity).is_some_and(|recent| recent.sequence == sequence)
        {
            self.ends.remove(&identity);
        }
    }

    /// Forgets ends that are too old to have a duplicate.
    fn forget_old(&mut self, now: Instant) {
        while let Some((identity, sequence)) = self.order.front() {
            let last = self.ends.get(identity).filter(|recent| recent.sequence == *sequence);
            if last.is_some_and(|recent| is_within(recent.at, now)) {
                return;
            }
            self.forget_oldest();
        }
    }

    /// A session of this identity begins.
    pub(crate) fn begins_anew(&mut self, identity: &Identity) {
        self.ends.remove(identity);
    }

    /// Something other than an end was heard of the session: it is alive, and its next end is a new one. Gives the sequences of the ends
    /// that have no duplicate any more.
    pub(crate) fn seen(&mut self, identity: &Identity, now: Instant) -> Vec<u64> {
        self.forget_old(now);
        if self.ends.is_empty() {
            return Vec::new();
        }
        let is_meant = |scope: &Scope| identity.scope.is_empty() || scope.is_empty() || *scope == identity.scope;
        let meant = self.ends.entries_of_id(identity).filter(|(of, _)| is_meant(&of.scope));
        let meant: Vec<(Identity, u64)> = meant.map(|(of, recent)| (of.clone(), recent.sequence)).collect();
        meant.into_iter().filter_map(|(identity, sequence)| self.ends.remove(&identity).map(|_| sequence)).collect()
    }

    /// The earlier end of which this end is a duplicate. None if the end is new.
    pub(crate) fn duplicate(&mut self, end: &ReceivedEnd) -> Option<DuplicateEnd> {
        self.forget_old(end.received_at);
        let session = &end.request.session;
        let last = self.last_of(&SessionQuery::of_end(end));
        let identity = last.filter(|(_, first)| first.may_have_duplicate(end))?.0.clone();
        let first = self.ends.get_mut(&identity)?;
        let reported = ReportedFields::by(session, &end.request.event);
        let more = reported.beyond(first.reported);
        first.reported.add(reported);
        Some(DuplicateEnd { identity, generation: first.generation, more })
    }

    /// Whether this end would be a duplicate of an earlier one.
    pub(crate) fn has_duplicate(&self, end: &ReceivedEnd) -> bool {
        self.last_of(&SessionQuery::of_end(end)).is_some_and(|(_, first)| first.may_have_duplicate(end))
    }

    /// The last end of the session that is meant. Without a scope the newest end is meant, and ends that were told without a scope come
    /// first. With a scope, the end of a session without one may be meant.
    fn last_of(&self, query: &SessionQuery<'_>) -> Option<(&Identity, &Recent)> {
        if query.identity.scope.is_empty() {
            let of_id = self.ends.entries_of_id(query.identity);
            let others = of_id.filter(|(_, recent)| query.may_be_of_agent(recent.agent.as_deref()));
            return others.max_by_key(|(_, recent)| (recent.reported.has_no_scope(), recent.sequence));
        }
        self.own_of(query).or_else(|| {
            let unscoped = [Some(query.identity.unscoped().into_owned()), query.agent_identity_without_scope()];
            unscoped.into_iter().flatten().find_map(|identity| self.of_same_agent(&identity, query))
        })
    }

    /// The last end of exactly the scope that the event says.
    fn own_of(&self, query: &SessionQuery<'_>) -> Option<(&Identity, &Recent)> {
        self.of_same_agent(query.identity, query).or_else(|| self.of_same_agent(&query.agent_identity()?, query))
    }

    fn of_same_agent(&self, identity: &Identity, query: &SessionQuery<'_>) -> Option<(&Identity, &Recent)> {
        self.ends.entry(identity).filter(|(_, recent)| query.may_be_of_agent(recent.agent.as_deref()))
    }

    /// Whether a session of exactly the scope that the event says has ended just now: then the event is about no other session.
    pub(crate) fn has_own_of(&self, query: &SessionQuery<'_>) -> bool {
        self.own_of(query).is_some_and(|(_, recent)| is_within(recent.at, query.at))
    }

    /// Whether this unscoped end repeats that of a newer session. If so, it does not end this session.
    pub(crate) fn has_duplicate_since(&self, end: &ReceivedEnd, sequence: u64) -> bool {
        let last = self.last_of(&SessionQuery::of_end(end));
        last.is_some_and(|(_, first)| {
            first.reported.has_no_scope() && first.sequence > sequence && first.may_have_duplicate(end)
        })
    }

    /// Whether a session of this identity has ended that was another agent's.
    pub(crate) fn is_of_another(&self, query: &SessionQuery<'_>) -> bool {
        self.ends.get(query.identity).is_some_and(|recent| !query.may_be_of_agent(recent.agent.as_deref()))
    }
}

impl Recent {
    fn may_have_duplicate(&self, end: &ReceivedEnd) -> bool {
        let began_later = end.request.session.started_at.is_some_and(|started| started > self.ended_at);
        // A request that is sent again is known by its `op_id`, and one with another `op_id` is another request, unless the owner gave it
        // none.
        let is_named = end.request.op_id.is_some() && !end.request.may_be_duplicate;
        !is_named && !began_later && is_within(self.at, end.received_at)
    }
}

fn is_within(first: Instant, now: Instant) -> bool {
    now.saturating_duration_since(first) <= DUPLICATE_WITHIN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword_events::{EndReason, Session, SessionEnd};
    use lastword_journal::Receipt;

    use super::*;
    use crate::request::EndRequest;

    const MS: Duration = Duration::from_millis(1);

    fn identity(scope: &str) -> Identity {
        Identity::new("t", "s").in_scope(scope)
    }

    fn end(scope: &str, at: Instant) -> ReceivedEnd {
        let event = SessionEnd::new(EndReason::Unknown, Timestamp::from_millisecond(1_000));
        let request = EndRequest { session: Session::of(identity(scope)), event, op_id: None, may_be_duplicate: false };
        ReceivedEnd { request, received_at: at, received_wall: Timestamp::from_millisecond(1_000) }
    }

    fn ended(scope: &str, at: Instant) -> RecentEnds {
        let mut ends = RecentEnds::default();
        let session = Session { generation: 4, ..Session::of(identity(scope)) };
        ends.add(1, &session, &end(scope, at), ReportedFields::default());
        ends
    }

    fn generation(duplicate: Option<DuplicateEnd>) -> Option<u32> {
        duplicate.map(|duplicate| duplicate.generation)
    }

    #[test]
    fn an_end_is_repeated_within_ten_seconds_of_the_first() {
        let first = Instant::now();
        let mut ends = ended("", first);
        assert!(ends.has_duplicate(&end("", first + DUPLICATE_WITHIN)));
        assert!(!ends.has_duplicate(&end("", first + DUPLICATE_WITHIN + MS)));
        assert_eq!(generation(ends.duplicate(&end("", first + DUPLICATE_WITHIN / 2))), Some(4));
        assert_eq!(
            generation(ends.duplicate(&end("", first + DUPLICATE_WITHIN))),
            Some(4),
            "of the first, not of the last"
        );
        assert_eq!(ends.duplicate(&end("", first + DUPLICATE_WITHIN + MS)), None);
        assert!(ends.ends.is_empty() && ends.order.is_empty(), "nothing is kept of it");
    }

    #[test]
    fn whoever_lives_or_begins_anew_ends_anew() {
        let now = Instant::now();
        let mut ends = ended("", now);
        assert_eq!(ends.seen(&identity(""), now), [1]);
        assert_eq!(ends.seen(&identity(""), now), [0; 0], "it is written down once");
        assert_eq!(ends.duplicate(&end("", now)), None);
        let mut ends = ended("", now);
        ends.begins_anew(&identity(""));
        assert_eq!(ends.duplicate(&end("", now)), None);
        let mut ends = ended("", now);
        assert_eq!(ends.seen(&identity(""), now + DUPLICATE_WITHIN + MS), [0; 0], "nothing is written for it any more");
    }

    #[test]
    fn a_line_with_a_name_and_a_session_that_began_later_are_new() {
        let now = Instant::now();
        let mut named = end("", now);
        named.request.op_id = Some("op".into());
        assert_eq!(ended("", now).duplicate(&named), None);
        named.request.may_be_duplicate = true;
        assert_eq!(generation(ended("", now).duplicate(&named)), Some(4), "the name is not its owner's");
        let mut later = end("", now);
        later.request.session.started_at = Some(Timestamp::from_millisecond(1_001));
        assert_eq!(ended("", now).duplicate(&later), None);
        later.request.session.started_at = Some(Timestamp::from_millisecond(1_000));
        assert_eq!(generation(ended("", now).duplicate(&later)), Some(4));
    }

    #[test]
    fn a_scope_tells_ends_apart_and_one_without_repeats_the_newest() {
        let now = Instant::now();
        assert_eq!(ended("x", now).duplicate(&end("y", now)), None);
        assert_eq!(generation(ended("x", now).duplicate(&end("", now))), Some(4));
        assert_eq!(generation(ended("", now).duplicate(&end("x", now))), Some(4));
        assert_eq!(ended("x", now).seen(&identity("y"), now), [0; 0]);
        assert_eq!(ended("x", now).seen(&identity(""), now), [1]);
    }

    #[test]
    fn what_a_duplicate_knows_more_is_said_once() {
        let now = Instant::now();
        let mut ends = ended("", now);
        let mut more = end("", now);
        more.request.event.reason = EndReason::Reset;
        more.request.event.attributes = vec![("summary".into(), "s".into())];
        assert_eq!(ends.duplicate(&more).unwrap().more, ["reason", "attributes"]);
        assert_eq!(ends.duplicate(&more).unwrap().more, [""; 0]);
    }

    #[test]
    fn over_a_restart_the_wall_clock_decides_and_one_that_went_back_says_nothing() {
        let (now, clock) = (Instant::now() + Duration::from_secs(60), Timestamp::from_millisecond(100_000));
        let duplicate = |received_at: i64, at: Instant| {
            let mut ends = RecentEnds::default();
            let received = Receipt { at: Timestamp::from_millisecond(received_at), said: 0 };
            let ended_at = Timestamp::from_millisecond(1_000);
            let left =
                RecentEnd { sequence: 1, identity: identity(""), generation: 4, agent_id: None, ended_at, received };
            ends.recover(vec![left], now, clock);
            generation(ends.duplicate(&end("", at)))
        };
        assert_eq!(duplicate(99_000, now), Some(4));
        assert_eq!(duplicate(99_000, now + Duration::from_secs(9)), Some(4));
        assert_eq!(duplicate(99_000, now + Duration::from_secs(9) + MS), None);
        assert_eq!(duplicate(100_001, now), None, "the clock went back");
    }

    #[test]
    fn the_number_is_bounded() {
        let (now, mut ends) = (Instant::now(), RecentEnds::default());
        for n in 0..=u64::try_from(RETAINED_RECENT_ENDS).unwrap() {
            let session = Session::new("t", &n.to_string());
            ends.add(n, &session, &end("", now), ReportedFields::default());
        }
        assert_eq!((ends.order.len(), ends.ends.values().count()), (RETAINED_RECENT_ENDS, RETAINED_RECENT_ENDS));
    }
}
