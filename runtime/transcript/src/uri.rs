//! From an owner's uri to the bytes of a path.

use std::borrow::Cow;

use crate::TranscriptError;

/// The absolute path that a uri names. A plain path is taken as it is; a `file:` uri is decoded. What the path leads to
/// is not looked at here: an encoded `/` or `..` is found out afterwards like any other.
pub(crate) fn path(uri: &str) -> Result<Cow<'_, [u8]>, TranscriptError> {
    let path = if uri.starts_with('/') { Some(Cow::Borrowed(uri.as_bytes())) } else { file(uri).map(Cow::Owned) };
    path.filter(|path| !path.contains(&0)).ok_or(TranscriptError::Opaque)
}

fn file(uri: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/')?);
            (host.is_empty() || host.eq_ignore_ascii_case("localhost")).then_some(path)?
        }
        None => rest,
    };
    // A query or a fragment belongs to a document, not to a file; in names they are encoded.
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return None;
    }
    decode(path)
}

/// Percent-decoding. None if a `%` is not followed by two hexadecimal digits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_uris_of_this_machine_name_a_path() {
        for (uri, expected) in [
            ("/w/s.jsonl", "/w/s.jsonl"),
            ("/w/100%25 a?b#c", "/w/100%25 a?b#c"),
            ("//w/s", "//w/s"),
            ("file:///w/s.jsonl", "/w/s.jsonl"),
            ("FILE://LocalHost/w/s", "/w/s"),
            ("file:/w/s", "/w/s"),
            ("file:///w/a%20b%25%C3%a4", "/w/a b%ä"),
            ("file:///w/%2e%2E%2fx", "/w/../x"),
        ] {
            assert_eq!(path(uri).unwrap(), expected.as_bytes(), "{uri}");
        }
        assert_eq!(path("file:///w/%ff").unwrap(), &b"/w/\xff"[..]);
    }

    #[test]
    fn everything_else_is_opaque() {
        for uri in [
            "",
            "s.jsonl",
            "./s.jsonl",
            "../s",
            "~/s",
            "sqlite:/w/agents.db?session=1",
            "sqlite:…",
            "https://example.com/s",
            "file:",
            "file://",
            "file:s.jsonl",
            "file://host",
            "file://host/w/s",
            "file://localhost.example/w/s",
            "file://user@localhost/w/s",
            "file:///w/s?x",
            "file:///w/s#x",
            "file:///w/%",
            "file:///w/%4",
            "file:///w/%zz",
            "file:///w/%+1",
            "file:///w/%00",
            "/w/s\0",
            " /w/s",
            "C:\\w\\s",
        ] {
            assert!(matches!(path(uri), Err(TranscriptError::Opaque)), "{uri:?}");
        }
    }
}
