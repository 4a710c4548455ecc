//! Roles and their permissions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The permissions of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Starts and ends sessions, and reads.
    Owner,
    /// Does all that an owner may, and changes deliveries that were not made. With every tenant, also operates the
    /// daemon.
    Operator,
    /// Only reads.
    ReadOnly,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Operator, Self::ReadOnly];

    /// `owner`, `operator` or `read-only`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::ReadOnly => "read-only",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = super::BadToken;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == word);
        role.ok_or_else(|| super::BadToken::Role(word.to_owned()))
    }
}

/// The permission that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Read.
    Read,
    /// Report events of sessions.
    Own,
    /// Change deliveries that were not made.
    Operate,
}

/// The permissions of a caller, and the tenants for which it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    role: Role,
    /// `None` is every tenant.
    tenant: Option<Arc<str>>,
}

impl Access {
    pub(crate) fn new(role: Role, tenant: Option<Arc<str>>) -> Self {
        Self { role, tenant }
    }

    /// The access of a caller that can open the socket.
    pub(crate) fn of_socket() -> Self {
        Self::new(Role::Operator, None)
    }

    /// Returns the role.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Returns the one tenant of this access. `None` is every tenant.
    pub(crate) fn tenant(&self) -> Option<&Arc<str>> {
        self.tenant.as_ref()
    }

    /// Whether the access covers every tenant.
    pub(crate) fn is_of_all(&self) -> bool {
        self.tenant.is_none()
    }

    /// Whether the role allows this.
    pub(crate) fn allows(&self, needs: Needs) -> bool {
        match needs {
            Needs::Read => true,
            Needs::Own => self.role != Role::ReadOnly,
            Needs::Operate => self.role == Role::Operator,
        }
    }

    /// Whether the access covers this tenant.
    pub(crate) fn sees(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_its_name_says() {
        let may = |role, needs| Access::new(role, None).allows(needs);
        for needs in [Needs::Read, Needs::Own, Needs::Operate] {
            assert!(may(Role::Operator, needs));
        }
        assert!(may(Role::Owner, Needs::Read) && may(Role::Owner, Needs::Own) && !may(Role::Owner, Needs::Operate));
        let read_only = [Needs::Read, Needs::Own, Needs::Operate].map(|needs| may(Role::ReadOnly, needs));
        assert_eq!(read_only, [true, false, false]);
    }

    #[test]
    fn a_tenants_access_sees_that_tenant_alone() {
        let acme = Access::new(Role::Operator, Some("acme".into()));
        assert!(acme.sees("acme") && !acme.sees("other") && !acme.sees("") && !acme.is_of_all());
        assert!(Access::of_socket().sees("anybody") && Access::of_socket().is_of_all());
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("read-only"));
    }
}
