//! A Unix socket from systemd. It is served only if it is as private as our own would be.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::anyhow;
use lastword_events::text::printable_path;

use crate::exit::Failure;

/// Write permission, which connecting needs, of the group and of everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Returns the socket's path. A unit without a mode makes a socket that everybody can open (0666), and an abstract
/// socket has no mode. A client of the socket is operator of all tenants.
///
/// # Errors
/// When other users can open it, or its permissions are unknown.
pub(super) fn private_path(socket: &UnixListener) -> Result<PathBuf, Failure> {
    let address = socket.local_addr().map_err(Failure::internal)?;
    let Some(path) = address.as_pathname() else {
        return Err(Failure::usage(anyhow!(
            "a socket that systemd has handed over has no path, so everybody can open it and be operator of all tenants: say \
             ListenStream= with a path, and SocketMode=0600, in the socket's unit"
        )));
    };
    let shown = printable_path(path);
    let metadata = fs::symlink_metadata(path).map_err(|error| {
        Failure::usage(anyhow!(error).context(format!(
            "who can open the socket {shown} that systemd has handed over cannot be told: say a path in ListenStream= that the \
             daemon sees as well"
        )))
    })?;
    if !metadata.file_type().is_socket() {
        return Err(Failure::usage(anyhow!(
            "who can open the socket that systemd has handed over cannot be told, because {shown} is another file by now: restart \
             the socket's unit"
        )));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(Failure::usage(anyhow!(
            "the socket {shown} that systemd has handed over has mode {mode:04o}, and whoever can open it is operator of all \
             tenants: say SocketMode=0600 in the socket's unit, and restart it"
        )));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_socket_that_others_can_open_is_not_served() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("handed.sock");
        let socket = UnixListener::bind(&path).unwrap();
        for (mode, is_private) in [(0o600, true), (0o755, true), (0o660, false), (0o602, false), (0o666, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match private_path(&socket) {
                Ok(found) => assert!(is_private && found == path, "{mode:o}"),
                Err(refused) => {
                    let said = refused.error.to_string();
                    assert!(!is_private && said.contains("say SocketMode=0600"), "{mode:o}: {said}");
                }
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(private_path(&socket).is_err(), "nobody can tell");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_without_a_path_is_not_served() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::SocketAddr;

        let name = format!("lastword-test-{}", std::process::id());
        let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        let said = private_path(&socket).unwrap_err().error.to_string();
        assert!(said.contains("ListenStream="), "{said}");
    }
}
