//! What it costs to store something: sessions whose ends are counted under one key, beside sessions whose plugin stores
//! nothing, with either journal and in turns.

use lastword::events::PluginName;
use lastword::{Grants, KeyValueGrant, Limits, Sandbox, SandboxConfig, Source};

use crate::journal::{SESSIONS, in_memory, live_and_end, on_disk, start_runtime};
use crate::rounds::{median, per_item, say};
use crate::setup::tokio_with;

const ROUNDS: usize = 5;

/// Prints both sides and their ratio.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let load = |name: &str, key_value| {
        let source = Source::Bytes(lastword_test_guests::component(name));
        let grants = Grants { key_value, ..Grants::default() };
        anyhow::Ok(sandbox.load_with(PluginName::new(name)?, &source, Limits::default(), grants)?)
    };
    let plain = load("good", None)?;
    let counts = load("kv-counts", Some(KeyValueGrant { quota: 1 << 20 }))?;
    let dir = tempfile::tempdir()?;
    let (mut memory, mut disk) = ([vec![], vec![]], [vec![], vec![]]);
    for round in 0..ROUNDS {
        for (side, plugin) in [&plain, &counts].into_iter().enumerate() {
            let on_disk = on_disk(dir.path(), 2 * round + side)?;
            for (figures, journal) in [(&mut memory, in_memory()), (&mut disk, on_disk)] {
                let runtime = start_runtime(&sandbox, plugin, journal)?;
                let figure = per_item(SESSIONS, || tokio.block_on(live_and_end(&runtime)))?;
                figures.get_mut(side).into_iter().for_each(|figures| figures.push(figure));
            }
        }
    }
    say(format!("start, end and delivery of a session, median of {ROUNDS} × {SESSIONS}:"));
    for (name, [plain, counts]) in [("in memory", memory), ("on disk", disk)] {
        let (plain, counts) = (median(plain), median(counts));
        say(format!(
            "  journal {name:9}   stores nothing {plain:6.2} µs   counts {counts:6.2} µs   {:.2} ×",
            counts / plain
        ));
    }
    Ok(())
}
