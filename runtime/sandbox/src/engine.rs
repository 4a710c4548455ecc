//! The one engine: what is on, what is off, and how instances get their memory.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, WasmBacktraceDetails, WasmFeatures,
};

use crate::compiler::code_version;
use crate::error::SandboxError;
use crate::limits::{
    CALL_STACK_BYTES, DECOMMIT_BATCH, GUEST_STACK_BYTES, MAX_CORE_INSTANCES, MAX_INSTANCE_BYTES, MAX_MEMORIES,
    MAX_TABLE_ELEMENTS, MAX_TABLES, MEMORY_KEEP_RESIDENT_BYTES, STACK_KEEP_RESIDENT_BYTES, TABLE_KEEP_RESIDENT_BYTES,
};
use crate::sandbox::SandboxConfig;

/// Where instances get their memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// From a pool that was reserved at the start: a call costs microseconds.
    Pooling,
    /// From the operating system, for each call: several times slower.
    OnDemand {
        /// Why there is no pool.
        why: String,
    },
}

/// Builds the engine, with a pool if this machine can reserve one.
pub(crate) fn build(config: &SandboxConfig) -> Result<(Engine, Allocation), SandboxError> {
    let refused = match pool(config) {
        Ok(pool) => match Engine::new(base()?.allocation_strategy(InstanceAllocationStrategy::Pooling(pool))) {
            Ok(engine) => return Ok((engine, Allocation::Pooling)),
            Err(error) => format!("{error:#}"),
        },
        Err(why) => why,
    };
    let why = format!(
        "address space for {} calls at once could not be reserved ({refused}); look at `ulimit -v` and \
         vm.overcommit_memory, or lower max_concurrent_calls",
        config.max_concurrent_calls
    );
    tracing::warn!(why, "no instance pool: each call is several times slower");
    let engine =
        Engine::new(base()?.allocation_strategy(InstanceAllocationStrategy::OnDemand)).map_err(|e| engine_error(&e))?;
    Ok((engine, Allocation::OnDemand { why }))
}

/// An engine that compiles for the one of [`build`], and runs nothing: where instances get their memory does not matter to
/// the code.
pub(crate) fn compiling_engine() -> Result<Engine, SandboxError> {
    Engine::new(&base()?).map_err(|e| engine_error(&e))
}

/// Proposals that no plugin needs: each is code that a hostile one could reach. Not multi-memory: where a component has
/// several core modules with memories of their own, as JavaScript toolchains make them, wasmtime puts adapters between them
/// that use it.
const OFF: [WasmFeatures; 9] = [
    WasmFeatures::THREADS,
    WasmFeatures::SHARED_EVERYTHING_THREADS,
    WasmFeatures::MEMORY64,
    WasmFeatures::GC,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::STACK_SWITCHING,
    WasmFeatures::CUSTOM_PAGE_SIZES,
    // Its results differ between processors, and with them what a call costs.
    WasmFeatures::RELAXED_SIMD,
];

fn base() -> Result<Config, SandboxError> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        // WASI 0.3, which costs every call 6 µs and is outside of wasmtime's security patches.
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES)
        // One tenant's stack is not shown to the next.
        .async_stack_zeroing(true)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    for feature in OFF {
        config.wasm_features(feature, false);
    }
    config.module_version(ModuleVersionStrategy::Custom(code_version())).map_err(|e| engine_error(&e))?;
    Ok(config)
}

/// Slots for every call that may be under way, of the largest size that a plugin may have.
fn pool(config: &SandboxConfig) -> Result<PoolingAllocationConfig, String> {
    let calls = config.max_concurrent_calls;
    let times = |each: u32| calls.checked_mul(each).ok_or_else(|| format!("{calls} calls × {each} is too many"));
    let max_memory = usize::try_from(config.max_memory).map_err(|_| "max_memory is too large".to_owned())?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(times(MAX_CORE_INSTANCES)?)
        .total_memories(times(MAX_MEMORIES)?)
        .total_tables(times(MAX_TABLES)?)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_component_instance_size(MAX_INSTANCE_BYTES)
        .max_core_instance_size(MAX_INSTANCE_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS as usize)
        .max_memory_size(max_memory)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .decommit_batch_size(DECOMMIT_BATCH)
        // Linux ≥ 6.7: only the pages that a guest wrote are reset.
        .pagemap_scan(Enabled::Auto);
    Ok(pool)
}

fn engine_error(error: &wasmtime::Error) -> SandboxError {
    SandboxError::Engine(format!("{error:#}"))
}
