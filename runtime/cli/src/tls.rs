//! Reads the files for TLS.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lastword_config::TlsFiles;
use lastword_events::text::printable_path;
use lastword_server::tls_config;

use crate::exit::Failure;
use crate::inputs;
use crate::limits::MAX_PEM_BYTES;
use crate::secret_file;

/// Reads the certificate and the key.
///
/// # Errors
/// When one of them cannot be read, or they do not match.
pub(crate) fn load(files: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
    secret_file::warn_if_open(&files.key);
    tls_config(&certificate, &key).map_err(|error| {
        let (certificate, key) = (printable_path(&files.certificate), printable_path(&files.key));
        Failure::usage(anyhow::Error::from(error).context(format!("TLS with {certificate} and {key}")))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = inputs::read_file(path, MAX_PEM_BYTES);
    read.with_context(|| format!("cannot read {}", printable_path(path))).map_err(Failure::usage)
}
