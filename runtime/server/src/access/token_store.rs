//! The tokens that are valid now.

use std::future::Future;
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable};
use tokio::sync::watch;

use super::role::Access;
use super::token::{Hash, Token, hash_of};

/// The tokens that are valid now. A reload can replace the list at any moment: later requests are checked against the
/// new list, and the streams of removed tokens end.
#[derive(Debug, Default)]
pub struct TokenStore {
    tokens: watch::Sender<Arc<[Token]>>,
}

/// A valid token: its name, hash, role and tenant.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) name: Arc<str>,
    pub(crate) access: Access,
    hash: Hash,
}

impl Known {
    /// Returns the SHA-256 of the token.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }
}

impl TokenStore {
    /// Makes a store with these tokens.
    #[must_use]
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens: watch::Sender::new(tokens.into()) }
    }

    /// Replaces the valid tokens with these.
    pub fn replace(&self, tokens: Vec<Token>) {
        self.tokens.send_replace(tokens.into());
    }

    /// Returns the number of valid tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.borrow().len()
    }

    /// Whether there is no token. Then nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the token with this text.
    pub(crate) fn find(&self, text: &str) -> Option<Known> {
        let tokens = self.tokens.borrow().clone();
        find(&tokens, hash_of(text))
    }

    /// Looks up a known token again. `None` if it is not valid any more.
    pub(crate) fn again(&self, known: &Known) -> Option<Known> {
        let tokens = self.tokens.borrow().clone();
        find(&tokens, known.hash)
    }

    /// Resolves when this token is not valid any more, or has another role or tenant.
    pub(crate) fn revoked(&self, known: Known) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut tokens = self.tokens.subscribe();
        async move {
            let is_other = |tokens: &Arc<[Token]>| {
                let found = find(tokens, known.hash);
                found.is_none_or(|found| found.name != known.name || found.access != known.access)
            };
            // The store is dropped only with the server.
            tokens.wait_for(is_other).await.ok();
        }
    }
}

/// Finds the token with this hash. Compares with every valid token in constant time, so the time does not reveal which
/// token matched, or how much of the hash.
fn find(tokens: &[Token], presented: Hash) -> Option<Known> {
    let (mut is_known, mut place) = (Choice::from(0), 0_u64);
    for (token, at) in tokens.iter().zip(0_u64..) {
        let is_this = token.is(&presented);
        place = u64::conditional_select(&place, &at, is_this);
        is_known |= is_this;
    }
    if !bool::from(is_known) {
        return None;
    }
    let token = tokens.get(usize::try_from(place).ok()?)?;
    let access = Access::new(token.role(), token.shared_tenant().cloned());
    Some(Known { name: token.shared_name().clone(), access, hash: presented })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{NewToken, Role};

    fn token(name: &str, new: &NewToken) -> Token {
        Token::new(name, &new.hash(), Role::Owner, Some(name)).unwrap()
    }

    #[test]
    fn each_token_is_told_from_the_others_and_an_unknown_one_is_nobodys() {
        let new: Vec<NewToken> = (0..3).map(|_| NewToken::generate().unwrap()).collect();
        let store = TokenStore::new(new.iter().zip(["a", "b", "c"]).map(|(new, name)| token(name, new)).collect());
        for (new, name) in new.iter().zip(["a", "b", "c"]) {
            let known = store.find(new.text()).unwrap();
            assert_eq!((&*known.name, known.access.tenant().map(|t| &**t)), (name, Some(name)));
        }
        assert!(store.find(NewToken::generate().unwrap().text()).is_none());
        assert!(store.find("").is_none());
        assert!(TokenStore::default().find(new[0].text()).is_none());
    }

    #[test]
    fn after_a_reload_the_old_tokens_are_not_valid_any_more() {
        let (old, new) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
        let store = TokenStore::new(vec![token("a", &old)]);
        store.replace(vec![token("a", &new)]);
        assert!(store.find(old.text()).is_none() && store.find(new.text()).is_some());
        let known = store.find(new.text()).unwrap();
        assert_eq!(&*store.again(&known).unwrap().name, "a");
        store.replace(vec![token("a", &old)]);
        assert!(store.again(&known).is_none());
    }

    #[tokio::test]
    async fn whoever_holds_a_token_is_told_when_it_is_not_valid_any_more_and_of_no_other_change() {
        let (kept, other) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
        let store = TokenStore::new(vec![token("a", &kept), token("b", &other)]);
        let mut of_kept = Box::pin(store.revoked(store.find(kept.text()).unwrap()));
        let of_other = store.revoked(store.find(other.text()).unwrap());
        store.replace(vec![token("a", &kept)]);
        of_other.await;
        assert!(of_kept.as_mut().now_or_never().is_none());
        // The same token for another tenant counts as another.
        store.replace(vec![Token::new("a", &kept.hash(), Role::Owner, Some("b")).unwrap()]);
        of_kept.await;
    }
}
