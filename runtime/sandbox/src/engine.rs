//! The one engine: its features, and how compiled code reaches a guest's memory.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
    WasmFeatures,
};
#[cfg(feature = "compile")]
use wasmtime::{OptLevel, RegallocAlgorithm};

#[cfg(feature = "compile")]
use crate::error::SandboxError;
use crate::fingerprint::code_version;
#[cfg(feature = "compile")]
use crate::foreign::engine_error;
use crate::limits::{CALL_STACK_BYTES, GUEST_STACK_BYTES, NARROW_GUARD_BYTES};
use crate::memory_layout::MemoryLayout;

/// An engine whose instances come from `pool`.
pub(crate) fn pooling_engine(layout: MemoryLayout, pool: PoolingAllocationConfig) -> wasmtime::Result<Engine> {
    Engine::new(base(layout)?.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)))
}

/// An engine that compiles for another engine of the same layout, and runs nothing. The code does not depend on where instances get their
/// memory. `parallel`: with a thread for each processor.
#[cfg(feature = "compile")]
pub(crate) fn compiling_engine(layout: MemoryLayout, parallel: bool) -> Result<Engine, SandboxError> {
    let engine = base(layout).and_then(|mut config| Engine::new(config.parallel_compilation(parallel)));
    engine.map_err(|error| SandboxError::Engine(engine_error(&error)))
}

/// Proposals that no plugin needs: a hostile plugin could reach the code of each. Multi-memory is not among them: JavaScript toolchains
/// make components of several core modules with memories of their own, and wasmtime puts adapters between these that use it.
const OFF: [WasmFeatures; 9] = [
    WasmFeatures::THREADS,
    WasmFeatures::SHARED_EVERYTHING_THREADS,
    WasmFeatures::MEMORY64,
    WasmFeatures::GC,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::STACK_SWITCHING,
    WasmFeatures::CUSTOM_PAGE_SIZES,
    // Its results differ between processors, and so would the cost of a call.
    WasmFeatures::RELAXED_SIMD,
];

fn base(layout: MemoryLayout) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        // WASI 0.3 costs every call 6 µs, and wasmtime's security patches do not cover it.
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES)
        // The next tenant must not see one tenant's stack.
        .async_stack_zeroing(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    #[cfg(feature = "compile")]
    config.cranelift_opt_level(OptLevel::Speed).cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    if let MemoryLayout::Narrow(bytes) = layout {
        // A memory of the pool stays where it is: compiled code may keep its address.
        config.memory_reservation(bytes).memory_guard_size(NARROW_GUARD_BYTES).memory_may_move(false);
    }
    for feature in OFF {
        config.wasm_features(feature, false);
    }
    config.module_version(ModuleVersionStrategy::Custom(code_version()))?;
    Ok(config)
}
