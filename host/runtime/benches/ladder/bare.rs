//! The lowest rung: wasmtime alone, with the settings that are fastest, the same guest, and
//! functions that answer without looking.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

#[derive(Clone, ComponentType, Lower)]
#[component(record)]
struct Organization {
    id: String,
    name: String,
    #[component(name = "display-name")]
    display_name: Option<String>,
    metadata: Vec<(String, String)>,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct LimitExceeded {
    given: u32,
    limit: u32,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct ValueTooLong {
    key: String,
    given: u32,
    limit: u32,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct InvalidKey {
    key: String,
    character: char,
}

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
#[allow(dead_code, reason = "the stubs refuse nothing, and the type has to be whole")]
enum MetadataError {
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "no-refresh-token")]
    NoRefreshToken,
    #[component(name = "empty-key")]
    EmptyKey,
    #[component(name = "key-too-long")]
    KeyTooLong(LimitExceeded),
    #[component(name = "key-not-allowed")]
    KeyNotAllowed(InvalidKey),
    #[component(name = "value-too-long")]
    ValueTooLong(ValueTooLong),
    #[component(name = "too-many-entries")]
    TooManyEntries(LimitExceeded),
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A guest, ready to run with stub functions.
pub(crate) struct Bare {
    engine: Engine,
    pre: InstancePre<State>,
    export: ComponentExportIndex,
}

impl Bare {
    pub(crate) fn new(component: &[u8]) -> Self {
        let mut pool = PoolingAllocationConfig::default();
        // As `engine.rs` resets memories, and for its reasons.
        pool.linear_memory_keep_resident(192 << 10)
            .table_keep_resident(64 << 10)
            .max_memory_size(64 << 20)
            .pagemap_scan(Enabled::No);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).concurrency_support(false).epoch_interruption(true);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::from_binary(&engine, component).expect("a component");

        let mut linker = Linker::<State>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI links");
        let organization = Organization {
            id: "org_abc123".to_owned(),
            name: "acme".to_owned(),
            display_name: Some("Acme Corp".to_owned()),
            metadata: vec![("plan".to_owned(), "enterprise".to_owned()), ("region".to_owned(), "eu".to_owned())],
        };
        let mut instance = linker.instance("vestibule:actions/event-organization@0.1.0").expect("a new instance");
        instance.func_wrap("get", move |_, ()| Ok((Some(organization.clone()),))).expect("a new function");
        let mut instance = linker.instance("vestibule:actions/session@0.1.0").expect("a new instance");
        let set_metadata = |_: wasmtime::StoreContextMut<'_, State>, (_, _): (String, String)| Ok((Ok::<(), MetadataError>(()),));
        instance.func_wrap("set-metadata", set_metadata).expect("a new function");

        let (item, export) = component.get_export(None, "on-execute-post-login").expect("an Action has this export");
        assert!(matches!(item, ComponentItem::ComponentFunc(_)));
        let pre = linker.instantiate_pre(&component).expect("all imports are linked");
        Self { engine, pre, export }
    }

    /// A fresh store, WASI context and instance; one call; and all of it dropped.
    pub(crate) fn run(&self, executor: &tokio::runtime::Runtime) {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(1_000_000);
        executor.block_on(async {
            let instance = self.pre.instantiate_async(&mut store).await.expect("an instance");
            let function = instance.get_typed_func::<(), (Result<(), String>,)>(&mut store, self.export).expect("its type");
            let (returned,) = function.call_async(&mut store, ()).await.expect("no trap");
            returned.expect("the Action is content");
        });
    }
}
