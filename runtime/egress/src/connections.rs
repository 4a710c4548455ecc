//! The number of connections. Each is an open file of the process.

use rustix::process::{Resource, getrlimit};

use crate::{
    limits::{CONNECTIONS_OF_FILES, CONNECTIONS_OF_PLUGIN, CONNECTIONS_OF_TENANT, MAX_CONNECTIONS, MIN_CONNECTIONS},
    turns::{Bounds, Part, Turns},
};

/// Makes the turns for the process's current limit of open files.
pub(crate) fn turns() -> Turns {
    let files =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    Turns::new(bounds(files))
}

pub(crate) fn bounds(files: usize) -> Bounds {
    let part = |of: usize, (part, parts): (usize, usize)| of / parts * part;
    let in_all = part(files, CONNECTIONS_OF_FILES).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
    let (of_plugin, of_tenant) = (part(in_all, CONNECTIONS_OF_PLUGIN), part(in_all, CONNECTIONS_OF_TENANT));
    Bounds { held: Part { of_plugin, of_tenant, in_all }, abandoned: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_others_and_a_plugin_leaves_connections_to_others() {
        for (files, in_all, of_plugin, of_tenant) in
            [(0, 16, 12, 14), (1024, 768, 576, 672), (usize::MAX, 65_536, 49_152, 57_344)]
        {
            let Bounds { held, .. } = bounds(files);
            assert_eq!(held, Part { of_plugin, of_tenant, in_all });
        }
    }
}
