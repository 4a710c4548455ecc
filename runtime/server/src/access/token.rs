//! Tokens: the text that is handed out, and the hash that the server stores.

use std::fmt::{self, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use super::Role;

/// The beginning of every token, so that scanners find a token that was published by mistake.
const PREFIX: &str = "lastword_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// The SHA-256 of a token.
pub(super) type Hash = [u8; HASH_BYTES];

/// A token that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadToken {
    /// The text is no hash.
    #[error("the hash of the token {0:?} must have 64 hexadecimal digits: it is the SHA-256 of the token")]
    Hash(String),
    /// The word is no role.
    #[error("{0:?} is no role: it is `owner`, `operator` or `read-only`")]
    Role(String),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
}

/// The server's record of a token: its hash, role and tenant.
#[derive(Clone)]
pub struct Token {
    name: Arc<str>,
    hash: Hash,
    role: Role,
    tenant: Option<Arc<str>>,
}

impl Token {
    /// A token whose SHA-256 is `hash`, in hexadecimal digits. Logs show `name`. Without a `tenant` the token is for
    /// every tenant.
    ///
    /// # Errors
    /// When `hash` is no hash.
    pub fn new(name: &str, hash: &str, role: Role, tenant: Option<&str>) -> Result<Self, BadToken> {
        let hash = from_hex(hash).ok_or_else(|| BadToken::Hash(name.to_owned()))?;
        Ok(Self { name: name.into(), hash, role, tenant: tenant.map(Arc::from) })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the token's tenant. `None` is every tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn shared_tenant(&self) -> Option<&Arc<str>> {
        self.tenant.as_ref()
    }

    /// Whether the presented token has this hash. The comparison takes constant time.
    pub(super) fn is(&self, presented: &Hash) -> Choice {
        self.hash.ct_eq(presented)
    }
}

/// Omits the hash: no log needs it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, tenant, .. } = self;
        f.debug_struct("Token").field("name", name).field("role", role).field("tenant", tenant).finish_non_exhaustive()
    }
}

/// A token that was just made. It is shown once; the server stores only its hash.
pub struct NewToken {
    text: String,
}

impl NewToken {
    /// A token of 32 random bytes.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, BadToken> {
        Ok(Self { text: format!("{PREFIX}{}", hex(&random()?)) })
    }

    /// Returns the text that the holder sends, as `Authorization: Bearer …`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the hash, which the configuration names.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&hash_of(&self.text))
    }
}

/// Returns as many random bytes as a token has.
pub(super) fn random() -> Result<[u8; RANDOM_BYTES], BadToken> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|error| BadToken::Random(error.to_string()))?;
    Ok(random)
}

/// Returns the SHA-256 of a token's text. The 32 bytes of a token are random, so a slow hash is not needed.
pub(super) fn hash_of(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn from_hex(text: &str) -> Option<Hash> {
    if text.len() != HASH_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; HASH_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_its_hash_and_by_nothing_else() {
        let (new, other) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
        assert_ne!(new.text(), other.text());
        assert_eq!(new.text().len(), PREFIX.len() + 2 * RANDOM_BYTES);
        let token = Token::new("ci", &new.hash(), Role::Owner, Some("acme")).unwrap();
        assert!(bool::from(token.is(&hash_of(new.text()))));
        assert!(!bool::from(token.is(&hash_of(other.text()))));
        assert!(!format!("{token:?}").contains(&new.hash()));
    }

    #[test]
    fn the_hash_is_the_one_that_sha256sum_prints() {
        // printf %s abc | sha256sum
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&hash_of("abc")), known);
        assert!(Token::new("t", known, Role::Owner, None).is_ok());
        for bad in ["", "ba78", &"z".repeat(64), &"é".repeat(32)] {
            let refused = Token::new("t", bad, Role::Owner, None).unwrap_err();
            assert_eq!(refused, BadToken::Hash("t".to_owned()));
        }
    }
}
