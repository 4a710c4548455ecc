//! Access control: roles, tokens, logins and form tokens.

mod form_tokens;
mod logins;
mod rate;
mod role;
mod token;
mod token_store;

pub(crate) use form_tokens::FormTokens;
pub(crate) use logins::{LoggedIn, Logins};
pub(crate) use rate::RateLimit;
pub use role::Role;
pub(crate) use role::{Access, Needs};
pub use token::{BadToken, NewToken, Token};
pub(crate) use token_store::Known;
pub use token_store::TokenStore;
