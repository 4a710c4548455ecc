//! The property of an owner's input.

use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::Input;
use lastword_protocol::owners::InputFormat;
use lastword_protocol::reader::Reader;

/// Three lines of an owner's own.
fn good_lines(input_format: InputFormat) -> [&'static str; 3] {
    match input_format {
        InputFormat::Openclaw => [
            r#"{"t":1,"hook":"session_start","event":{"sessionId":"good-1"},"ctx":{"sessionKey":"k"}}"#,
            r#"{"t":2,"hook":"session_end","event":{"sessionId":"good-2","reason":"reset"},"ctx":{"sessionKey":"k"}}"#,
            r#"{"t":3,"hook":"session_end","event":{"sessionId":"good-3","reason":"idle"},"ctx":{"sessionKey":"k"}}"#,
        ],
        InputFormat::ClaudeCode | InputFormat::Codex | InputFormat::Gemini | InputFormat::Qwen => [
            r#"{"hook_event_name":"SessionStart","session_id":"good-1","source":"startup"}"#,
            r#"{"hook_event_name":"SessionEnd","session_id":"good-2","reason":"clear"}"#,
            r#"{"hook_event_name":"SessionEnd","session_id":"good-3","reason":"logout"}"#,
        ],
        InputFormat::Copilot => [
            r#"{"hook":"sessionStart","payload":{"sessionId":"good-1","source":"new"}}"#,
            r#"{"hook":"sessionEnd","payload":{"sessionId":"good-2","reason":"complete"}}"#,
            r#"{"sessionId":"good-3","reason":"user_exit"}"#,
        ],
        InputFormat::Cursor => [
            r#"{"hook_event_name":"sessionStart","session_id":"good-1"}"#,
            r#"{"hook_event_name":"sessionEnd","conversation_id":"good-2","reason":"completed"}"#,
            r#"{"hook_event_name":"sessionEnd","session_id":"good-3","reason":"aborted"}"#,
        ],
        InputFormat::Goose => [
            r#"{"event":"SessionStart","session_id":"good-1"}"#,
            r#"{"event":"SessionEnd","session_id":"good-2","working_dir":"/w"}"#,
            r#"{"event":"SessionEnd","session_id":"good-3"}"#,
        ],
        InputFormat::Cline => [
            r#"{"hookName":"agent_start","sessionContext":{"rootSessionId":"good-1"}}"#,
            r#"{"hookName":"session_shutdown","sessionContext":{"rootSessionId":"good-2"}}"#,
            r#"{"hookName":"TaskCancel","taskId":"good-3"}"#,
        ],
        InputFormat::Opencode => [
            r#"{"hook":"session.created","payload":{"sessionID":"good-1","info":{"id":"good-1"}}}"#,
            r#"{"hook":"session.deleted","payload":{"sessionID":"good-2"}}"#,
            r#"{"hook":"dispose","payload":{"sessionID":"good-3"}}"#,
        ],
        InputFormat::Hermes => [
            r#"{"hook_event_name":"on_session_start","session_id":"good-1","cwd":"/w","extra":{"platform":"cli"}}"#,
            r#"{"hook_event_name":"on_session_finalize","session_id":"good-2","extra":{"reason":"shutdown"}}"#,
            r#"{"hook_event_name":"on_session_finalize","session_id":"good-3","cwd":"/w","extra":{}}"#,
        ],
        InputFormat::Lastword => [
            r#"{"op":"start","session":{"id":"good-1"}}"#,
            r#"{"op":"end","session":{"id":"good-2"},"reason":"reset"}"#,
            r#"{"op":"end","session":{"id":"good-3"},"reason":"idle"}"#,
        ],
    }
}

/// Everything that an owner's whole input says.
fn read(input_format: InputFormat, input: &[u8]) -> Vec<Result<Input, BadLine>> {
    let mut said = Vec::new();
    let mut reader = Reader::new(input_format);
    // In two pieces: what lies across their edge is put together.
    let (before, after) = input.split_at(input.len() / 2);
    for piece in [before, after] {
        reader.push(piece, &mut |line| said.push(line.input));
    }
    reader.end(&mut |line| said.push(line.input));
    said
}

/// Whatever an owner has written, the three good lines that come after it are taken, in their order, and what is kept of the rest is
/// no more than was written.
pub fn lines(input: &[u8]) {
    for input_format in InputFormat::ALL {
        let good = good_lines(input_format);
        let whole = [input, b"\n", good.join("\n").as_bytes(), b"\n"].concat();
        let said = read(input_format, &whole);
        let taken = said.iter().filter_map(|said| match said {
            Ok(Input::Event(event)) => Some(&*event.session.identity.id),
            _ => None,
        });
        let taken: Vec<&str> = taken.collect();
        let last: Vec<&str> = taken.iter().rev().take(good.len()).rev().copied().collect();
        assert_eq!(last, ["good-1", "good-2", "good-3"], "{input_format:?}");
        let kept: usize = taken.iter().map(|id| id.len()).sum();
        // A character that cannot be read becomes one of three bytes.
        assert!(kept <= 3 * whole.len(), "{input_format:?}: {kept} bytes of ids");
        for bad in said.iter().filter_map(|said| said.as_ref().err()) {
            assert!(!bad.code.is_empty() && !bad.message.is_empty(), "{input_format:?}: {bad:?}");
        }
    }
}
