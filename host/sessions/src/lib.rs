#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod client;
mod columns;
mod delivery;
mod error;
mod ids;
mod log;
mod login;
mod logout;
mod merge;
mod migrations;
mod postgres;
mod registry;
mod session;
mod sqlite;
mod store;
mod tokens;

pub use client::{
    Client, ClientCreated, ClientDeleted, ClientPage, ClientSource, LogoutInitiators, LogoutSettings, LogoutUrl, LogoutUrlError,
    Receiver,
};
pub use delivery::{
    AttemptResult, Backlog, Claimed, Claims, Delivery, DeliveryCursor, DeliveryPage, DeliveryState, DueReceiver, Held,
    ReceiverShare, Settled, Unreadable,
};
pub use error::StoreError;
pub use ids::{ClientId, TransactionId};
pub use log::{LogEntry, LogFilter, LogFound, LogKind, LogOrder, LogPosition, LogPositionError, LogSearch, NewLogEntry};
pub use login::{
    BeforeLogin, Committed, KeptAnswer, KnownSession, LoginCommit, MetadataChanges, NewTransaction, RequestDigest, SessionChange,
    SessionLogin, UsedSession,
};
pub use postgres::{Pooler, PoolerError, PostgresSettings, PostgresStore};
pub use registry::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, ActionName, Basis, Binding,
    BindingsReplaced, BuildError, BuildStatus, ComponentInfo, Deployed, Draft, DraftPut, Execution, ExecutionCursor,
    ExecutionCursorError, ExecutionFilter, ExecutionPage, ExecutionStatus, FlowBinding, FlowChanges, Keeping, NameError,
    NewAction, NewBinding, NewBindings, PolicyRevision, Registry, SealedSecret, SecretChange, SecretInfo, SecretName,
    StoredAction, StoredFlow, StoredPolicy, Trigger, TriggerError, Version, VersionList,
};
pub use session::{Actor, Device, Ended, Initiator, InitiatorError, Method, SESSION_CLIENTS, Session, SessionClient};
pub use sqlite::{SqliteSettings, SqliteStore};
pub use store::{ConnectionStats, EndedAll, EndsWritten, Page, Retention, SessionCursor, Store, StoredBytes, Swept, ThreadState};
pub use tokens::{ActionUid, BindingUid, Claim, DeliveryId, ExecutionUid, Holder, UuidError, VersionUid};
