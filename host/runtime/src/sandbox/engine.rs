//! The engine: which WebAssembly there is, how much of it, and the clock that stops it.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails};

use crate::config::Config as RuntimeConfig;
use crate::error::{RuntimeError, of_wasmtime};
use crate::limits::{HostLimits, MEMORY_RESERVED};
use crate::scheduling::cpu_time::TICK;

/// Behind the [address space](MEMORY_RESERVED) of each memory, for what an instruction adds to an
/// address.
const MEMORY_GUARD: u64 = 32 << 20;

/// Bytes of a memory, from its start, that are overwritten when its sandbox is dropped; what is
/// beyond is given back to the kernel (`MADV_DONTNEED`). The memory of an Action that
/// `vestibule build` has linked (its stack first, then its data) is not larger, so its reset makes
/// no system call. BENCHMARKS.md has the cost.
const OVERWRITTEN: usize = 192 << 10;

/// The same of a table. One of 8,192 functions is not larger.
const TABLE_OVERWRITTEN: usize = 64 << 10;

/// Bytes that a component's own records may take, and a core instance's.
const INSTANCE_BYTES: usize = 1 << 20;

/// Stack of the host's functions, beside the guest's own.
const HOST_STACK: usize = 512 << 10;

/// An engine for these settings, and a thread that advances its epoch for as long as the engine
/// lives.
pub(crate) fn engine(settings: &RuntimeConfig) -> Result<Engine, RuntimeError> {
    let engine = Engine::new(&config(settings)).map_err(|error| no_pool(&error, settings))?;
    let ticking = engine.weak();
    let ticker = std::thread::Builder::new().name("vestibule-ticker".to_owned());
    // A thread of the operating system: a task on the executor could be starved by the very guests
    // that it has to stop.
    let started = ticker.spawn(move || {
        while let Some(engine) = ticking.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    });
    started.map_err(|error| RuntimeError::Ticker { reason: error.to_string() })?;
    Ok(engine)
}

fn no_pool(error: &wasmtime::Error, settings: &RuntimeConfig) -> RuntimeError {
    let &HostLimits { sandboxes, memories, warm_memories, .. } = &settings.host_limits;
    let reserved = settings.host_limits.pooled_memories() as u64 * (MEMORY_RESERVED + MEMORY_GUARD);
    RuntimeError::Pool { reason: of_wasmtime(error), reserved, sandboxes, memories, warm_memories }
}

fn config(settings: &RuntimeConfig) -> Config {
    let host = &settings.host_limits;
    let mut config = config_of_code(settings.count_fuel, settings.read_symbols);
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)))
        // Stacks keep what was touched of them, up to their size in each slot: to give it back
        // after each run costs a tenth of a short one. WebAssembly can't address a native stack,
        // and compiled code reads no slot of it before it has written it.
        .async_stack_zeroing(false)
        .max_wasm_stack(host.stack)
        .async_stack_size(host.stack + HOST_STACK);
    config
}

/// Memories, tables and stacks, reserved once and reset after each run.
///
/// A reset overwrites the start of a memory and gives the rest back, whatever the guest has
/// touched. It never asks the kernel which pages were written (`PAGEMAP_SCAN`): wasmtime 48 asks
/// for those that are written *and present*, so it would leave out a page that was swapped out, or
/// that is being migrated (compaction, a balance between NUMA nodes, memory that is taken offline),
/// and the next run would read it. Locking the pages doesn't help: a locked page is migrated, too,
/// and `MADV_DONTNEED` refuses it.
fn pool(settings: &RuntimeConfig) -> PoolingAllocationConfig {
    let (limits, host) = (&settings.limits, &settings.host_limits);
    // The maxima of all these are far below what a `u32` holds.
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let of_all = |of_one: usize| number(host.sandboxes.saturating_mul(of_one));
    let memories = number(host.pooled_memories());
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(number(host.sandboxes))
        .total_core_instances(of_all(host.instances))
        .total_memories(memories)
        // One that no Action has had is taken before one that another Action has: mapping an image
        // costs more than the rest of a short run, and interrupts the other processors.
        .max_unused_warm_slots(memories)
        // Where nothing is run, too, wasmtime holds a component's tables against this number.
        .total_tables(of_all(host.tables).max(number(host.tables)))
        .total_stacks(number(host.sandboxes))
        .max_core_instances_per_component(number(host.instances))
        .max_memories_per_component(number(host.memories))
        .max_tables_per_component(number(host.tables))
        // A component may have all of them in one module.
        .max_memories_per_module(number(host.memories))
        .max_tables_per_module(number(host.tables))
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(limits.memory)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(OVERWRITTEN)
        .table_keep_resident(TABLE_OVERWRITTEN)
        .pagemap_scan(Enabled::No);
    pool
}

/// All that decides what code a component becomes, and so the whole configuration of a compiler's
/// process. What is beside it in a host, a pool above all, changes nothing of the code.
pub(crate) fn config_of_code(count_fuel: bool, read_symbols: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .memory_reservation(MEMORY_RESERVED)
        .memory_guard_size(MEMORY_GUARD)
        .epoch_interruption(true)
        .consume_fuel(count_fuel)
        .wasm_backtrace_details(if read_symbols { WasmBacktraceDetails::Enable } else { WasmBacktraceDetails::Disable })
        // Async components are not offered, and their bookkeeping costs a third of a short run.
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .shared_memory(false);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reset_asks_the_kernel_for_written_pages() {
        assert_eq!(pool(&RuntimeConfig::default()).get_pagemap_scan(), Enabled::No);
    }

    #[test]
    fn the_ticker_ends_with_its_engine() {
        let engine = engine(&RuntimeConfig::default()).unwrap();
        let weak = engine.weak();
        drop(engine);
        // The ticker holds the engine only while it ticks.
        for _ in 0..1_000 {
            if weak.upgrade().is_none() {
                return;
            }
            std::thread::sleep(TICK);
        }
        panic!("the ticker keeps its engine alive");
    }
}
