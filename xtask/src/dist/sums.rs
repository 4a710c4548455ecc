//! Checksums of archives.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The sums of all archives in `folder` whose names begin with `prefix`, sorted, as `sha256sum --check` reads them.
///
/// # Errors
/// The folder or an archive cannot be read.
pub(super) fn of(folder: &Path, prefix: &str) -> std::io::Result<String> {
    let mut lines = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".tar.gz") {
            lines.push((fs::read(folder.join(&name))?, name));
        }
    }
    lines.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(lines.iter().map(|(content, name)| format!("{:x}  {name}\n", Sha256::digest(content))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_archive_of_the_version_has_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("lastword-1.0.0-there.tar.gz", "abc"),
            ("lastword-1.0.0-here.tar.gz", ""),
            ("lastword-0.9.0-here.tar.gz", "older"),
            ("SHA256SUMS", "of the last time"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        // The sums of the examples in FIPS 180-4's test vectors: of nothing, and of `abc`.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!("{empty}  lastword-1.0.0-here.tar.gz\n{abc}  lastword-1.0.0-there.tar.gz\n");
        assert_eq!(of(folder.path(), "lastword-1.0.0-").unwrap(), expected);
    }
}
