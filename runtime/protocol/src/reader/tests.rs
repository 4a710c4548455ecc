//! The results of an owner's input, in pieces of any size.

use lastword_events::Event;

use super::*;
use crate::owners::InputFormat;

/// An owner's input: bytes, or a silence that is too long.
enum Said<'a> {
    Bytes(&'a [u8]),
    Silence,
}
use Said::{Bytes, Silence};

/// Returns a word or two for each line that is read: `1 start s1`, `2 bad_json`.
fn read_as(input_format: InputFormat, said: &[Said<'_>], piece: usize) -> Vec<String> {
    let mut reader = Reader::new(input_format);
    let mut read = Vec::new();
    let mut say = |ReadLine { number, input }: ReadLine| {
        read.push(match input {
            Ok(Input::Event(event)) => {
                let what = match event.event {
                    Event::Start(_) => "start",
                    Event::End(_) => "end",
                    Event::Compaction(_) => "compaction",
                };
                let dropped: String = event
                    .dropped
                    .iter()
                    .map(|entry| format!(" without {}", entry.split(' ').next().unwrap()))
                    .collect();
                format!("{number} {what} {}{dropped}", event.session.identity.id)
            }
            Ok(Input::Shutdown(reason)) => format!("{number} {reason}"),
            Ok(Input::Unrelated { name, .. }) => format!("{number} not ours {name}"),
            Ok(Input::Foreign(foreign)) => format!("{number} {foreign}"),
            Ok(Input::Blank) => format!("{number} blank"),
            Err(bad) => {
                format!("{number} {}{}", bad.code, bad.field.map(|field| format!(" {field}")).unwrap_or_default())
            }
        });
    };
    for said in said {
        match said {
            Bytes(bytes) => bytes.chunks(piece).for_each(|piece| reader.push(piece, &mut say)),
            Silence => reader.on_timeout(&mut say),
        }
    }
    reader.end(&mut say);
    assert_eq!(reader.open(), []);
    read
}

/// Reads one input in the Lastword protocol, in pieces of several sizes.
#[track_caller]
fn read(input: impl AsRef<[u8]>) -> Vec<String> {
    let input = input.as_ref();
    let read = read_as(InputFormat::Lastword, &[Bytes(input)], usize::MAX);
    if input.len() < 10_000 {
        for piece in [1, 7] {
            assert_eq!(read_as(InputFormat::Lastword, &[Bytes(input)], piece), read, "in pieces of {piece}");
        }
    }
    read
}

fn start(id: &str) -> String {
    format!(r#"{{"op":"start","session":{{"id":"{id}"}}}}"#)
}

/// In `"C:\"` the backslash makes the quotation mark part of the text, and the rest of the line is torn.
#[test]
fn a_path_that_ends_with_a_backslash_costs_its_field_and_not_the_event() {
    for path in [r"C:\", r"d:\temp\", r"C:\Users\", r"C:\Users\me\", r"\\server\share\"] {
        for line in [
            format!(r#"{{"op":"end","session":{{"id":"a","cwd":"{path}"}},"reason":"reset"}}"#),
            format!(r#"{{"op":"end","reason":"reset","session":{{"cwd":"{path}","id":"a"}}}}"#),
            format!(r#"{{"op":"end","reason":"reset","session":{{"id":"a","cwd":"{path}"}}}}"#),
        ] {
            assert_eq!(
                read(format!("{line}\n{}\n", start("b"))),
                ["1 end a without session.cwd", "2 start b"],
                "{line}"
            );
            let both = format!("{}, {line} {}\n", start("b"), start("c"));
            assert_eq!(read(both), ["1 start b", "1 end a without session.cwd", "1 start c"], "{line}");
        }
    }
    let id = r#"{"op":"end","session":{"id":"C:\"},"reason":"reset"}"#;
    assert_eq!(read(id), ["1 bad_escape session.id"]);
    // Valid JSON keeps its meaning, and a line without a path stays broken.
    let quoted = r#"{"op":"start","session":{"id":"C:\"},\"x"}}"#;
    assert_eq!(read(quoted), [r#"1 start C:"},"x"#]);
    assert_eq!(read(r#"{"op":"end","session":{"id":"a","cwd":"x\"},"reason":"reset"}"#), ["1 bad_json"]);
    assert_eq!(read(r#"{"op":"end","session":{"id":"a","cwd":"C:\","#), ["1 bad_json"]);
}

#[test]
fn plain_lines_are_numbered_and_blank_ones_are_counted() {
    assert_eq!(read(""), [""; 0]);
    assert_eq!(read("\n"), [""; 0]);
    assert_eq!(read(format!("{}\r\n\r\n  \n{}", start("a"), start("b"))), ["1 start a", "4 start b"]);
    assert_eq!(
        read("{\"op\":\"strat\"}\n[1]\n{\"op\":\"shutdown\"}\n"),
        ["1 unknown_op op", "2 not_an_object", "3 shutdown"]
    );
    assert_eq!(read("null and void\n\0\n{\"op\":3}\n"), ["1 bad_json", "2 bad_json", "3 wrong_type op"]);
}

#[test]
fn a_byte_order_mark_may_begin_every_line() {
    assert_eq!(read(format!("\u{feff}{}\n\u{feff}{}\n\u{feff}\n", start("a"), start("b"))), ["1 start a", "2 start b"]);
}

#[test]
fn utf_16_is_named_line_by_line() {
    let text = format!("{}\r\n\r\n{}\r\n", start("a"), start("b"));
    let little = || text.encode_utf16().flat_map(u16::to_le_bytes);
    let big = || text.encode_utf16().flat_map(u16::to_be_bytes);
    for bytes in [
        little().collect::<Vec<u8>>(),
        big().collect(),
        [0xff, 0xfe].into_iter().chain(little()).collect(),
        [0xfe, 0xff].into_iter().chain(big()).collect(),
    ] {
        assert_eq!(read(&bytes), ["1 utf16", "3 utf16"], "{bytes:?}");
    }
}

#[test]
fn each_object_on_a_line_is_an_event_with_the_lines_number() {
    let two = format!("{}{}\n{} {}\r\n{}", start("a"), start("b"), start("c"), start("d"), start("e"));
    assert_eq!(read(two), ["1 start a", "1 start b", "2 start c", "2 start d", "3 start e"]);
    assert_eq!(read("{\"op\":\"start\"}{\"op\":\"shutdown\"}\n"), ["1 missing_field session", "1 shutdown"]);
    assert_eq!(
        read(format!("{} x {}\n{}", start("a"), start("b"), start("c"))),
        ["1 start a", "1 bad_json", "2 start c"]
    );
    assert_eq!(
        read(format!("{}{{\"op\":\"end\",\"session\"\n:{{\"id\":\"b\"}}}}{}", start("a"), start("c"))),
        ["1 start a", "1 end b", "2 start c"]
    );
}

#[test]
fn an_event_that_a_newline_tore_is_joined_and_has_its_first_lines_number() {
    let torn = "{\"op\":\"end\",\"session\":{\"id\":\"a\"},\"note\":\"first\n\n{}\n second\r\nthird\"}\n";
    assert_eq!(read(format!("{}\n{torn}{}", start("a"), start("b"))), ["1 start a", "2 end a", "7 start b"]);
    let pretty =
        serde_json::to_string_pretty(&serde_json::json!({"op":"end","list":[{"a":1},[]],"session":{"id":"s"}}))
            .unwrap();
    assert_eq!(read(format!("{pretty}\n{pretty}\n{}", start("b"))), ["1 end s", "13 end s", "25 start b"]);
}

#[test]
fn a_whole_event_ends_the_joining_and_the_torn_line_is_an_error() {
    for torn in [
        "{\"op\":\"end\",\"session\":{\"id\":\"a",
        "{\"op\":\"end\"",
        "{\"op\":\"end\",",
        "{\"op\":",
        "{",
        "{\"op\":\"end\\",
    ] {
        assert_eq!(
            read(format!("{torn}\n{}\n{}", start("b"), start("c"))),
            ["1 bad_json", "2 start b", "3 start c"],
            "{torn}"
        );
        assert_eq!(read(format!("{torn}\n{torn}\n{torn}\n{}", start("c"))).last().unwrap(), "4 start c", "{torn}");
        // A line that has to be repaired can be a complete event too.
        assert_eq!(
            read(format!("{torn}\n{{\"op\":\"end\",\"session\":{{\"id\":\"b\"}},\"x\":NaN}}\n")),
            ["1 bad_json", "2 end b"],
            "{torn}"
        );
        assert_eq!(
            read(format!("{torn}\n{{\"op\":\"shutdown\"}}{}\n", start("c"))),
            ["1 bad_json", "2 shutdown", "2 start c"],
            "{torn}"
        );
    }
}

#[test]
fn a_line_that_does_not_go_on_with_a_torn_one_is_read_by_itself() {
    assert_eq!(
        read("{\"op\":\"end\",\"session\":{\"id\":\"a\n{\"op\":\"strat\"}\n"),
        ["1 bad_json", "2 unknown_op op"]
    );
    let other = "{\"op\":\"end\",\"session\":{\"id\":\"b\"},\"note\":\"first\nsecond\"}\n";
    assert_eq!(read(format!("{{\"op\":\"end\",\"sess\n{other}{}", start("c"))), ["1 bad_json", "2 end b", "4 start c"]);
}

#[test]
fn a_torn_line_is_an_error_after_a_silence_and_at_the_end_of_the_input() {
    let torn = b"{\"op\":\"end\",\"session\":{\"id\":\"a\n".as_slice();
    let rest = b"\"}}\n".as_slice();
    let read = |said: &[Said<'_>]| read_as(InputFormat::Lastword, said, usize::MAX);
    assert_eq!(read(&[Bytes(torn), Bytes(rest)]), ["1 end a\n"]);
    assert_eq!(
        read(&[Bytes(torn), Silence, Bytes(rest), Bytes(start("b").as_bytes())]),
        ["1 bad_json", "2 bad_json", "3 start b"]
    );
    assert_eq!(read(&[Bytes(torn)]), ["1 bad_json"]);
    // A line that has not ended is not torn.
    let (begun, ended) = (&torn[..20], &torn[20..torn.len() - 1]);
    assert_eq!(read(&[Bytes(begun), Silence, Bytes(ended), Silence, Bytes(rest)]), ["1 end a"]);
}

#[test]
fn what_is_open_can_be_told_before_it_is_over() {
    let mut reader = Reader::new(InputFormat::Lastword);
    let mut said = 0;
    let mut say = |_: ReadLine| said += 1;
    reader.push(format!("{}\n{{\"op\":\"end\",\n\"session\":", start("a")).as_bytes(), &mut say);
    let ReadLine { number, input } = reader.open().pop().unwrap();
    assert_eq!((number, input.unwrap_err().message.as_str()), (2, "the line is not JSON: it stops inside an object"));
    reader.on_timeout(&mut say);
    assert_eq!((reader.open(), said), (Vec::new(), 2));
}

/// Some hooks write no newline, and their owner's pipe stays open.
#[test]
fn whole_events_without_a_newline_are_taken_after_a_silence_and_can_be_told_before() {
    let (start, end, rest) = (start("a"), r#"{"op":"end","session":{"id":"a"}}"#, start("b"));
    let mut reader = Reader::new(InputFormat::Lastword);
    reader.push(format!("{start}{end}").as_bytes(), &mut |_| panic!("the line goes on, perhaps"));
    assert_eq!(reader.open().len(), 2);
    let whole = format!("{start}{end}");
    let read = |said: &[Said<'_>]| read_as(InputFormat::Lastword, said, usize::MAX);
    assert_eq!(read(&[Bytes(whole.as_bytes()), Silence]), ["1 start a", "1 end a"]);
    let next = format!("\n{rest}\n");
    let all = ["1 start a", "1 end a", "2 start b"];
    assert_eq!(read(&[Bytes(whole.as_bytes()), Silence, Bytes(next.as_bytes())]), all);
    assert_eq!(read(&[Bytes(whole.as_bytes()), Bytes(next.as_bytes())]), all, "without a silence too");
    // A line that is not complete stays as it is.
    let (begun, ended) = whole.split_at(whole.len() - 1);
    assert_eq!(read(&[Bytes(begun.as_bytes()), Silence, Bytes(ended.as_bytes()), Silence]), all[..2]);
}

#[test]
fn commas_and_semicolons_between_and_after_events_are_passed_over() {
    let line = format!("{} , {};\n{},\n", start("a"), r#"{"op":"end","session":{"id":"a"}}"#, start("b"));
    assert_eq!(
        read_as(InputFormat::Lastword, &[Bytes(line.as_bytes())], usize::MAX),
        ["1 start a", "1 end a", "2 start b"]
    );
}

#[test]
fn a_long_line_is_read_as_it_comes_and_little_of_it_is_kept() {
    let long = "x".repeat(16 * MAX_LINE_BYTES);
    let end = |id: &str| {
        format!("{{\"op\":\"end\",\"note\":\"{long}\",\"session\":{{\"id\":\"{id}\"}},\"reason\":\"reset\"}}")
    };
    for piece in [65_536, usize::MAX] {
        let read = |input: &str| read_as(InputFormat::Lastword, &[Bytes(input.as_bytes())], piece);
        assert_eq!(
            read(&format!("{}\n{}\n{}\n", start("a"), end("a"), start("b"))),
            ["1 start a", "2 end a without note", "3 start b"]
        );
        assert_eq!(read(&end("a")), ["1 end a without note"]);
        assert_eq!(
            read(&format!("{}{}\n{}", end("a"), end("b"), start("c"))),
            ["1 end a without note", "1 end b without note", "2 start c"]
        );
        // Torn before the object and within it.
        assert_eq!(read(&format!("{{\"op\":\n{}\n", end("b"))), ["1 bad_json", "2 end b without note"]);
        assert_eq!(
            read(&format!(
                "{{\"op\":\"end\",\"note\":\"\n{long}\n{long}\",\"session\":{{\"id\":\"a\"}}}}{}\n",
                start("b")
            )),
            ["1 end a without note", "3 start b"]
        );
        assert_eq!(read(&format!("{long}\n{}", start("b"))), ["1 bad_json", "2 start b"]);
        assert_eq!(
            read(&format!("{{\"op\":\"end\",\"session\":{{\"id\":\"{long}\"}}}}\n{}", start("b"))),
            ["1 too_long session.id", "2 start b"]
        );
        let blank = " ".repeat(2 * MAX_LINE_BYTES);
        assert_eq!(read(&format!("{blank}\n{blank}{}{blank}\n", start("b"))), ["2 start b"]);
    }
    let foreign = format!(
        "{{\"hook_event_name\":\"PostToolUse\",\"session_id\":\"s\",\"tool_response\":{{\"stdout\":\"{long}\"}}}}\n"
    );
    assert_eq!(read_as(InputFormat::ClaudeCode, &[Bytes(foreign.as_bytes())], 65_536), ["1 not ours PostToolUse"]);
}

#[test]
fn a_long_line_leaves_no_memory_behind() {
    let mut reader = Reader::new(InputFormat::Lastword);
    let mut say = |_: ReadLine| ();
    reader.push(&vec![b'x'; MAX_LINE_BYTES], &mut say);
    reader.push(b"\n", &mut say);
    assert!(reader.beginning.capacity() <= KEPT_BUFFER_BYTES);
    reader.push(b"{\"op\":\"end\",\"note\":\"", &mut say);
    for _ in 0..64 {
        reader.push(&vec![b'x'; MAX_LINE_BYTES], &mut say);
        assert!(reader.beginning.capacity() <= MAX_LINE_BYTES);
    }
    reader.push(b"\n", &mut say);
    assert_eq!(reader.beginning.capacity(), 0);
}

const CAPTURED: [(InputFormat, &str); 2] = [
    (InputFormat::Openclaw, include_str!("../../../../tests/data/openclaw-2026.9.6-hooks.ndjson")),
    (InputFormat::ClaudeCode, include_str!("../../../../tests/data/claude-code-2.1.197-hooks.ndjson")),
];

#[test]
fn a_line_that_is_cut_anywhere_costs_no_line_after_it() {
    for (input_format, captured) in CAPTURED {
        let lines: Vec<&str> = captured.lines().collect();
        let good = lines.get(..3).unwrap().join("\n");
        let expected: Vec<String> = read_as(input_format, &[Bytes(format!("\n{good}").as_bytes())], usize::MAX);
        assert_eq!(expected.len(), 3);
        for line in &lines {
            for cut in 1..line.len() {
                let cut = line.as_bytes().get(..cut).unwrap();
                let read = read_as(input_format, &[Bytes(&[cut, b"\n", good.as_bytes()].concat())], usize::MAX);
                assert_eq!(read.get(1..), Some(expected.as_slice()), "{}", String::from_utf8_lossy(cut));
                assert_eq!(read.first().unwrap(), "1 bad_json");
            }
        }
    }
}

/// Whether a newline at that position is in a text, or next to a word.
fn may_be_torn(begin: &str, rest: &str) -> bool {
    let quotes = begin.matches('"').count() - begin.matches("\\\"").count();
    let is_word = |c: char| c.is_ascii_alphanumeric();
    if quotes.is_multiple_of(2) {
        !(begin.ends_with(is_word) && rest.starts_with(is_word))
    } else {
        !begin.ends_with('\\')
    }
}

#[test]
fn a_newline_in_a_text_or_between_words_costs_no_line() {
    let mut torn = 0;
    for (input_format, captured) in CAPTURED {
        for line in captured.lines() {
            for cut in 1..line.len() {
                let (begin, rest) = line.split_at(cut);
                if may_be_torn(begin, rest) {
                    let read = read_as(input_format, &[Bytes(format!("{begin}\n{rest}\n").as_bytes())], usize::MAX);
                    // In a name the newline makes another name, and the line may then lack its session.
                    let bad_line = read.iter().any(|read| read.contains("bad_json"));
                    assert!(read.len() == 1 && !bad_line, "{begin}\n{rest}: {read:?}");
                    torn += 1;
                }
            }
        }
    }
    assert!(torn > 3000, "{torn}");
}
