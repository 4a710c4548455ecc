//! Logins: a browser sends a login instead of a token.

use std::collections::HashMap;
use std::future::Future;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::BadToken;
use super::token::{Hash, hash_of, hex, random};
use super::token_store::Known;
use crate::limits::{LOGIN_KEPT, MAX_LOGINS, MAX_TOKEN_LOGINS};

/// Logins by the hash of their text. The browser has the text, which is random bytes; the server stores its hash and
/// the token that was shown. So the browser's requests do not carry the token, and a login expires by itself. The form
/// takes the token as a password, so a browser may store it if its user agrees.
#[derive(Default)]
pub(crate) struct Logins {
    of: Mutex<HashMap<Hash, Login>>,
}

struct Login {
    known: Known,
    began: Instant,
    /// Sends no value. Dropping the sender tells those who wait that the login is over.
    here: watch::Sender<()>,
}

/// A valid login.
pub(crate) struct LoggedIn {
    /// The token that was shown at the login. The token store says whether it is still valid.
    pub(crate) known: Known,
    /// The SHA-256 of the browser's text.
    pub(crate) hash: [u8; 32],
}

impl Logins {
    /// Begins a login for this token and returns the text for the browser. If the token has too many logins, the oldest
    /// one ends.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(crate) fn begin(&self, known: Known, now: Instant) -> Result<String, BadToken> {
        let text = hex(&random()?);
        let mut of = self.of.lock();
        of.retain(|_, login| !login.is_over(now));
        let own = of.values().filter(|login| login.known.name == known.name).count();
        if own >= MAX_TOKEN_LOGINS {
            forget_oldest(&mut of, |login| login.known.name == known.name);
        } else if of.len() >= MAX_LOGINS {
            forget_oldest(&mut of, |_| true);
        }
        of.insert(hash_of(&text), Login { known, began: now, here: watch::Sender::new(()) });
        Ok(text)
    }

    /// Returns the login of this text.
    pub(crate) fn find(&self, text: &str, now: Instant) -> Option<LoggedIn> {
        // Looks up the hash, so that the time of the look-up reveals nothing about the text.
        let hash = hash_of(text);
        let of = self.of.lock();
        let login = of.get(&hash).filter(|login| !login.is_over(now))?;
        Some(LoggedIn { known: login.known.clone(), hash })
    }

    /// Ends the login of this hash.
    pub(crate) fn end(&self, hash: &[u8; 32]) {
        self.of.lock().remove(hash);
    }

    /// Resolves when the login of this hash is over: it was ended, a newer login took its room, or it expired.
    pub(crate) fn over(&self, hash: &Hash) -> impl Future<Output = ()> + Send + 'static + use<> {
        let login = self.of.lock().get(hash).map(|login| (login.here.subscribe(), login.began + LOGIN_KEPT));
        async move {
            let Some((mut here, until)) = login else { return };
            timeout_at(until.into(), here.changed()).await.ok();
        }
    }
}

impl Login {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= LOGIN_KEPT
    }
}

fn forget_oldest(of: &mut HashMap<Hash, Login>, is_meant: impl Fn(&Login) -> bool) {
    let meant = of.iter().filter(|(_, login)| is_meant(login));
    let oldest = meant.min_by_key(|(_, login)| login.began).map(|(hash, _)| *hash);
    if let Some(oldest) = oldest {
        of.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::{NewToken, Role, Token, TokenStore};

    fn known(names: &[&str]) -> Vec<Known> {
        let new: Vec<NewToken> = names.iter().map(|_| NewToken::generate().unwrap()).collect();
        let tokens = new.iter().zip(names);
        let tokens = tokens.map(|(new, name)| Token::new(name, &new.hash(), Role::ReadOnly, None).unwrap());
        let store = TokenStore::new(tokens.collect());
        new.iter().map(|new| store.find(new.text()).unwrap()).collect()
    }

    #[test]
    fn a_login_is_known_by_its_text_until_it_ends_or_its_time_is_over() {
        let (logins, now, known) = (Logins::default(), Instant::now(), known(&["a"]).remove(0));
        let (first, second) = (logins.begin(known.clone(), now).unwrap(), logins.begin(known, now).unwrap());
        assert_ne!(first, second);
        assert_eq!(&*logins.find(&first, now).unwrap().known.name, "a");
        assert!(logins.find("", now).is_none() && logins.find(&first.to_uppercase(), now).is_none());
        logins.end(&logins.find(&first, now).unwrap().hash);
        assert!(logins.find(&first, now).is_none() && logins.find(&second, now).is_some());
        let almost = now + LOGIN_KEPT - Duration::from_millis(1);
        assert!(logins.find(&second, almost).is_some() && logins.find(&second, now + LOGIN_KEPT).is_none());
    }

    #[test]
    fn a_token_that_logs_in_again_and_again_pushes_out_its_own_logins_alone() {
        let (logins, now, known) = (Logins::default(), Instant::now(), known(&["busy", "quiet"]));
        let quiet = logins.begin(known[1].clone(), now).unwrap();
        let at = |n: usize| now + Duration::from_millis(1 + u64::try_from(n).unwrap());
        let busy: Vec<String> =
            (0..=MAX_TOKEN_LOGINS).map(|n| logins.begin(known[0].clone(), at(n)).unwrap()).collect();
        assert!(logins.find(&quiet, now).is_some());
        assert!(logins.find(&busy[0], now).is_none() && logins.find(&busy[1], now).is_some());
        assert_eq!(logins.of.lock().len(), MAX_TOKEN_LOGINS + 1);
    }

    #[tokio::test]
    async fn who_has_a_login_is_told_when_it_is_over_however_that_comes() {
        let (logins, now, known) = (Logins::default(), Instant::now(), known(&["a"]).remove(0));
        let text = logins.begin(known.clone(), now).unwrap();
        let hash = logins.find(&text, now).unwrap().hash;
        let mut over = Box::pin(logins.over(&hash));
        assert!(over.as_mut().now_or_never().is_none());
        for n in 1..=MAX_TOKEN_LOGINS {
            assert!(over.as_mut().now_or_never().is_none(), "{n}");
            logins.begin(known.clone(), now + Duration::from_millis(n.try_into().unwrap())).unwrap();
        }
        over.await;
        let text = logins.begin(known.clone(), now).unwrap();
        let hash = logins.find(&text, now).unwrap().hash;
        let over = logins.over(&hash);
        logins.end(&hash);
        over.await;
        logins.over(&hash).await;
        let almost_over = now.checked_sub(LOGIN_KEPT).unwrap() + Duration::from_millis(100);
        let text = logins.begin(known, almost_over).unwrap();
        let hash = logins.find(&text, almost_over).unwrap().hash;
        logins.over(&hash).await;
    }
}
