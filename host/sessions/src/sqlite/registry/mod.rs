//! Deployed Actions in a file, and what became of their runs in another one beside it.

mod actions;
mod calls;
mod components;
mod executions;
mod flows;
mod rows;
mod secrets;
