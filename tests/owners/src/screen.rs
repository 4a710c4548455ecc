//! What a terminal was sent, as text to look for words in.

/// The characters that are shown, without spaces and line breaks: agents move the cursor where others write a space.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut rest),
            character if character.is_whitespace() || character.is_control() => (),
            character => shown.push(character),
        }
    }
    shown
}

/// Whether a text is shown, without regard to spaces.
pub(crate) fn shows(bytes: &[u8], text: &str) -> bool {
    let wanted: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    shown(bytes).contains(&wanted)
}

/// The rest of an escape sequence (ECMA-48).
fn skip_sequence(rest: &mut impl Iterator<Item = char>) {
    match rest.next() {
        // Parameters, and one final character.
        Some('[') => {
            rest.find(|character| ('@'..='~').contains(character));
        }
        // Text, up to BEL or ESC \.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(character) = rest.next() {
                if character == '\u{7}' {
                    break;
                }
                if character == '\u{1b}' {
                    rest.next();
                    break;
                }
            }
        }
        // The name of a character set is one more.
        Some('(' | ')' | '#' | '%') => {
            rest.next();
        }
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_is_between_their_letters() {
        let drawn = "\x1b[2J\x1b]0;title\x07\x1b[1mAsk\x1b[22m\x1b[1Cany\x1b(Bthing\r\n\x1b]8;;x\x1b\\…\x1b_Ga=q\x1b\\"
            .as_bytes();
        assert_eq!(shown(drawn), "Askanything…");
        assert!(shows(drawn, "Ask anything") && !shows(drawn, "title"));
    }

    #[test]
    fn a_sequence_that_is_cut_off_shows_nothing() {
        assert_eq!(shown(b"a\x1b[12"), "a");
        assert_eq!(shown(b"a\x1b]0;ti"), "a");
        assert_eq!(shown(b"a\x1b"), "a");
    }
}
