//! Components that are made by program, because it is their size that is wrong with them. Each is the guest `good` with
//! more after it, so that a runtime which refuses one refuses it for what was added.

use std::iter::empty;

use wasm_encoder::{
    Alias, BlockType, CanonicalFunctionSection, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentSection, ComponentSectionId, ComponentTypeRef,
    ComponentTypeSection, ComponentValType, CustomSection, Encode, ExportKind, ExportSection, Function,
    FunctionSection, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection,
    NestedComponentSection, PrimitiveValType, TypeBounds, TypeSection, ValType,
};

use crate::component;

/// Statements of each function of [`many_functions`]: about 300 bytes, the size of a function in a plugin in Rust.
const STATEMENTS: u32 = 32;
/// Values that each function of [`slow_to_compile`] keeps alive over every branch.
const LIVE_VALUES: u32 = 400;
/// Blocks of each function of [`slow_to_compile`], each of which can come after each other one.
const BLOCKS: u32 = 600;

/// A component in a component in a component, `depth` deep, each empty but for the next. What wasmtime 48 needs for it, in
/// time and memory, grows with the square of the depth: 814 MB for 5 000, 3 GB for 10 000, which are a file of 120 KB.
#[must_use]
pub fn nested(depth: usize) -> Vec<u8> {
    // The bytes after the first header, from the inside: id and length of a section, and the next header.
    let header = Component::HEADER.len();
    let mut lengths = vec![header];
    for _ in 1..depth {
        let inner = lengths.last().copied().unwrap_or(header);
        lengths.push(header + 1 + encoded(inner).len() + inner);
    }
    let mut bytes = component("good");
    for length in lengths.into_iter().rev() {
        ComponentSectionId::Component.encode(&mut bytes);
        length.encode(&mut bytes);
        bytes.extend(Component::HEADER);
    }
    bytes
}

/// `count` functions that could be a plugin's.
#[must_use]
pub fn many_functions(count: u32) -> Vec<u8> {
    good_with_instance_of(&module_of(count, &small_function()), 1)
}

/// `count` functions, each of which Cranelift needs about 2 s of CPU for: all its values are alive in all its blocks,
/// and any block can follow any other.
#[must_use]
pub fn slow_to_compile(count: u32) -> Vec<u8> {
    good_with_instance_of(&module_of(count, &slow_function()), 1)
}

/// `count` functions of three bytes, with `parameters` parameters and a result.
#[must_use]
pub fn wide_functions(count: u32, parameters: usize) -> Vec<u8> {
    good_with_instance_of(&module_of_type(count, parameters, &first_parameter()), 1)
}

/// A function of three bytes that is lifted `count` times. In a component of its own, where everything counts from 0.
#[must_use]
pub fn many_adapters(count: u32) -> Vec<u8> {
    let mut exports = ExportSection::new();
    exports.export("f", ExportKind::Func, 0);
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64], [ValType::I64]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0);
    code.function(&first_parameter());
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);

    let mut instances = InstanceSection::new();
    instances.instantiate(0, empty::<(&str, ModuleArg)>());
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name: "f" });
    let mut types = ComponentTypeSection::new();
    types.function().params([("n", PrimitiveValType::U64)]).result(Some(PrimitiveValType::U64.into()));
    let mut lifted = CanonicalFunctionSection::new();
    for _ in 0..count {
        lifted.lift(0, 0, []);
    }
    let mut inner = Component::new();
    inner.section(&ModuleSection(&module)).section(&instances).section(&aliases).section(&types).section(&lifted);
    good_and(&NestedComponentSection(&inner))
}

/// A custom section of `bytes` zeros.
#[must_use]
pub fn padded(bytes: usize) -> Vec<u8> {
    good_and(&CustomSection { name: "padding".into(), data: vec![0; bytes].into() })
}

/// `count` more core instances, of a module that has nothing in it.
#[must_use]
pub fn many_instances(count: u32) -> Vec<u8> {
    good_with_instance_of(&Module::new(), count)
}

/// `count` more linear memories of 64 KiB, each in a core instance of its own.
#[must_use]
pub fn many_memories(count: u32) -> Vec<u8> {
    memories_of(count, 1)
}

/// `count` more linear memories of `pages` × 64 KiB, each in a core instance of its own.
#[must_use]
pub fn memories_of(count: u32, pages: u32) -> Vec<u8> {
    good_with_instance_of(&module_with_memory(pages), count)
}

/// A component with `count` more linear memories of 64 KiB, as composing it with libraries leaves it.
#[must_use]
pub fn with_memories(component: Vec<u8>, count: u32) -> Vec<u8> {
    with_instance_of(component, &module_with_memory(1), count)
}

fn module_with_memory(pages: u32) -> Module {
    let mut memories = MemorySection::new();
    let minimum = pages.into();
    memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut module = Module::new();
    module.section(&memories);
    module
}

/// `session-end` exported under `count` more names.
#[must_use]
pub fn many_exports(count: u32) -> Vec<u8> {
    let mut exports = ComponentExportSection::new();
    for n in 0..count {
        exports.export(format!("e{n}").as_str(), ComponentExportKind::Func, 0, None);
    }
    good_and(&exports)
}

/// `count` types that nothing uses.
#[must_use]
pub fn many_types(count: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    for _ in 0..count {
        types.defined_type().list(ComponentValType::Primitive(PrimitiveValType::U8));
    }
    good_and(&types)
}

/// A type that doubles `depth` times: a pair of pairs of pairs. In a component of its own, where types count from 0.
#[must_use]
pub fn doubling_type(depth: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.defined_type().tuple([PrimitiveValType::U8, PrimitiveValType::U8]);
    for smaller in 0..depth.saturating_sub(1) {
        types.defined_type().tuple([ComponentValType::Type(smaller), ComponentValType::Type(smaller)]);
    }
    let mut inner = Component::new();
    inner.section(&types);
    good_and(&NestedComponentSection(&inner))
}

/// An export whose name has `bytes` bytes, and an import with such a name, which nothing provides.
#[must_use]
pub fn long_names(bytes: usize) -> Vec<u8> {
    let mut exports = ComponentExportSection::new();
    exports.export("e".repeat(bytes).as_str(), ComponentExportKind::Func, 0, None);
    let mut imports = ComponentImportSection::new();
    // A resource, which is the one type that needs no other.
    imports.import("i".repeat(bytes).as_str(), ComponentTypeRef::Type(TypeBounds::SubResource));
    let mut component = good_and(&exports);
    imports.append_to_component(&mut component);
    component
}

fn good_and(section: &impl ComponentSection) -> Vec<u8> {
    let mut bytes = component("good");
    section.append_to_component(&mut bytes);
    bytes
}

/// `good`, which has one core module, and `count` core instances of another.
fn good_with_instance_of(module: &Module, count: u32) -> Vec<u8> {
    with_instance_of(component("good"), module, count)
}

/// The component in `bytes` and `count` core instances of one more module.
fn with_instance_of(mut bytes: Vec<u8>, module: &Module, count: u32) -> Vec<u8> {
    let modules = core_modules(&bytes);
    ModuleSection(module).append_to_component(&mut bytes);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(modules, empty::<(&str, ModuleArg)>());
    }
    instances.append_to_component(&mut bytes);
    bytes
}

/// Core modules that a component has itself. Those of the components in it have an index space of their own.
fn core_modules(bytes: &[u8]) -> u32 {
    let mut depth = 0_u32;
    let mut found = 0;
    for payload in wasmparser::Parser::new(0).parse_all(bytes).flatten() {
        match payload {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => {
                found += u32::from(depth == 0 && matches!(payload, wasmparser::Payload::ModuleSection { .. }));
                depth += 1;
            }
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// A module of `count` functions with one body, from two `i64` to one.
fn module_of(count: u32, body: &Function) -> Module {
    module_of_type(count, 2, body)
}

/// A module of `count` functions with one body, from `parameters` times `i64` to one.
fn module_of_type(count: u32, parameters: usize, body: &Function) -> Module {
    let mut types = TypeSection::new();
    types.ty().function(vec![ValType::I64; parameters], [ValType::I64]);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..count {
        functions.function(0);
        code.function(body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// Gives its first parameter.
fn first_parameter() -> Function {
    let mut body = Function::new([]);
    body.instructions().local_get(0).end();
    body
}

fn small_function() -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    for n in 0..STATEMENTS {
        code.local_get(0).i64_const(i64::from(n)).i64_mul().local_get(1).i64_xor().local_set(n % 2);
    }
    code.local_get(0).local_get(1).i64_add().end();
    body
}

fn slow_function() -> Function {
    const FIRST: u32 = 2;
    let mut body = Function::new([(LIVE_VALUES, ValType::I64)]);
    let mut code = body.instructions();
    code.loop_(BlockType::Empty);
    for _ in 0..BLOCKS {
        code.block(BlockType::Empty);
    }
    // Where to go next depends on the values: label n leaves block n, and label BLOCKS is the loop.
    code.local_get(0).i32_wrap_i64().br_table(0..BLOCKS, BLOCKS - 1);
    for block in 0..BLOCKS {
        code.end();
        for step in 0..4 {
            let value = |n: u32| FIRST + (block * 7 + step * 131 + n * 61) % LIVE_VALUES;
            code.local_get(value(0)).local_get(value(1)).i64_mul().local_get(value(2)).i64_add().local_set(value(3));
        }
        code.local_get(FIRST + block % LIVE_VALUES).local_set(0);
        // Back to the start, from where every block can be reached again.
        code.local_get(1).i32_wrap_i64().br_if(BLOCKS - 1 - block);
    }
    code.end();
    for n in 0..LIVE_VALUES {
        code.local_get(FIRST + n);
    }
    for _ in 1..LIVE_VALUES {
        code.i64_add();
    }
    code.end();
    body
}

fn encoded(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    length.encode(&mut bytes);
    bytes
}
