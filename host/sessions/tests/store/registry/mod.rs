//! Deployed Actions: what is kept of them, what runs, and what became of it.

mod actions;
mod at_once;
mod bindings;
mod component_files;
mod components;
mod deployments;
mod executions;
mod history;
mod removal;
mod revisions;
mod secrets;
mod tenants;
