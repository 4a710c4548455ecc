//! Form tokens: they show that a form comes from a page of ours, which was shown to this very login.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::BadToken;
use super::token::{hex, random};

/// Makes form tokens, and knows them again. Nothing is kept of each: it is the hash of what it is bound to, with a secret of this process.
#[derive(Default)]
pub(crate) struct FormTokens {
    secret: OnceLock<[u8; 32]>,
}

impl FormTokens {
    /// The form token of who is known by this.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(crate) fn of(&self, binding: &[u8]) -> Result<String, BadToken> {
        let secret = self.secret()?;
        // Hashed twice: whoever knows one could go on hashing where the first ended.
        let once = Sha256::new().chain_update(secret).chain_update(binding).finalize();
        Ok(hex(&Sha256::new().chain_update(secret).chain_update(once).finalize()))
    }

    /// Whether this is it. It takes as long for every other text of that length.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub(crate) fn is(&self, binding: &[u8], said: &str) -> Result<bool, BadToken> {
        Ok(bool::from(self.of(binding)?.as_bytes().ct_eq(said.as_bytes())))
    }

    fn secret(&self) -> Result<&[u8; 32], BadToken> {
        match self.secret.get() {
            Some(secret) => Ok(secret),
            None => {
                let new = random()?;
                Ok(self.secret.get_or_init(|| new))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_is_of_one_login_and_of_one_process() {
        let (tokens, others) = (FormTokens::default(), FormTokens::default());
        let of_a = tokens.of(b"a").unwrap();
        assert_eq!(of_a, tokens.of(b"a").unwrap());
        assert!(tokens.is(b"a", &of_a).unwrap());
        for wrong in [tokens.of(b"b").unwrap(), others.of(b"a").unwrap(), String::new(), of_a.to_uppercase() + "0"] {
            assert!(!tokens.is(b"a", &wrong).unwrap(), "{wrong}");
        }
    }
}
