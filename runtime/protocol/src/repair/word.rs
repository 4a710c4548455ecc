//! Numbers, and JSON's words.

use super::lost::Lost;

/// Whether the byte can be part of a number or a word.
pub(super) fn has(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'$')
}

/// Returns why it cannot be kept, if it cannot.
pub(super) fn judge(word: &[u8]) -> Option<Lost> {
    match word {
        b"true" | b"false" | b"null" => None,
        b"NaN" | b"Infinity" | b"-Infinity" => Some(Lost::Number),
        _ if !is_number(word) => Some(Lost::Word),
        _ => {
            let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok());
            number.is_none_or(f64::is_infinite).then_some(Lost::Number)
        }
    }
}

/// Whether it is a JSON number: `-12.5e+3`.
fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let (whole, rest) = digits(word);
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some(([], _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    let exponent = match rest {
        [] => None,
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => Some(digits),
        _ => return false,
    };
    (whole == b"0" || !matches!(whole, [] | [b'0', ..]))
        && exponent.is_none_or(|exponent| matches!(digits(exponent), ([_, ..], [])))
}

/// Splits off the digits at its beginning.
fn digits(word: &[u8]) -> (&[u8], &[u8]) {
    word.split_at(word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len()))
}
