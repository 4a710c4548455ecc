//! Quotes and splits commands of a POSIX shell.

/// Quotes a word for a shell.
pub(super) fn for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Splits a command into its words. `None` if it is not a single command: it has a pipe, a redirection, a substitution
/// or a second command.
pub(super) fn words(command: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    // The word that is being read. Quotation marks begin a word, even an empty one.
    let (mut word, mut quote) = (None::<String>, None);
    let mut characters = command.trim().chars().peekable();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('`', Some('"')) => return None,
            ('$', Some('"')) if characters.peek() == Some(&'(') => return None,
            ('\\', Some('"')) => {
                let escaped = characters.next_if(|c| "$`\"\\".contains(*c));
                word.get_or_insert_default().push(escaped.unwrap_or(c));
            }
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().push(characters.next()?),
            (' ' | '\t', None) => words.extend(word.take()),
            (';' | '&' | '|' | '<' | '>' | '$' | '`' | '(' | ')' | '\n' | '\r', None) => return None,
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        for (command, expected) in [
            ("a  b\tc\n", vec!["a", "b", "c"]),
            (r#"'a b'"c d"\ e ''"#, vec!["a bc d e", ""]),
            (r#""a\"b\\c\d $HOME" '$(x)`;'"#, vec![r#"a"b\c\d $HOME"#, "$(x)`;"]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        for other in
            ["a; b", "a&&b", "a | b", "a > b", "a $b", "a `b`", "a \"`b`\"", "a \"$(b)\"", "a\nb", "(a)", "'a", "a\\"]
        {
            assert_eq!(words(other), None, "{other}");
        }
    }

    #[test]
    fn a_word_that_is_written_for_a_shell_is_read_as_it_was() {
        for word in ["", "a", "/a b", "it's", "a\"b", "$(a)", "a;b&c|d`e", "a\nb", "\\"] {
            assert_eq!(words(&for_shell(word)).unwrap(), [word], "{word}");
        }
    }
}
