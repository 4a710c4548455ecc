//! Which server a connection goes to: one that was lost a moment ago is tried last.
//!
//! A machine that is gone refuses no connection, so a try to connect to it takes all the time that a try has. Meanwhile the other nodes hear
//! no heartbeat of this one.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::{Server, ServerAddr};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::LOST_FOR;

/// The servers that were lost or did not answer of late, and when. All connections of a program know of them. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct LostServers(Arc<Mutex<HashMap<String, Instant>>>);

/// The choice of a server for one connection, each time that it is made.
#[derive(Debug)]
pub(crate) struct Choice {
    lost: LostServers,
    /// The server that was chosen last.
    chosen: Mutex<Option<String>>,
}

impl Choice {
    pub(crate) fn new(lost: &LostServers) -> Self {
        Self { lost: lost.clone(), chosen: Mutex::default() }
    }

    /// Chooses the next one of these: whichever was not lost of late, or else the one that was lost first. That a connection asks again means
    /// that the server before was lost, or did not answer.
    pub(crate) fn next(&self, servers: Vec<Server>, now: Instant) -> Option<ServerAddr> {
        let mut chosen = self.chosen.lock();
        let mut lost = self.lost.0.lock();
        lost.retain(|_, at| now.saturating_duration_since(*at) < LOST_FOR);
        if let Some(before) = chosen.take() {
            lost.insert(before, now);
        }
        let lost_at = |server: &ServerAddr| lost.get(server.as_url_str()).copied();
        let mut servers: Vec<ServerAddr> = servers.into_iter().map(|server| server.addr).collect();
        let first = servers.iter().map(lost_at).min()?;
        servers.retain(|server| lost_at(server) == first);
        let next = servers.swap_remove(any(servers.len()));
        *chosen = Some(next.as_url_str().to_owned());
        Some(next)
    }
}

/// A random number below this one, so that nodes do not all go to the same server.
fn any(below: usize) -> usize {
    let random = getrandom::u32().ok().and_then(|random| usize::try_from(random).ok());
    random.unwrap_or_default().checked_rem(below).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    const NAMES: [&str; 3] = ["n1", "n2", "n3"];

    fn servers() -> Vec<Server> {
        let server = |name: &str| Server {
            addr: format!("nats://{name}:4222").parse().unwrap(),
            failed_attempts: 0,
            did_connect: false,
            is_discovered: false,
            last_error: None,
        };
        NAMES.map(server).into()
    }

    fn next(choice: &Choice, now: Instant) -> String {
        choice.next(servers(), now).unwrap().host().to_owned()
    }

    #[test]
    fn the_first_server_is_any_of_them() {
        let first = || next(&Choice::new(&LostServers::default()), Instant::now());
        let chosen: BTreeSet<_> = (0..200).map(|_| first()).collect();
        assert_eq!(chosen, NAMES.map(str::to_owned).into());
        assert_eq!(Choice::new(&LostServers::default()).next(Vec::new(), Instant::now()), None);
    }

    #[test]
    fn what_one_connection_has_lost_no_other_one_tries_first() {
        let (lost, now) = (LostServers::default(), Instant::now());
        let choice = Choice::new(&lost);
        let gone = next(&choice, now);
        let other = next(&choice, now);
        let chosen: BTreeSet<_> = (0..200).map(|_| next(&Choice::new(&lost), now)).collect();
        assert!(!chosen.contains(&gone) && chosen.contains(&other) && chosen.len() == 2, "{gone}: {chosen:?}");
    }

    #[test]
    fn a_server_that_was_lost_comes_behind_all_others_until_it_is_forgotten() {
        let (lost, begin) = (LostServers::default(), Instant::now());
        let choice = Choice::new(&lost);
        let mut order = Vec::new();
        for second in 0..6 {
            order.push(next(&choice, begin + Duration::from_secs(second)));
        }
        let (once, again) = order.split_at(3);
        assert_eq!(once.iter().collect::<BTreeSet<_>>().len(), 3, "{order:?}");
        assert_eq!(once, again, "the one that was lost first comes first");
        let later = begin + Duration::from_secs(6) + LOST_FOR;
        let chosen: BTreeSet<_> = (0..200).map(|_| next(&Choice::new(&lost), later)).collect();
        assert_eq!(chosen.len(), 3, "{chosen:?}");
    }
}
