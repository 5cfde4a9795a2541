#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod columns;
mod error;
mod log;
mod login;
mod merge;
mod migrations;
mod postgres;
mod session;
mod sqlite;
mod store;

pub use error::StoreError;
pub use log::{LogEntry, LogKind, LogPosition, LogPositionError, NewLogEntry};
pub use login::{
    BeforeLogin, Committed, KnownSession, LoginCommit, MetadataChanges, SessionChange, SessionLogin, TransactionId, UsedSession,
};
pub use postgres::{PostgresSettings, PostgresStore};
pub use session::{Actor, Device, Ended, Initiator, Method, Session, SessionClient};
pub use sqlite::{SqliteSettings, SqliteStore};
pub use store::{Page, Retention, SessionCursor, Store, Swept};
