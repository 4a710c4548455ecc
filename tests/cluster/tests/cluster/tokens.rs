//! An operator, accounts and users as `nsc` makes them: each has a key, and a JWT that whoever is above it has signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lastword_events::Timestamp;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An account of an operator.
pub(crate) struct Account {
    key: KeyPair,
    claims: Value,
}

impl Account {
    /// With as much JetStream as the servers have.
    pub(crate) fn with_jetstream() -> Self {
        Self::limited(-1)
    }

    /// Without JetStream, as the system account is.
    pub(crate) fn without_jetstream() -> Self {
        Self::limited(0)
    }

    fn limited(jetstream: i64) -> Self {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": jetstream, "disk_storage": jetstream, "streams": jetstream, "consumer": jetstream,
        });
        Self { key: KeyPair::new_account(), claims: json!({ "type": "account", "version": 2, "limits": limits }) }
    }

    /// The JWT of a user with this key, which is valid until then.
    pub(crate) fn user(&self, key: &KeyPair, until: Option<Timestamp>) -> String {
        let claims =
            json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
        signed(&self.key, key, &claims, until)
    }
}

/// What the servers' file says to let in the users of these two accounts of a new operator.
pub(crate) fn access(application: &Account, system: &Account) -> String {
    let operator = KeyPair::new_operator();
    let account = |account: &Account| {
        let token = signed(&operator, &account.key, &account.claims, None);
        format!("{}: \"{token}\"", account.key.public_key())
    };
    format!(
        "operator: \"{}\"\nresolver: MEMORY\nresolver_preload {{\n  {}\n  {}\n}}\nsystem_account: {}",
        signed(&operator, &operator, &json!({ "type": "operator", "version": 2 }), None),
        account(application),
        account(system),
        system.key.public_key(),
    )
}

/// A credentials file as `nsc` writes it: a JWT, and the seed of the key that it is for.
pub(crate) fn credentials(token: &str, key: &KeyPair) -> String {
    let seed = key.seed().unwrap();
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\
         NKEYs are sensitive and should be treated as secrets.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
         *************************************************************"
    )
}

fn signed(by: &KeyPair, of: &KeyPair, claims: &Value, until: Option<Timestamp>) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let mut body = json!({
        "iss": by.public_key(), "sub": of.public_key(), "name": "of a test", "nats": claims,
        "iat": seconds(Timestamp::now()),
    });
    if let Some(until) = until {
        body["exp"] = seconds(until).into();
    }
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let said = format!("{}.{}", part(&header), part(&body));
    let signature = by.sign(said.as_bytes()).unwrap();
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Since the Unix epoch.
fn seconds(at: Timestamp) -> i64 {
    at.as_millisecond() / 1000
}
