//! Names of WIT (`session-end`) in the manner of JavaScript.

/// What a parameter cannot be called in JavaScript modules, among the words that WIT allows.
const RESERVED: [&str; 20] = [
    "arguments",
    "await",
    "case",
    "class",
    "const",
    "default",
    "delete",
    "eval",
    "export",
    "extends",
    "finally",
    "for",
    "function",
    "in",
    "interface",
    "new",
    "package",
    "this",
    "var",
    "with",
];

/// `sessionEnd`
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |joined, word| joined + &capital(word))
}

/// `SessionEnd`
pub(crate) fn pascal(name: &str) -> String {
    name.split('-').map(capital).collect()
}

/// As [`camel`], and no reserved word.
pub(crate) fn parameter(name: &str) -> String {
    let mut name = camel(name);
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_in_javascript() {
        assert_eq!(camel("next-session-id"), "nextSessionId");
        assert_eq!(pascal("session-end-event"), "SessionEndEvent");
        assert_eq!(parameter("in"), "in_", "a parameter cannot bear a keyword");
    }
}
