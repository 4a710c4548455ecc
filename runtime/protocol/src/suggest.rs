//! "Did you mean": suggests the nearest valid word.

/// Jaro-Winkler similarity from which a word is worth suggesting; clap uses the same for its own arguments.
const MIN_SIMILARITY: f64 = 0.7;

/// Returns the candidate most similar to `word`, if one is similar enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns the end of a sentence about an unknown word: the nearest candidate, or all of them.
pub fn hint(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("use {}", either(candidates)),
    }
}

/// Joins words as `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("{one:?}"),
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(|w| format!("{w:?}")).collect();
            format!("{} or {last:?}", rest.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_nonsense_is_not() {
        let keys = ["enabled", "budget"];
        assert_eq!(hint("bugdet", &keys), r#"did you mean "budget"?"#);
        assert_eq!(hint("Enabled", &keys), r#"did you mean "enabled"?"#);
        assert_eq!(hint("zzz", &keys), r#"use "enabled" or "budget""#);
        assert_eq!(hint("zzz", &["a", "b", "c"]), r#"use "a", "b" or "c""#);
    }
}
