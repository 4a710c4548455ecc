//! A component's code for embedders, with the facts that were found on the way to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;

use crate::hooks::Hooks;
use crate::imports::Import;
use crate::prescan::definition::Memories;

/// A compiled component: [`Sandbox::instantiate`](crate::Sandbox::instantiate) makes plugins of it, each with a name, limits and
/// grants of its own. Cheap to clone. The code is in memory once, and as long as there is a `Compiled` or a plugin with it.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) component: Arc<CompiledComponent>,
    pub(crate) compiled_in: Option<Duration>,
}

impl Compiled {
    /// SHA-256 of the component, 64 hexadecimal digits in lower case.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.component.sha256
    }

    /// The component's hooks.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.component.hooks
    }

    /// The component's imports, and who provides each: the grants that a plugin of it needs.
    #[must_use]
    pub fn imports(&self) -> &[Import] {
        &self.component.imports
    }

    /// The time of compiling it. None when the code cache had it, or another plugin.
    #[must_use]
    pub fn compiled_in(&self) -> Option<Duration> {
        self.compiled_in
    }

    /// Whether the code cache has it now, so that the next start need not compile it.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.component.cached
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("sha256", &self.component.sha256)
            .field("hooks", &self.component.hooks)
            .finish_non_exhaustive()
    }
}

/// The data that all plugins of one component share.
pub(crate) struct CompiledComponent {
    pub(crate) code: Component,
    /// SHA-256 of the component, in lower-case hexadecimal digits.
    pub(crate) sha256: Arc<str>,
    pub(crate) hooks: Hooks,
    pub(crate) imports: Vec<Import>,
    /// The names of `imports`.
    pub(crate) import_names: Arc<[String]>,
    /// The memories of its core instances.
    pub(crate) memories: Memories,
    /// Linear memories of an instance, as the engine counts them.
    pub(crate) linear_memories: u32,
    /// Whether the next start finds the code in the cache.
    pub(crate) cached: bool,
}
