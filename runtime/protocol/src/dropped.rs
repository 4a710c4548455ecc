//! The fields that were dropped from an event, for the answer to its owner.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bad_line::BadLine;
use crate::limits::MAX_NAMED_DROPPED;

/// The fields dropped so far from one line. All objects of the line share this value.
#[derive(Clone, Debug, Default)]
pub struct DroppedFields(Rc<RefCell<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    first: Vec<BadLine>,
    /// The number of further dropped fields.
    more: usize,
}

impl DroppedFields {
    /// Records a field that cannot be read.
    pub(crate) fn note(&self, bad: BadLine) {
        let mut entries = self.0.borrow_mut();
        if entries.first.len() < MAX_NAMED_DROPPED {
            entries.first.push(bad);
        } else {
            entries.more += 1;
        }
    }

    /// Returns the first dropped field, as an error.
    #[must_use]
    pub fn first(&self) -> Option<BadLine> {
        self.0.borrow().first.first().cloned()
    }

    /// Returns the error of this field.
    pub(crate) fn of(&self, field: &str) -> Option<BadLine> {
        self.0.borrow().first.iter().find(|bad| bad.field.as_deref() == Some(field)).cloned()
    }

    /// Returns a sentence for each field, which begins with the field's name.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let entries = self.0.borrow();
        let more = (entries.more > 0).then(|| format!("{} more fields", entries.more));
        entries.first.iter().map(|bad| bad.message.clone()).chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_up_to_a_limit_and_counted_from_there() {
        let dropped = DroppedFields::default();
        assert_eq!((dropped.first(), dropped.sentences().len()), (None, 0));
        for i in 0..MAX_NAMED_DROPPED + 3 {
            dropped.note(BadLine::field(format!("f{i}"), "wrong_type", format!("f{i} is bad")));
        }
        let sentences = dropped.sentences();
        assert_eq!(
            (sentences.first().unwrap().as_str(), sentences.last().unwrap().as_str()),
            ("f0 is bad", "3 more fields")
        );
        assert_eq!(sentences.len(), MAX_NAMED_DROPPED + 1);
        assert_eq!(dropped.first().unwrap().field.as_deref(), Some("f0"));
    }
}
