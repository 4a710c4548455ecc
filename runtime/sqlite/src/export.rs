//! What an operator takes out of a journal: one JSON object a line.

use std::io::{self, Write};

use lastword_events::JournalName;
use lastword_journal::{DeliveryRow, SessionRow};
use serde::Serialize;
use serde_json::{Map, Value};

/// Writes what is in a journal: the journal's name, the active sessions, and all deliveries that were not made. Each is one JSON object on a
/// line of its own. With the name of a node each line says whose it is, so that lines of several journals can be told apart.
#[derive(Debug)]
pub struct Export<W> {
    out: W,
    journal: JournalName,
    node: Option<String>,
}

impl<W: Write> Export<W> {
    /// Begins with the line of the journal. `node` is the node of a cluster whose journal it is.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn begin(out: W, journal: JournalName, node: Option<&str>) -> io::Result<Self> {
        let mut export = Self { out, journal, node: node.map(str::to_owned) };
        export.line(Map::from_iter([("journal".to_owned(), journal.as_str().into())]))?;
        Ok(export)
    }

    /// Writes active sessions.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn sessions(&mut self, rows: impl IntoIterator<Item = SessionRow>) -> io::Result<()> {
        rows.into_iter().try_for_each(|row| self.row("session", &row))
    }

    /// Writes deliveries that were not made.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn deliveries(&mut self, rows: impl IntoIterator<Item = DeliveryRow>) -> io::Result<()> {
        rows.into_iter().try_for_each(|row| self.row("delivery", &row))
    }

    fn row(&mut self, what: &str, row: &impl Serialize) -> io::Result<()> {
        self.line(Map::from_iter([(what.to_owned(), serde_json::to_value(row)?)]))
    }

    fn line(&mut self, mut object: Map<String, Value>) -> io::Result<()> {
        if let Some(node) = &self.node {
            object.insert("journal".to_owned(), self.journal.as_str().into());
            object.insert("node".to_owned(), node.as_str().into());
        }
        writeln!(self.out, "{}", Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::Session;
    use serde_json::json;

    use super::*;

    fn exported(node: Option<&str>) -> Vec<Value> {
        let mut out = Vec::new();
        let mut export = Export::begin(&mut out, "abcd1234".parse().unwrap(), node).unwrap();
        export.sessions([SessionRow { sequence: 7, session: Session::new("acme", "s1"), compactions: 0 }]).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_of_one_of_several_journals_says_whose_it_is() {
        let session = json!({"tenant": "acme", "id": "s1", "generation": 0, "sequence": 7, "compactions": 0});
        assert_eq!(exported(None), [json!({"journal": "abcd1234"}), json!({"session": session})]);
        let of = |mut line: Value| {
            line["journal"] = "abcd1234".into();
            line["node"] = "a".into();
            line
        };
        assert_eq!(exported(Some("a")), [of(json!({})), of(json!({"session": session}))]);
    }
}
