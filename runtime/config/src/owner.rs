//! `[owner]`: the format of the input, and the kept fields.

use lastword_protocol::owners::{InputFormat, InputSettings};
use toml::de::DeValue;

use super::reader::{Reader, Table, Value};
use super::source::Mistakes;

/// `[owner]`: how the owner's payloads are read.
#[derive(Debug, Default)]
pub struct Owner {
    /// Fields that become attributes in addition to the defaults.
    keep: Vec<Name>,
}

/// A field, and its place in the file.
#[derive(Debug)]
struct Name {
    field: String,
    place: String,
}

impl Owner {
    /// Returns the settings for input in this format. The file does not name the format, so the field names can be
    /// checked only now.
    ///
    /// # Errors
    /// Lists every unknown name.
    pub fn format(&self, from: InputFormat) -> Result<InputSettings, Mistakes> {
        InputSettings::from(from).keeping(self.keep.iter().map(|name| name.field.as_str())).map_err(|mistakes| {
            let told = self.keep.iter().enumerate().flat_map(|(at, name)| {
                let of_it = mistakes.iter().filter(move |(place, _)| *place == at);
                of_it.map(|(_, mistake)| format!("{}: keep: {mistake}", name.place))
            });
            Mistakes(told.collect())
        })
    }

    /// Returns the settings for each owner's payloads, for a daemon, which serves all owners. Each owner keeps those
    /// fields that it has. Formats without further kept fields are omitted.
    ///
    /// # Errors
    /// Lists every name that no owner has.
    pub fn formats(&self) -> Result<Vec<InputSettings>, Mistakes> {
        let has = |format: InputFormat, field: &str| InputSettings::from(format).keeping([field]).is_ok();
        let nobodys = self.keep.iter().filter(|name| !InputFormat::ALL.iter().any(|format| has(*format, &name.field)));
        let nobodys =
            nobodys.map(|name| format!("{}: keep: no owner's payloads have a field {:?}", name.place, name.field));
        let mistakes: Vec<String> = nobodys.collect();
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        let kept = InputFormat::ALL.into_iter().filter_map(|format| {
            let fields: Vec<&str> = self.keep().filter(|field| has(format, field)).collect();
            if fields.is_empty() { None } else { InputSettings::from(format).keeping(fields).ok() }
        });
        Ok(kept.collect())
    }

    /// Returns the fields that are kept in addition to the defaults.
    pub fn keep(&self) -> impl Iterator<Item = &str> {
        self.keep.iter().map(|name| name.field.as_str())
    }
}

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Owner> {
    let table = Table::new(reader, "[owner]", reader.table("owner", value)?, &["keep"]);
    let Some(keep) = table.get("keep") else { return Some(Owner::default()) };
    let wanted = "a list of fields such as [\"compact_summary\"]";
    let fields = reader.shaped("keep", wanted, keep, DeValue::as_array)?;
    let name = |value: &Value<'_>| {
        let field = reader.string("keep", wanted, value)?.to_owned();
        Some(Name { field, place: reader.place(value.span().start) })
    };
    Some(Owner { keep: fields.iter().filter_map(name).collect() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Config, Source};

    fn parse(text: &str) -> Result<Config, Mistakes> {
        let path = Path::new("lastword.toml");
        Config::parse(&Source { path, directory: Path::new(""), text, read_component: &|_| Ok(Vec::new()) })
    }

    fn keep(names: &str) -> Config {
        parse(&format!("[owner]\nkeep = [{names}]\n")).unwrap()
    }

    fn mistakes(names: &str, from: InputFormat) -> String {
        keep(names).owner.format(from).unwrap_err().to_string()
    }

    #[test]
    fn what_is_kept_may_be_nothing() {
        assert!(Config::default().owner.format(InputFormat::Lastword).is_ok());
        assert!(parse("[owner]\n").unwrap().owner.keep.is_empty());
        assert!(keep(r#""compact_summary", "model""#).owner.format(InputFormat::ClaudeCode).is_ok());
    }

    #[test]
    fn a_field_that_an_owner_does_not_have_is_named_with_its_place_and_those_that_it_has() {
        assert_eq!(
            mistakes(r#""compact_sumary", "model", "zzz""#, InputFormat::ClaudeCode),
            "lastword.toml:2:9: keep: \"compact_sumary\" is no field that Claude Code's payloads can keep: did you mean \
             \"compact_summary\"?\nlastword.toml:2:36: keep: \"zzz\" is no field that Claude Code's payloads can keep: use \
             \"compact_summary\", \"custom_instructions\" or \"session_title\""
        );
        assert_eq!(
            mistakes(r#""message""#, InputFormat::Goose),
            "lastword.toml:2:9: keep: goose's payloads have nothing more to keep: leave \"message\" out"
        );
        let own = mistakes(r#""title""#, InputFormat::Lastword);
        assert!(own.starts_with("lastword.toml:2:9: keep: ") && own.contains("name the owner with --from"), "{own}");
    }

    #[test]
    fn a_daemon_keeps_of_each_owner_what_that_one_has() {
        assert!(Config::default().owner.formats().unwrap().is_empty());
        assert_eq!(keep(r#""compact_summary""#).owner.formats().unwrap().len(), 2, "Claude Code and Qwen Code");
        let nobodys = keep(r#""compact_summary", "zzz""#).owner.formats().unwrap_err().to_string();
        assert_eq!(nobodys, "lastword.toml:2:28: keep: no owner's payloads have a field \"zzz\"");
    }

    #[test]
    fn a_keep_that_is_no_list_of_texts_is_a_mistake() {
        for keep in ["\"title\"", "[1]", "true"] {
            let error = parse(&format!("[owner]\nkeep = {keep}\n")).unwrap_err().to_string();
            assert!(error.contains("\"keep\" must be a list of fields"), "{error}");
        }
    }
}
