//! All limits of the sandbox, in one place: what each is by default, how far it can be raised, and
//! what happens beyond.
//!
//! An operator sets them for a host, up to a maximum that stands here. What a tenant's flow or a
//! binding sets can only be lower.

pub(crate) mod amount;
mod table;

use std::time::Duration;

pub use table::{Limit, LimitError, LimitTooHigh, Scope};

use table::limits;
use vestibule_model::limits::EffectLimit;

/// Bytes of address space of each memory: all that 32 bits of an address reach, so that compiled
/// code checks no bounds.
pub(crate) const MEMORY_RESERVED: u64 = 4 << 30;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

limits! {
    /// What one run of one Action may use. More is a failure of that Action, which names the limit.
    ///
    /// A host's are in [`Config`](crate::Config); a tenant's [`Flow`](crate::Flow) and a
    /// [`Binding`](crate::Binding) can lower them.
    Limits of Action {
        /// Time of computing. A login's Actions take microseconds, an interpreter that starts up
        /// milliseconds; a user waits half a second.
        cpu_time: time = SECOND / 2, at most SECOND * 10;
            "time of computing", "`LimitBroken::CpuTime`";
        /// Time from its start, waiting included: by default as long as Auth0 gives a trigger.
        wall_time: time = SECOND * 20, at most SECOND * 60;
            "time from its start, waiting included", "`LimitBroken::WallTime`";
        /// Bytes of linear memory. An Action in Rust starts with 128 KiB to 1 MiB, one in Python
        /// with about 30 MiB.
        memory: bytes = 64 * MIB, at most 1024 * MIB;
            "linear memory", "`LimitBroken::Memory`";
        /// Elements of one table.
        table_elements: number = 20_000, at most 1_000_000;
            "elements of one table", "`LimitBroken::TableElements`";
        /// Calls of the contract's functions, effects included.
        calls: number = 10_000, at most 1_000_000;
            "calls of the contract's functions, effects included", "`LimitBroken::Calls`";
        /// Bytes that one call passes to the host.
        call_bytes: bytes = MIB, at most 16 * MIB;
            "what one call passes to the host", "`LimitBroken::CallBytes`";
        /// Streams, pollables, requests and other resources of the host that it holds at one time.
        /// A standard library holds about five.
        resources: number = 1_000, at most 100_000;
            "resources of the host that it holds at one time", "`LimitBroken::Resources`";
        /// Bytes of randomness that one call gives.
        random_bytes: bytes = 64 * KIB, at most MIB;
            "random numbers that one call gives", "`LimitBroken::RandomBytes`";
        /// HTTP requests, those that are refused included. A login waits for each of them.
        requests: number = 10, at most 100;
            "HTTP requests, those that are refused included", "an error of the request, which it can handle";
        /// Bytes of a request with its head.
        request_bytes: bytes = 256 * KIB, at most 16 * MIB;
            "an HTTP request with its headers", "an error of the request, which it can handle";
        /// Bytes of a response with its head.
        response_bytes: bytes = MIB, at most 16 * MIB;
            "the response to an HTTP request with its headers", "an error of the request, which it can handle";
        /// Time of a request, from the resolution of its host's name to the response's last byte.
        request_time: time = SECOND * 5, at most SECOND * 60;
            "time of an HTTP request, to the response's last byte", "an error of the request, which it can handle";
        /// Bytes of log; what is beyond is cut, and the Action goes on.
        log_bytes: bytes = 16 * KIB, at most MIB;
            "the log", "cut, and marked";
        /// Lines of log; what is beyond is cut, and the Action goes on.
        log_lines: number = 256, at most 10_000;
            "lines of log", "cut, and marked";
    }
}

limits! {
    /// What one login's Actions may use together.
    FlowLimits of Flow {
        /// Actions of a flow.
        actions: number = 20, at most 100;
            "Actions of a flow", "`RunError::TooManyActions`";
        /// Time of computing of all Actions.
        flow_cpu_time: time = SECOND, at most SECOND * 30;
            "time of computing of all its Actions", "`LimitBroken::FlowCpuTime`";
        /// Time from the first Action's start to the last one's end: by default as long as Auth0
        /// gives a trigger.
        flow_wall_time: time = SECOND * 20, at most SECOND * 120;
            "time from the first Action's start, waiting included", "`LimitBroken::FlowWallTime`";
    }
}

limits! {
    /// What one tenant may use at one time, so that others have the rest.
    TenantLimits of Tenant {
        /// Logins that run at one time. It is less than the host's sandboxes, so that no tenant
        /// takes all of them.
        tenant_logins: number = 64, at most 5_000;
            "logins of one tenant that run at one time", "wait their turn";
        /// Logins that wait for their turn.
        tenant_queue: number = 256, at most 10_000;
            "logins of one tenant that wait for their turn", "`RunError::TooBusy`";
        /// Sandboxes that it may hold of the host's `reserved_sandboxes`: a tenant that holds fewer
        /// than this gets another one before all that hold more.
        tenant_reserve: number = 4, at most 5_000;
            "sandboxes of the host's reserve that one tenant may hold", "wait for one that is not reserved";
        /// How long a login waits for its turn.
        queue_time: time = SECOND, at most SECOND * 20;
            "how long a login waits for its turn", "`RunError::TooBusy`";
    }
}

limits! {
    /// What a host as a whole may use, and what a component may be. Neither a tenant nor a binding
    /// can change them.
    HostLimits of Host {
        /// Sandboxes that can live at one time. Each reserves 4 GiB of address space for each of
        /// its `memories`, and takes memory only while it is used.
        sandboxes: number = 256, at most 10_000;
            "sandboxes that live at one time", "wait their turn, then `RunError::TooBusy`";
        /// Sandboxes that only tenants with fewer than `tenant_reserve` may take, so that few
        /// tenants with many logins leave some for others; at most a quarter of `sandboxes`.
        reserved_sandboxes: number = 64, at most 2_500;
            "sandboxes for tenants that hold fewer than `tenant_reserve`; at most a quarter of `sandboxes`", "wait for one that is not reserved";
        /// Memories beside those of the sandboxes, that a pool of many Actions has something to
        /// keep them in: each keeps the image of the Action that ran in it last, so that its next
        /// run maps nothing. Each reserves 4 GiB of address space, and keeps up to 192 KiB in
        /// memory.
        warm_memories: number = 4_096, at most 8_192;
            "memories that are kept as their last Actions found them, beside those of the sandboxes", "the least recently used one is mapped again";
        /// Threads for Actions that compute for longer than a moment; none is as many as there are
        /// processors.
        slow_threads: number = 0, at most 256;
            "threads for Actions that compute for longer than a moment (0: as many as processors)", "wait their turn";
        /// Bytes of a guest's stack.
        stack: bytes = 512 * KIB, at most 4 * MIB;
            "the stack of an Action", "`LimitBroken::Stack`";
        /// Bytes of a component that is loaded. An Action in Rust has 50 kB, one in Python 18 MB.
        component_bytes: bytes = 32 * MIB, at most 256 * MIB;
            "a component that is loaded", "`LoadError::TooLarge`";
        /// Functions of a component, whose compilation takes a tenth of a millisecond each at
        /// least. An Action in Rust has 400, one in Python 14,000.
        functions: number = 100_000, at most 1_000_000;
            "functions of a component", "`LoadError::TooComplex`";
        /// For each function of a component, its blocks times its local variables, which a
        /// compiler's time grows with: a hundred millions took 37 seconds. An Action in Rust has
        /// 30,000, one in Python 1,800,000.
        block_locals: number = 10_000_000, at most 1_000_000_000;
            "blocks × local variables of a component's functions", "`LoadError::TooComplex`";
        /// Processor time of compiling one component, in whole seconds: a part of one counts as
        /// one. An Action in Rust takes a tenth of a second, one in Python sixteen on a busy
        /// machine.
        compile_time: time = SECOND * 60, at most SECOND * 600;
            "processor time of compiling one component, in whole seconds", "`LoadError::CompileTime`";
        /// Bytes of address space of the process that compiles one component, its program included.
        /// An Action in Python takes 400 MB.
        compile_memory: bytes = 1024 * MIB, at most 16_384 * MIB;
            "memory of the process that compiles one component", "`LoadError::CompileMemory`";
        /// Bytes of a component's machine code. An Action in Rust has 500 kB, one in Python 40 MB.
        compiled_bytes: bytes = 128 * MIB, at most 1024 * MIB;
            "a component's machine code", "`LoadError::CompiledTooLarge`";
        /// Components that are compiled at one time, beside one that is small: those have a lane of
        /// their own.
        compiles: number = 1, at most 64;
            "components that are compiled at one time, beside a small one", "wait their turn";
        /// Core instances of a component. An Action in Rust has five, one in Python about thirty.
        instances: number = 64, at most 256;
            "core instances of a component", "`LoadError::OverLimit`";
        /// Linear memories of a component.
        memories: number = 2, at most 8;
            "linear memories of a component", "`LoadError::OverLimit`";
        /// Tables of a component.
        tables: number = 8, at most 64;
            "tables of a component", "`LoadError::OverLimit`";
    }
}

impl HostLimits {
    /// Sandboxes that only tenants which hold few may take.
    pub(crate) fn reserve(&self) -> usize {
        self.reserved_sandboxes.min(self.sandboxes / 4)
    }

    /// Linear memories of the pool: those of the sandboxes, and those that are kept warm beside
    /// them.
    pub(crate) fn pooled_memories(&self) -> usize {
        self.sandboxes.saturating_mul(self.memories).saturating_add(self.warm_memories)
    }
}

/// Bytes as people write them, with or without a unit: `64 MiB`, `512 KiB`, `4096`.
pub fn bytes(text: &str) -> Option<usize> {
    amount::parse::bytes(text)
}

/// Every limit there is, as it is by default: what `vestibule limits` shows.
pub fn all() -> Vec<Limit> {
    let mut all = Limits::default().table();
    all.extend(FlowLimits::default().table());
    all.extend(TenantLimits::default().table());
    all.extend(HostLimits::default().table());
    all.extend(vestibule_model::limits::ALL.iter().map(effect));
    all
}

fn effect(limit: &EffectLimit) -> Limit {
    let &EffectLimit { name, allowed, what, beyond } = limit;
    let allowed = amount::number(usize::try_from(allowed).unwrap_or(usize::MAX));
    Limit { name, scope: Scope::Effect, allowed, maximum: "fixed".to_owned(), what, beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_md_has_the_table_of_limits() {
        let page = include_str!("../../../../LIMITS.md");
        let rows: Vec<String> = all().iter().map(Limit::row).collect();
        assert!(page.contains(&rows.join("\n")), "LIMITS.md has to have this table:\n{}", rows.join("\n"));
    }

    #[test]
    fn the_defaults_are_within_what_is_possible() {
        // And a tenant's are below the host's, so that no tenant takes all of its sandboxes.
        assert!(TenantLimits::default().tenant_logins < HostLimits::default().sandboxes);
        assert_eq!(Limits::default().check(), Ok(()));
        assert_eq!(FlowLimits::default().check(), Ok(()));
        assert_eq!(TenantLimits::default().check(), Ok(()));
        assert_eq!(HostLimits::default().check(), Ok(()));
    }

    #[test]
    fn a_maximum_just_passes_and_one_more_is_refused_with_both_numbers() {
        let limits = Limits { log_lines: 10_000, ..Limits::default() };
        assert_eq!(limits.check(), Ok(()));
        let refused = Limits { log_lines: 10_001, ..Limits::default() }.check().unwrap_err();
        assert_eq!(refused.to_string(), "the limit `log_lines` can't be 10,001: at most 10,000 is possible");
    }

    #[test]
    fn a_limit_is_set_by_its_name_as_a_person_writes_it() {
        let mut limits = Limits::default();
        limits.set("cpu_time", "50 ms").unwrap();
        limits.set("memory", "16 MiB").unwrap();
        limits.set("calls", "7").unwrap();
        assert_eq!((limits.cpu_time, limits.memory, limits.calls), (Duration::from_millis(50), 16 * MIB, 7));
        let wrong = |name, amount| Limits::default().set(name, amount).unwrap_err().to_string();
        assert_eq!(
            wrong("cpu_time", "50"),
            "the limit `cpu_time` can't be \"50\"; write a time with its unit, `500 ms` or `20 s`"
        );
        assert_eq!(
            wrong("memory", "lots"),
            "the limit `memory` can't be \"lots\"; write bytes, with or without a unit: `64 MiB`, `512 KiB`, `4096`"
        );
        assert_eq!(wrong("calls", "-1"), "the limit `calls` can't be \"-1\"; write a number: `20`");
        assert_eq!(wrong("cpu_time", "1 h"), "the limit `cpu_time` can't be 3600 s: at most 10 s is possible");
        assert_eq!(wrong("speed", "1"), "there is no limit `speed` here");
    }

    #[test]
    fn a_lower_limit_is_the_one_that_counts() {
        let host = Limits::default();
        let binding = Limits { calls: 5, memory: usize::MAX, ..Limits::default() };
        let within = binding.within(&host);
        assert_eq!((within.calls, within.memory), (5, host.memory));
    }

    #[test]
    fn no_two_limits_have_one_name() {
        let mut names: Vec<&str> = all().iter().map(|limit| limit.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
