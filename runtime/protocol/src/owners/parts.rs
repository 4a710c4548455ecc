//! The objects of one payload that may contain a field.

use lastword_events::limits::{
    MAX_ATTRIBUTE_NAME_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES,
};
use lastword_events::{Attributes, Timestamp};

use super::keep::Keep;
use crate::bad_line::BadLine;
use crate::fields::Fields;

/// The objects of one payload that may contain its fields. The first of a field's names that any object has
/// counts, and of several objects with it the first: owners move and rename fields between versions.
pub(super) struct Parts(Vec<Fields>);

impl Parts {
    /// Takes the payload itself, and its inner objects of these names.
    pub(super) fn of(mut payload: Fields, inner: &[&str]) -> Self {
        let inner: Vec<Fields> = inner.iter().filter_map(|name| payload.object_if(name)).collect();
        Self([payload].into_iter().chain(inner).collect())
    }

    /// Whether the field is present and no empty text.
    pub(super) fn says(&self, name: &str) -> bool {
        self.0.iter().any(|fields| fields.has(name) && fields.text(name) != Some(""))
    }

    fn find<T>(&mut self, names: &[&str], take: impl Fn(&mut Fields, &str) -> Option<T>) -> Option<T> {
        let Self(parts) = self;
        names.iter().find_map(|name| {
            // Taken from every object, so that no field is kept twice.
            parts.iter_mut().map(|fields| take(fields, name)).fold(None, Option::or)
        })
    }

    pub(super) fn text(&mut self, names: &[&str]) -> Option<String> {
        self.find(names, Fields::string_if)
    }

    pub(super) fn first_of_list(&mut self, names: &[&str]) -> Option<String> {
        self.find(names, Fields::first_string_if)
    }

    pub(super) fn count(&mut self, names: &[&str]) -> Option<u32> {
        self.find(names, Fields::count_if)
    }

    pub(super) fn time(&mut self, names: &[&str]) -> Option<Timestamp> {
        self.find(names, Fields::time_if)
    }

    /// Returns the error that the first of these fields is missing, or the error for which one was dropped.
    pub(super) fn missing(&self, names: &[&str]) -> BadLine {
        if let Some(bad) = names.iter().find_map(|name| self.0.iter().find_map(|fields| fields.was_dropped(name))) {
            return bad;
        }
        let name = names.first().copied().unwrap_or_default();
        self.0.first().map_or_else(|| Fields::default().missing(name), |fields| fields.missing(name))
    }

    /// Returns the kept texts, as far as they fit.
    ///
    /// An owner does not know that we keep them, so a text that is too long does not refuse the event.
    pub(super) fn kept(mut self, keep: &Keep<'_>) -> Attributes {
        let mut kept = Attributes::new();
        let mut total = 0;
        for name in keep.names() {
            let Some(value) = self.text(&[name]) else { continue };
            let size = name.len() + value.len();
            let fits = name.len() <= MAX_ATTRIBUTE_NAME_BYTES
                && value.len() <= MAX_ATTRIBUTE_VALUE_BYTES
                && kept.len() < MAX_ATTRIBUTES
                && total + size <= MAX_ATTRIBUTES_BYTES;
            if fits {
                total += size;
                kept.push((name.to_owned(), value));
            }
        }
        kept
    }
}

impl From<Vec<Fields>> for Parts {
    fn from(parts: Vec<Fields>) -> Self {
        Self(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, inner: &[&str]) -> Parts {
        Parts::of(Fields::of_line(text.as_bytes()).unwrap(), inner)
    }

    #[test]
    fn a_fact_is_found_in_whichever_part_has_it_under_whichever_name() {
        let mut parts = parts(r#"{"info":{"id":"s","cwd":"/in"},"cwd":"/out","n":4.0}"#, &["info", "absent"]);
        assert!(parts.says("id") && !parts.says("info"));
        assert_eq!(parts.text(&["sessionID", "id"]).as_deref(), Some("s"));
        assert_eq!(parts.text(&["cwd"]).as_deref(), Some("/out"), "the payload itself comes first");
        assert_eq!(parts.text(&["cwd"]), None, "and what it hides is gone");
        assert_eq!(parts.count(&["n"]), Some(4));
        assert_eq!(parts.missing(&["sessionID", "id"]).field.as_deref(), Some("sessionID"));
    }

    #[test]
    fn only_what_is_listed_is_kept_and_never_too_much_of_it() {
        let long = "x".repeat(MAX_ATTRIBUTE_VALUE_BYTES + 1);
        let text =
            format!(r#"{{"model":"m","prompt":"p","trigger":"{long}","n":1,"in":{{"model":"other","mode":"a"}}}}"#);
        let keep = Keep { always: &["model", "trigger", "mode", "n"], also: &[] };
        assert_eq!(parts(&text, &["in"]).kept(&keep), [("model".into(), "m".into()), ("mode".into(), "a".into())]);
        let keep = Keep { also: &["prompt"], ..keep };
        assert!(parts(&text, &[]).kept(&keep).contains(&("prompt".into(), "p".into())));
    }
}
