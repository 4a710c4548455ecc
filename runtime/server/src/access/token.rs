//! Tokens: what is handed out, and what is kept of it.

use std::fmt::{self, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use super::Role;

/// What every token begins with, so that scanners find one that was published by mistake.
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
    /// The hash is not one.
    #[error("the hash of the token {0:?} must have 64 hexadecimal digits: it is the SHA-256 of the token")]
    Hash(String),
    /// The word is no role.
    #[error("{0:?} is no role: it is `owner`, `operator` or `read-only`")]
    Role(String),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
}

/// What the server keeps of a token: its hash, and what it is for.
#[derive(Clone)]
pub struct Token {
    name: Arc<str>,
    hash: Hash,
    role: Role,
    tenant: Option<Arc<str>>,
}

impl Token {
    /// A token of which `hash` is the SHA-256 in hexadecimal digits. `name` says in logs which one it is. Without a `tenant` it is for
    /// every tenant.
    ///
    /// # Errors
    /// When `hash` is no hash.
    pub fn new(name: &str, hash: &str, role: Role, tenant: Option<&str>) -> Result<Self, BadToken> {
        let hash = from_hex(hash).ok_or_else(|| BadToken::Hash(name.to_owned()))?;
        Ok(Self { name: name.into(), hash, role, tenant: tenant.map(Arc::from) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its holder may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The tenant that it is for; none: every tenant.
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

    /// Whether this is the hash of what was presented. It takes as long for every other hash.
    pub(super) fn is(&self, presented: &Hash) -> Choice {
        self.hash.ct_eq(presented)
    }
}

/// Without the hash: nobody needs it in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, tenant, .. } = self;
        f.debug_struct("Token").field("name", name).field("role", role).field("tenant", tenant).finish_non_exhaustive()
    }
}

/// A token that was just made. It is shown once: only its hash is kept.
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

    /// What its holder sends, as `Authorization: Bearer …`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is written into the configuration.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&hash_of(&self.text))
    }
}

/// As many random bytes as a token has.
pub(super) fn random() -> Result<[u8; RANDOM_BYTES], BadToken> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|error| BadToken::Random(error.to_string()))?;
    Ok(random)
}

/// The SHA-256 of a token's text. Its 32 bytes are random, so nothing slower is needed.
pub(super) fn hash_of(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A string takes whatever is written.
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
