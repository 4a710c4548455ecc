//! `[owner]`: the format of the input, and what is kept of it.

use lastword_protocol::owners::{InputFormat, InputSettings};
use toml::de::DeValue;

use super::Mistakes;
use super::reader::{Reader, Table, Value};

/// `[owner]`: how its payloads are read.
#[derive(Debug, Default)]
pub struct Owner {
    /// Fields that become attributes beside those that always do.
    keep: Vec<Name>,
}

/// A field, and where the file names it.
#[derive(Debug)]
struct Name {
    field: String,
    place: String,
}

impl Owner {
    /// How lines are read that are in these words. The file does not say whose they are, so only now is it known which names
    /// there are.
    ///
    /// # Errors
    /// Lists every name that is none.
    pub fn format(&self, from: InputFormat) -> Result<InputSettings, Mistakes> {
        InputSettings::from(from).keeping(self.keep.iter().map(|name| name.field.as_str())).map_err(|mistakes| {
            let told = self.keep.iter().enumerate().flat_map(|(at, name)| {
                let of_it = mistakes.iter().filter(move |(place, _)| *place == at);
                of_it.map(|(_, mistake)| format!("{}: keep: {mistake}", name.place))
            });
            Mistakes(told.collect())
        })
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

    use super::super::{Config, Source};
    use super::*;

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
    fn a_keep_that_is_no_list_of_texts_is_a_mistake() {
        for keep in ["\"title\"", "[1]", "true"] {
            let error = parse(&format!("[owner]\nkeep = {keep}\n")).unwrap_err().to_string();
            assert!(error.contains("\"keep\" must be a list of fields"), "{error}");
        }
    }
}
