//! Every guest is text that wraps, and imports what it is meant to.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly, its helper functions too"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lastword_test_guests::{NAMES, World, bombs, burn, component, from_wat, write};
use wit_parser::{Resolve, WorldItem, WorldKey};

/// Version and layer of a component, where a core module has 01 00 00 00.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// The interfaces that a component imports, without their versions. The contract's, which is types only, is left out.
fn imports(name: &str) -> BTreeSet<String> {
    let wit_component::DecodedWasm::Component(resolve, world) = wit_component::decode(&component(name)).unwrap() else {
        panic!("{name} is a WIT package");
    };
    let interface = |key: &WorldKey, resolve: &Resolve| {
        let id = resolve.name_world_key(key);
        id.split('@').next().unwrap_or_default().to_owned()
    };
    let world = &resolve.worlds[world];
    let imports = world.imports.iter().filter(|(_, item)| matches!(item, WorldItem::Interface { .. }));
    imports.map(|(key, _)| interface(key, &resolve)).filter(|i| i != "lastword:hooks/types").collect()
}

fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|e| e == "wat") {
            found.push(path);
        }
    }
}

#[test]
fn every_guest_becomes_a_component() {
    for name in NAMES {
        assert_eq!(component(name)[..8], *HEADER, "{name}");
    }
}

#[test]
fn a_guest_imports_nothing_that_it_does_not_use() {
    let none = BTreeSet::new();
    for name in ["good", "good-all", "spin", "scans-memory", "answers-50mb", "realloc-traps", "post-return-spins"] {
        assert_eq!(imports(name), none, "{name}");
    }
    for (name, expected) in [
        ("host-call-loop", &["wasi:clocks/monotonic-clock"][..]),
        ("random-flood", &["wasi:random/random"]),
        ("config-prints", &["wasi:cli/stdout", "wasi:config/store", "wasi:io/error", "wasi:io/streams"]),
        ("kv-flood", &["wasi:keyvalue/store"]),
        ("kv-increments-text", &["wasi:keyvalue/atomics", "wasi:keyvalue/store"]),
        ("imports-keyvalue", &["wasi:keyvalue/store"]),
        ("imports-config", &["wasi:config/store"]),
        ("imports-unheard-of", &["acme:unheard-of/oracle"]),
    ] {
        let expected = expected.iter().map(|&i| i.to_owned()).collect();
        assert_eq!(imports(name), expected, "{name}");
    }
}

#[test]
fn only_the_guests_that_say_so_need_a_grant() {
    for name in NAMES {
        let imports = imports(name);
        let needs = |package: &str| imports.iter().any(|i| i.starts_with(package));
        assert_eq!(needs("wasi:http/"), name.starts_with("http-") || *name == "imports-http", "{name}");
        assert_eq!(needs("wasi:keyvalue/"), name.starts_with("kv-") || *name == "imports-keyvalue", "{name}");
        assert_eq!(needs("wasi:config/"), name.starts_with("config-") || *name == "imports-config", "{name}");
    }
}

#[test]
fn every_text_is_in_the_list_and_says_what_it_is_for() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/wat"));
    let parts = folder.join("parts");
    let mut paths = Vec::new();
    texts(folder, &mut paths);
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        if path.starts_with(&parts) {
            continue;
        }
        assert!(text.starts_with(";; "), "{} does not begin with what it is for", path.display());
        found.push(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    found.extend(["many-memories", "many-instances"].map(str::to_owned));
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

/// A bomb that is refused for another reason than its size shows nothing: small ones have to be good plugins.
#[test]
fn a_small_bomb_is_a_valid_component() {
    for (name, bomb) in [
        ("nested", bombs::nested(10)),
        ("many_functions", bombs::many_functions(10)),
        ("slow_to_compile", bombs::slow_to_compile(1)),
        ("padded", bombs::padded(10)),
        ("many_instances", bombs::many_instances(10)),
        ("many_memories", bombs::many_memories(2)),
        ("many_exports", bombs::many_exports(10)),
        ("many_types", bombs::many_types(10)),
        ("doubling_type", bombs::doubling_type(10)),
        ("long_names", bombs::long_names(90)),
    ] {
        assert_eq!(bomb[..8], *HEADER, "{name}");
        wasmparser::validate(&bomb).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn a_bomb_is_as_large_as_it_is_told() {
    assert!(bombs::padded(1 << 20).len() > 1 << 20);
    assert!(bombs::many_functions(2_000).len() > 10 * bombs::many_functions(100).len());
    // Each level has a header of 8 bytes, and the id and length of a section.
    assert!(bombs::nested(1_001).len() - bombs::nested(1).len() > 1_000 * 10);
}
