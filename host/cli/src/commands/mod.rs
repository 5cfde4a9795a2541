//! One file for each subcommand.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod hash_secret;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod logouts;
pub(crate) mod new;
mod picture;
mod profile;
mod repeat;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod test;
pub(crate) mod trace;
