//! An owner's word in a message of ours.

use crate::limits::MAX_QUOTED_CHARS;

/// The word in quotation marks, escaped, and cut when it is long: an error must not be longer than what it is about.
pub fn quoted(word: &str) -> String {
    format!("{:?}", clipped(word))
}

/// The word's beginning, with a mark when something is missing.
pub fn clipped(word: &str) -> String {
    clipped_to(word, MAX_QUOTED_CHARS)
}

/// The same with so many characters.
pub fn clipped_to(word: &str, chars: usize) -> String {
    match word.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_word_is_cut_between_characters() {
        assert_eq!(quoted("a\n"), r#""a\n""#);
        let long = quoted(&"é".repeat(1_000_000));
        assert_eq!(long.chars().count(), MAX_QUOTED_CHARS + 3);
        assert!(long.ends_with("é…\""));
    }
}
