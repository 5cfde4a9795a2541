//! Which login runs now, on which thread, and for how long.

pub(crate) mod admission;
pub(crate) mod budget;
pub(crate) mod cpu_time;
pub(crate) mod executor;
pub(crate) mod fair;
mod queue;
mod quick;
pub(crate) mod task;
