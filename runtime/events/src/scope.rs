//! The scope of a session id.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that tells sessions of one id apart. Cheap to clone. A scope that is empty, as most are, holds nothing: all would share one count
/// of references otherwise, and all threads would change it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(
    /// Never an empty text.
    Option<Arc<str>>,
);

impl Deref for Scope {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<T: AsRef<str> + Into<Arc<str>>> From<T> for Scope {
    fn from(text: T) -> Self {
        Self((!text.as_ref().is_empty()).then(|| text.into()))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::<str>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::DefaultHasher;

    use super::*;

    #[test]
    fn it_is_compared_hashed_and_written_as_its_text() {
        let scopes = ["", "a", "agent:b:"].map(Scope::from);
        assert!(scopes.is_sorted());
        let hash = |of: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            of(&mut hasher);
            hasher.finish()
        };
        for scope in scopes {
            let text = &*scope;
            assert_eq!((scope.to_string(), format!("{scope:?}")), (text.to_owned(), format!("{text:?}")));
            assert_eq!(hash(&|hasher| scope.hash(hasher)), hash(&|hasher| text.hash(hasher)));
            let json = serde_json::to_string(&scope).unwrap();
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope);
        }
    }

    #[test]
    fn an_empty_one_holds_nothing_however_it_was_made() {
        for empty in [Scope::default(), "".into(), String::new().into(), Arc::<str>::from("").into()] {
            assert_eq!(empty, Scope(None));
        }
        assert_eq!(serde_json::from_str::<Scope>("\"\"").unwrap(), Scope(None));
    }
}
