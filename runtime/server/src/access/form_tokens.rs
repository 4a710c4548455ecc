//! Form tokens. A form token proves that a form comes from a page of this daemon that was shown to the same login.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::BadToken;
use super::token::{hex, random};

/// Makes and checks form tokens. It stores none of them: a token is the hash of its binding with a secret of this
/// process.
#[derive(Default)]
pub(crate) struct FormTokens {
    secret: OnceLock<[u8; 32]>,
}

impl FormTokens {
    /// Returns the form token for this binding, which identifies the caller.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(crate) fn of(&self, binding: &[u8]) -> Result<String, BadToken> {
        let secret = self.secret()?;
        // Hashed twice, so that nobody can extend the hash of a known token.
        let once = Sha256::new().chain_update(secret).chain_update(binding).finalize();
        Ok(hex(&Sha256::new().chain_update(secret).chain_update(once).finalize()))
    }

    /// Whether `said` is the form token of the binding. The comparison takes constant time.
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
