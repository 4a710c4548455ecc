//! The property of configurations.

use std::collections::HashSet;
use std::path::Path;

use lastword_config::{Config, Source};
use lastword_events::is_plain;
use lastword_protocol::owners::InputFormat;

/// A file that is no component has a name without `good` in it.
fn read_component(path: &Path) -> Result<Vec<u8>, String> {
    let is_there = path.to_string_lossy().contains("good");
    is_there.then(|| b"component".to_vec()).ok_or_else(|| "there is no component".to_owned())
}

/// Whatever is in a configuration, it is read, or every mistake in it is told with its place and in words of its own, on one line. What
/// is read keeps the bounds that the limits have.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let path = Path::new("lastword.toml");
    let source = Source { path, directory: Path::new("/etc"), text, read_component: &read_component };
    match Config::parse(&source) {
        Ok(config) => {
            let names: HashSet<&str> = config.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
            assert_eq!(names.len(), config.plugins.len(), "{names:?}");
            assert!(config.plugins.iter().all(|plugin| plugin.component == b"component"));
            assert!(config.drain.budget >= lastword_config::limits::MIN_DURATION);
            for input_format in InputFormat::ALL {
                if let Err(mistakes) = config.owner.format(input_format) {
                    check_places(&mistakes.0, text);
                }
            }
            // Whoever looks into the journal alone finds the same one.
            assert_eq!(Config::parse_journal(&source).ok(), Some(config.journal));
        }
        Err(mistakes) => check_places(&mistakes.0, text),
    }
}

fn check_places(mistakes: &[String], text: &str) {
    assert!(!mistakes.is_empty());
    let lines = text.matches('\n').count() + 1;
    for mistake in mistakes {
        let place = mistake.strip_prefix("lastword.toml:").unwrap_or_else(|| panic!("{mistake:?}"));
        let line = place.split(':').next().and_then(|line| line.parse::<usize>().ok());
        assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{mistake:?}, of {lines} lines");
        assert!(mistake.chars().all(is_plain), "{mistake:?}");
    }
}
