//! What the tests share.

pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod logins;
pub(crate) mod logouts;
pub(crate) mod pooler;
pub(crate) mod proxy;
pub(crate) mod registry;
