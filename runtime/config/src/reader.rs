//! Reads values of a configuration, and collects mistakes, each with its place in the file.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lastword_events::printable;
use lastword_protocol::suggest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Mistakes, ReadComponent, Source};
use crate::limits::Sizes;
use crate::units;

/// A value with its place in the file.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Knows the places in the file, and collects the mistakes.
pub(super) struct Reader<'t> {
    path: &'t Path,
    directory: &'t Path,
    text: &'t str,
    read_component: ReadComponent<'t>,
    mistakes: RefCell<Vec<(usize, String)>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &Source<'t>) -> Self {
        let Source { path, directory, text, read_component } = *source;
        Self { path, directory, text, read_component, mistakes: RefCell::new(Vec::new()) }
    }

    /// Returns the base of relative paths in the file.
    pub(super) fn directory(&self) -> &'t Path {
        self.directory
    }

    /// Returns the content of a component's file.
    pub(super) fn component(&self, path: &Path) -> Result<Vec<u8>, String> {
        (self.read_component)(path)
    }

    /// Returns the line and the column of an offset, both counted from 1. Columns count characters.
    pub(super) fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Returns a place such as `lastword.toml:4:8`.
    pub(super) fn place(&self, at: usize) -> String {
        let (line, column) = self.line_and_column(at);
        format!("{}:{line}:{column}", printable(&self.path.to_string_lossy()))
    }

    pub(super) fn mistake(&self, span: Range<usize>, message: impl Into<String>) {
        self.mistakes.borrow_mut().push((span.start, message.into()));
    }

    /// Returns the result, or every mistake in the order of the file.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Mistakes> {
        let mut mistakes = self.mistakes.take();
        if mistakes.is_empty() {
            return Ok(read);
        }
        mistakes.sort_by_key(|(at, _)| *at);
        let told = mistakes.into_iter().map(|(at, message)| format!("{}: {message}", self.place(at)));
        Err(Mistakes(told.map(|mistake| printable(&mistake).into_owned()).collect()))
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &Value<'_>) {
        self.mistake(value.span(), format!("{key:?} must be {wanted}, not {}", describe(value.get_ref())));
    }

    /// Converts the value with `shape`. `wanted` describes the result, with an example.
    pub(super) fn shaped<'v, 'i, T>(
        &self,
        key: &str,
        wanted: &str,
        value: &'v Value<'i>,
        shape: impl FnOnce(&'v DeValue<'i>) -> Option<T>,
    ) -> Option<T> {
        let shaped = shape(value.get_ref());
        if shaped.is_none() {
            self.wrong_type(key, wanted, value);
        }
        shaped
    }

    pub(super) fn table<'v, 'i>(&self, key: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        self.shaped(key, "a table", value, DeValue::as_table)
    }

    pub(super) fn boolean(&self, key: &str, value: &Value<'_>) -> Option<bool> {
        self.shaped(key, "true or false", value, DeValue::as_bool)
    }

    /// Returns a string. `wanted` describes it, with an example.
    pub(super) fn string<'v>(&self, key: &str, wanted: &str, value: &'v Value<'_>) -> Option<&'v str> {
        self.shaped(key, wanted, value, DeValue::as_str)
    }

    /// Reports a mistake of the value as a whole.
    pub(super) fn checked<E: std::fmt::Display>(&self, key: &str, value: &Value<'_>, check: Result<(), E>) {
        if let Err(error) = check {
            self.mistake(value.span(), format!("{key}: {error}"));
        }
    }

    /// Parses a string with `parse`.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &str,
        wanted: &str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.string(key, wanted, value)?;
        parse(text).map_err(|error| self.mistake(value.span(), format!("{key}: {error}"))).ok()
    }

    /// Reads a path, relative to the file. `example` is one for messages.
    pub(super) fn path(&self, key: &str, example: &str, value: &Value<'_>) -> Option<PathBuf> {
        let wanted = format!("a path such as {example:?}");
        match self.string(key, &wanted, value)? {
            "" => {
                self.mistake(value.span(), format!("{key}: it is empty: write {wanted}, or leave it out"));
                None
            }
            text => Some(self.directory().join(text)),
        }
    }

    /// Reads a size such as "64MiB", in bytes.
    pub(super) fn size(&self, key: &str, value: &Value<'_>, sizes: &Sizes) -> Option<u64> {
        self.parsed(key, "a string such as \"1MiB\"", value, |text| units::size(text, sizes))
    }

    /// Reads a whole number from 1 to `most`.
    pub(super) fn count(&self, key: &str, value: &Value<'_>, most: u64) -> Option<u64> {
        let read = |value: &DeValue<'_>| {
            let integer = value.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| (1..=most).contains(n))
        };
        let wanted = match most {
            u64::MAX => "a whole number of at least 1".to_owned(),
            most => format!("a whole number from 1 to {}", units::show_count(most)),
        };
        self.shaped(key, &wanted, value, read)
    }
}

/// A table whose keys are all known.
pub(super) struct Table<'v, 'i> {
    table: &'v DeTable<'i>,
}

impl<'v, 'i> Table<'v, 'i> {
    /// Takes `table`, and reports every key that is not in `known`.
    pub(super) fn new(reader: &Reader<'_>, name: &str, table: &'v DeTable<'i>, known: &[&str]) -> Self {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let word = key.get_ref();
            reader.mistake(key.span(), format!("unknown key {word:?} in {name}: {}", suggest::hint(word, known)));
        }
        Self { table }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'v Value<'i>> {
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, value)| value)
    }
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
