//! Every guest is text that wraps.

use lastword_test_guests::{NAMES, World, burn, component, from_wat, write};

#[test]
fn every_guest_becomes_a_component() {
    for name in NAMES {
        // Version and layer of a component, where a core module has 01 00 00 00.
        assert_eq!(component(name)[..8], *b"\0asm\x0d\0\x01\0", "{name}");
    }
}

#[test]
fn a_guest_imports_nothing_that_it_does_not_use() {
    let good = component("good");
    assert!(!String::from_utf8_lossy(&good).contains("wasi:"));
}

#[test]
fn every_text_is_in_the_list_and_says_what_it_is_for() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/wat");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wat") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(";; "), "{} does not begin with what it is for", path.display());
            found.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    let mut listed = NAMES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
#[should_panic(expected = "there is no test guest \"god\"; there are: good, ")]
fn an_unknown_guest_names_the_known_ones() {
    let _guest = component("god");
}

#[test]
fn tests_can_bring_their_own_text() {
    assert!(from_wat("(module)", World::SessionEnd).is_err(), "lacks the export");
    assert_ne!(burn(1), burn(2));
    let dir = std::env::temp_dir().join(format!("lastword-guests-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = write("good", &dir);
    assert_eq!(std::fs::read(&path).unwrap(), component("good"));
    std::fs::remove_dir_all(dir).unwrap();
}
