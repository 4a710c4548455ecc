//! Where the operator lets a plugin read transcripts.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{BadRoot, TranscriptError};

const TENANT: &str = "{tenant}";

/// The root of a grant: `/var/lib/agents`, or with one directory per tenant `/var/lib/agents/{tenant}/sessions`.
///
/// A root without `{tenant}` is shared: each tenant that the plugin serves can read the files of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    text: String,
    /// What stands before `{tenant}`, or everything.
    before: PathBuf,
    /// What stands after `{tenant}`, if there is one.
    after: Option<Vec<OsString>>,
}

impl Root {
    /// Whether each tenant has a directory of its own. Refuse a root without one for a plugin that serves several tenants.
    #[must_use]
    pub fn is_per_tenant(&self) -> bool {
        self.after.is_some()
    }

    /// The root of one tenant. It is not looked for on the disk.
    ///
    /// On a file system that does not tell capitals from small letters (the default of macOS), tenants whose names
    /// differ in nothing else have one directory.
    ///
    /// # Errors
    /// [`TranscriptError::TenantName`] if the name is no plain name of a directory: empty, `.`, `..`, with a `/` or a control
    /// character. That holds for a shared root too, so that a grant does not change its tenants with its root.
    pub fn for_tenant(&self, tenant: &str) -> Result<TenantRoot, TranscriptError> {
        let plain = !matches!(tenant, "" | "." | "..") && !tenant.contains(|c: char| c == '/' || c.is_control());
        if !plain {
            return Err(TranscriptError::TenantName);
        }
        let below = self.after.as_ref().map_or_else(Vec::new, |after| {
            std::iter::once(OsString::from(tenant)).chain(after.iter().cloned()).collect()
        });
        Ok(TenantRoot { operators: self.before.clone(), below })
    }
}

impl FromStr for Root {
    type Err = BadRoot;

    fn from_str(text: &str) -> Result<Self, BadRoot> {
        if text.contains(char::is_control) {
            return Err(BadRoot::ControlCharacter);
        }
        if !text.starts_with('/') {
            return Err(BadRoot::Relative);
        }
        let mut before = PathBuf::from("/");
        let mut after: Option<Vec<OsString>> = None;
        for name in text.split('/').filter(|name| !name.is_empty()) {
            match (name, &mut after) {
                ("." | "..", _) => return Err(BadRoot::Dots),
                (TENANT, Some(_)) => return Err(BadRoot::TenantTwice),
                (TENANT, None) => after = Some(Vec::new()),
                (name, _) if name.contains(['{', '}']) => return Err(BadRoot::Braces),
                (name, Some(after)) => after.push(name.into()),
                (name, None) => before.push(name),
            }
        }
        if before == Path::new("/") && after.is_none() {
            return Err(BadRoot::Everything);
        }
        Ok(Self { text: text.to_owned(), before, after })
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The root of one tenant, from [`Root::for_tenant`].
///
/// It keeps in mind which part of the path is the operator's, where links are the operator's choice, and which part may
/// be the tenant's: with `/agents/{tenant}/sessions` the tenant may have put a link to another tenant's directory in
/// the place of its own `sessions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRoot {
    /// Links in it are followed.
    pub(crate) operators: PathBuf,
    /// The tenant's name and what follows. Links in it are not followed.
    pub(crate) below: Vec<OsString>,
}

impl TenantRoot {
    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.below.iter().fold(self.operators.clone(), |path, name| path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenants_name_is_put_in_its_place_and_nowhere_else() {
        let path = |root: &str| root.parse::<Root>().unwrap().for_tenant("acme").unwrap().path();
        assert_eq!(path("/var/lib/agents/{tenant}"), Path::new("/var/lib/agents/acme"));
        assert_eq!(path("/{tenant}//sessions/"), Path::new("/acme/sessions"));
        assert_eq!(path("/var/lib/agents/"), Path::new("/var/lib/agents"));
        assert!("/a/{tenant}/b".parse::<Root>().unwrap().is_per_tenant());
        assert!(!"/a/tenant/b".parse::<Root>().unwrap().is_per_tenant());
        // A name that looks like the placeholder is only a name.
        let twice = "/a/{tenant}".parse::<Root>().unwrap().for_tenant("{tenant}").unwrap();
        assert_eq!(twice.path(), Path::new("/a/{tenant}"));
    }

    #[test]
    fn a_tenant_that_is_no_plain_name_has_no_root() {
        for root in ["/a/{tenant}", "/a"] {
            let root: Root = root.parse().unwrap();
            for tenant in ["", ".", "..", "/", "a/b", "../b", "/b", "b/", "a\0b", "a\nb", "a\u{85}b", "\u{7f}"] {
                let refused = root.for_tenant(tenant);
                assert!(matches!(refused, Err(TranscriptError::TenantName)), "{tenant:?}: {refused:?}");
            }
            for tenant in ["acme", "...", "..a", "a b", "ä", "-rf", "a\\b"] {
                assert!(root.for_tenant(tenant).is_ok(), "{tenant:?}");
            }
        }
    }

    #[test]
    fn a_root_that_could_mean_something_else_is_refused_by_name() {
        for (text, why) in [
            ("", BadRoot::Relative),
            ("agents/{tenant}", BadRoot::Relative),
            ("~/agents", BadRoot::Relative),
            ("{tenant}", BadRoot::Relative),
            ("/", BadRoot::Everything),
            ("///", BadRoot::Everything),
            ("/a/../b", BadRoot::Dots),
            ("/a/{tenant}/..", BadRoot::Dots),
            ("/a/./b", BadRoot::Dots),
            ("/a/{tenant}/{tenant}", BadRoot::TenantTwice),
            ("/a/{tenant}.d", BadRoot::Braces),
            ("/a/x{tenant}", BadRoot::Braces),
            ("/a/{Tenant}", BadRoot::Braces),
            ("/a/{session}", BadRoot::Braces),
            ("/a/{", BadRoot::Braces),
            ("/a/}b", BadRoot::Braces),
            ("/a/{{tenant}}", BadRoot::Braces),
            ("/a\0b", BadRoot::ControlCharacter),
            ("/a\n", BadRoot::ControlCharacter),
        ] {
            assert_eq!(text.parse::<Root>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn messages_show_braces_as_the_operator_writes_them() {
        assert!(BadRoot::Braces.to_string().contains("/{tenant}/"), "{}", BadRoot::Braces);
        assert!(BadRoot::Relative.to_string().ends_with("/{tenant}"), "{}", BadRoot::Relative);
    }
}
