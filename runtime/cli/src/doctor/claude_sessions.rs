//! Claude Code's own list of its sessions. The daemon does not know sessions that began before our hooks were
//! installed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use lastword_protocol::owners::InputFormat;
use serde::Deserialize;
use serde_json::Value;

use super::finding::Finding;
use crate::install::owner_folder;
use crate::limits::{MAX_SESSION_FILE_BYTES, MAX_SESSION_FILES};

const CHECK: &str = "sessions";

/// A file of the list. A killed process leaves its file behind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    pid: u32,
    session_id: String,
    /// The process's start time, field 22 of `/proc/PID/stat`: a number, or its digits.
    proc_start: Value,
    /// `linux:<boot id>:pid:[…]`
    pid_domain: Option<String>,
}

/// Finds live sessions that the daemon does not know. `active` are those that it knows.
pub(super) fn look(active: Option<&BTreeSet<String>>) -> Option<Finding> {
    let owner = Some(InputFormat::ClaudeCode);
    let folder = owner_folder(InputFormat::ClaudeCode).ok()?.join("sessions");
    let alive = alive(&folder, Path::new("/proc"));
    if alive.is_empty() {
        return None;
    }
    let count = alive.len();
    let Some(active) = active else {
        let says = format!("{count} of its sessions live, and no daemon says whether it knows them");
        return Some(Finding::open(owner, CHECK, says));
    };
    let unknown: Vec<&str> = alive.iter().filter(|id| !active.contains(*id)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Some(Finding::good(owner, CHECK, format!("the daemon knows all of its {count} sessions that live")));
    }
    let says =
        format!("the daemon does not know {} of its {count} sessions that live: {}", unknown.len(), unknown.join(", "));
    let hint = "they may have begun before the hooks were installed: a session that is resumed is known";
    Some(Finding::wrong(owner, CHECK, says, hint))
}

/// Returns the sessions of a list whose processes live.
fn alive(folder: &Path, proc: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).take(MAX_SESSION_FILES);
    let boot = fs::read_to_string(proc.join("sys/kernel/random/boot_id")).unwrap_or_default();
    let listed = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json"));
    let listed = listed.filter_map(|file| {
        let mut text = String::new();
        // Opening a pipe of that name could block, and reading it might not end.
        if !file.file_type().ok()?.is_file() {
            return None;
        }
        File::open(file.path()).ok()?.take(MAX_SESSION_FILE_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str::<Listed>(&text).ok()
    });
    listed.filter(|listed| lives(listed, proc, boot.trim())).map(|listed| listed.session_id).collect()
}

fn lives(listed: &Listed, proc: &Path, boot: &str) -> bool {
    let domain = listed.pid_domain.as_deref().and_then(|domain| domain.strip_prefix("linux:"));
    if domain.is_some_and(|domain| domain.split(':').next() != Some(boot)) {
        return false;
    }
    let Ok(stat) = fs::read_to_string(proc.join(listed.pid.to_string()).join("stat")) else { return false };
    // The program's name, in brackets, may contain spaces. Field 3 follows it.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let start = fields.split_whitespace().nth(22 - 3);
    let said = listed.proc_start.as_str().map_or_else(|| listed.proc_start.to_string(), str::to_owned);
    start == Some(said.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_of_processes_that_live_count() {
        let home = tempfile::tempdir().unwrap();
        let (proc, sessions) = (home.path().join("proc"), home.path().join("sessions"));
        fs::create_dir_all(proc.join("sys/kernel/random")).unwrap();
        fs::create_dir_all(proc.join("7")).unwrap();
        fs::create_dir_all(&sessions).unwrap();
        fs::write(proc.join("sys/kernel/random/boot_id"), "b-1\n").unwrap();
        let fields: Vec<String> = (3..40).map(|field: u32| field.to_string()).collect();
        fs::write(proc.join("7/stat"), format!("7 (a) b) {}", fields.join(" "))).unwrap();
        for (name, text) in [
            ("7.json", r#"{"pid":7,"sessionId":"lives","procStart":"22","pidDomain":"linux:b-1:pid:[1]"}"#),
            ("7b.json", r#"{"pid":7,"sessionId":"lives-too","procStart":22}"#),
            ("7c.json", r#"{"pid":7,"sessionId":"another-process","procStart":23}"#),
            ("7d.json", r#"{"pid":7,"sessionId":"another-boot","procStart":22,"pidDomain":"linux:b-2:pid:[1]"}"#),
            ("8.json", r#"{"pid":8,"sessionId":"gone","procStart":22}"#),
            ("9.json", "no JSON"),
        ] {
            fs::write(sessions.join(name), text).unwrap();
        }
        let alive = alive(&sessions, &proc);
        assert_eq!(alive.into_iter().collect::<Vec<_>>(), ["lives", "lives-too"]);
    }
}
