use lastword_protocol::owners::InputFormat;
use proptest::prelude::*;

use super::*;

const LINE: &str = "/opt/lastword emit claude-code --spawn";

fn claude() -> Recipe {
    Recipe::of(InputFormat::ClaudeCode).unwrap()
}

fn cursor() -> Recipe {
    Recipe::of(InputFormat::Cursor).unwrap()
}

fn installed(text: &str) -> String {
    let recipe = claude();
    let installed = install(text, &recipe, LINE).unwrap();
    let found = find(&installed, recipe.shape).unwrap();
    assert_eq!(found.len(), recipe.hooks.len(), "{installed}");
    assert_eq!(install(&installed, &recipe, LINE).unwrap(), installed, "a second time changes nothing");
    installed
}

fn stripped(text: &str) -> String {
    strip(text, claude().shape, None).unwrap()
}

#[test]
fn an_empty_file_gets_an_object_with_the_hooks() {
    let text = installed("");
    assert!(text.starts_with("{\n  \"hooks\": {\n    \"SessionStart\": [\n      {\n        \"hooks\": [\n"), "{text}");
    assert!(text.ends_with("\n  }\n}\n"), "{text}");
    assert!(is_bare(&stripped(&text)), "{text}");
    let cursors = install("", &cursor(), "/opt/lastword emit cursor --spawn").unwrap();
    let value: serde_json::Value = serde_json::from_str(&cursors).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value.as_object().unwrap().len(), 2, "Cursor refuses what it does not know: {cursors}");
    assert_eq!(value["hooks"]["stop"], serde_json::json!([{ "command": "/opt/lastword emit cursor --spawn" }]));
}

#[test]
fn what_is_put_in_and_taken_out_leaves_every_byte() {
    for text in [
        "{\"model\": \"opus\"}",
        "{\"model\":\"opus\"}\n",
        "{\n  \"model\": \"opus\"\n}\n",
        "{\n\t\"model\": \"opus\",\n}\n",
        "{\r\n  \"model\": \"opus\"\r\n}\r\n",
        "// mine\n{\n  // the model\n  \"model\": \"opus\" // good\n  /* end */\n}\n// bye",
        "{\n  \"hooks\": {\n    \"Stop\": [{ \"hooks\": [{ \"type\": \"command\", \"command\": \"say done\" }] }]\n  }\n}\n",
        "{\n  \"hooks\": {\n    \"Stop\": [\n      { \"hooks\": [] }, // none\n    ], // stop\n  },\n  \"model\": \"opus\"\n}\n",
        "{\"hooks\":{\"SessionEnd\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"a\"}]}]},\"z\":[1,2]}",
    ] {
        let with = installed(text);
        assert_eq!(stripped(&with), text, "{with}");
    }
}

#[test]
fn lists_that_were_empty_stay_where_the_original_has_them() {
    let text = "{\n  \"hooks\": {\n    \"Stop\": []\n  }\n}\n";
    let with = installed(text).replace("{\n  \"hooks\"", "{\n  \"new\": 1,\n  \"hooks\"");
    let left = strip(&with, claude().shape, Some(text)).unwrap();
    assert_eq!(left, text.replace("{\n  \"hooks\"", "{\n  \"new\": 1,\n  \"hooks\""));
    assert!(!stripped(&with).contains("hooks"), "{}", stripped(&with));
}

#[test]
fn another_path_or_time_of_ours_is_put_right_in_its_place() {
    let text = installed("{\n  \"model\": \"opus\"\n}\n");
    let old = text.replace("/opt/lastword", "/old/lastword");
    assert_eq!(installed(&old), text);
    for other_time in ["3", "0.5", "\"9\"", "null"] {
        let other_time = text.replacen("\"timeout\": 5", &format!("\"timeout\": {other_time}"), 1);
        assert_eq!(installed(&other_time), text, "{other_time}");
    }
    let raised = text.replacen("\"timeout\": 5", "\"timeout\": 30", 1);
    assert_eq!(installed(&raised), raised, "who gives it more time may");
    let twice = text.replace(
        "\"SessionEnd\": [",
        "\"Notification\": [{\"hooks\": [{\"command\": \"/x/lastword emit claude-code\"}]}],\n    \"SessionEnd\": [",
    );
    assert_eq!(installed(&twice), text);
}

#[test]
fn what_the_user_has_added_to_our_hook_stays() {
    let text = installed("{\n  \"model\": \"opus\"\n}\n");
    for (ours, added) in [
        ("\"timeout\": 5", "\"timeout\": 30"),
        ("\"timeout\": 5", "\"async\": true,\n            \"timeout\": 5"),
        ("\"hooks\": [\n", "\"matcher\": \"startup\",\n        \"hooks\": [\n"),
    ] {
        let edited = text.replacen(ours, added, 1);
        assert_ne!(edited, text);
        assert_eq!(installed(&edited), edited);
        assert_eq!(installed(&edited.replace("/opt/lastword", "/old/lastword")), edited);
    }
    let edited = text.replacen("\"hooks\": [\n", "\"matcher\": \"startup\",\n        \"hooks\": [\n", 1);
    let short = edited.replacen(",\n            \"timeout\": 5", "", 1);
    assert_ne!(short, edited);
    assert_eq!(installed(&short), edited, "only the time is added");
    let elsewhere =
        "{\"hooks\": {\"Other\": [{\"matcher\": \"x\", \"hooks\": [{\"command\": \"/x/lastword emit codex\"}]}]}}";
    let with = install(elsewhere, &claude(), LINE).unwrap();
    assert!(
        with.contains("{\"matcher\": \"x\", \"hooks\": [{\"command\": \"/opt/lastword emit claude-code --spawn\"}]}"),
        "{with}"
    );
}

#[test]
fn a_command_that_does_more_than_ours_is_not_touched() {
    let command = "tee /tmp/l | /x/lastword emit claude-code && echo";
    let text = format!("{{\"hooks\": {{\"Stop\": [{{\"hooks\": [{{\"command\": \"{command}\"}}]}}]}}}}");
    let with = installed(&text);
    assert!(with.contains(command), "{with}");
    assert_eq!(stripped(&with), text);
}

#[test]
fn a_file_of_cursors_says_its_version_whatever_it_was_like() {
    for (text, version) in [("", 1), ("{}", 1), ("{\"hooks\": {}}", 1), ("// mine\n", 1), ("{\"version\": 2}", 2)] {
        let with = install(text, &cursor(), LINE).unwrap();
        let Some(jsonc_parser::ast::Value::Object(root)) = parse(&with).unwrap() else { panic!("{with}") };
        assert_eq!(root.get_number("version").unwrap().value, version.to_string(), "{with}");
        assert_eq!(root.properties.len(), 2, "{with}");
        assert_eq!(install(&with, &cursor(), LINE).unwrap(), with);
    }
}

#[test]
fn of_an_entry_with_others_only_our_hook_goes() {
    let text = "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"a\"}, {\"command\": \"/x/lastword emit claude-code\"}, {\"command\": \"b\"}]}]}}";
    assert_eq!(stripped(text), "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"command\": \"a\"}, {\"command\": \"b\"}]}]}}");
}

#[test]
fn what_is_not_what_the_owner_reads_is_left_alone() {
    for (text, said) in [
        ("[]", "1:1: an object"),
        ("{\"hooks\": []}", "1:11: \"hooks\" has to be an object"),
        ("{\n \"hooks\": {\"Stop\": {}}}", "2:20: \"Stop\" has to be an array"),
        ("{\"hooks\": {}, \"hooks\": {}}", "\"hooks\" is there twice"),
        ("{\"a\": }", "1:"),
    ] {
        for mistake in [install(text, &claude(), LINE).unwrap_err(), strip(text, claude().shape, None).unwrap_err()] {
            assert!(mistake.show(text).contains(said), "{} {said}", mistake.show(text));
        }
    }
}

/// Space and comments between two values.
fn trivia() -> impl Strategy<Value = String> {
    let pieces =
        ["", " ", "\n", "\r\n", "\n    ", "\t", " /* a, { */ ", "/* b\n*/", " // \"c\" ]\n", "\n  // d, e\n  "];
    proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

fn list_of(
    brackets: [&'static str; 2],
    item: impl Strategy<Value = String> + 'static,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = String> {
    let items = proptest::collection::vec((trivia(), item, trivia()), count);
    (items, any::<bool>(), trivia()).prop_map(move |(items, has_comma, end)| {
        let mut text = brackets[0].to_owned();
        let count = items.len();
        for (place, (before, item, after)) in items.into_iter().enumerate() {
            let comma = if place + 1 < count || has_comma { "," } else { "" };
            text.push_str(&format!("{before}{item}{after}{comma}"));
        }
        text + &end + brackets[1]
    })
}

fn hooks_of_others(least: usize) -> impl Strategy<Value = String> {
    let handler = Just("{\"type\": \"command\", \"command\": \"say, [done]\"}".to_owned());
    let group = list_of(["[", "]"], handler, 0..3).prop_map(|handlers| format!("{{\"hooks\":{handlers}}}"));
    let entries = list_of(["[", "]"], group, least..3).boxed();
    (entries.clone(), entries, trivia(), any::<bool>()).prop_map(|(stop, start, between, has_both)| match has_both {
        true => format!("{{{between}\"Stop\":{stop},{between}\"SessionStart\": {start}{between}}}"),
        false => format!("{{{between}\"Elsewhere\": {stop}{between}}}"),
    })
}

fn settings(least: usize) -> impl Strategy<Value = String> {
    let member =
        proptest::sample::select(vec!["\"model\": \"a // b\"", "\"n\":[1,2 , 3]", "\"o\": {}", "\"t\" : true"]);
    let members = proptest::collection::vec((trivia(), member, trivia()), least..4);
    let hooks = proptest::option::of(hooks_of_others(least));
    (trivia(), members, hooks, any::<bool>(), trivia(), trivia()).prop_map(
        |(head, members, hooks, has_comma, end, tail)| {
            let mut items: Vec<String> =
                members.into_iter().map(|(before, member, after)| format!("{before}{member}{after}")).collect();
            items.extend(hooks.map(|hooks| format!("{end}\"hooks\":{hooks}")));
            let comma = if has_comma && !items.is_empty() { "," } else { "" };
            format!("{head}{{{}{comma}{end}}}{tail}", items.join(","))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_file_is_like_no_byte_of_it_changes(text in settings(1)) {
        prop_assert!(parse(&text).is_ok(), "{}", text);
        let with = installed(&text);
        let left = stripped(&with);
        prop_assert_eq!(left, text, "{}", with);
    }

    #[test]
    fn every_value_that_was_there_is_there(text in settings(0)) {
        let with = installed(&text);
        let left = stripped(&with);
        prop_assert!(parse(&left).is_ok(), "{}", left);
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let again = stripped(&installed(&left));
        prop_assert_eq!(bare(&again), bare(&left), "{}", with);
    }
}
