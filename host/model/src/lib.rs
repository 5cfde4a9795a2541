#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod amount;
pub mod contract;
mod digest;
mod error;
pub mod event;
pub mod http;
mod ids;
pub mod json;
mod login;
mod metadata;
mod one_line;
pub mod outcome;
mod secret;
mod string_map;
mod timestamp;
mod transaction;

pub use digest::{ComponentDigest, ComponentDigestError};
pub use error::{
    AccessError, CacheError, InvalidKey, LimitExceeded, MetadataError, PastTime, RefreshTokenError, SamlError, SessionError,
    TokenError, TransactionError, UserError, ValidationError, ValueTooLong,
};
pub use event::{Event, EventError};
pub use ids::{ActionId, IdError, SessionId, TenantId, UserId};
pub use login::{
    CacheEntries, CacheEntry, Checkpoint, DigestAlgorithm, EncryptionAlgorithm, Lifetime, Login, Provider, SamlCertificate,
    SamlFlag, SamlResponse, SamlText, SessionLifetimes, SignatureAlgorithm, limits,
};
pub use metadata::{Metadata, MetadataKey};
pub use one_line::{is_escaped, one_line};
pub use outcome::Outcome;
pub use secret::{Secret, SecretError, Values};
pub use string_map::StringMap;
pub use timestamp::{Timestamp, TimestampError};
pub use transaction::TransactionValue;
