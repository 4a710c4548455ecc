//! What stands for the part of a line that cannot be repaired.

/// The name of the field that stands for what is lost.
pub const LOST: &str = "\0";

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A backslash in it begins no escape.
    Escape,
    /// It is longer than what is kept of a text or a number.
    Long,
    /// Too many objects and lists in each other.
    Deep,
    /// No JSON number, or one beyond 1.8e308.
    Number,
    /// Nothing, or a word that JSON does not have.
    Word,
    /// Of an object: the fields that came after what is kept of one.
    Rest,
}

impl Lost {
    const ALL: [Self; 6] = [Self::Escape, Self::Long, Self::Deep, Self::Number, Self::Word, Self::Rest];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Escape => "escape",
            Self::Long => "long",
            Self::Deep => "deep",
            Self::Number => "number",
            Self::Word => "word",
            Self::Rest => "rest",
        }
    }

    /// The reason that the field [`LOST`] gives.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lost| lost.word() == word)
    }
}
