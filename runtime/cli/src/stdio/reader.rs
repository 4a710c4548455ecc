use std::io::{self, BufRead};
use std::thread;

use tokio::sync::mpsc;

use crate::limits::MAX_READ_AHEAD_LINES;
use lastword_protocol::fields::BadLine;
use lastword_protocol::input::Input;
use lastword_protocol::limits::MAX_LINE_BYTES;
use lastword_protocol::lines::{Line, Lines};
use lastword_protocol::owners::Speaker;

/// A line that was read, and taken apart.
pub(super) struct ReadLine {
    /// From 1.
    pub(super) number: u64,
    pub(super) input: Result<Input, BadLine>,
}

/// Starts a thread that reads the owner's lines. The channel ends with the input.
///
/// A read cannot be interrupted, so the thread is left behind when the program leaves.
pub(super) fn spawn(input: impl BufRead + Send + 'static, speaker: Speaker) -> io::Result<mpsc::Receiver<ReadLine>> {
    let (send, receive) = mpsc::channel(MAX_READ_AHEAD_LINES);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        if let Err(error) = read(input, speaker, &send) {
            tracing::warn!(%error, "stdin cannot be read any more; it is taken for ended");
        }
    })?;
    Ok(receive)
}

fn read(input: impl BufRead, speaker: Speaker, send: &mpsc::Sender<ReadLine>) -> io::Result<()> {
    let mut lines = Lines::new(input);
    let mut number = 0;
    while let Some(line) = lines.read()? {
        number += 1;
        let input = match line {
            Line::Bytes(bytes) => speaker.read(bytes),
            Line::TooLong => Err(BadLine::whole(
                "line_too_long",
                format!("the line has more than {MAX_LINE_BYTES} bytes and was skipped"),
            )),
        };
        if matches!(input, Ok(Input::Blank)) {
            continue;
        }
        if send.blocking_send(ReadLine { number, input }).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_numbered_and_the_run_goes_on() {
        let mut input = vec![b'x'; 2 * MAX_LINE_BYTES];
        input.extend_from_slice(b"\n\n{\"op\":\"shutdown\"}\n\xff\n{\"op\"");
        let mut lines = spawn(io::Cursor::new(input), Speaker::Lastword).unwrap();
        let mut seen = Vec::new();
        while let Some(line) = lines.blocking_recv() {
            seen.push((line.number, line.input.map_err(|bad| bad.code)));
        }
        let [too_long, shutdown, utf8, cut] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!(*too_long, (1, Err("line_too_long")));
        assert!(matches!(shutdown, (3, Ok(Input::Shutdown(_)))));
        assert_eq!(*utf8, (4, Err("bad_utf8")));
        assert_eq!(*cut, (5, Err("bad_json")));
    }
}
