//! Sessions and their identities.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, check_attributes, fit_attributes};
use crate::field::{check_len, drop_if_long};
use crate::limits::{MAX_ID_BYTES, MAX_KEY_BYTES, MAX_PATH_BYTES, MAX_TENANT_BYTES};
use crate::{FieldError, Scope, SessionOwner, Timestamp};

/// Identifies a conversation's current session: the tenant, the owner's id, and in some formats a scope. Cheap to
/// clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The isolation domain.
    pub tenant: Arc<str>,
    /// The owner's id of the session; unique within the tenant and the scope.
    pub id: Arc<str>,
    /// Distinguishes sessions of one id, in an owner's format that has scopes: OpenClaw's `sessionKey`. Empty in other
    /// formats, and in an event without one.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub scope: Scope,
}

fn is_empty(scope: &str) -> bool {
    scope.is_empty()
}

/// Identities are keys in maps for each request, and a hasher takes long for each piece that it is given. The lengths tell where one text
/// ends and the next begins.
impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.id.as_bytes());
        state.write(self.tenant.as_bytes());
        if !self.scope.is_empty() {
            state.write(self.scope.as_bytes());
        }
        state.write_u64((self.id.len() as u64) << 32 | self.tenant.len() as u64);
    }
}

impl Identity {
    /// Makes the identity of session `id` of `tenant`.
    #[must_use]
    pub fn new(tenant: &str, id: &str) -> Self {
        Self { tenant: tenant.into(), id: id.into(), scope: Scope::default() }
    }

    /// Returns the same id in a scope.
    #[must_use]
    pub fn in_scope(self, scope: &str) -> Self {
        Self { scope: scope.into(), ..self }
    }

    /// Returns the same id without its scope.
    #[must_use]
    pub fn unscoped(&self) -> Cow<'_, Self> {
        if self.scope.is_empty() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { tenant: self.tenant.clone(), id: self.id.clone(), scope: Scope::default() })
    }

    /// # Errors
    /// When the tenant or the id is empty, too long or has a control character, or the scope is too long.
    pub fn validate(&self) -> Result<(), FieldError> {
        name_like("session.tenant", "tenant", &self.tenant, MAX_TENANT_BYTES)?;
        name_like("session.id", "id", &self.id, MAX_ID_BYTES)?;
        check_len("session.key", Some(&self.scope), MAX_KEY_BYTES)
    }
}

fn name_like(field: &str, what: &str, text: &str, max: usize) -> Result<(), FieldError> {
    let (empty, long, bad) = match what {
        "tenant" => ("empty_tenant", "tenant_too_long", "bad_tenant"),
        _ => ("empty_id", "id_too_long", "bad_id"),
    };
    if text.is_empty() {
        return Err(FieldError::new(field, empty, format!("{field} must not be empty")));
    }
    if text.len() > max {
        return Err(FieldError::too_long(field, long, text.len(), max));
    }
    if has_control(text) {
        return Err(FieldError::new(field, bad, format!("{field} must not have control characters")));
    }
    Ok(())
}

/// Whether a text has a control character. Most are ASCII, and their bytes tell.
fn has_control(text: &str) -> bool {
    if text.is_ascii() { text.bytes().any(|byte| byte.is_ascii_control()) } else { text.chars().any(char::is_control) }
}

/// One run of one conversation: (tenant, id, generation). Sessions of one id in different scopes have different generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SessionFields")]
pub struct Session {
    /// The identity. In JSON the fields `tenant` and `id`, and `scope` if there is one.
    #[serde(flatten)]
    pub identity: Identity,
    /// Counts the runs of this id, from 1. The runtime assigns it; before that it is 0.
    pub generation: u32,
    /// The owner's stable name for the conversation, e.g. `agent:main:a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The owner's agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The program that owns the session, e.g. `openclaw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_kind: Option<String>,
    /// The working directory on the owner's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The location of the conversation's transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
    /// When the session began, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The owner's further names and values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
    /// The owner that keeps the session alive, if a daemon watches for its death. Plugins do not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Box<SessionOwner>>,
}

/// The location of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The owner's name for it: a path, or an opaque id such as `sqlite:…`.
    pub uri: String,
    /// Whether the owner has moved it to its archive.
    #[serde(default)]
    pub archived: bool,
}

/// The fields of a [`Session`] for deserialization: `flatten` is three times as slow, and a start may read a million
/// sessions.
#[derive(Deserialize)]
struct SessionFields {
    tenant: Arc<str>,
    id: Arc<str>,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    generation: u32,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    owner_kind: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    transcript: Option<Transcript>,
    #[serde(default)]
    started_at: Option<Timestamp>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    owner: Option<Box<SessionOwner>>,
}

impl From<SessionFields> for Session {
    fn from(fields: SessionFields) -> Self {
        let SessionFields {
            tenant,
            id,
            scope,
            generation,
            key,
            agent_id,
            owner_kind,
            cwd,
            transcript,
            started_at,
            attributes,
            owner,
        } = fields;
        let identity = Identity { tenant, id, scope };
        Self { identity, generation, key, agent_id, owner_kind, cwd, transcript, started_at, attributes, owner }
    }
}

impl Session {
    /// Makes a session of which only the identity is known.
    #[must_use]
    pub fn new(tenant: &str, id: &str) -> Self {
        Self::of(Identity::new(tenant, id))
    }

    /// Makes a session of which only the identity is known.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        Self {
            identity,
            generation: 0,
            key: None,
            agent_id: None,
            owner_kind: None,
            cwd: None,
            transcript: None,
            started_at: None,
            attributes: Vec::new(),
            owner: None,
        }
    }

    /// Checks every field against [`limits`](crate::limits).
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn validate(&self) -> Result<(), FieldError> {
        self.identity.validate()?;
        check_len("session.key", self.key.as_deref(), MAX_KEY_BYTES)?;
        check_len("session.agent_id", self.agent_id.as_deref(), MAX_KEY_BYTES)?;
        check_len("session.owner_kind", self.owner_kind.as_deref(), MAX_KEY_BYTES)?;
        check_len("session.cwd", self.cwd.as_deref(), MAX_PATH_BYTES)?;
        let uri = self.transcript.as_ref().map(|t| t.uri.as_str());
        check_len("session.transcript.uri", uri, MAX_PATH_BYTES)?;
        self.owner.as_ref().map_or(Ok(()), |owner| owner.validate())?;
        check_attributes("session", &self.attributes)
    }

    /// Drops the parts that do not fit the limits, and returns their names. Leaves the tenant and the id unchanged: no
    /// session with an id that [`Identity::validate`] refuses was ever started.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        if self.identity.scope.len() > MAX_KEY_BYTES {
            self.identity.scope = Scope::default();
        }
        drop_if_long("session.key", &mut self.key, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("session.agent_id", &mut self.agent_id, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("session.owner_kind", &mut self.owner_kind, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("session.cwd", &mut self.cwd, MAX_PATH_BYTES, &mut dropped);
        if self.transcript.as_ref().is_some_and(|t| t.uri.len() > MAX_PATH_BYTES) {
            self.transcript = None;
            dropped.push("session.transcript".to_owned());
        }
        if self.owner.as_ref().is_some_and(|owner| owner.validate().is_err()) {
            self.owner = None;
            dropped.push("session.owner".to_owned());
        }
        fit_attributes("session", &mut self.attributes, &mut dropped);
        dropped
    }

    /// This session with every field that `newer` has, including the scope. The tenant, the id and the generation stay.
    #[must_use]
    pub fn merged(&self, newer: Self) -> Self {
        let scope = if newer.identity.scope.is_empty() { &self.identity.scope } else { &newer.identity.scope };
        let mut attributes = self.attributes.clone();
        for (name, value) in newer.attributes {
            match attributes.iter_mut().find(|(n, _)| *n == name) {
                Some((_, old)) => *old = value,
                None => attributes.push((name, value)),
            }
        }
        Self {
            identity: Identity { scope: scope.clone(), ..self.identity.clone() },
            generation: self.generation,
            key: newer.key.or_else(|| self.key.clone()),
            agent_id: newer.agent_id.or_else(|| self.agent_id.clone()),
            owner_kind: newer.owner_kind.or_else(|| self.owner_kind.clone()),
            cwd: newer.cwd.or_else(|| self.cwd.clone()),
            transcript: newer.transcript.or_else(|| self.transcript.clone()),
            started_at: newer.started_at.or(self.started_at),
            owner: newer.owner.or_else(|| self.owner.clone()),
            attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_id_is_refused_by_name() {
        let error = Session::new("acme", "").validate().unwrap_err();
        assert_eq!((error.field.as_str(), error.code), ("session.id", "empty_id"));
        assert_eq!(error.to_string(), "session.id must not be empty");
    }

    #[test]
    fn each_field_has_its_limit() {
        let mut session = Session::new("acme", "s1");
        session.cwd = Some("/".repeat(MAX_PATH_BYTES + 1));
        assert_eq!(session.validate().unwrap_err().field, "session.cwd");
        assert_eq!(session.fit(), ["session.cwd"]);
        session.validate().unwrap();
        assert_eq!(Session::new(&"t".repeat(129), "s").validate().unwrap_err().code, "tenant_too_long");
        assert_eq!(Session::new("t", "a\nb").validate().unwrap_err().code, "bad_id");
    }

    #[test]
    fn merging_keeps_what_the_newer_one_does_not_know() {
        let mut session = Session::new("acme", "s1");
        session.key = Some("old".into());
        session.cwd = Some("/w".into());
        session.attributes = vec![("a".into(), "1".into())];
        let mut newer = Session::new("acme", "s1");
        newer.key = Some("new".into());
        newer.attributes = vec![("a".into(), "2".into()), ("b".into(), "3".into())];
        let session = session.merged(newer);
        assert_eq!((session.key.as_deref(), session.cwd.as_deref()), (Some("new"), Some("/w")));
        assert_eq!(session.attributes, [("a".into(), "2".into()), ("b".into(), "3".into())]);
    }

    #[test]
    fn merging_takes_each_field_that_the_newer_one_has() {
        let full = |text: &str, at| Session {
            identity: Identity::new("acme", "s1").in_scope(text),
            generation: 3,
            key: Some(text.to_owned()),
            agent_id: Some(text.to_owned()),
            owner_kind: Some(text.to_owned()),
            cwd: Some(text.to_owned()),
            transcript: Some(Transcript { uri: text.to_owned(), archived: false }),
            started_at: Some(Timestamp::from_millisecond(at)),
            attributes: vec![("a".into(), text.to_owned())],
            owner: Some(Box::new(SessionOwner { name: text.to_owned(), process: None, lease_ms: None })),
        };
        let (old, new) = (full("old", 1), full("new", 2));
        assert_eq!(old.merged(new.clone()), new);
        let known_as_another = Session { identity: Identity::new("t", "i"), generation: 7, ..Session::new("t", "i") };
        assert_eq!(old.merged(known_as_another), old, "it has nothing");
    }

    #[test]
    fn its_owner_comes_back_from_json_and_a_newer_one_takes_its_place() {
        let owner = |pid| {
            let process = crate::OwnerProcess { pid, start_time: 7, boot_id: "b".into() };
            Some(Box::new(SessionOwner { name: "claude".into(), process: Some(process), lease_ms: None }))
        };
        let mut session = Session { owner: owner(1), ..Session::new("acme", "s1") };
        let json = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<Session>(&json).unwrap(), session);
        session = session.merged(Session::new("acme", "s1"));
        assert_eq!(session.owner, owner(1), "an event that does not name its owner changes nothing");
        session = session.merged(Session { owner: owner(2), ..Session::new("acme", "s1") });
        assert_eq!(session.owner, owner(2));
        let long = SessionOwner { name: "x".repeat(MAX_KEY_BYTES + 1), process: None, lease_ms: None };
        session.owner = Some(Box::new(long));
        assert_eq!(session.validate().unwrap_err().field, "session.owner.name");
        assert_eq!((session.fit(), session.owner), (vec!["session.owner".to_owned()], None));
    }

    #[test]
    fn json_has_tenant_and_id_beside_the_other_fields() {
        let session: Session = serde_json::from_str(r#"{"tenant":"acme","id":"s1","cwd":"/w"}"#).unwrap();
        assert_eq!(session.identity, Identity::new("acme", "s1"));
        assert_eq!(
            serde_json::to_string(&session).unwrap(),
            r#"{"tenant":"acme","id":"s1","generation":0,"cwd":"/w"}"#
        );
        let scoped = Session::of(Identity::new("acme", "s1").in_scope("agent:a:main"));
        let json = serde_json::to_string(&scoped).unwrap();
        assert_eq!(json, r#"{"tenant":"acme","id":"s1","scope":"agent:a:main","generation":0}"#);
        assert_eq!(serde_json::from_str::<Session>(&json).unwrap(), scoped);
    }
}
