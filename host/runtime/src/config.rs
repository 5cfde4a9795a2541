//! How a runtime is made.

use crate::http::HttpSettings;
use crate::limits::{FlowLimits, HostLimits, LimitTooHigh, Limits, TenantLimits};

/// How a runtime is made: its limits, and what it tells authors.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What one run of one Action may use.
    pub limits: Limits,
    /// What one login's Actions may use together.
    pub flow_limits: FlowLimits,
    /// What one tenant may use at one time.
    pub tenant_limits: TenantLimits,
    /// What the host as a whole may use, and what a component may be.
    pub host_limits: HostLimits,
    /// How the requests of Actions are sent.
    pub http: HttpSettings,
    /// Whether the instructions that an Action runs are counted: the number that authors compare. A
    /// short run takes a hundredth longer for it, one that computes for long more.
    pub count_fuel: bool,
    /// Whether a component's debugging information is read when it breaks off, so that its trace
    /// has files and lines. It is the guest's own data, and reading it takes time: for an author's
    /// machine, not for a host that runs code of strangers.
    pub read_symbols: bool,
}

impl Config {
    /// These settings for a program that runs one login at a time: one sandbox, and no memories
    /// beside its own. It reserves 4 GiB of address space for each memory of a component (limit
    /// `memories`).
    #[must_use]
    pub fn for_one_login(mut self) -> Self {
        self.host_limits = HostLimits { sandboxes: 1, warm_memories: 0, ..self.host_limits };
        self
    }

    /// These settings for a program that loads Actions and runs none: no sandbox, and no address
    /// space for one. Components are held against the same limits.
    #[must_use]
    pub fn for_loading(mut self) -> Self {
        self.host_limits = HostLimits { sandboxes: 0, warm_memories: 0, ..self.host_limits };
        self
    }

    /// # Errors
    /// When a limit is higher than is possible.
    pub(crate) fn check(&self) -> Result<(), LimitTooHigh> {
        self.limits.check()?;
        self.flow_limits.check()?;
        self.tenant_limits.check()?;
        self.host_limits.check()
    }
}
