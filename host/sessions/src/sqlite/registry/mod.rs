//! Deployed Actions in a file; what became of their runs, and the bytes of their components, each
//! in another one beside it.

mod actions;
mod calls;
mod component_file;
mod components;
mod executions;
mod flows;
mod removal;
mod rows;
mod secrets;
mod uploads;

pub(super) use removal::sweep as sweep_components;
