//! Look-ups under way: whose they are, and how many.
//!
//! A look-up is a task of its own. It goes on when the request that wanted it is gone, as the thread does that is in
//! `getaddrinfo`: what cannot be cancelled must not stop counting because its call was cut. Requests of one account for one name
//! at the same time share a look-up.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, time::timeout};

use crate::{
    account::Account,
    limits::{ABANDONED_LOOKUPS, LOOKUP_ABANDONED_AFTER, LOOKUPS},
    resolve::Resolve,
    turns::{Bounds, Turn, Turns},
};

/// How many there may be.
pub(crate) const BOUNDS: Bounds = Bounds { held: LOOKUPS, abandoned: Some(ABANDONED_LOOKUPS) };

/// The look-ups of all requests.
#[derive(Debug)]
pub(crate) struct LookUps {
    turns: Arc<Turns>,
    /// Those that another request for the same may share.
    under_way: Mutex<HashMap<Asked, watch::Sender<Progress>>>,
}

/// Who asks for which name.
type Asked = (Account, String);

/// How far a look-up is.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// Others of its plugin, of its tenant, or of all come first.
    WaitsForItsTurn,
    Asking,
    Answered(Result<Arc<[IpAddr]>, Arc<io::Error>>),
}

impl LookUps {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Turns::new(BOUNDS)), under_way: Mutex::default() }
    }

    /// Asks for the addresses of `host`. Dropping the answer gives up the place, if it still waits for its turn.
    pub(crate) fn ask(
        self: &Arc<Self>,
        resolver: &Arc<dyn Resolve>,
        account: &Account,
        host: &str,
    ) -> watch::Receiver<Progress> {
        let asked = (account.clone(), host.to_owned());
        let mut under_way = self.lock();
        if let Some(shared) = under_way.get(&asked) {
            return shared.subscribe();
        }
        let (tell, told) = watch::channel(Progress::WaitsForItsTurn);
        under_way.insert(asked.clone(), tell.clone());
        let shared = Shared { lookups: Arc::clone(self), asked, tell };
        tokio::spawn(shared.look_up(Arc::clone(resolver)));
        told
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Asked, watch::Sender<Progress>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
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
                    // A request from now on may have more luck.
                    self.close();
                    turn.abandon();
                }
            }
        };
        self.close();
        drop(turn);
        self.tell.send_replace(Progress::Answered(answer.map(Arc::from).map_err(Arc::new)));
    }

    /// None when no request waits for the answer any more.
    async fn turn(&self) -> Option<Turn> {
        let mut turn = pin!(self.lookups.turns.take(&self.asked.0));
        loop {
            tokio::select! {
                turn = &mut turn => return Some(turn),
                () = self.tell.closed() => {
                    let mut under_way = self.lookups.lock();
                    // With the lock held, no request comes to share it.
                    if self.tell.receiver_count() == 0 {
                        under_way.remove(&self.asked);
                        return None;
                    }
                }
            }
        }
    }

    /// No further request shares it.
    fn close(&self) {
        let mut under_way = self.lookups.lock();
        if under_way.get(&self.asked).is_some_and(|tell| tell.same_channel(&self.tell)) {
            under_way.remove(&self.asked);
        }
    }
}

impl Drop for Shared {
    /// Also when the runtime goes in the middle of it: its requests are told then.
    fn drop(&mut self) {
        self.close();
    }
}
