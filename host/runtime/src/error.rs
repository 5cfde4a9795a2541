//! What can go wrong before an Action runs. What goes wrong in one is a
//! [`Failure`](vestibule_model::outcome::Failure).

use std::time::Duration;

use thiserror::Error;
use vestibule_model::{ComponentDigest, IdError, TenantId, one_line};

use crate::contract::Capability;
use crate::limits::{LimitTooHigh, MEMORY_RESERVED, amount};

/// Why a runtime can't be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// wasmtime's functions can't be offered to Actions.
    #[error("the sandbox can't be set up: {reason}")]
    Engine {
        /// What wasmtime says.
        reason: String,
    },
    /// This machine, or the process's limit of address space, doesn't have what the pool of
    /// sandboxes reserves.
    #[error(
        "the pool of sandboxes can't be reserved: {reason}; it takes {} GiB of address space, {} GiB for each memory \
         (`sandboxes` {sandboxes} × `memories` {memories} + `warm_memories` {warm_memories}): lower these limits, or raise the process's \
         limit of address space (`ulimit -v`, `LimitAS=`)",
        reserved.div_ceil(1 << 30),
        MEMORY_RESERVED >> 30
    )]
    Pool {
        /// What wasmtime says.
        reason: String,
        /// Bytes of address space that its memories take.
        reserved: u64,
        /// The limit `sandboxes`.
        sandboxes: usize,
        /// The limit `memories`.
        memories: usize,
        /// The limit `warm_memories`.
        warm_memories: usize,
    },
    /// Connections can't be encrypted.
    #[error("the host's TLS can't be set up: {reason}")]
    Tls {
        /// What TLS says.
        reason: String,
    },
    /// A limit is higher than is possible.
    #[error(transparent)]
    Limit(#[from] LimitTooHigh),
    /// The threads for Actions that take longer can't be started.
    #[error("the threads for Actions that compute for longer can't be started: {reason}")]
    SlowThreads {
        /// What the operating system says.
        reason: String,
    },
    /// The thread that keeps deadlines can't be started.
    #[error("the thread that keeps deadlines can't be started: {reason}")]
    Ticker {
        /// What the operating system says.
        reason: String,
    },
}

/// Why a file, or a deployed component, can't be loaded as an Action.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file's size in bytes.
    #[error("{name} has {given} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Which Action.
        name: String,
        /// Its size.
        given: usize,
        /// What is allowed.
        limit: usize,
    },
    /// It is no WebAssembly at all.
    #[error("{name} is not a WebAssembly component; build one with `vestibule build`")]
    NotWasm {
        /// Which Action.
        name: String,
    },
    /// It is WebAssembly, but a core module.
    #[error("{name} is a core WebAssembly module, not a component; compile it for the target `wasm32-wasip2`")]
    CoreModule {
        /// Which Action.
        name: String,
    },
    /// It asks from its start for more than a sandbox has: core instances, memories, tables, or
    /// their size.
    #[error("{name} doesn't fit into a sandbox (limit `{limit}`): {reason}")]
    OverLimit {
        /// Which Action.
        name: String,
        /// The limit's name.
        limit: &'static str,
        /// How much it asks for, and what is allowed.
        reason: String,
    },
    /// It is damaged, or uses WebAssembly that isn't offered.
    #[error("{name} can't be compiled: {reason}")]
    Invalid {
        /// Which Action.
        name: String,
        /// What the validator or the compiler says.
        reason: String,
    },
    /// It has more of what a compiler's time grows with than is allowed: it was not compiled.
    #[error("{name} is too large to be compiled: {reason} (limit `{limit}`); {remedy}")]
    TooComplex {
        /// Which Action.
        name: String,
        /// The limit's name.
        limit: &'static str,
        /// What there is too much of, how much, and what is allowed.
        reason: String,
        /// What its author can do.
        remedy: &'static str,
    },
    /// It was to be compiled in the short lane, and takes longer than is allowed there: it belongs
    /// into the long one.
    #[error("compiling {name} took longer than {} in the short lane; it is for the long one", amount::time(*allowed))]
    NotShort {
        /// Which Action.
        name: String,
        /// What is allowed in the short lane.
        allowed: Duration,
    },
    /// Compiling it takes more time than is allowed.
    #[error(
        "compiling {name} took longer than {} (limit `compile_time`); smaller functions, or fewer of them, compile faster",
        amount::time(*allowed)
    )]
    CompileTime {
        /// Which Action.
        name: String,
        /// What is allowed.
        allowed: Duration,
    },
    /// Compiling it takes more memory than is allowed.
    #[error(
        "compiling {name} needs more than {} of memory (limit `compile_memory`); smaller functions, or fewer of them, need less",
        amount::bytes(*allowed)
    )]
    CompileMemory {
        /// Which Action.
        name: String,
        /// What is allowed, in bytes.
        allowed: usize,
    },
    /// Its machine code is larger than is allowed.
    #[error("{name} has {given} bytes when it is compiled, at most {limit} are allowed (limit `compiled_bytes`)")]
    CompiledTooLarge {
        /// Which Action.
        name: String,
        /// The size of its code.
        given: u64,
        /// What is allowed.
        limit: usize,
    },
    /// The process that compiles can't do so: a fault of the host, or a component that breaks the
    /// compiler.
    #[error("{name} can't be compiled, since the compiler failed: {reason}")]
    Compiler {
        /// Which Action.
        name: String,
        /// What has happened.
        reason: String,
    },
    /// It wants something that isn't offered to Actions.
    #[error("{name} imports what Actions are not offered: {}; it is to use the SDK, and neither files, sockets, threads nor processes", imports.join(", "))]
    NotOffered {
        /// Which Action.
        name: String,
        /// What it imports, sorted.
        imports: Vec<String>,
    },
    /// It was built for another version of the contract.
    #[error(
        "{name} was built for vestibule:actions {built_for}, and this host serves {served}; build it with an SDK of that version"
    )]
    OtherVersion {
        /// Which Action.
        name: String,
        /// The version that it imports.
        built_for: String,
        /// The version that is served.
        served: &'static str,
    },
    /// It lacks an export of a post-login Action.
    #[error("{name} does not export `{export}`, so it is not a post-login Action; in Rust, `vestibule_sdk::export!` adds it")]
    MissingExport {
        /// Which Action.
        name: String,
        /// What is missing.
        export: &'static str,
    },
    /// An import or an export has another type than the contract says.
    #[error("{name} does not fit the contract: {reason}; build it again with the current SDK")]
    OtherType {
        /// Which Action.
        name: String,
        /// What doesn't fit.
        reason: String,
    },
    /// Its name or its version can't be shown.
    #[error("an Action can't be called this: {0}")]
    Name(#[from] IdError),
    /// It is deployed, its compiled code isn't kept, and its component can't be fetched now.
    #[error("the component of {name} can't be fetched: {reason}")]
    NotFetched {
        /// Which Action.
        name: String,
        /// What the registry says: for the operator.
        reason: String,
    },
    /// It is deployed, and neither its compiled code nor its component is there.
    #[error("the component {digest} of {name} is gone from the registry; upload it and deploy it again")]
    Gone {
        /// Which Action.
        name: String,
        /// Its component.
        digest: ComponentDigest,
    },
    /// What was fetched is another component than was deployed.
    #[error("digest mismatch for {name}: expected {digest}, the registry returned {found}; its bytes were changed")]
    OtherComponent {
        /// Which Action.
        name: String,
        /// The component that was deployed.
        digest: ComponentDigest,
        /// What was fetched.
        found: ComponentDigest,
    },
    /// Its imports are not those that were accepted when it was deployed.
    #[error("{name} imports something else than was recorded when it was deployed{}; deploy it again", more(added))]
    OtherCapabilities {
        /// Which Action.
        name: String,
        /// What it can see or do beyond what was recorded.
        added: Vec<Capability>,
    },
    /// The host lacks memory, or descriptors of files, for one more.
    #[error("the host has no room to load {name}: {reason}; a smaller shelf, or more files that it may open, may help")]
    NoRoom {
        /// Which Action.
        name: String,
        /// What the operating system says.
        reason: String,
    },
    /// Its code was not loaded in time. The load continues, for the next login.
    #[error("{name} is still being loaded after {}; try again", amount::time(*waited))]
    StillLoading {
        /// Which Action.
        name: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The host is being ended, or what loads Actions broke off.
    #[error("{name} was not loaded, since its host is ending or broke off; try again")]
    Interrupted {
        /// Which Action.
        name: String,
    },
}

impl LoadError {
    /// Which of these it is, as a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotWasm { .. } => "not_wasm",
            Self::CoreModule { .. } => "core_module",
            Self::OverLimit { .. } => "over_limit",
            Self::Invalid { .. } => "invalid_component",
            Self::TooComplex { .. } => "too_complex",
            Self::NotShort { .. } => "not_short",
            Self::CompileTime { .. } => "compile_time",
            Self::CompileMemory { .. } => "compile_memory",
            Self::CompiledTooLarge { .. } => "compiled_too_large",
            Self::Compiler { .. } => "compiler_failed",
            Self::NotOffered { .. } => "not_offered",
            Self::OtherVersion { .. } => "other_contract",
            Self::MissingExport { .. } => "missing_export",
            Self::OtherType { .. } => "other_type",
            Self::Name(_) => "invalid_name",
            Self::NotFetched { .. } => "not_fetched",
            Self::Gone { .. } => "component_gone",
            Self::OtherComponent { .. } => "other_component",
            Self::OtherCapabilities { .. } => "other_capabilities",
            Self::NoRoom { .. } => "no_room",
            Self::StillLoading { .. } => "still_loading",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// What an Action's author may know: what the host's own parts say is its operator's matter.
    pub(crate) fn to_author(&self) -> String {
        match self {
            Self::NotFetched { name, .. } => {
                format!("the component of {name} can't be fetched now; the host's operator finds why in its log")
            }
            Self::NoRoom { name, .. } => format!("the host has no room for {name} now; its operator finds why in its log"),
            Self::Compiler { name, .. } => format!("{name} can't be compiled now; the host's operator finds why in its log"),
            error => error.to_string(),
        }
    }
}

fn more(added: &[Capability]) -> String {
    let added: Vec<String> = added.iter().map(ToString::to_string).collect();
    if added.is_empty() { String::new() } else { format!(" (also {})", added.join(", ")) }
}

/// Why a flow can't be run over an event.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The event is another tenant's.
    #[error("the flow belongs to tenant {flow}, and the event to tenant {event}; run each tenant's events through its own flow")]
    OtherTenant {
        /// Whose flow it is.
        flow: TenantId,
        /// Whose event it is.
        event: TenantId,
    },
    /// The flow has more Actions than one login may run.
    #[error("the flow of tenant {tenant} has {given} Actions, at most {allowed} are allowed (limit `actions`)")]
    TooManyActions {
        /// Whose flow it is.
        tenant: TenantId,
        /// How many it has.
        given: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// Too many logins run and wait already: this one would wait too long. Nothing of it has run.
    #[error("too busy to run a login of tenant {tenant} (limit `{limit}`); try again in {} ms", retry_after.as_millis())]
    TooBusy {
        /// Whose login it is.
        tenant: TenantId,
        /// The limit that it would go over: `tenant_queue`, or `queue_time`, or `sandboxes`.
        limit: &'static str,
        /// After what time there may be room again.
        retry_after: Duration,
    },
    /// The host is being ended, and its threads with it.
    #[error("the host is shutting down")]
    ShuttingDown,
    /// A profile was asked for, and fuel isn't counted.
    #[error("a profile shows where fuel goes, and this runtime doesn't count it; make one with `count_fuel` in its settings")]
    FuelNotCounted,
}

/// What wasmtime says of a component, in one line.
pub(crate) fn of_wasmtime(error: &wasmtime::Error) -> String {
    one_line(&format!("{error:#}").replace('\n', "; "))
}
