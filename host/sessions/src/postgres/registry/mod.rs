//! Deployed Actions in PostgreSQL.

mod actions;
mod bindings;
mod calls;
mod components;
mod executions;
pub(super) mod notices;
mod policies;
mod rows;
mod secrets;
pub(super) mod turn;
mod versions;

pub(super) use components::sweep as sweep_components;
