//! What clients and servers of NATS send each other, cut into frames: a line, and its payload where it announces one.

use std::io::{self, BufRead, Read};

/// A line takes 4 KiB at most, `INFO` and `CONNECT` some more.
const MAX_LINE: u64 = 1 << 20;

/// One frame as it was sent.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    /// The length of the line with its end. The payload follows.
    line: usize,
    /// The length of the headers that the payload begins with.
    headers: usize,
}

impl Frame {
    /// The next one. None: the connection was closed.
    ///
    /// # Errors
    /// The connection fails, or says what is no frame.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        let line = bytes.len();
        if !bytes.ends_with(b"\n") {
            // What was cut off in the middle is nothing.
            return Ok(None);
        }
        let (headers, payload) = announced(&bytes).unwrap_or_default();
        if payload > 0 {
            bytes.resize(line + payload, 0);
            from.read_exact(bytes.get_mut(line..).unwrap_or_default())?;
        }
        Ok(Some(Self { bytes, line, headers }))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The subject of a message that a client publishes.
    pub(crate) fn published(&self) -> Option<&str> {
        self.subject_of(&["PUB", "HPUB"])
    }

    /// The subject of a message that a server delivers.
    pub(crate) fn delivered(&self) -> Option<&str> {
        self.subject_of(&["MSG", "HMSG"])
    }

    /// What comes after the headers.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.line + self.headers..).map(<[u8]>::trim_ascii_end).unwrap_or_default()
    }

    fn subject_of(&self, verbs: &[&str]) -> Option<&str> {
        let line = self.bytes.get(..self.line)?;
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let verb = words.next()?;
        verbs.contains(&verb).then(|| words.next()).flatten()
    }
}

/// How long the headers are that a line announces, and how long all that follows it is with its end.
fn announced(line: &[u8]) -> Option<(usize, usize)> {
    let words: Vec<_> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
    let number = |from_the_end: usize| words.get(words.len().checked_sub(from_the_end)?)?.parse::<usize>().ok();
    let with_end = |payload: usize| payload.checked_add(2);
    match *words.first()? {
        "PUB" | "MSG" => Some((0, with_end(number(1)?)?)),
        "HPUB" | "HMSG" => Some((number(2)?, with_end(number(1)?)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_bytes_is_cut_into_frames_and_nothing_is_added_or_lost() {
        let said = "INFO {\"max_payload\":1}\r\nPING\r\nMSG a.b 1 3\r\nx\r\n\r\nHMSG _INBOX.q 2 d.e 12 14\r\nNATS/1.0\r\n\r\n{}\r\n+OK\r\n\
                    PUB a 0\r\n\r\nHPUB c r 12 13\r\nNATS/1.0\r\n\r\n7\r\n";
        let mut from = said.as_bytes();
        let frames: Vec<_> = std::iter::from_fn(|| Frame::read(&mut from).unwrap()).collect();
        let all: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
        assert_eq!(String::from_utf8(all).unwrap(), said);
        let of = |each: fn(&Frame) -> Option<&str>| -> Vec<_> { frames.iter().filter_map(each).collect() };
        assert_eq!((of(Frame::delivered), of(Frame::published)), (vec!["a.b", "_INBOX.q"], vec!["a", "c"]));
        let payloads: Vec<_> = frames.iter().map(Frame::payload).filter(|payload| !payload.is_empty()).collect();
        assert_eq!(payloads, [b"x".as_slice(), b"{}", b"7"]);
    }

    #[test]
    fn what_is_cut_off_in_a_line_is_no_frame() {
        assert!(Frame::read(&mut b"MSG a 1 ".as_slice()).unwrap().is_none());
        assert!(Frame::read(&mut b"".as_slice()).unwrap().is_none());
        assert!(Frame::read(&mut b"MSG a 1 5\r\nhe".as_slice()).is_err(), "the payload is announced");
    }
}
