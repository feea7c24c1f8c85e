//! The settings of wasmtime: the pooling allocator, what of WebAssembly is allowed, and the epoch ticker.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::{CodeFor, EngineConfig, EngineError};

/// Core instances in one component: adapters and the libraries of interpreted languages are instances too.
pub(crate) const CORE_INSTANCES: u32 = 48;
/// Linear memories in one component.
pub(crate) const MEMORIES: u32 = 4;
/// Tables in one component.
pub(crate) const TABLES: u32 = 48;
/// Elements in one table.
const TABLE_ELEMENTS: usize = 50_000;

/// The engine's settings. Measured: keeping 2 MiB of a slot resident and scanning the page map makes instantiate, call and drop
/// several times cheaper than mapping anew.
pub(crate) fn config(of: &EngineConfig) -> Config {
    let runs = of.concurrent_runs.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        // Enough for components that are as large as they may be: one bot cannot use up what another's run needs.
        .total_core_instances(runs.saturating_mul(CORE_INSTANCES))
        .total_memories(runs.saturating_mul(MEMORIES))
        .total_tables(runs.saturating_mul(TABLES))
        .total_stacks(runs)
        .total_gc_heaps(0)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(of.most.memory_mib).unwrap_or(usize::MAX).saturating_mul(1 << 20))
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(page_scan(&std::fs::read_to_string("/proc/swaps").unwrap_or_default()));
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if of.code == CodeFor::Author {
        config.cranelift_opt_level(OptLevel::None).wasm_backtrace_details(WasmBacktraceDetails::Enable);
    }
    config
}

/// Whether what a run wrote may be found by the kernel's page scan, by what /proc/swaps says.
///
/// Not where there is swap: wasmtime 48 scans for pages that are present, so a page that was written and then swapped out would stay as it is for the next run in
/// its place, which may be another clinic's (mended in wasmtime 50: bytecodealliance/wasmtime#14357). Without the scan all memory beyond what is kept is given back.
fn page_scan(swaps: &str) -> Enabled {
    // One line of headings, and one for each that is on.
    if swaps.lines().count() == 1 { Enabled::Auto } else { Enabled::No }
}

/// What the compiler must know: the same in its own process, where nothing runs.
pub(crate) fn settings() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Not by the environment: the code of a host and of its compiler's process must be the same.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .epoch_interruption(true)
        // A replay must give the same bits.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_threads(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20);
    config
}

/// How many runs are under way; the ticker rests while there are none.
#[derive(Default)]
pub(crate) struct Busy {
    state: Mutex<Beat>,
    wake: Condvar,
}

#[derive(Default)]
struct Beat {
    runs: u32,
    /// The ticker waits to be woken, which costs a call of the kernel: it is not woken by each run.
    rests: bool,
    closed: bool,
}

impl Busy {
    /// Counts a run until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        let mut state = self.lock();
        state.runs += 1;
        if state.rests {
            self.wake.notify_one();
        }
        Entered(Arc::clone(self))
    }

    /// Lets the ticker end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run under way.
pub(crate) struct Entered(Arc<Busy>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.lock().runs -= 1;
    }
}

/// Starts the thread that advances the epoch, so that guests that burn CPU are interrupted every `tick_ms`.
pub(crate) fn start_ticker(engine: &wasmtime::Engine, busy: &Arc<Busy>, tick_ms: u64) -> Result<(), EngineError> {
    let engine = engine.weak();
    let busy: Weak<Busy> = Arc::downgrade(busy);
    let tick = Duration::from_millis(tick_ms.max(1));
    let run = move || {
        loop {
            let Some(busy) = busy.upgrade() else { return };
            let mut state = busy.lock();
            while state.runs == 0 && !state.closed {
                state.rests = true;
                state = busy.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.rests = false;
            if state.closed {
                return;
            }
            drop(state);
            drop(busy);
            std::thread::sleep(tick);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    };
    let spawned = std::thread::Builder::new().name("hob-epoch".to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| EngineError::Start(format!("no thread for the epoch: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_scan_beside_swap() {
        let headings = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(matches!(page_scan(headings), Enabled::Auto));
        let on = format!("{headings}/swapfile                               file\t\t1048572\t\t0\t\t-2\n");
        assert!(matches!(page_scan(&on), Enabled::No));
        // Where it cannot be known.
        assert!(matches!(page_scan(""), Enabled::No));
    }
}
