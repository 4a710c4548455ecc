//! Compares the counted memories with those that the engine makes.

use super::*;
use crate::prescan::definition::PAGE_BYTES_LOG2;

const PAGE_BYTES: u64 = 1 << PAGE_BYTES_LOG2;

/// The engine's count for the same component.
fn engines(bytes: &[u8]) -> u64 {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let component = wasmtime::component::Component::new(&engine, bytes).unwrap();
    component.resources_required().map_or(0, |needs| needs.num_memories.into())
}

#[test]
fn it_counts_what_the_engine_counts() {
    for name in ["good", "prints", "http-posts", "kv-remembers", "many-memories", "many-instances"] {
        let bytes = lastword_test_guests::component(name);
        assert_eq!(memories(&bytes).unwrap().count, engines(&bytes), "{name}");
    }
    let bytes = lastword_test_guests::frozen_0_1_0();
    assert_eq!(memories(&bytes).unwrap().count, engines(&bytes));
}

#[test]
fn it_follows_aliases_and_components_that_are_instantiated_several_times() {
    let wat = "(component $outer
        (core module $m (memory 3))
        (component $inner
            (alias outer $outer $m (core module $m))
            (core instance (instantiate $m))
            (core instance (instantiate $m))
            (component $deep
                (alias outer $outer $m (core module $again))
                (core instance (instantiate $again))
            )
            (instance (instantiate $deep))
        )
        (instance (instantiate $inner))
        (instance (instantiate $inner))
        (component $never (core module $other (memory 100)) (core instance (instantiate $other)))
    )";
    let bytes = lastword_test_guests::from_text(wat);
    assert_eq!(memories(&bytes), Ok(Memories { count: 6, bytes: 6 * 3 * PAGE_BYTES, image: 0 }));
    assert_eq!(engines(&bytes), 6);
}

#[test]
fn it_follows_what_an_instance_exports_and_what_a_component_is_given() {
    let wat = r#"(component
        (component $library
            (core module $m (memory 3))
            (component $c (core module $n (memory 5)) (core instance (instantiate $n)))
            (export "m" (core module $m))
            (export "c" (component $c))
        )
        (instance $l (instantiate $library))
        (alias export $l "m" (core module $m))
        (alias export $l "c" (component $c))
        (instance $again (export "inner" (instance $l)))
        (alias export $again "inner" (instance $inner))
        (alias export $inner "m" (core module $same))
        (core instance (instantiate $m))
        (core instance (instantiate $same))
        (instance (instantiate $c))
        (component $user
            (import "m" (core module $given))
            (export "back" (core module $given))
            (core instance (instantiate $given))
        )
        (instance $u (instantiate $user (with "m" (core module $m))))
        (alias export $u "back" (core module $back))
        (core instance (instantiate $back))
    )"#;
    let bytes = lastword_test_guests::from_text(wat);
    assert_eq!(memories(&bytes), Ok(Memories { count: 5, bytes: (4 * 3 + 5) * PAGE_BYTES, image: 0 }));
    assert_eq!(engines(&bytes), 5);
}

#[test]
fn a_page_is_as_large_as_its_memory_says() {
    let wat = "(component (core module $m (memory 1000 (pagesize 1))) (core instance (instantiate $m)))";
    assert_eq!(memories(&lastword_test_guests::from_text(wat)), Ok(Memories { count: 1, bytes: 1000, image: 0 }));
}

#[test]
fn what_a_module_fills_is_its_image_and_no_more_than_its_memory() {
    let of = |memory: &str| {
        let wat = format!(
            r#"(component (core module $m (memory {memory}) (data (i32.const 0) "abcd") (data (i32.const 0) "ef") (data "passive"))
                (core instance (instantiate $m)) (core instance (instantiate $m)))"#
        );
        memories(&lastword_test_guests::from_text(&wat)).unwrap().image
    };
    assert_eq!((of("1"), of("5 (pagesize 1)")), (2 * 6, 2 * 5));
}

#[test]
fn no_more_is_image_than_a_component_s_most() {
    let data = "x".repeat(1 << 20);
    let wat = format!(
        r#"(component (core module $m (memory 32) {})
            (core instance (instantiate $m)) (core instance (instantiate $m)))"#,
        format!("(data (i32.const 0) \"{data}\")").repeat(6)
    );
    let memories = memories(&lastword_test_guests::from_text(&wat)).unwrap();
    assert_eq!(memories, Memories { count: 2, bytes: 64 * PAGE_BYTES, image: 64 * PAGE_BYTES });
    let wat = wat.replace("(memory 32)", "(memory 256)");
    let of = super::memories(&lastword_test_guests::from_text(&wat)).unwrap();
    assert_eq!(of.image, MAX_IMAGE_BYTES, "of 12 MiB, which overlap");
}

#[test]
fn instances_that_double_with_each_level_are_not_all_followed() {
    let mut wat = "(core module $m (memory 1)) (core instance (instantiate $m))".to_owned();
    for level in 0..60 {
        wat = format!(
            "(component $c{level} {wat}) (instance (instantiate $c{level})) (instance (instantiate $c{level}))\
             (instance (instantiate $c{level}))"
        );
    }
    let bytes = lastword_test_guests::from_text(&format!("(component {wat})"));
    assert_eq!(memories(&bytes), Err(TooManyInstances));
}
