//! The connection that is told of a session's outcomes: the one that sent the session's last event.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use lastword::events::{DeliveryId, Identity};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::limits::MAX_EARLY_OUTCOMES;

/// Identifies a raw connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(u64);

/// The raw connections, and the sessions of which they are told.
#[derive(Default)]
pub(crate) struct Recipients {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    connections: HashMap<ConnectionId, Connection>,
    sessions: HashMap<Identity, Session>,
}

struct Connection {
    lines: mpsc::Sender<Vec<u8>>,
    /// Lines that the reader was too slow for.
    dropped: u64,
    /// Sessions with outcomes still to be told.
    sessions: HashSet<Identity>,
    open: watch::Sender<usize>,
    /// Whether the daemon's drain is over. Nothing is told after it.
    is_over: bool,
}

struct Session {
    connection: ConnectionId,
    /// Whether the session has not ended.
    is_active: bool,
    /// Deliveries that are not settled.
    owed: HashSet<DeliveryId>,
    /// Deliveries that were settled before the answer that says that they are owed.
    early: HashSet<DeliveryId>,
}

impl Session {
    fn of(connection: ConnectionId) -> Self {
        Self { connection, is_active: true, owed: HashSet::new(), early: HashSet::new() }
    }

    fn owes(&mut self, delivery: &DeliveryId) {
        if !self.early.remove(delivery) {
            self.owed.insert(delivery.clone());
        }
    }

    /// Records a settled delivery. If it is not owed, its answer follows in a moment, unless it belongs to an earlier
    /// request than the connection's.
    fn settled(&mut self, delivery: &DeliveryId) {
        if self.owed.remove(delivery) {
            return;
        }
        if self.early.len() >= MAX_EARLY_OUTCOMES {
            self.early.clear();
        }
        self.early.insert(delivery.clone());
    }
}

impl Recipients {
    /// Adds a connection, which gets its lines through `lines`. Also returns the number of sessions with outcomes still
    /// to be told.
    pub(crate) fn join(&self, lines: mpsc::Sender<Vec<u8>>) -> (ConnectionId, watch::Receiver<usize>) {
        let mut state = self.state.lock();
        state.next += 1;
        let id = ConnectionId(state.next);
        let (open, sessions) = watch::channel(0);
        state.connections.insert(id, Connection { lines, dropped: 0, sessions: HashSet::new(), open, is_over: false });
        (id, sessions)
    }

    /// Removes a connection. Nobody is told of its sessions any more. Returns how many of its lines were dropped.
    pub(crate) fn leave(&self, id: ConnectionId) -> u64 {
        let mut state = self.state.lock();
        let Some(connection) = state.connections.remove(&id) else { return 0 };
        for identity in connection.sessions {
            state.sessions.remove(&identity);
        }
        connection.dropped
    }

    /// Tells the connection of this session's outcomes from now on: it has sent an event of the session.
    pub(crate) fn speaks_of(&self, id: ConnectionId, identity: &Identity) {
        let state = &mut *self.state.lock();
        let session = state.sessions.entry(identity.clone()).or_insert_with(|| Session::of(id));
        session.is_active = true;
        let before = std::mem::replace(&mut session.connection, id);
        if before != id
            && let Some(before) = state.connections.get_mut(&before)
        {
            before.forget(identity);
        }
        if let Some(connection) = state.connections.get_mut(&id) {
            connection.sessions.insert(identity.clone());
            connection.tell_open();
        }
    }

    /// Records the deliveries that are owed for a request. `has_ended`: it was the session's end.
    pub(crate) fn accepted(&self, identity: &Identity, deliveries: &[DeliveryId], has_ended: bool) {
        self.change(identity, |session| {
            deliveries.iter().for_each(|delivery| session.owes(delivery));
            session.is_active &= !has_ended;
        });
    }

    /// Records that a session is not active, whatever events a connection has sent.
    pub(crate) fn is_not_active(&self, identity: &Identity) {
        self.change(identity, |session| session.is_active = false);
    }

    /// Tells of an attempt. `is_settled`: it was the last one.
    pub(crate) fn outcome(
        &self,
        identity: &Identity,
        delivery: &DeliveryId,
        is_settled: bool,
        line: impl FnOnce() -> Vec<u8>,
    ) {
        {
            let state = &mut *self.state.lock();
            if state.connections.is_empty() {
                return;
            }
            let Some(session) = state.find(identity) else { return };
            if let Some(connection) = state.connections.get_mut(&session)
                && connection.lines.try_send(line()).is_err()
            {
                connection.dropped += 1;
            }
        }
        if is_settled {
            self.change(identity, |session| session.settled(delivery));
        }
    }

    /// Records that a delivery will not be made, so nothing is to be told of it. It may belong to a request that is not
    /// answered yet.
    pub(crate) fn forgotten(&self, identity: &Identity, delivery: &DeliveryId) {
        self.change(identity, |session| session.settled(delivery));
    }

    fn change(&self, identity: &Identity, change: impl FnOnce(&mut Session)) {
        let state = &mut *self.state.lock();
        let key = state.key(identity).into_owned();
        let Some(session) = state.sessions.get_mut(&key) else { return };
        change(session);
        let all_is_told = !session.is_active && session.owed.is_empty();
        let connection = state.connections.get_mut(&session.connection);
        if all_is_told {
            state.sessions.remove(&key);
        }
        match connection {
            Some(connection) if all_is_told => connection.forget(&key),
            Some(connection) => connection.tell_open(),
            None => {}
        }
    }

    /// Resolves when the connection was told of this accepted delivery, or is not told of it any more.
    pub(crate) async fn told(&self, id: ConnectionId, identity: &Identity, delivery: &DeliveryId) {
        let changes = self.state.lock().connections.get(&id).map(|connection| connection.open.subscribe());
        let Some(mut changes) = changes else { return };
        while self.state.lock().is_to_be_told(id, identity, delivery) && changes.changed().await.is_ok() {}
    }

    /// Tells every connection a line that is made from the number of its dropped lines. The daemon's drain is over.
    pub(crate) fn tell_all(&self, line: impl Fn(u64) -> Vec<u8>) {
        for connection in self.state.lock().connections.values_mut() {
            if connection.lines.try_send(line(connection.dropped)).is_err() {
                connection.dropped += 1;
            }
            connection.is_over = true;
            connection.tell_open();
        }
    }
}

impl State {
    /// Returns the identity by which a session is known here. A line may have named the session without its scope.
    fn key<'a>(&self, identity: &'a Identity) -> Cow<'a, Identity> {
        if self.sessions.contains_key(identity) { Cow::Borrowed(identity) } else { identity.unscoped() }
    }

    /// Returns the connection of a session.
    fn find(&self, identity: &Identity) -> Option<ConnectionId> {
        self.sessions.get(&*self.key(identity)).map(|session| session.connection)
    }

    /// Whether the connection is still to be told of a delivery of this session.
    fn is_to_be_told(&self, id: ConnectionId, identity: &Identity, delivery: &DeliveryId) -> bool {
        let is_told_yet = self.connections.get(&id).is_some_and(|connection| !connection.is_over);
        let session = self.sessions.get(&*self.key(identity));
        is_told_yet && session.is_some_and(|session| session.connection == id && session.owed.contains(delivery))
    }
}

impl Connection {
    fn forget(&mut self, identity: &Identity) {
        self.sessions.remove(identity);
        self.tell_open();
    }

    fn tell_open(&self) {
        self.open.send_replace(self.sessions.len());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    /// So long a test waits for what has to come, on a machine that does a lot besides.
    const COMES: Duration = Duration::from_secs(30);

    fn session(id: &str) -> Identity {
        Identity::new("acme", id)
    }

    fn delivery(session: u64) -> DeliveryId {
        format!("k3f9a2c1.{session}/session-end/memory").parse().unwrap()
    }

    fn lines_of(lines: &mut mpsc::Receiver<Vec<u8>>) -> Vec<String> {
        std::iter::from_fn(|| lines.try_recv().ok()).map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn outcomes_go_to_the_connection_that_spoke_last_and_until_all_is_told() {
        let recipients = Recipients::default();
        let (first, mut of_first) = mpsc::channel(8);
        let (second, mut of_second) = mpsc::channel(8);
        let ((first, open_of_first), (second, open)) = (recipients.join(first), recipients.join(second));
        recipients.speaks_of(first, &session("a"));
        recipients.speaks_of(second, &session("a"));
        assert_eq!((*open_of_first.borrow(), *open.borrow()), (0, 1));
        let [one, two, other] = [1, 2, 3].map(delivery);
        // The first of two outcomes comes before the answer.
        recipients.outcome(&session("a"), &one, true, || b"1".to_vec());
        recipients.accepted(&session("a"), &[one, two.clone()], true);
        assert_eq!(*open.borrow(), 1);
        // A delivery of another connection's request changes nothing.
        recipients.outcome(&session("a"), &other, true, || b"2".to_vec());
        recipients.outcome(&session("a"), &two, false, || b"3".to_vec());
        assert_eq!(*open.borrow(), 1);
        recipients.outcome(&session("a"), &two, true, || b"4".to_vec());
        assert_eq!(*open.borrow(), 0);
        recipients.outcome(&session("a"), &two, true, || b"5".to_vec());
        let expected = ["1", "2", "3", "4"].map(String::from).to_vec();
        assert_eq!((lines_of(&mut of_first), lines_of(&mut of_second)), (vec![], expected));
    }

    #[test]
    fn nothing_is_to_be_told_of_what_was_dropped() {
        let recipients = Recipients::default();
        let (lines, _of) = mpsc::channel(8);
        let (id, open) = recipients.join(lines);
        recipients.speaks_of(id, &session("a"));
        let [one, two, other] = [1, 2, 3].map(delivery);
        recipients.accepted(&session("a"), &[one.clone(), two.clone()], true);
        for delivery in [&one, &other, &one] {
            recipients.forgotten(&session("a"), delivery);
        }
        assert_eq!(*open.borrow(), 1, "it is owed the second still");
        recipients.forgotten(&session("a"), &two);
        assert_eq!(*open.borrow(), 0);
    }

    #[test]
    fn what_was_dropped_before_the_answer_is_not_waited_for() {
        let recipients = Recipients::default();
        let (lines, _of) = mpsc::channel(8);
        let (id, open) = recipients.join(lines);
        recipients.speaks_of(id, &session("a"));
        let [one, two] = [1, 2].map(delivery);
        recipients.forgotten(&session("a"), &one);
        recipients.accepted(&session("a"), &[one, two.clone()], true);
        assert_eq!(*open.borrow(), 1, "it is owed the second");
        recipients.forgotten(&session("a"), &two);
        assert_eq!(*open.borrow(), 0);
        assert!(recipients.state.lock().sessions.is_empty(), "nothing is kept of it");
    }

    #[tokio::test]
    async fn what_is_settled_is_not_told_before_its_line_is_written() {
        let recipients = Recipients::default();
        let (lines, mut of) = mpsc::channel(8);
        let (id, _open) = recipients.join(lines);
        recipients.speaks_of(id, &session("a"));
        let [one, two, other] = [1, 2, 3].map(delivery);
        recipients.accepted(&session("a"), &[one.clone(), two.clone()], true);
        let session = session("a").in_scope("agent:main");
        let mut telling = pin!(recipients.told(id, &session, &one));
        assert!(telling.as_mut().now_or_never().is_none());
        recipients.outcome(&session, &two, true, Vec::new);
        assert!(telling.as_mut().now_or_never().is_none(), "another one was told");
        recipients.outcome(&session, &one, false, Vec::new);
        assert!(telling.as_mut().now_or_never().is_none(), "more attempts follow");
        let tell = async { recipients.outcome(&session, &one, true, || b"1".to_vec()) };
        timeout(COMES, async { tokio::join!(biased; telling, tell) }).await.unwrap();
        assert_eq!(lines_of(&mut of).last().unwrap(), "1");
        // Of these nothing comes: one that nobody owes, and one of a connection that is gone.
        recipients.told(id, &session, &other).await;
        recipients.leave(id);
        recipients.told(id, &session, &one).await;
    }

    #[tokio::test]
    async fn who_waits_to_be_told_goes_on_when_nothing_comes_any_more() {
        let ways: [fn(&Recipients, ConnectionId); 4] = [
            |recipients, _| recipients.forgotten(&session("a"), &delivery(1)),
            |recipients, _| recipients.tell_all(|_| Vec::new()),
            |recipients, id| _ = recipients.leave(id),
            |recipients, _| {
                let (lines, _of_another) = mpsc::channel(8);
                recipients.speaks_of(recipients.join(lines).0, &session("a"));
            },
        ];
        for nothing_comes in ways {
            let recipients = Recipients::default();
            let (lines, _of) = mpsc::channel(8);
            let (id, _open) = recipients.join(lines);
            recipients.speaks_of(id, &session("a"));
            recipients.accepted(&session("a"), &[delivery(1)], true);
            let (identity, delivery) = (session("a"), delivery(1));
            let mut telling = pin!(recipients.told(id, &identity, &delivery));
            assert!(telling.as_mut().now_or_never().is_none());
            let nothing_comes = async { nothing_comes(&recipients, id) };
            timeout(COMES, async { tokio::join!(biased; telling, nothing_comes) }).await.unwrap();
        }
    }

    #[test]
    fn what_is_told_early_has_a_bound() {
        let recipients = Recipients::default();
        let (lines, _of) = mpsc::channel(8);
        let (id, _open) = recipients.join(lines);
        recipients.speaks_of(id, &session("a"));
        for n in 0..10_000 {
            recipients.outcome(&session("a"), &delivery(n), true, Vec::new);
        }
        let state = recipients.state.lock();
        assert!(state.sessions[&session("a")].early.len() <= MAX_EARLY_OUTCOMES);
    }

    #[test]
    fn a_reader_that_is_too_slow_holds_up_nobody_and_what_it_missed_is_counted() {
        let recipients = Recipients::default();
        let (lines, _of_slow) = mpsc::channel(2);
        let (slow, _open) = recipients.join(lines);
        recipients.speaks_of(slow, &session("a"));
        for _ in 0..5 {
            recipients.outcome(&session("a"), &delivery(1), false, Vec::new);
        }
        assert_eq!(recipients.leave(slow), 3);
    }

    #[test]
    fn of_a_connection_that_is_gone_nothing_is_kept() {
        let recipients = Recipients::default();
        let (lines, _of) = mpsc::channel(2);
        let (gone, _open) = recipients.join(lines);
        recipients.speaks_of(gone, &session("a"));
        recipients.leave(gone);
        let state = recipients.state.lock();
        assert!(state.connections.is_empty() && state.sessions.is_empty());
    }
}
