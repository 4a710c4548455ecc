//! The mark for a part of a line that cannot be repaired.

/// The name of the field that marks a lost part.
pub const LOST: &str = "\0";

/// Why a part is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The part has a backslash that begins no escape.
    Escape,
    /// The part is longer than the limit of a text or a number.
    Long,
    /// The part is nested too deeply.
    Deep,
    /// The part is no JSON number, or a number beyond 1.8e308.
    Number,
    /// The part is missing, or a word that JSON does not have.
    Word,
    /// The part is the fields of an object after its limit.
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

    /// Parses the reason of the field [`LOST`].
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lost| lost.word() == word)
    }
}
