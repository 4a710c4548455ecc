//! What owners and the plugin were told of each session. It knows nothing of journals, so it is what they are checked against.

/// A session, by its number in the run.
pub(crate) type SessionId = u32;

/// What became of every session.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sessions: Vec<u8>,
    pub(crate) started: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    pub(crate) delivered_again: u64,
    /// Sessions that were started and whose end nobody was told of.
    pub(crate) owing: u64,
}

/// The owner was told that the start is on record.
const STARTED: u8 = 1;
/// The plugin was told that it has ended.
const DELIVERED: u8 = 2;

impl Ledger {
    /// The number of the session that begins next.
    pub(crate) fn next(&self) -> SessionId {
        u32::try_from(self.sessions.len()).expect("fewer sessions than 2³²")
    }

    /// The next session.
    pub(crate) fn begin(&mut self) -> SessionId {
        let session = self.next();
        self.sessions.push(0);
        session
    }

    pub(crate) fn started(&mut self, session: SessionId) {
        let told = &mut self.sessions[session as usize];
        *told |= STARTED;
        self.owing += u64::from(*told & DELIVERED == 0);
        self.started += 1;
    }

    /// Gives whether it is the first time.
    pub(crate) fn delivered(&mut self, session: SessionId) -> bool {
        let told = &mut self.sessions[session as usize];
        if *told & DELIVERED != 0 {
            self.delivered_again += 1;
            return false;
        }
        *told |= DELIVERED;
        self.owing -= u64::from(*told & STARTED != 0);
        self.delivered += 1;
        true
    }

    /// Sessions that were started and whose end nobody was told of.
    pub(crate) fn untold(&self) -> impl Iterator<Item = usize> + '_ {
        self.sessions.iter().enumerate().filter(|(_, told)| **told & (STARTED | DELIVERED) == STARTED).map(|(id, _)| id)
    }
}
