//! How many linear memories a component has, and how large they are from the start. The engine counts them as well, but
//! only when it has compiled, and then it tells the largest and not the sum.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Instance,
    Parser, Payload,
};

const PAGE_BYTES: u64 = 64 * 1024;

/// The linear memories of all core instances of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memories {
    /// How many.
    pub(crate) count: u64,
    /// What they have together from the start.
    pub(crate) bytes: u64,
}

impl Memories {
    fn add(&mut self, more: Self) {
        // Components that are instantiated twice, of components that are instantiated twice, double with each level.
        self.count = self.count.saturating_add(more.count);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// What is open while a component is read, from the outside in.
enum Open {
    Module(Memories),
    Component(Level),
}

/// One component: what an instance of each thing in its index spaces would have, and what itself has.
#[derive(Default)]
struct Level {
    modules: Vec<Memories>,
    components: Vec<Memories>,
    instantiated: Memories,
}

/// Reads a valid component. What it instantiates without defining it counts for nothing: the linker refuses imported
/// modules and components.
pub(crate) fn memories(bytes: &[u8]) -> Memories {
    let mut open: Vec<Open> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        match payload {
            Payload::Version { encoding, .. } => open.push(match encoding {
                wasmparser::Encoding::Module => Open::Module(Memories::default()),
                wasmparser::Encoding::Component => Open::Component(Level::default()),
            }),
            Payload::End(_) => {
                let done = open.pop();
                let Some(Open::Component(within)) = open.last_mut() else {
                    return done.map_or_else(Memories::default, Open::memories);
                };
                match done {
                    Some(Open::Module(memories)) => within.modules.push(memories),
                    Some(Open::Component(level)) => within.components.push(level.instantiated),
                    None => {}
                }
            }
            other => read(&other, &mut open),
        }
    }
    Memories::default()
}

impl Open {
    fn memories(self) -> Memories {
        match self {
            Self::Module(memories) => memories,
            Self::Component(level) => level.instantiated,
        }
    }
}

/// Any section but the beginning and the end of a module or component.
fn read(section: &Payload<'_>, open: &mut [Open]) {
    if let Payload::ComponentAliasSection(aliases) = section {
        for alias in aliases.clone().into_iter().flatten() {
            take_alias(&alias, open);
        }
        return;
    }
    match (open.last_mut(), section) {
        (Some(Open::Module(memories)), Payload::MemorySection(section)) => {
            for memory in section.clone().into_iter().flatten() {
                memories.add(Memories { count: 1, bytes: memory.initial.saturating_mul(PAGE_BYTES) });
            }
        }
        (Some(Open::Component(level)), section) => level.read(section),
        _ => {}
    }
}

/// An alias has a place in an index space as its definition has.
fn take_alias(alias: &ComponentAlias<'_>, open: &mut [Open]) {
    let (is_module, found) = match *alias {
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => (true, None),
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => (false, None),
        ComponentAlias::Outer { kind, count, index } => {
            let up = open.len().checked_sub(count as usize + 1).and_then(|at| open.get(at));
            let Some(Open::Component(outer)) = up else { return };
            match kind {
                ComponentOuterAliasKind::CoreModule => (true, outer.modules.get(index as usize).copied()),
                ComponentOuterAliasKind::Component => (false, outer.components.get(index as usize).copied()),
                _ => return,
            }
        }
        _ => return,
    };
    if let Some(Open::Component(level)) = open.last_mut() {
        let space = if is_module { &mut level.modules } else { &mut level.components };
        space.push(found.unwrap_or_default());
    }
}

impl Level {
    fn read(&mut self, section: &Payload<'_>) {
        match section {
            Payload::InstanceSection(instances) => {
                for instance in instances.clone().into_iter().flatten() {
                    if let Instance::Instantiate { module_index, .. } = instance {
                        self.instantiate(self.modules.get(module_index as usize).copied());
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone().into_iter().flatten() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        self.instantiate(self.components.get(component_index as usize).copied());
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone().into_iter().flatten() {
                    match import.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(Memories::default()),
                        ComponentTypeRef::Component(_) => self.components.push(Memories::default()),
                        _ => {}
                    }
                }
            }
            // What is exported has one more place.
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone().into_iter().flatten() {
                    let space = match export.kind {
                        ComponentExternalKind::Module => &mut self.modules,
                        ComponentExternalKind::Component => &mut self.components,
                        _ => continue,
                    };
                    let again = space.get(export.index as usize).copied().unwrap_or_default();
                    space.push(again);
                }
            }
            _ => {}
        }
    }

    fn instantiate(&mut self, what: Option<Memories>) {
        self.instantiated.add(what.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(memories(&bytes).count, engines(&bytes), "{name}");
        }
        let bytes = lastword_test_guests::frozen_0_1_0();
        assert_eq!(memories(&bytes).count, engines(&bytes));
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
        assert_eq!(memories(&bytes), Memories { count: 6, bytes: 6 * 3 * PAGE_BYTES });
        assert_eq!(engines(&bytes), 6);
    }

    #[test]
    fn numbers_that_double_with_each_level_do_not_overflow() {
        let mut wat = "(core module $m (memory 1)) (core instance (instantiate $m))".to_owned();
        for level in 0..60 {
            wat = format!(
                "(component $c{level} {wat}) (instance (instantiate $c{level})) (instance (instantiate $c{level}))\
                 (instance (instantiate $c{level}))"
            );
        }
        let bytes = lastword_test_guests::from_text(&format!("(component {wat})"));
        assert_eq!(memories(&bytes), Memories { count: u64::MAX, bytes: u64::MAX });
    }
}
