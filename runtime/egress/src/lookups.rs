//! Running look-ups: their accounts, and their number.
//!
//! A look-up is a task of its own. It continues after its request is gone, as does the thread in `getaddrinfo`: work
//! that cannot be cancelled must still count after its call was cut. Concurrent requests of one account for one name
//! share a look-up.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    account::Account,
    limits::{ABANDONED_LOOKUPS, LOOKUP_ABANDONED_AFTER, LOOKUPS},
    names::{self, Answer, Names},
    resolve::Resolve,
    turns::{Bounds, Turn, Turns},
};

/// The bounds of look-ups.
pub(crate) const BOUNDS: Bounds = Bounds { held: LOOKUPS, abandoned: Some(ABANDONED_LOOKUPS) };

/// The look-ups of all requests.
#[derive(Debug)]
pub(crate) struct LookUps {
    turns: Arc<Turns>,
    /// The look-ups that another request for the same name may share.
    under_way: Mutex<HashMap<Asked, watch::Sender<Progress>>>,
    names: Mutex<Names>,
}

/// The account and the name of a look-up.
type Asked = (Account, String);

/// The progress of a look-up.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// Waits for its turn behind look-ups of its plugin, of its tenant, or of all.
    WaitsForItsTurn,
    Asking,
    Answered(Answer),
}

/// The source of a name's addresses.
pub(crate) enum LookedUp {
    Before(Answer),
    Now(watch::Receiver<Progress>),
}

impl LookUps {
    pub(crate) fn new() -> Self {
        Self::with_turns(Arc::new(Turns::new(BOUNDS)))
    }

    /// Makes the look-ups of another resolver. They share the bounds, but not the answers.
    pub(crate) fn beside(&self) -> Self {
        Self::with_turns(Arc::clone(&self.turns))
    }

    fn with_turns(turns: Arc<Turns>) -> Self {
        Self { turns, under_way: Mutex::default(), names: Mutex::new(Names::new(names::BOUNDS)) }
    }

    /// Asks for the addresses of `host`. Dropping the answer gives up the place, if the look-up still waits for its
    /// turn.
    pub(crate) fn ask(self: &Arc<Self>, resolver: &Arc<dyn Resolve>, account: &Account, host: &str) -> LookedUp {
        // With the lock held, no look-up ends without its answer being among the names.
        let mut under_way = self.lock();
        if let Some(answer) = self.lock_names().get(&account.tenant, host, Instant::now()) {
            return LookedUp::Before(answer);
        }
        let asked = (account.clone(), host.to_owned());
        if let Some(shared) = under_way.get(&asked) {
            return LookedUp::Now(shared.subscribe());
        }
        let (tell, told) = watch::channel(Progress::WaitsForItsTurn);
        under_way.insert(asked.clone(), tell.clone());
        // A runtime that shuts down drops the task at once, which takes the lock.
        drop(under_way);
        let shared = Shared { lookups: Arc::clone(self), asked, tell };
        tokio::spawn(shared.look_up(Arc::clone(resolver)));
        LookedUp::Now(told)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Asked, watch::Sender<Progress>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up, and the requests that share it.
struct Shared {
    lookups: Arc<LookUps>,
    asked: Asked,
    tell: watch::Sender<Progress>,
}

impl Shared {
    async fn look_up(self, resolver: Arc<dyn Resolve>) {
        let Some(mut turn) = self.turn().await else { return };
        self.tell.send_replace(Progress::Asking);
        let mut answer = pin!(resolver.resolve(&self.asked.1));
        let answer = loop {
            match timeout(LOOKUP_ABANDONED_AFTER, answer.as_mut()).await {
                Ok(answer) => break answer,
                Err(_) => {
                    // A later request may succeed, so it does not share this look-up.
                    self.close();
                    turn.abandon();
                }
            }
        };
        let answer: Answer = answer.map(Arc::from).map_err(Arc::new);
        let (account, host) = &self.asked;
        self.lookups.lock_names().put(&account.tenant, host, &answer, Instant::now());
        self.close();
        drop(turn);
        self.tell.send_replace(Progress::Answered(answer));
    }

    /// Waits for a turn. `None` when no request waits for the answer any more.
    async fn turn(&self) -> Option<Turn> {
        let mut turn = pin!(self.lookups.turns.take(&self.asked.0));
        loop {
            tokio::select! {
                turn = &mut turn => return Some(turn),
                () = self.tell.closed() => {
                    let mut under_way = self.lookups.lock();
                    // With the lock held, no request joins.
                    if self.tell.receiver_count() == 0 {
                        under_way.remove(&self.asked);
                        return None;
                    }
                }
            }
        }
    }

    /// Lets no further request share it.
    fn close(&self) {
        let mut under_way = self.lookups.lock();
        if under_way.get(&self.asked).is_some_and(|tell| tell.same_channel(&self.tell)) {
            under_way.remove(&self.asked);
        }
    }
}

impl Drop for Shared {
    /// Also runs when the runtime shuts down during the look-up: its requests are told then.
    fn drop(&mut self) {
        self.close();
    }
}
