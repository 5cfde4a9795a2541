//! A tenant's Actions as a folder that belongs in git: `actions.toml`, and a component for each.
//! `vestibule export` writes it, `vestibule apply` makes the server as it says.

mod carry;
mod files;
mod manifest;
mod plan;
mod state;
mod values;

pub(crate) use carry::carry_out;
pub(crate) use files::Folder;
pub(crate) use plan::plan;
pub(crate) use state::State;
pub(crate) use values::{Values, wanted};
