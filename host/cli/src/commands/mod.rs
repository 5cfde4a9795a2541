//! One file for each subcommand.

pub(crate) mod build;
pub(crate) mod inspect;
mod picture;
pub(crate) mod run;
