//! What a store does, for both databases: each test runs over a file, and over a PostgreSQL of its
//! own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to fail at once")]

#[path = "../parts/mod.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod parts;

/// Runs tests that take a database over both kinds.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&crate::parts::database::Database::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&crate::parts::database::Database::postgres().await).await;
            })+
        }
    };
}

/// As [`on_both`], and over a PostgreSQL behind a PgBouncer that gives a connection to each
/// transaction.
macro_rules! on_all {
    ($($test:ident),+ $(,)?) => {
        on_both! { $($test),+ }

        mod pooled {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&crate::parts::database::Database::pooled().await).await;
            })+
        }
    };
}

mod bytes;
mod claims;
mod clients;
mod delivery_model;
mod doubt;
mod ending_many;
mod endings;
mod faults_of_files;
mod faults_of_servers;
mod listening;
mod locked_files;
mod log;
mod logins;
mod many_at_once;
mod metadata;
mod model;
mod opening;
mod outbox;
mod owed;
mod poolers;
mod registry;
mod silence;
mod streams;
mod sweeping;
mod tenants;
mod tls;
mod unsubscribing;
