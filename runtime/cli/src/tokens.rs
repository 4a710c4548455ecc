//! Tokens for clients over TCP: makes one, and reads the file of tokens.

use std::io::Write as _;
use std::path::Path;

use anyhow::anyhow;
use lastword_config::TokenSettings;
use lastword_events::Identity;
use lastword_server::{NewToken, Role, Token};

use crate::args::{TokenArgs, TokenRole};
use crate::config::Config;
use crate::exit::{Exit, Failure, printed};
use crate::secret_file;

impl TokenRole {
    fn role(self) -> Role {
        match self {
            Self::Owner => Role::Owner,
            Self::Operator => Role::Operator,
            Self::ReadOnly => Role::ReadOnly,
        }
    }
}

/// Runs `lastword token`. Prints the token once and writes no file. The configuration contains only its hash.
pub(crate) fn make(args: &TokenArgs) -> Result<Exit, Failure> {
    if let Some(tenant) = &args.tenant {
        Identity::new(tenant, "any").validate().map_err(|error| Failure::usage(anyhow!("--tenant: {error}")))?;
    }
    let token = NewToken::generate().map_err(Failure::internal)?;
    let mut out = anstream::stdout().lock();
    let mut entry = format!(
        "[[token]]\nname = {}\nsha256 = \"{}\"\nrole = \"{}\"\n",
        toml::Value::from(args.name.as_str()),
        token.hash(),
        args.role.role()
    );
    if let Some(tenant) = &args.tenant {
        entry.push_str(&format!("tenant = {}\n", toml::Value::from(tenant.as_str())));
    }
    printed(writeln!(
        out,
        "{}\n\nThat is the token, and it is shown this once: its holder sends it as `Authorization: Bearer …`.\n\
         For the file that `tokens` in [daemon] names:\n\n{entry}",
        token.text()
    ))?;
    Ok(Exit::Delivered)
}

/// Reads a file of tokens.
///
/// # Errors
/// Lists every mistake in the file.
pub(crate) fn read(path: &Path) -> Result<Vec<TokenSettings>, Failure> {
    let said = Config::load_tokens(path).map_err(Failure::usage)?;
    secret_file::warn_if_open(path);
    Ok(said)
}

/// Converts the settings to valid tokens.
///
/// # Errors
/// When a setting is no valid token.
pub(crate) fn valid(said: &[TokenSettings]) -> Result<Vec<Token>, Failure> {
    let tokens = said.iter().map(|token| {
        let role: Role = token.role.parse()?;
        Token::new(&token.name, &token.sha256, role, token.tenant.as_deref())
    });
    tokens.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_the_file_are_those_of_the_server() {
        assert_eq!(lastword_config::TOKEN_ROLES.to_vec(), Role::ALL.map(Role::as_str).to_vec());
    }
}
