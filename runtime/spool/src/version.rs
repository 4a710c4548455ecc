//! Compares the version of an event's writer with that of its reader.

/// The version of this program.
pub(crate) const THIS: &str = env!("CARGO_PKG_VERSION");

/// Whether this version is newer than this program. False for an invalid version.
#[must_use]
pub fn is_newer_than_this(version: &str) -> bool {
    numbers(version).is_some_and(|theirs| Some(theirs) > numbers(THIS))
}

/// Whether this version is older than this program. False for an invalid version.
#[must_use]
pub fn is_older_than_this(version: &str) -> bool {
    numbers(version).is_some_and(|theirs| Some(theirs) < numbers(THIS))
}

/// Parses the three numbers of a version.
fn numbers(text: &str) -> Option<[u64; 3]> {
    let numbers = text.split(['-', '+']).next()?.split('.').map(str::parse);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(is_older_than_this("0.0.9") && !is_newer_than_this("0.0.9"));
        assert!(is_newer_than_this("999.0.0-rc.1") && !is_older_than_this("999.0.0-rc.1"));
        for neither in [THIS, "", "x", "0.0", "0.0.x"] {
            assert!(!is_older_than_this(neither) && !is_newer_than_this(neither), "{neither:?}");
        }
        assert!(numbers("0.10.0") > numbers("0.9.1"));
    }
}
