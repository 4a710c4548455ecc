//! Files as one archive, which is the same whenever and by whomever it is packed.

use anyhow::Context;
use flate2::{Compression, GzBuilder};

/// A file of an archive.
pub(super) struct Entry {
    /// Below the archive's one folder.
    pub(super) name: String,
    /// Whether it is to be run.
    pub(super) is_program: bool,
    /// All of it.
    pub(super) content: Vec<u8>,
}

/// Packs `entries`, sorted by their names, into a `.tar.gz` with one `folder`. Each belongs to root and was changed at `time`, in
/// seconds since 1970.
///
/// # Errors
/// A name is too long for an archive.
pub(super) fn pack(folder: &str, mut entries: Vec<Entry>, time: u64) -> anyhow::Result<Vec<u8>> {
    /// What gzip's header has for a system that is not known.
    const NO_SYSTEM: u8 = 255;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    // Nor does gzip's header say when and where it was packed.
    let gzip = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for entry in &entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(if entry.is_program { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(time);
        header.set_size(u64::try_from(entry.content.len())?);
        let path = format!("{folder}/{}", entry.name);
        archive.append_data(&mut header, &path, entry.content.as_slice()).with_context(|| path.clone())?;
    }
    Ok(archive.into_inner()?.finish()?)
}
