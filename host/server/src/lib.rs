#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod api;
mod app;
mod authority;
mod backoff;
mod bodies;
mod buckets;
mod check;
mod client_auth;
mod clock;
pub mod config;
mod connections;
mod error;
mod executions;
mod exposition;
pub mod keys;
mod login;
mod logout;
mod low_priority;
mod metrics;
mod observe;
mod post;
mod rate;
mod readiness;
mod refusals;
mod registry;
mod request;
pub mod sealing;
mod server;
mod storage;
mod streams;
mod sweep;
mod tenant;
mod tokens;
mod traces;
mod unread;
mod workers;

pub use check::{Checked, check};
pub use config::Configuration;
pub use registry::{RefusedFlow, TooLong};
pub use server::{Parts, Server, StartError, open_store};
pub use tenant::{ReadComponent, TenantError};
