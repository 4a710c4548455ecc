//! Where Cargo has put the library for `LD_PRELOAD`.

use std::path::{Path, PathBuf};

const NAME: &str = "liblastword_faults_preload.so";

/// The library for `LD_PRELOAD`. Cargo puts what a test depends on where it puts the test.
///
/// # Panics
/// When it is not there: not on Linux, in a documentation test, or in a program that was copied elsewhere.
#[must_use]
#[expect(clippy::panic, reason = "a test that cannot be set up has failed")]
pub fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("this program has no path: {error}"));
    let folder = program.parent().unwrap_or(Path::new("/"));
    // First where tests and libraries are built. The one beside programs (`target/debug`) is a copy that only some
    // builds renew.
    let places = [folder.to_owned(), folder.join("deps"), folder.join("..")];
    let found = places.iter().map(|place| place.join(NAME)).find(|file| file.exists());
    let library = found.unwrap_or_else(|| {
        panic!(
            "there is no {NAME} beside {}. On Linux, `cargo build -p lastword-faults` builds it, and naming \
             lastword-faults as a dev-dependency does. Tests that are run from an archive do not have it.",
            program.display()
        )
    });
    let path = library.as_os_str().as_encoded_bytes();
    let splits = |byte: &u8| *byte == b':' || byte.is_ascii_whitespace();
    assert!(!path.iter().any(splits), "LD_PRELOAD cannot hold {}: it splits at colons and spaces", library.display());
    library
}
