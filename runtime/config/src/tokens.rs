//! `tokens.toml`: the tokens of clients that connect to the daemon over TCP. The file has their hashes, and no token.

use toml::de::DeTable;

use super::reader::{Reader, Table, Value};
use super::source::{Mistakes, Source};
use lastword_events::Identity;

/// The words for the role of a token.
pub const TOKEN_ROLES: [&str; 3] = ["owner", "operator", "read-only"];

/// Hexadecimal digits of a SHA-256.
const HASH_DIGITS: usize = 64;

/// One `[[token]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The name in logs.
    pub name: String,
    /// The SHA-256 of the token, in hexadecimal digits.
    pub sha256: String,
    /// One of [`TOKEN_ROLES`].
    pub role: String,
    /// The tenant of the token. `None` is every tenant.
    pub tenant: Option<String>,
}

impl TokenSettings {
    /// Reads every `[[token]]` of a file.
    ///
    /// # Errors
    /// Lists every mistake in the file.
    pub fn parse_all(source: &Source<'_>) -> Result<Vec<Self>, Mistakes> {
        let reader = Reader::new(source);
        let (root, errors) = DeTable::parse_recoverable(source.text);
        for error in &errors {
            reader.mistake(error.span().unwrap_or_default(), error.message());
        }
        let tokens = if errors.is_empty() { read(&reader, root.get_ref()) } else { Vec::new() };
        reader.finish(tokens)
    }
}

fn read(reader: &Reader<'_>, root: &DeTable<'_>) -> Vec<TokenSettings> {
    let root = Table::new(reader, "the file", root, &["token"]);
    let Some(value) = root.get("token") else { return Vec::new() };
    let Some(list) = value.get_ref().as_array() else {
        reader.mistake(value.span(), "\"token\" must be a list of tables: write [[token]]");
        return Vec::new();
    };
    let mut tokens: Vec<TokenSettings> = Vec::new();
    for value in list {
        let Some(token) = token(reader, value) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            reader.mistake(value.span(), format!("a second token is named {:?}", token.name));
        }
        if let Some(other) = tokens.iter().find(|other| other.sha256 == token.sha256) {
            let (name, other) = (&token.name, &other.name);
            reader.mistake(
                value.span(),
                format!(
                    "the tokens {other:?} and {name:?} have one hash, and it could not be told which of them somebody shows: make \
                     another with `lastword token`"
                ),
            );
        }
        tokens.push(token);
    }
    tokens
}

fn token(reader: &Reader<'_>, value: &Value<'_>) -> Option<TokenSettings> {
    let table = Table::new(reader, "[[token]]", reader.table("token", value)?, &["name", "sha256", "role", "tenant"]);
    let needed = |key: &str, example: &str| {
        let found = table.get(key);
        if found.is_none() {
            reader.mistake(value.span(), format!("this token has no {key}: add {key} = {example:?}"));
        }
        found
    };
    let name = needed("name", "gateway").and_then(|value| reader.string("name", "a string such as \"gateway\"", value));
    let hash = needed("sha256", "…").and_then(|value| reader.parsed("sha256", "64 hexadecimal digits", value, hash));
    let role = needed("role", "owner").and_then(|value| reader.parsed("role", "a word such as \"owner\"", value, role));
    let tenant = |value| reader.parsed("tenant", "a string such as \"acme\"", value, tenant);
    let tenant = table.get("tenant").map(tenant);
    // A token whose tenant could not be read must not become one for all tenants.
    let tenant = match tenant {
        Some(tenant) => Some(tenant?),
        None => None,
    };
    Some(TokenSettings { name: name?.to_owned(), sha256: hash?, role: role?, tenant })
}

fn hash(text: &str) -> Result<String, String> {
    if text.len() == HASH_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("it must have {HASH_DIGITS} hexadecimal digits; `lastword token` prints the right ones"))
}

fn role(text: &str) -> Result<String, String> {
    if TOKEN_ROLES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no role: it is \"owner\", \"operator\" or \"read-only\""))
}

fn tenant(text: &str) -> Result<String, lastword_events::FieldError> {
    Identity::new(text, "any").validate().map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Vec<TokenSettings>, String> {
        let path = Path::new("tokens.toml");
        let source = Source { path, directory: Path::new(""), text, read_component: &|_| Ok(Vec::new()) };
        TokenSettings::parse_all(&source).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_token_has_a_name_a_hash_and_a_role_and_perhaps_a_tenant() {
        let (hash, other) = ("AB".repeat(32), "cd".repeat(32));
        let text = format!(
            "[[token]]\nname = \"gateway\"\nsha256 = \"{hash}\"\nrole = \"owner\"\ntenant = \"acme\"\n\
             [[token]]\nname = \"me\"\nsha256 = \"{other}\"\nrole = \"read-only\"\n"
        );
        let tokens = parse(&text).unwrap();
        assert_eq!((tokens[0].sha256.as_str(), tokens[0].tenant.as_deref()), (&*hash.to_lowercase(), Some("acme")));
        assert_eq!((tokens[1].role.as_str(), tokens[1].tenant.as_deref()), ("read-only", None));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn every_mistake_in_a_token_is_named_and_none_makes_one_for_every_tenant() {
        let hash = "ab".repeat(32);
        let token = |more: &str| format!("[[token]]\nname = \"a\"\nsha256 = \"{hash}\"\n{more}");
        for (text, said) in [
            (token(""), "this token has no role: add role = \"owner\""),
            (token("role = \"admin\""), "4:8: role: \"admin\" is no role"),
            (token("role = \"owner\"\ntenant = \"\""), "5:10: tenant: "),
            (token("role = \"owner\"\nhash = \"x\""), "5:1: unknown key \"hash\" in [[token]]"),
            (format!("{0}{0}", token("role = \"owner\"\n")), "a second token is named \"a\""),
            ("[[token]]\nname = \"a\"\nsha256 = \"ab\"\nrole = \"owner\"".to_owned(), "3:10: sha256: it must have 64"),
            (
                format!("{}{}", token("role = \"owner\"\n"), token("role = \"operator\"\n").replace("\"a\"", "\"b\"")),
                "the tokens \"a\" and \"b\" have one hash",
            ),
            ("[token]\nname = \"a\"".to_owned(), "\"token\" must be a list of tables"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
