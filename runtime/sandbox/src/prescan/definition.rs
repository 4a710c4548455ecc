//! A component's text: the items that each of its sections adds to its index spaces, and the memories of its modules.

use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, DataKind,
    Encoding, Instance, Parser, Payload,
};

/// The default size of a page.
pub(super) const PAGE_BYTES_LOG2: u32 = 16;

/// The linear memories of all core instances of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memories {
    /// The number of memories.
    pub(crate) count: u64,
    /// Their bytes together from the start.
    pub(crate) bytes: u64,
    /// Bytes that the component itself fills as it is made. Never more than `bytes`, nor than
    /// [`MAX_IMAGE_BYTES`](crate::limits::MAX_IMAGE_BYTES).
    pub(crate) image: u64,
}

impl Memories {
    pub(super) fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.image = self.image.saturating_add(more.image);
    }
}

/// A component before it is instantiated.
#[derive(Default)]
pub(super) struct Definition<'a> {
    pub(super) steps: Vec<Step<'a>>,
}

/// An addition to an index space, or memories, in the order of the component.
pub(super) enum Step<'a> {
    Module(Memories),
    Component(Rc<Definition<'a>>),
    Import(Kind, &'a str),
    /// An export of an instance.
    Alias(Kind, u32, &'a str),
    /// An item of the component that is this many levels further out.
    Outer(Kind, u32, u32),
    InstantiateModule(u32),
    Instantiate(u32, Vec<Named<'a>>),
    Instance(Vec<Named<'a>>),
    Export(Named<'a>),
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Module,
    Component,
    Instance,
}

/// A name, and an index into the space of its kind.
pub(super) type Named<'a> = (&'a str, Kind, u32);
/// A part that is open while a component is read, from the outside in.
enum Open<'a> {
    Module(Memories),
    Component(Definition<'a>),
}

/// Reads a valid component.
pub(super) fn read(bytes: &[u8]) -> Definition<'_> {
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
            // The guest itself copies passive segments, if at all, so calls share no pages of those.
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
