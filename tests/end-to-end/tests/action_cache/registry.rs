//! The registry of these tests, and hosts with shelves of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::sync::Semaphore;
use vestibule::action_cache::{ActionCache, ActionCacheSettings, CachedAction, Components};
use vestibule::capability::Capabilities;
use vestibule::compile::Compiler;
use vestibule::load::{CacheFault, CacheKey, CompilationCache, Deployed};
use vestibule::model::{ActionId, ComponentDigest, Outcome, TenantId};
use vestibule::{Binding, Flow, LoadError, RunContext, Runtime};
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA as ACTION;
use vestibule_tests::{example_event, load, runtime};

/// Components by their digests, what was fetched, and what was logged.
pub(crate) struct Registry {
    components: Mutex<HashMap<ComponentDigest, Bytes>>,
    pub(crate) fetched: AtomicUsize,
    /// For whom, in this order.
    pub(crate) tenants: Mutex<Vec<TenantId>>,
    /// A permit for each that may be fetched.
    pub(crate) gate: Semaphore,
    pub(crate) errors: Mutex<Vec<LoadError>>,
    pub(crate) faults: Mutex<Vec<CacheFault>>,
}

#[async_trait::async_trait]
impl Components for Registry {
    async fn fetch(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, String> {
        self.tenants.lock().unwrap().push(tenant.clone());
        self.fetched.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.map_err(|error| error.to_string())?.forget();
        Ok(self.components.lock().unwrap().get(digest).cloned())
    }

    fn not_loaded(&self, _tenant: &TenantId, _action: &ActionId, error: &LoadError) {
        self.errors.lock().unwrap().push(error.clone());
    }

    fn cache_fault(&self, _tenant: &TenantId, _action: &ActionId, fault: &CacheFault) {
        self.faults.lock().unwrap().push(fault.clone());
    }
}

impl Registry {
    pub(crate) fn put(&self, digest: ComponentDigest, component: &[u8]) {
        self.components.lock().unwrap().insert(digest, Bytes::copy_from_slice(component));
    }

    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

/// A host with a cache.
pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) cache: ActionCache,
    pub(crate) registry: Arc<Registry>,
}

impl Host {
    /// A host whose compiled code is kept in this folder, and whose cache has a budget of bytes
    /// for all and for one tenant.
    pub(crate) fn new(folder: &Path, bytes: u64, tenant_bytes: u64) -> Self {
        Self::of(runtime(), folder, bytes, tenant_bytes)
    }

    /// The same, with this runtime.
    pub(crate) fn of(runtime: Runtime, folder: &Path, bytes: u64, tenant_bytes: u64) -> Self {
        let folder = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
        let cache = CompilationCache::new(folder, CacheKey::from_bytes([7; 32]));
        let compiler = Compiler::new(env!("CARGO_BIN_EXE_compile-worker"), []);
        let loader = runtime.loader().compiler(compiler).cache(cache);
        let registry = Arc::new(Registry {
            components: Mutex::default(),
            fetched: AtomicUsize::new(0),
            tenants: Mutex::default(),
            gate: Semaphore::new(1_000),
            errors: Mutex::default(),
            faults: Mutex::default(),
        });
        let cache =
            ActionCache::new(loader, Arc::clone(&registry) as Arc<dyn Components>, ActionCacheSettings { bytes, tenant_bytes });
        Self { runtime, cache, registry }
    }

    /// A host with room for all that a test has.
    pub(crate) fn roomy(folder: &Path) -> Self {
        Self::new(folder, 1 << 30, 1 << 30)
    }

    /// A deployed component of a tenant, which the registry has.
    pub(crate) fn deploy(&self, tenant: &str, name: &str, component: &[u8]) -> CachedAction {
        let digest = ComponentDigest::of(component);
        self.registry.put(digest, component);
        self.insert(tenant, name, digest, load(&self.runtime, component).capabilities())
    }

    /// The guest with this number, deployed.
    pub(crate) fn numbered(&self, tenant: &str, number: u8) -> CachedAction {
        static CAPABILITIES: OnceLock<Capabilities> = OnceLock::new();
        let component = numbered(number);
        let digest = ComponentDigest::of(&component);
        self.registry.put(digest, &component);
        let capabilities = CAPABILITIES.get_or_init(|| load(&self.runtime, ACTION).capabilities().clone());
        self.insert(tenant, &format!("action-{number}"), digest, capabilities)
    }

    /// A deployed component of a tenant, whether or not the registry has it.
    pub(crate) fn insert(&self, tenant: &str, name: &str, digest: ComponentDigest, capabilities: &Capabilities) -> CachedAction {
        let id = ActionId::new(name, "3").unwrap();
        self.cache.insert(&tenant.parse().unwrap(), Deployed { id, digest, capabilities: capabilities.clone() })
    }

    /// A login of a tenant that runs this one Action.
    pub(crate) async fn login(&self, tenant: &str, action: &CachedAction) -> Outcome {
        self.run(tenant, vec![Binding::new(action.clone())]).await
    }

    pub(crate) async fn run(&self, tenant: &str, bindings: Vec<Binding>) -> Outcome {
        let mut event = example_event("organization-login");
        event.tenant.id = tenant.parse().unwrap();
        let flow = Flow::new(event.tenant.id.clone(), bindings);
        self.runtime.run(&flow, Arc::new(event), &RunContext::live()).await.unwrap()
    }
}

/// The guest with a number in a custom section: another component, whose code takes as much.
pub(crate) fn numbered(number: u8) -> Vec<u8> {
    let mut component = ACTION.to_vec();
    component.extend_from_slice(b"\0\x08\x06number");
    component.push(number);
    component
}

/// What the guest takes in memory.
pub(crate) async fn bytes_of_one(folder: &Path) -> u64 {
    let host = Host::roomy(folder);
    let action = host.numbered("acme", 0);
    action.make_ready().await.unwrap();
    host.cache.stats().resident_bytes
}

/// That the guest has run.
pub(crate) fn assert_has_run(outcome: &Outcome) {
    assert!(outcome.is_allowed() && outcome.session.metadata.len() == 3, "{outcome:?}");
}
