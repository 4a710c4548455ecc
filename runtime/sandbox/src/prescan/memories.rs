//! Counts a component's linear memories, and their bytes from the start. The engine counts them as well, but only after it has compiled,
//! and then it gives the largest and not the sum.
//!
//! The count follows each instance as the engine makes it: instances can export modules and components, and components can import these.

use std::collections::HashMap;
use std::rc::Rc;

use super::definition::{Definition, Kind, Memories, Named, Step, read};
use crate::limits::{MAX_COMPONENT_INSTANCES, MAX_IMAGE_BYTES};

/// The component has more than [`MAX_COMPONENT_INSTANCES`]. Where components instantiate others twice, which instantiate others twice,
/// the number doubles with each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyInstances;

type Items<'a> = HashMap<&'a str, Item<'a>>;

#[derive(Clone)]
enum Item<'a> {
    Module(Memories),
    Component(Closure<'a>),
    Instance(Rc<Items<'a>>),
}

/// A component, and the instance that defined it.
#[derive(Clone)]
struct Closure<'a> {
    definition: Rc<Definition<'a>>,
    /// In [`Instantiation::spaces`].
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

/// Makes the instances of a component as the engine does.
#[derive(Default)]
struct Instantiation<'a> {
    spaces: Vec<Spaces<'a>>,
    memories: Memories,
}

/// Reads a valid component. Instances of its own imports do not count, because the linker refuses imported modules and components.
pub(crate) fn memories(bytes: &[u8]) -> Result<Memories, TooManyInstances> {
    let mut instantiation = Instantiation::default();
    instantiation.instance(&read(bytes), None, &Items::new())?;
    let Memories { image, .. } = instantiation.memories;
    Ok(Memories { image: image.min(MAX_IMAGE_BYTES), ..instantiation.memories })
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

/// Stands for an import of the whole component, which is unknown.
fn unknown<'a>(kind: Kind) -> Item<'a> {
    match kind {
        Kind::Module => Item::Module(Memories::default()),
        Kind::Component => Item::Component(Closure { definition: Rc::default(), within: 0 }),
        Kind::Instance => Item::Instance(Rc::default()),
    }
}

impl<'a> Instantiation<'a> {
    /// Makes an instance, adds up its memories, and returns its exports. The depth of recursion is at most the number of instances.
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
                // An export adds its item to the index space once more.
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
mod tests;
