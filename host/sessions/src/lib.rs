#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod error;
mod log;
mod login;
mod session;
mod store;

pub use error::StoreError;
pub use log::{LogEntry, LogKind, LogPosition, LogPositionError, NewLogEntry};
pub use login::{
    BeforeLogin, Committed, KnownSession, LoginCommit, MetadataChanges, SessionChange, SessionLogin, TransactionId, UsedSession,
};
pub use session::{Actor, Device, Ended, Initiator, Method, Session, SessionClient};
pub use store::{Page, Retention, SessionCursor, Store, Swept};
