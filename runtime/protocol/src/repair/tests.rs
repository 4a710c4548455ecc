//! Repaired parts, lost parts, and valid JSON, which keeps its meaning.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::limits::{MAX_LINE_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES};

/// Repairs a line in pieces of so many bytes. Returns the repair, and the number of bytes taken.
fn pushed(line: &[u8], piece: usize) -> (Repair, usize) {
    let mut repair = Repair::default();
    let taken = line.chunks(piece).map(|piece| repair.push(piece)).sum();
    (repair, taken)
}

/// Returns the value that serde_json parses from the repair, which is the same for all sizes of pieces.
#[track_caller]
fn repaired(line: impl AsRef<[u8]>) -> Value {
    let line = line.as_ref();
    let (repair, _) = pushed(line, usize::MAX);
    assert_eq!(repair.progress(), Progress::Whole, "{}: {:?}", String::from_utf8_lossy(line), repair.bad());
    if line.len() < 10_000 {
        assert_eq!(pushed(line, 1).0.json(), repair.json());
        assert_eq!(pushed(line, 3).0.json(), repair.json());
    }
    serde_json::from_slice(repair.json())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(repair.json())))
}

fn lost(why: Lost) -> Value {
    json!({LOST: why.word()})
}

#[test]
fn half_a_character_becomes_a_replacement_and_whole_ones_stay() {
    for (written, meant) in [
        (r"done \ud83d", "done \u{fffd}"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ud83d\\", "\u{fffd}\\"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ude00", "\u{fffd}"),
        (r"/w/\udc80caf\udce9", "/w/\u{fffd}caf\u{fffd}"),
        (r"\ud83dé", "\u{fffd}é"),
        (r"\uD83D\uDE00 \u00e9\u0022\u005c\u0000", "😀 é\"\\\0"),
    ] {
        assert_eq!(repaired(format!("{{\"a\":\"{written}\"}}")), json!({"a": meant}), "{written}");
        assert_eq!(repaired(format!("{{\"{written}\":1}}")), json!({meant: 1}), "{written}");
    }
}

#[test]
fn control_characters_in_texts_are_taken() {
    assert_eq!(
        repaired("{\"a\":\"first\nsecond\tthird\0\u{1f}\u{7f}\"}"),
        json!({"a": "first\nsecond\tthird\0\u{1f}\u{7f}"})
    );
    assert_eq!(repaired("{\"a\nb\":1}"), json!({"a\nb": 1}));
}

#[test]
fn a_byte_order_mark_is_passed_over_at_the_beginning() {
    assert_eq!(repaired("\u{feff}{\"a\":1}"), json!({"a": 1}));
    assert_eq!(repaired(" \u{feff} {\"a\":\"\u{feff}\"}"), json!({"a": "\u{feff}"}));
}

#[test]
fn utf_16_is_named_in_either_order_with_and_without_a_mark() {
    let text = "{\"op\":\"start\"}";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let with = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    for line in [with(&[0xff, 0xfe], &little), with(&[0xfe, 0xff], &big), with(&[0], &little), big, little] {
        for piece in [1, usize::MAX] {
            let (repair, _) = pushed(&line, piece);
            assert_eq!((repair.progress(), repair.bad().code), (Progress::Broken, UTF16), "{line:?}");
            assert!(repair.bad().message.contains("Out-File -Encoding utf8"));
        }
    }
}

#[test]
fn numbers_that_json_lacks_and_words_are_lost_alone() {
    for (written, why) in [
        ("NaN", Lost::Number),
        ("Infinity", Lost::Number),
        ("-Infinity", Lost::Number),
        ("1e400", Lost::Number),
        ("-1e400", Lost::Number),
        ("undefined", Lost::Word),
        ("None", Lost::Word),
        ("01", Lost::Word),
        ("1.", Lost::Word),
        (".5", Lost::Word),
        ("+1", Lost::Word),
        ("1e", Lost::Word),
        ("-", Lost::Word),
        ("", Lost::Word),
        ("tru", Lost::Word),
    ] {
        assert_eq!(
            repaired(format!("{{\"a\":{written},\"b\":[1],\"c\":{written}}}")),
            json!({"a": lost(why), "b": [1], "c": lost(why)}),
            "{written}"
        );
    }
    assert_eq!(
        repaired("{\"a\":[NaN,1e400, Infinity ],}"),
        json!({"a": [lost(Lost::Number), lost(Lost::Number), lost(Lost::Number)]})
    );
    for number in ["0", "-0", "1.5e-3", "1E+300", "123456789012345678901234567890", "1e-400", "0e999"] {
        let value: Value = serde_json::from_str(number).unwrap();
        assert_eq!(repaired(format!("{{\"a\":{number}}}")), json!({"a": value}));
    }
    assert_eq!(repaired(format!("{{\"a\":{}}}", "1".repeat(5000))), json!({"a": lost(Lost::Long)}));
}

#[test]
fn a_text_with_a_backslash_that_begins_no_escape_is_lost_alone() {
    for written in
        [r"C:\Users", r"C:\Users\u\neu", r"C:\Users\", r"\x41", r"\u12", r"\u12G4", r"\ud83d\uZ", "\\\n", r"a\é"]
    {
        let line = format!("{{\"cwd\":\"{written}\",\"reason\":\"other\"}}");
        assert_eq!(repaired(line), json!({"cwd": lost(Lost::Escape), "reason": "other"}), "{written}");
    }
    for (written, meant) in
        [(r"C:\\Users\\u\\neu", r"C:\Users\u\neu"), (r"\\\\?\\UNC\\s", r"\\?\UNC\s"), (r"C:\tmp\new", "C:\tmp\new")]
    {
        assert_eq!(repaired(format!("{{\"cwd\":\"{written}\"}}")), json!({"cwd": meant}));
    }
    assert_eq!(repaired(r#"{"say":"\q \"no path\", you see"}"#), json!({"say": lost(Lost::Escape)}));
    assert_eq!(repaired(r#"{"C:\Users":1}"#), json!({"C:\u{fffd}Users": 1}));
}

#[test]
fn of_a_doubled_name_the_last_counts() {
    assert_eq!(repaired(r#"{"a":NaN,"a":1,"b":1,"b":NaN}"#), json!({"a": 1, "b": lost(Lost::Number)}));
}

#[test]
fn depth_costs_the_one_value_and_no_memory() {
    let deep = format!("{{\"a\":{}1{},\"b\":2}}", "[".repeat(200_000), "]".repeat(200_000));
    let (repair, _) = pushed(deep.as_bytes(), 4096);
    assert!(repair.json.capacity() < 1000, "{}", repair.json.capacity());
    assert_eq!(repaired(&deep)["b"], 2);
    let objects = format!("{{\"a\":{}\"}}]\\\"\"{},\"b\":2}}", "{\"x\":".repeat(200_000), "}".repeat(200_000));
    assert_eq!(repaired(objects)["b"], 2);
    let fits = format!("{}1{}", "{\"x\":".repeat(MAX_DEPTH), "}".repeat(MAX_DEPTH));
    assert_eq!(repaired(&fits), serde_json::from_str::<Value>(&fits).unwrap());
}

#[test]
fn long_texts_are_lost_alone_and_long_names_are_cut() {
    let long = |char: &str, times| char.repeat(times);
    assert_eq!(
        repaired(format!("{{\"a\":\"{}\",\"b\":1}}", long("x", 64 * MAX_LINE_BYTES))),
        json!({"a": lost(Lost::Long), "b": 1})
    );
    assert_eq!(
        repaired(format!("{{\"a\":\"{}\",\"b\":1}}", long("\\n", MAX_TEXT_BYTES + 1))),
        json!({"a": lost(Lost::Long), "b": 1})
    );
    for most in ["é", "\u{1}", "x", "😀"].map(|char| long(char, MAX_TEXT_BYTES / char.len())) {
        assert_eq!(repaired(format!("{{\"a\":\"{most}\"}}")), json!({"a": most}));
        assert_eq!(repaired(json!({"a": most}).to_string()), json!({"a": most}));
        assert_eq!(repaired(json!({"a": format!("{most}x")}).to_string()), json!({"a": lost(Lost::Long)}));
    }
    let cut = repaired(format!("{{\"{}\":1,\"b\":2}}", long("é", 10_000)));
    let names: Vec<usize> = cut.as_object().unwrap().keys().map(String::len).collect();
    assert_eq!((names, &cut["b"]), (vec![1, MAX_NAME_BYTES], &json!(2)));
}

#[test]
fn what_does_not_fit_of_a_list_or_an_object_is_passed_over_and_what_comes_after_it_is_read() {
    let many = "[\"}]\\\"\",{\"x\":[1]}],".repeat(500_000);
    let line = format!(
        "{{\"messages\":[{many}0],\"event\":{{\"deep\":{{\"list\":[{many}0],\"y\":1}},\"x\":2}},\"id\":\"s\"}}"
    );
    let (repair, taken) = pushed(line.as_bytes(), 65_536);
    assert_eq!((repair.progress(), taken), (Progress::Whole, line.len()));
    assert!(repair.json.len() <= MAX_LINE_BYTES, "{}", repair.json.len());
    let value: Value = serde_json::from_slice(repair.json()).unwrap();
    assert_eq!((&value["id"], &value["event"]["x"], &value["event"]["deep"]["y"]), (&json!("s"), &json!(2), &json!(1)));
    let mut fields = String::new();
    for i in 0..200_000 {
        write!(fields, "\"f{i}\":\"x\",").unwrap();
    }
    let value = repaired(format!("{{\"event\":{{{fields}\"last\":1}},\"id\":\"s\"}}"));
    assert_eq!(
        (&value["id"], &value["event"]["f0"], &value["event"][LOST], &value["event"]["last"]),
        (&json!("s"), &json!("x"), &json!("rest"), &Value::Null)
    );
}

#[test]
fn whatever_is_long_what_is_kept_is_bounded() {
    let name = "n".repeat(3 * MAX_NAME_BYTES);
    let text = "\u{1}".repeat(MAX_TEXT_BYTES);
    let level = format!("\"{name}\":\"{text}\",").repeat(200);
    let mut line = "{".to_owned();
    for depth in 0..MAX_DEPTH {
        write!(line, "{level}\"{name}{depth}\":{{").unwrap();
    }
    line.push_str("\"x\":1");
    line.push_str(&"}".repeat(MAX_DEPTH + 1));
    let (repair, _) = pushed(line.as_bytes(), 65_536);
    assert_eq!(repair.progress(), Progress::Whole);
    assert!(repair.json.len() <= MAX_LINE_BYTES, "{}", repair.json.len());
    serde_json::from_slice::<Value>(repair.json()).unwrap();
}

#[test]
fn only_one_object_is_taken() {
    let (repair, taken) = pushed(br#" {"a":1} {"b":2}"#, usize::MAX);
    assert_eq!((repair.json(), taken), (br#"{"a":1}"#.as_slice(), 8));
}

#[test]
fn what_is_no_object_is_broken_and_says_where() {
    for (line, message) in [
        ("null and void", "the line is not JSON: it has no object at column 1"),
        ("[{}]", "the line is not JSON: it has no object at column 1"),
        ("{1:2}", "the line is not JSON: column 2 should be a name in quotation marks"),
        ("{\"a\" 1}", "the line is not JSON: column 6 should be a colon"),
        ("{\"a\":'x'}", "the line is not JSON: column 6 should be a value"),
        ("{\"a\":1 2}", "the line is not JSON: column 8 should be a comma or the end of the object"),
        ("{\"a\":[1 2]}", "the line is not JSON: column 9 should be a comma or the end of the list"),
        ("{\"a\":[1}", "the line is not JSON: column 8 should be a comma or the end of the list"),
    ] {
        for piece in [1, usize::MAX] {
            let (repair, _) = pushed(line.as_bytes(), piece);
            assert_eq!((repair.progress(), repair.bad().message.as_str()), (Progress::Broken, message), "{line}");
        }
    }
    for (line, message) in [
        ("{", "it stops inside an object"),
        ("{\"a\":\"b", "it stops inside a string"),
        ("{\"a\":tru", "it stops inside an object"),
    ] {
        let (repair, _) = pushed(line.as_bytes(), 1);
        assert_eq!((repair.progress(), repair.bad().message.contains(message)), (Progress::Open, true), "{line}");
    }
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has only these", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"/\u{0}-\u{7f}éﬀ😀\u{fffd}]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(any::<String>(), value(), 0..6)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

/// Writes JSON as other programs do: with white space, and characters as escapes.
fn written(value: &Value, pretty: bool, escaped: bool) -> String {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap();
    if !escaped {
        return text;
    }
    text.chars()
        .map(|char| {
            if char.is_ascii() {
                char.to_string()
            } else {
                char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn valid_json_keeps_its_meaning(value in any_object(), pretty: bool, escaped: bool, piece in 1usize..20) {
        let line = written(&value, pretty, escaped);
        let (repair, taken) = pushed(line.as_bytes(), piece);
        prop_assert_eq!((repair.progress(), taken), (Progress::Whole, line.len()));
        // Compares with serde_json's result, because a number may differ from the original.
        let read: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(repair.json()).unwrap(), read);
    }

    #[test]
    fn whatever_comes_out_whole_is_json(line in prop::collection::vec(prop_oneof![
        Just(b"{".to_vec()), Just(b"}".to_vec()), Just(b"[".to_vec()), Just(b"]".to_vec()), Just(b"\"".to_vec()), Just(b"\\".to_vec()),
        Just(b",".to_vec()), Just(b":".to_vec()), Just(b"\"a\":".to_vec()), Just(b"\"x\"".to_vec()), Just(b"1e".to_vec()), Just(b"\\ud83d".to_vec()),
        Just(b"-0.5".to_vec()), Just(b"null".to_vec()), Just(b" ".to_vec()), any::<u8>().prop_map(|byte| vec![byte]),
    ], 0..40), piece in 1usize..9) {
        let line = [b"{".as_slice(), &line.concat()].concat();
        let (repair, taken) = pushed(&line, piece);
        let (at_once, _) = pushed(&line, usize::MAX);
        prop_assert_eq!((repair.progress(), repair.json()), (at_once.progress(), at_once.json()));
        if repair.progress() == Progress::Whole {
            let read = serde_json::from_slice::<Value>(repair.json());
            prop_assert!(read.as_ref().is_ok_and(Value::is_object), "{:?}", read);
            // A line that serde_json accepts is accepted as it is.
            if let Ok(strict) = serde_json::from_slice::<Value>(line.get(..taken).unwrap()) {
                prop_assert_eq!(strict, read.unwrap());
            }
        } else {
            prop_assert!(serde_json::from_slice::<Value>(&line).is_err());
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_become_what_they_become_elsewhere(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80u8..], 0..40)) {
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, b'"' | b'\\')).collect();
        let line = [b"{\"a\":\"".as_slice(), &bytes, b"\"}"].concat();
        prop_assert_eq!(repaired(line), json!({"a": String::from_utf8_lossy(&bytes)}));
    }
}
