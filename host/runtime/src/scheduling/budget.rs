//! How long the Actions of a login may compute and wait.

use std::time::{Duration, Instant};

use vestibule_model::outcome::LimitBroken;

use crate::limits::{FlowLimits, Limits};

/// Until when a run may go on, and which limit it breaks then: its own, or that of its flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Time of computing.
    pub(crate) cpu: (Duration, LimitBroken),
    /// The end of its time, waiting included.
    pub(crate) wall: (Instant, LimitBroken),
}

/// What the Actions of one login have used so far, and may use together.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    cpu_allowed: Duration,
    wall_allowed: Duration,
    started: Instant,
}

impl Spent {
    pub(crate) fn new(allowed: &FlowLimits) -> Self {
        let FlowLimits { flow_cpu_time, flow_wall_time, .. } = *allowed;
        Self { cpu: Duration::ZERO, cpu_allowed: flow_cpu_time, wall_allowed: flow_wall_time, started: Instant::now() }
    }

    /// Waits for something whose time is not the Actions' own.
    pub(crate) async fn without<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let waited = waiting.await;
        self.started += began.elapsed();
        waited
    }

    pub(crate) fn wall_end(&self) -> Instant {
        self.started + self.wall_allowed
    }

    /// What an Action may use that begins now: its own limits, or what the flow has left where that
    /// is less.
    pub(crate) fn budget(&self, limits: &Limits) -> Budget {
        let now = Instant::now();
        let cpu = (limits.cpu_time, LimitBroken::CpuTime { allowed: limits.cpu_time });
        let flow_cpu = (self.cpu_allowed.saturating_sub(self.cpu), LimitBroken::FlowCpuTime { allowed: self.cpu_allowed });
        let wall = (now + limits.wall_time, LimitBroken::WallTime { allowed: limits.wall_time });
        let flow_wall = (self.wall_end(), LimitBroken::FlowWallTime { allowed: self.wall_allowed });
        Budget { cpu: if flow_cpu.0 < cpu.0 { flow_cpu } else { cpu }, wall: if flow_wall.0 < wall.0 { flow_wall } else { wall } }
    }
}
