//! What the plugin printed: one line for each event that it was told of.

use std::time::Instant;

use serde_json::Value;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// When its line was in the daemon's log.
    pub(crate) at: Instant,
    /// `session-start`, `session-end` or `session-compaction`.
    pub(crate) hook: String,
    pub(crate) id: String,
    pub(crate) generation: u32,
    words: String,
}

impl Heard {
    /// None: the line is the daemon's own, or of another kind.
    pub(super) fn read(line: &str, at: Instant) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        if line["target"] != "lastword::guest" {
            return None;
        }
        // session-end default/s1#1 reason=reset delivery=… attempt=1
        let (hook, rest) = line["message"].as_str()?.split_once(' ')?;
        let (session, words) = rest.split_once(' ')?;
        let (id, generation) = session.split_once('/')?.1.rsplit_once('#')?;
        let (hook, id, words) = (hook.to_owned(), id.to_owned(), words.to_owned());
        Some(Self { at, hook, id, generation: generation.parse().ok()?, words })
    }

    /// Whether it is about the session of the other.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (&self.id, self.generation) == (&other.id, other.generation)
    }

    pub(crate) fn is_start(&self) -> bool {
        self.hook == "session-start"
    }

    pub(crate) fn is_end(&self) -> bool {
        self.hook == "session-end"
    }

    pub(crate) fn is_compaction(&self) -> bool {
        self.hook == "session-compaction"
    }

    /// What is behind `name=`. A word of an owner's own may have spaces, up to the next name.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        let from = self.words.split_once(&format!("{name}="))?.1;
        let end = from.find('=').map_or(from.len(), |equals| from[..equals].rfind(' ').unwrap_or(equals));
        Some(from[..end].trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<Heard> {
        let line = serde_json::json!({"target": "lastword::guest", "plugin": "p", "message": message});
        Heard::read(&line.to_string(), Instant::now())
    }

    #[test]
    fn a_line_of_the_plugin_says_what_happened_to_which_session() {
        let heard = read("session-end default/a/b#c#2 reason=user-exit after=1.2s delivery=k.1/x attempt=1").unwrap();
        assert_eq!((heard.hook.as_str(), heard.id.as_str(), heard.generation), ("session-end", "a/b#c", 2));
        assert_eq!(heard.word("reason"), Some("user-exit"));
        assert_eq!(heard.word("attempt"), Some("1"));
        assert_eq!(heard.word("source"), None);
        let heard = read("session-end default/s#1 reason=two words delivery=k attempt=1").unwrap();
        assert_eq!(heard.word("reason"), Some("two words"));
    }

    #[test]
    fn other_lines_are_not_the_plugins() {
        assert!(
            Heard::read(r#"{"target":"lastword","message":"session-end default/s#1 x"}"#, Instant::now()).is_none()
        );
        assert!(Heard::read("listening", Instant::now()).is_none());
        assert!(read("hello").is_none());
    }
}
