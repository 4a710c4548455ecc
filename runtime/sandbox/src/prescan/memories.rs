//! How many linear memories a component has, and how large they are from the start. The engine counts them as well, but
//! only when it has compiled, and then it tells the largest and not the sum.
//!
//! Each instance is followed as the engine makes it: modules and components can be exported by instances, and given to
//! components that import them.

use std::collections::HashMap;
use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, DataKind,
    Encoding, Instance, Parser, Payload,
};

use crate::limits::{MAX_COMPONENT_INSTANCES, MAX_IMAGE_BYTES};

/// Of a page, where a memory does not say another.
const PAGE_BYTES_LOG2: u32 = 16;

/// The linear memories of all core instances of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memories {
    /// How many.
    pub(crate) count: u64,
    /// What they have together from the start.
    pub(crate) bytes: u64,
    /// Those of them that the component itself fills as it is made; never more than `bytes`, nor than [`MAX_IMAGE_BYTES`].
    pub(crate) image: u64,
}

impl Memories {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.image = self.image.saturating_add(more.image);
    }
}

/// It has more than [`MAX_COMPONENT_INSTANCES`]. With components that are instantiated twice, of components that are
/// instantiated twice, they double with each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyInstances;

/// A component as it is written.
#[derive(Default)]
struct Definition<'a> {
    steps: Vec<Step<'a>>,
}

/// What adds something to an index space, or memories.
enum Step<'a> {
    Module(Memories),
    Component(Rc<Definition<'a>>),
    Import(Kind, &'a str),
    /// An export of an instance.
    Alias(Kind, u32, &'a str),
    /// Of the component that is so many levels further out.
    Outer(Kind, u32, u32),
    InstantiateModule(u32),
    Instantiate(u32, Vec<Named<'a>>),
    Instance(Vec<Named<'a>>),
    Export(Named<'a>),
}

#[derive(Clone, Copy)]
enum Kind {
    Module,
    Component,
    Instance,
}

/// A name, and a place in an index space.
type Named<'a> = (&'a str, Kind, u32);
type Items<'a> = HashMap<&'a str, Item<'a>>;

#[derive(Clone)]
enum Item<'a> {
    Module(Memories),
    Component(Closure<'a>),
    Instance(Rc<Items<'a>>),
}

/// A component, and the instance that it was defined in.
#[derive(Clone)]
struct Closure<'a> {
    definition: Rc<Definition<'a>>,
    /// In [`Making::spaces`].
    within: usize,
}

/// The index spaces of an instance while it is made.
#[derive(Default)]
struct Spaces<'a> {
    within: Option<usize>,
    modules: Vec<Item<'a>>,
    components: Vec<Item<'a>>,
    instances: Vec<Item<'a>>,
}

#[derive(Default)]
struct Making<'a> {
    spaces: Vec<Spaces<'a>>,
    memories: Memories,
}

/// Reads a valid component. What it instantiates of its own imports counts for nothing: the linker refuses imported
/// modules and components.
pub(crate) fn memories(bytes: &[u8]) -> Result<Memories, TooManyInstances> {
    let mut making = Making::default();
    making.instance(&read(bytes), None, &Items::new())?;
    let Memories { image, .. } = making.memories;
    Ok(Memories { image: image.min(MAX_IMAGE_BYTES), ..making.memories })
}

/// What is open while a component is read, from the outside in.
enum Open<'a> {
    Module(Memories),
    Component(Definition<'a>),
}

fn read(bytes: &[u8]) -> Definition<'_> {
    let mut open: Vec<Open<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        match payload {
            Payload::Version { encoding, .. } => open.push(match encoding {
                Encoding::Module => Open::Module(Memories::default()),
                Encoding::Component => Open::Component(Definition::default()),
            }),
            Payload::End(_) => {
                let done = open.pop();
                match (done, open.last_mut()) {
                    (Some(Open::Module(mut memories)), Some(Open::Component(within))) => {
                        memories.image = memories.image.min(memories.bytes);
                        within.steps.push(Step::Module(memories));
                    }
                    (Some(Open::Component(inner)), Some(Open::Component(within))) => {
                        within.steps.push(Step::Component(Rc::new(inner)));
                    }
                    (Some(Open::Component(whole)), None) => return whole,
                    _ => {}
                }
            }
            other => match open.last_mut() {
                Some(Open::Module(memories)) => read_module(&other, memories),
                Some(Open::Component(definition)) => definition.read(other),
                None => {}
            },
        }
    }
    Definition::default()
}

fn read_module(section: &Payload<'_>, memories: &mut Memories) {
    match section {
        Payload::MemorySection(section) => {
            for memory in section.clone().into_iter().flatten() {
                let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(PAGE_BYTES_LOG2)).unwrap_or(u64::MAX);
                memories.add(Memories { count: 1, bytes: memory.initial.saturating_mul(page), image: 0 });
            }
        }
        Payload::DataSection(section) => {
            // What is passive the guest copies itself, if at all: no pages are shared.
            let active = section.clone().into_iter().flatten();
            let active = active.filter(|data| matches!(data.kind, DataKind::Active { .. }));
            memories.image = u64::try_from(active.map(|data| data.data.len()).sum::<usize>()).unwrap_or(u64::MAX);
        }
        _ => {}
    }
}

impl Kind {
    fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Module => Some(Self::Module),
            ComponentExternalKind::Component => Some(Self::Component),
            ComponentExternalKind::Instance => Some(Self::Instance),
            _ => None,
        }
    }
}

impl<'a> Definition<'a> {
    fn read(&mut self, section: Payload<'a>) {
        let steps = &mut self.steps;
        match section {
            Payload::InstanceSection(instances) => {
                steps.extend(instances.into_iter().flatten().filter_map(|instance| match instance {
                    Instance::Instantiate { module_index, .. } => Some(Step::InstantiateModule(module_index)),
                    Instance::FromExports(_) => None,
                }));
            }
            Payload::ComponentInstanceSection(instances) => {
                steps.extend(instances.into_iter().flatten().map(|instance| match instance {
                    ComponentInstance::Instantiate { component_index, args } => {
                        let args = args.iter().filter_map(|arg| Some((arg.name, Kind::of(arg.kind)?, arg.index)));
                        Step::Instantiate(component_index, args.collect())
                    }
                    ComponentInstance::FromExports(exports) => {
                        let exports = exports.iter();
                        let exports =
                            exports.filter_map(|export| Some((export.name.name, Kind::of(export.kind)?, export.index)));
                        Step::Instance(exports.collect())
                    }
                }));
            }
            Payload::ComponentImportSection(imports) => {
                steps.extend(imports.into_iter().flatten().filter_map(|import| {
                    let kind = match import.ty {
                        ComponentTypeRef::Module(_) => Kind::Module,
                        ComponentTypeRef::Component(_) => Kind::Component,
                        ComponentTypeRef::Instance(_) => Kind::Instance,
                        _ => return None,
                    };
                    Some(Step::Import(kind, import.name.name))
                }));
            }
            Payload::ComponentAliasSection(aliases) => {
                steps.extend(aliases.into_iter().flatten().filter_map(|alias| match alias {
                    ComponentAlias::InstanceExport { kind, instance_index, name } => {
                        Some(Step::Alias(Kind::of(kind)?, instance_index, name))
                    }
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                        Some(Step::Outer(Kind::Module, count, index))
                    }
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                        Some(Step::Outer(Kind::Component, count, index))
                    }
                    _ => None,
                }));
            }
            Payload::ComponentExportSection(exports) => {
                let exports = exports.into_iter().flatten();
                steps.extend(
                    exports.filter_map(|export| {
                        Some(Step::Export((export.name.name, Kind::of(export.kind)?, export.index)))
                    }),
                );
            }
            _ => {}
        }
    }
}

impl<'a> Spaces<'a> {
    fn space(&mut self, kind: Kind) -> &mut Vec<Item<'a>> {
        match kind {
            Kind::Module => &mut self.modules,
            Kind::Component => &mut self.components,
            Kind::Instance => &mut self.instances,
        }
    }

    fn get(&self, kind: Kind, index: u32) -> Option<&Item<'a>> {
        let space = match kind {
            Kind::Module => &self.modules,
            Kind::Component => &self.components,
            Kind::Instance => &self.instances,
        };
        space.get(index as usize)
    }

    fn export(&self, instance: u32, name: &str) -> Option<&Item<'a>> {
        match self.get(Kind::Instance, instance)? {
            Item::Instance(exports) => exports.get(name),
            _ => None,
        }
    }

    fn named(&self, items: &[Named<'a>]) -> Items<'a> {
        items.iter().filter_map(|&(name, kind, index)| Some((name, self.get(kind, index)?.clone()))).collect()
    }
}

/// What stands for an import of the whole component: nothing is known of it.
fn unknown<'a>(kind: Kind) -> Item<'a> {
    match kind {
        Kind::Module => Item::Module(Memories::default()),
        Kind::Component => Item::Component(Closure { definition: Rc::default(), within: 0 }),
        Kind::Instance => Item::Instance(Rc::default()),
    }
}

impl<'a> Making<'a> {
    /// Makes an instance, adds up its memories, and returns its exports. The depth of recursion is at most the number of
    /// instances.
    fn instance(
        &mut self,
        definition: &Definition<'a>,
        within: Option<usize>,
        args: &Items<'a>,
    ) -> Result<Items<'a>, TooManyInstances> {
        if self.spaces.len() > MAX_COMPONENT_INSTANCES as usize {
            return Err(TooManyInstances);
        }
        let at = self.spaces.len();
        self.spaces.push(Spaces { within, ..Spaces::default() });
        let mut exports = Items::new();
        for step in &definition.steps {
            let (kind, item) = match step {
                Step::Module(memories) => (Kind::Module, Some(Item::Module(*memories))),
                Step::Component(inner) => {
                    let closure = Closure { definition: Rc::clone(inner), within: at };
                    (Kind::Component, Some(Item::Component(closure)))
                }
                Step::Import(kind, name) => (*kind, args.get(name).cloned()),
                Step::Alias(kind, instance, name) => {
                    (*kind, self.spaces.get(at).and_then(|spaces| spaces.export(*instance, name)).cloned())
                }
                Step::Outer(kind, count, index) => (*kind, self.outer(at, *count, *kind, *index)),
                Step::InstantiateModule(module) => {
                    if let Some(Item::Module(memories)) = self.get(at, Kind::Module, *module) {
                        self.memories.add(memories);
                    }
                    continue;
                }
                Step::Instantiate(component, args) => {
                    let args = self.spaces.get(at).map(|spaces| spaces.named(args)).unwrap_or_default();
                    let made = match self.get(at, Kind::Component, *component) {
                        Some(Item::Component(Closure { definition, within })) => {
                            self.instance(&definition, Some(within), &args)?
                        }
                        _ => Items::new(),
                    };
                    (Kind::Instance, Some(Item::Instance(Rc::new(made))))
                }
                Step::Instance(items) => {
                    let made = self.spaces.get(at).map(|spaces| spaces.named(items)).unwrap_or_default();
                    (Kind::Instance, Some(Item::Instance(Rc::new(made))))
                }
                // What is exported has one more place.
                Step::Export((name, kind, index)) => {
                    let item = self.get(at, *kind, *index);
                    exports.extend(item.clone().map(|item| (*name, item)));
                    (*kind, item)
                }
            };
            if let Some(spaces) = self.spaces.get_mut(at) {
                spaces.space(kind).push(item.unwrap_or_else(|| unknown(kind)));
            }
        }
        Ok(exports)
    }

    fn get(&self, at: usize, kind: Kind, index: u32) -> Option<Item<'a>> {
        self.spaces.get(at)?.get(kind, index).cloned()
    }

    fn outer(&self, mut at: usize, count: u32, kind: Kind, index: u32) -> Option<Item<'a>> {
        for _ in 0..count {
            at = self.spaces.get(at)?.within?;
        }
        self.get(at, kind, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: u64 = 1 << PAGE_BYTES_LOG2;

    /// What the engine counts in the same component.
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
}
