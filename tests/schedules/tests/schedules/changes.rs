//! Somebody who installs, replaces, holds back and uninstalls plugins, while all the others go on.

use lastword_events::{EventKey, PluginKey, PluginName};
use lastword_fakes::sandbox::{MemoryAccount, Plugin};
use lastword_journal::DeliveryKey;
use lastword_on_shuttle::{InstallError, JournalError, Leave, Runtime, Tenants};
use shuttle::future::block_on;

use crate::draw::{chance, linger, one_of, up_to};
use crate::guest::Calls;
use crate::trace::trace;

/// Bytes that all calls have together: fewer than they want.
pub(crate) const MEMORY: u64 = 100;

/// So many changes at most.
const MOST_CHANGES: usize = 6;

/// The plugin that comes and goes. The others stay, in one version or another.
pub(crate) fn visitor() -> PluginName {
    PluginName::new("visitor").unwrap()
}

/// The end of a session, to that one.
pub(crate) fn end_to_visitor(sequence: u64) -> DeliveryKey {
    DeliveryKey { sequence, event: EventKey::End, plugin: visitor() }
}

/// A version of a plugin, as drawn.
pub(crate) fn draw_version(name: &PluginName, memory: &MemoryAccount) -> Plugin {
    let part = memory.part(one_of(&[MEMORY / 2, MEMORY]));
    Plugin::scripted(name.clone(), chance(1, 2)).with_memory(part, one_of(&[0, 0, 20, 60]))
}

/// Changes plugins until it has done all that it has to do.
pub(crate) fn change_plugins(runtime: &Runtime, memory: &MemoryAccount, calls: &Calls) {
    let visitor = visitor();
    let mut is_installed = false;
    for _ in 0..=up_to(MOST_CHANGES - 1) {
        linger();
        let name = if chance(1, 4) { PluginName::new("p0").unwrap() } else { visitor.clone() };
        let key = PluginKey::from(&name);
        if name == visitor && !is_installed {
            let installed = runtime.install(draw_version(&name, memory), Tenants::Every);
            trace!("operator: installs {key}: {installed:?}");
            is_installed = is_changed(&installed);
        } else if chance(1, 4) {
            hold_back(runtime, &key);
        } else if name == visitor && chance(2, 3) {
            let leave = one_of(&[Leave::Orphaned, Leave::Dropped]);
            trace!("operator: uninstalls {key}, {leave:?}");
            let uninstalled = block_on(runtime.uninstall(&key, leave));
            trace!("operator: {key} is uninstalled: {uninstalled:?}");
            // What a journal that is closed does not take keeps nobody installed.
            is_installed = matches!(uninstalled, Err(InstallError::Draining));
            if is_changed(&uninstalled) {
                assert!(calls.none_is_under_way_of(&name), "{key} is said to be uninstalled, and is called");
            }
        } else {
            let replaced = runtime.replace(draw_version(&name, memory));
            trace!("operator: replaces {key}: {replaced:?}");
            is_changed(&replaced);
        }
    }
}

/// A change is made, or it comes too late.
fn is_changed<T: std::fmt::Debug>(changed: &Result<T, InstallError>) -> bool {
    let too_late = matches!(changed, Err(InstallError::Draining | InstallError::Journal(JournalError::Closed)));
    assert!(changed.is_ok() || too_late, "{changed:?}");
    !too_late
}

fn hold_back(runtime: &Runtime, key: &PluginKey) {
    let paused = runtime.pause(key);
    trace!("operator: holds {key} back: {paused:?}");
    let paused = paused.expect("it is installed");
    if chance(1, 2) {
        block_on(paused.idle());
    }
    linger();
    trace!("operator: lets {key} go on");
}
