//! Whether this is a run of CI's: there nothing may be left out.

/// As CI services say it: `CI=true`.
pub(crate) fn is_here() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}
