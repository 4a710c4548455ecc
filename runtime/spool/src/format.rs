//! The format of an event's file: a line with the length and the checksum of the rest, a line of JSON, and the
//! payload's bytes as they came.
//!
//! ```text
//! lastword-spool 1 142 9f86d081884c7d65…
//! {"owner":"claude-code","op_id":"…","wall_ms":…}
//! {"hook_event_name":"SessionEnd",…}
//! ```

use sha2::{Digest as _, Sha256};

use crate::event::SpooledEvent;
use crate::limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// The beginning of every file: its magic, and the version of the format.
const MAGIC: &str = "lastword-spool 1 ";

/// The longest first line, in bytes: the magic, a length, a checksum in hexadecimal, and separators.
const MAX_FIRST_LINE_BYTES: usize = 128;

/// The largest file, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = MAX_FIRST_LINE_BYTES + MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES;

/// Encodes an event as a file.
pub(crate) fn encode(event: &SpooledEvent) -> serde_json::Result<Vec<u8>> {
    let mut body = serde_json::to_vec(event)?;
    body.push(b'\n');
    body.extend_from_slice(&event.payload);
    let mut file = format!("{MAGIC}{} {:x}\n", body.len(), Sha256::digest(&body)).into_bytes();
    file.append(&mut body);
    Ok(file)
}

/// Parses a file.
///
/// # Errors
/// The file's mistake.
pub(crate) fn decode(file: &[u8]) -> Result<SpooledEvent, String> {
    let (first, body) = split_line(file).ok_or("it has no whole line")?;
    let first = std::str::from_utf8(first).ok().and_then(|first| first.strip_prefix(MAGIC));
    let first = first.ok_or("it does not begin as version 1 of a spool's file does")?;
    let (length, checksum) = first.split_once(' ').ok_or("its first line is broken")?;
    if length != body.len().to_string() {
        return Err(format!("it has {} bytes after its first line, and others were written", body.len()));
    }
    if format!("{:x}", Sha256::digest(body)) != checksum {
        return Err("its checksum is wrong".to_owned());
    }
    let (header, payload) = split_line(body).ok_or("it has no header")?;
    let event: SpooledEvent =
        serde_json::from_slice(header).map_err(|error| format!("its header is wrong: {error}"))?;
    Ok(SpooledEvent { payload: payload.to_vec(), ..event })
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use lastword_process::Process;

    use super::*;
    use crate::limits::MAX_TEXT_CHARS;
    use crate::stamp::Stamp;

    fn event(payload: &[u8]) -> SpooledEvent {
        SpooledEvent::new("claude-code", &Stamp::now(), payload.to_vec())
    }

    #[test]
    fn an_event_is_read_as_it_was_written_whatever_its_payload() {
        let largest = vec![b'x'; MAX_PAYLOAD_BYTES];
        for payload in [&b""[..], b"{}", b"{\n}\n", b"\xff\x00\n", &largest] {
            let process = Process { pid: 1, start_time: 2, boot_id: "b".into() };
            let event = SpooledEvent { process: Some(process), ..event(payload).named(Some("sessionEnd")) };
            let file = encode(&event).unwrap();
            assert!(file.len() <= MAX_FILE_BYTES);
            assert_eq!(decode(&file).unwrap(), event);
        }
    }

    #[test]
    fn every_byte_that_is_wrong_missing_or_too_many_is_noticed() {
        let file = encode(&event(b"{\"session_id\":\"s\"}")).unwrap();
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 1;
            assert!(decode(&broken).is_err(), "byte {at}");
            assert!(decode(&file[..at]).is_err(), "{at} bytes");
        }
        assert!(decode(&[&file[..], b"x"].concat()).is_err());
    }

    #[test]
    fn the_longest_words_fit_beside_a_payload() {
        let long = "\u{1}".repeat(10 * MAX_TEXT_CHARS);
        let event = SpooledEvent::new(&long, &Stamp::now(), Vec::new()).named(Some(&long)).refused_for(&long);
        assert!(encode(&event).unwrap().len() <= MAX_HEADER_BYTES);
    }
}
