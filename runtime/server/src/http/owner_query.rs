//! Reads the owner from a request's query.

use std::sync::OnceLock;
use std::time::Duration;

use lastword::events::limits::MAX_TENANT_BYTES;
use lastword_process::Process;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::limits::{MAX_LEASE, MAX_OWNER_KIND_BYTES, MAX_OWNER_NAME_BYTES, MIN_LEASE};
use crate::owners::SaidOwner;

/// Bytes of a boot id: it is a UUID.
const MAX_BOOT_ID_BYTES: usize = 64;

/// The owner of the event. Each event registers its owner again.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnerQuery {
    /// The owner's name.
    pub(crate) owner: Option<String>,
    /// The owner's kind, e.g. `claude-code`.
    pub(crate) kind: Option<String>,
    /// The owner's process id. The daemon believes it only over the Unix socket.
    pub(crate) pid: Option<u32>,
    /// When that process began: field 22 of `/proc/PID/stat`.
    pub(crate) start_time: Option<u64>,
    /// The boot in which that process began: `/proc/sys/kernel/random/boot_id`. Default: this machine's.
    pub(crate) boot_id: Option<String>,
    /// The time for which the owner counts as alive after each event, e.g. `30s`.
    pub(crate) lease: Option<String>,
    /// The tenant, if the event does not name it.
    pub(crate) tenant: Option<String>,
}

/// The owner's kind, and how the daemon notices its death.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OwnerBody {
    /// The owner's kind, e.g. `claude-code`.
    #[schema(max_length = 64)]
    kind: Option<String>,
    /// The owner's process id: when the process exits, the owner is dead. The daemon believes it only over the Unix
    /// socket.
    pid: Option<u32>,
    /// When that process began: field 22 of `/proc/PID/stat`. Required with a pid.
    start_time: Option<u64>,
    /// The boot in which that process began: `/proc/sys/kernel/random/boot_id`. Default: this machine's.
    #[schema(max_length = 64)]
    boot_id: Option<String>,
    /// The time for which the owner counts as alive after each sign of life, e.g. `30s`. Next to a pid it counts only
    /// if the daemon does not believe the pid.
    #[schema(example = "30s")]
    lease: Option<String>,
}

impl OwnerQuery {
    /// Returns the owner that the query names.
    pub(crate) fn said(&self) -> Result<SaidOwner, Problem> {
        let Self { owner, kind, pid, start_time, boot_id, lease, .. } = self;
        said(owner.as_deref(), kind.as_deref(), *pid, *start_time, boot_id.as_deref(), lease.as_deref())
    }
}

impl OwnerBody {
    /// Returns the owner of this name.
    pub(crate) fn said(&self, name: &str) -> Result<SaidOwner, Problem> {
        let Self { kind, pid, start_time, boot_id, lease } = self;
        said(Some(name), kind.as_deref(), *pid, *start_time, boot_id.as_deref(), lease.as_deref())
    }
}

fn said(
    name: Option<&str>,
    kind: Option<&str>,
    pid: Option<u32>,
    start_time: Option<u64>,
    boot_id: Option<&str>,
    lease: Option<&str>,
) -> Result<SaidOwner, Problem> {
    if let Some(name) = name {
        check_name("owner", "bad_owner", name, MAX_OWNER_NAME_BYTES)?;
    }
    if let Some(kind) = kind {
        check_name("kind", "bad_kind", kind, MAX_OWNER_KIND_BYTES)?;
    }
    let process = match (pid, start_time) {
        (None, _) => None,
        (Some(pid), Some(start_time)) => Some(Process { pid, start_time, boot_id: boot(boot_id)? }),
        (Some(_), None) => {
            let detail = "with a pid comes the time at which its process began, or it could be another's: \
                          start_time is field 22 of /proc/PID/stat";
            return Err(Problem::bad_field("start_time", "missing_field", detail));
        }
    };
    let lease = lease.map(read_lease).transpose()?;
    Ok(SaidOwner { name: name.map(str::to_owned), kind: kind.unwrap_or_default().into(), process, lease })
}

/// A socket does not leave its machine, so the boot defaults to this machine's. If that cannot be read, no process can
/// be seen either, and the check of this one reports it: an event is not refused for it.
fn boot(said: Option<&str>) -> Result<String, Problem> {
    let Some(boot_id) = said else { return Ok(this_boot().unwrap_or_default()) };
    check_name("boot_id", "bad_boot_id", boot_id, MAX_BOOT_ID_BYTES)?;
    Ok(boot_id.to_owned())
}

/// Reads the boot id once: it does not change.
fn this_boot() -> Option<String> {
    static THIS: OnceLock<String> = OnceLock::new();
    if let Some(this) = THIS.get() {
        return Some(this.clone());
    }
    let this = Process::current().ok()?;
    Some(THIS.get_or_init(|| this.boot_id).clone())
}

fn read_lease(text: &str) -> Result<Duration, Problem> {
    let lease = read_duration("lease", text)?;
    if lease < MIN_LEASE || lease > MAX_LEASE {
        let (least, most) = (MIN_LEASE.as_secs(), MAX_LEASE.as_secs());
        let detail = format!("a lease has {least} to {most} seconds");
        return Err(Problem::bad_field("lease", "bad_lease", detail));
    }
    Ok(lease)
}

/// A duration such as `500ms`, `30s` or `2m`.
pub(crate) fn read_duration(field: &str, text: &str) -> Result<Duration, Problem> {
    let bad = || {
        let detail = format!("{field} must be a duration such as \"500ms\", \"30s\" or \"2m\"");
        Problem::bad_field(field, "bad_duration", detail)
    };
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).ok_or_else(bad)?;
    let number: u32 = number.parse().map_err(|_| bad())?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    Ok(Duration::from_millis(millis * u64::from(number)))
}

/// Refuses a name that is empty, too long or has control characters.
pub(crate) fn check_name(field: &str, code: &'static str, name: &str, most: usize) -> Result<(), Problem> {
    if name.is_empty() || name.len() > most || name.chars().any(char::is_control) {
        let detail = format!("{field} must have 1 to {most} bytes and no control characters");
        return Err(Problem::bad_field(field, code, detail));
    }
    Ok(())
}

/// Refuses an invalid tenant.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), Problem> {
    check_name("tenant", "bad_tenant", tenant, MAX_TENANT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl std::fmt::Debug, Problem>) -> serde_json::Value {
        serde_json::to_value(result.unwrap_err().document()).unwrap()["code"].clone()
    }

    #[test]
    fn durations_are_read_with_their_units_only() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("4h", 14_400_000), ("0s", 0)] {
            assert_eq!(read_duration("timeout", text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "s", "30", "-1s", "1.5s", "30 s", "1d", "9999999999s", "é"] {
            assert_eq!(code(read_duration("timeout", text)), "bad_duration", "{text}");
        }
    }

    #[test]
    fn a_pid_needs_its_start_time_and_a_lease_its_bounds() {
        let said = |query: OwnerQuery| query.said();
        assert_eq!(code(said(OwnerQuery { pid: Some(1), ..OwnerQuery::default() })), "missing_field");
        for lease in ["999ms", "25h"] {
            let query = OwnerQuery { lease: Some(lease.into()), ..OwnerQuery::default() };
            assert_eq!(code(said(query)), "bad_lease");
        }
        let query = OwnerQuery { owner: Some(String::new()), ..OwnerQuery::default() };
        assert_eq!(code(said(query)), "bad_owner");
        let query =
            OwnerQuery { pid: Some(4), start_time: Some(7), boot_id: Some("b".into()), ..OwnerQuery::default() };
        let said = said(query).unwrap();
        assert_eq!(said.process, Some(Process { pid: 4, start_time: 7, boot_id: "b".into() }));
        assert_eq!(said.name(), "4-7");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_boot_that_is_not_said_is_this_machines() {
        let query = OwnerQuery { pid: Some(4), start_time: Some(7), ..OwnerQuery::default() };
        let process = query.said().unwrap().process.unwrap();
        assert_eq!(process.boot_id, Process::current().unwrap().boot_id);
    }
}
