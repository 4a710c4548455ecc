//! Compiling, at most once for each component, engine configuration and wasmtime version.

mod child;
mod exchange;
mod process;
mod progress;
#[cfg(feature = "compile")]
mod worker;

pub use process::CompilerProcess;
#[cfg(feature = "compile")]
pub use worker::compile_worker;

use std::time::{Duration, Instant};

use lastword_events::PluginName;
use rustix::io::Errno;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::{CodeCache, Key};
#[cfg(feature = "compile")]
use crate::code_size::CodeSize;
use crate::error::LoadError;
use crate::fingerprint::fingerprint;
use crate::foreign::engine_error;
use crate::lack::is_lack;
#[cfg(feature = "compile")]
use crate::limits::{IN_PROCESS_FUNCTION_PART, MAX_CODE_BYTES};
use crate::memory_layout::MemoryLayout;
use crate::shared_code::Sum;
use progress::Progress;

pub(crate) struct Compiler {
    engine: Engine,
    layout: MemoryLayout,
    process: Option<CompilerProcess>,
    cache: Option<CodeCache>,
    /// The most bytes of code of a component that is compiled in this process.
    #[cfg_attr(not(feature = "compile"), expect(dead_code, reason = "nothing is compiled in this process"))]
    max_in_process_code: u64,
    fingerprint: [u8; 32],
}

/// The result of compiling a component.
pub(crate) struct CompiledCode {
    pub(crate) component: Component,
    /// The time of compiling. None when the code was in the cache.
    pub(crate) compiled_in: Option<Duration>,
    /// Whether the next start finds the code in the cache.
    pub(crate) cached: bool,
}

impl Compiler {
    /// Makes the compiler. `layout` is the engine's.
    pub(crate) fn new(
        engine: &Engine,
        layout: MemoryLayout,
        cache: Option<CodeCache>,
        process: Option<CompilerProcess>,
        max_in_process_code: u64,
    ) -> Self {
        let (engine, fingerprint) = (engine.clone(), fingerprint(layout));
        Self { engine, layout, process, cache, max_in_process_code, fingerprint }
    }

    /// Takes the compiled code from the cache or makes it, which takes seconds for a large component. Logs long compilations, with the
    /// plugin's `name` if there is one. `sum` is the hash of `bytes`.
    pub(crate) fn compile(
        &self,
        name: Option<&PluginName>,
        bytes: &[u8],
        sum: &Sum,
    ) -> Result<CompiledCode, LoadError> {
        let key = Key::new(sum, &self.fingerprint);
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            match deserialize(&self.engine, &code) {
                Ok(component) => return Ok(CompiledCode { component, compiled_in: None, cached: true }),
                Err(error) => tracing::warn!(
                    sha256 = hexadecimal(sum),
                    error = engine_error(&error),
                    "the engine refuses this entry of the code cache: compiling again"
                ),
            }
        }
        let began = Instant::now();
        let is_kept = self.cache.as_ref().is_some_and(CodeCache::takes_entries);
        let progress = Progress::begin(name, bytes.len(), is_kept);
        let code = match &self.process {
            Some(process) => child::compile(process, self.layout, bytes)?,
            None => self.compile_here(bytes)?,
        };
        drop(progress);
        let compiled_in = Some(began.elapsed());
        let component = deserialize(&self.engine, &code).map_err(|error| unloadable(&error))?;
        let cached = self.cache.as_ref().is_some_and(|cache| cache.put(&key, &code));
        Ok(CompiledCode { component, compiled_in, cached })
    }

    /// Compiles in this process, where only the size of the code bounds the compiler.
    #[cfg(feature = "compile")]
    fn compile_here(&self, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        let CodeSize { all, largest } = CodeSize::of(bytes);
        let max = self.max_in_process_code;
        for (what, bytes, max) in [("all", all, max), ("the largest", largest, (max / IN_PROCESS_FUNCTION_PART).max(1))]
        {
            if bytes > max {
                return Err(LoadError::NeedsCompilerProcess { what, bytes, max });
            }
        }
        let code = self.engine.precompile_component(bytes);
        let code = code.map_err(|error| LoadError::Invalid { detail: engine_error(&error) })?;
        if u64::try_from(code.len()).unwrap_or(u64::MAX) > MAX_CODE_BYTES {
            return Err(LoadError::Compiler { detail: format!("the code has more than {MAX_CODE_BYTES} bytes") });
        }
        Ok(code)
    }

    /// Fails, because this program has no compiler.
    #[cfg(not(feature = "compile"))]
    fn compile_here(&self, _bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotPrecompiled { cache: self.cache.as_ref().map(|cache| cache.dir().to_owned()) })
    }
}

/// A sum as people and configurations write it.
pub(crate) fn hexadecimal(sum: &Sum) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The reason why compiled code cannot become a component: the machine refuses it, or it does not fit the pool.
fn unloadable(error: &wasmtime::Error) -> LoadError {
    let detail = engine_error(error);
    match error.downcast_ref::<Errno>() {
        Some(&(Errno::ACCESS | Errno::PERM)) => LoadError::NotExecutable { detail },
        Some(&errno) if is_lack(errno) => LoadError::NoRoomForCode { detail },
        _ => LoadError::DoesNotFitPool { detail },
    }
}

/// Loads compiled code.
#[expect(unsafe_code, reason = "compiled code cannot be checked, only its origin can")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` runs whatever machine code it is given, so the code has to come from
    // `Engine::precompile_component`. It does. Either the caller has just made it, here or in the process of a `CompilerProcess`, whose
    // program the embedder names as it names its own; or it comes from a cache entry that this program wrote. `CodeCache` takes only
    // regular files that belong to our own user and that nobody else may write (checked on the open file), in a directory of the same
    // kind (mode 0700, checked before each reading). So only somebody who can already run code as us can write such an entry. `CodeCache`
    // checks the payload against the entry's own SHA-256, which finds a damaged disk and a torn write, and the key, which hashes the
    // component, the engine's configuration and the full wasmtime version. The engine itself checks configuration and version once more.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(feature = "compile")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::compiling_engine;
    use lastword_test_guests::component;
    use sha2::{Digest, Sha256};
    use std::path::Path;

    fn engine() -> Engine {
        Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap()
    }

    fn compiler(engine: &Engine, dir: &Path) -> Compiler {
        Compiler::new(engine, MemoryLayout::Wide, Some(CodeCache::open(&dir.join("code")).unwrap()), None, u64::MAX)
    }

    fn key(compiler: &Compiler, bytes: &[u8]) -> Key {
        Key::new(&sum(bytes), &compiler.fingerprint)
    }

    fn sum(bytes: &[u8]) -> Sum {
        Sha256::digest(bytes).into()
    }

    fn has_session_start(compiler: &Compiler, bytes: &[u8]) -> bool {
        let compiled = compiler.compile(None, bytes, &sum(bytes)).unwrap();
        compiled.component.get_export_index(None, "session-start").is_some()
    }

    #[test]
    fn code_of_one_layout_is_not_taken_for_that_of_another() {
        let layouts = [MemoryLayout::Wide, MemoryLayout::Narrow(64 << 20), MemoryLayout::Narrow(128 << 20)];
        let engines = layouts.map(|layout| compiling_engine(layout, true).unwrap());
        for (at, engine) in engines.iter().enumerate() {
            let code = engine.precompile_component(&component("good")).unwrap();
            for (other_at, other) in engines.iter().enumerate() {
                assert_eq!(deserialize(other, &code).is_ok(), at == other_at, "{:?}", layouts[other_at]);
            }
        }
    }

    #[test]
    fn a_component_is_compiled_once() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine();
        let compiler = compiler(&engine, dir.path());
        let (good, good_all) = (component("good"), component("good-all"));
        assert!(!has_session_start(&compiler, &good));
        // Another plugin's code in the entry shows that the compiler uses the entry.
        compiler.cache.as_ref().unwrap().put(&key(&compiler, &good), &engine.precompile_component(&good_all).unwrap());
        assert!(has_session_start(&compiler, &good));
    }

    #[test]
    fn an_entry_that_is_no_code_or_another_engines_is_compiled_again() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine();
        let compiler = compiler(&engine, dir.path());
        let good_all = component("good-all");
        let key = key(&compiler, &good_all);
        let foreign = Engine::default().precompile_component(&component("good")).unwrap();
        for code in [b"no code".to_vec(), foreign] {
            compiler.cache.as_ref().unwrap().put(&key, &code);
            assert!(has_session_start(&compiler, &good_all));
            let repaired = compiler.cache.as_ref().unwrap().get(&key).unwrap();
            assert_ne!(repaired, code, "the next start finds good code");
        }
    }
}
