#![doc = include_str!("../README.md")]

pub mod api;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
#[cfg(target_arch = "wasm32")]
mod crossing;
mod door;
mod error;
pub mod event;
mod export;
#[doc = include_str!("../FROM-AUTH0.md")]
pub mod from_auth0 {}
pub mod http;
pub mod log;
#[cfg(feature = "log")]
mod log_macros;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(feature = "tracing")]
mod tracing_macros;

pub use api::Api;
pub use error::{Error, Result};
pub use event::Event;
pub use export::PostLogin;
/// JSON, wherever a fact or an effect takes any of it.
pub use serde_json::{Value, json};
pub use vestibule_model::event::{
    Assessment, Connection, CookieMode, Coordinates, Country, CustomDomain, DeviceValue, EmailAddress, EnrolledFactor, Group,
    Identity, IdentityProfile, Method, Organization, PhoneNumber, Place, ProfileNames, RefreshTokenFacts, RiskAssessment, Role,
    SessionTimes,
};
pub use vestibule_model::{
    AccessError, CacheEntry, CacheError, DigestAlgorithm, EncryptionAlgorithm, InvalidKey, LimitExceeded, MetadataError,
    PastTime, Provider, RefreshTokenError, SamlError, SessionError, SignatureAlgorithm, StringMap, Timestamp, TokenError,
    TransactionError, TransactionValue, UserError, ValidationError, ValueTooLong,
};

/// The time of the login. In the sandbox every clock stands at it, so `SystemTime::now()` gives it,
/// too; in a test it is what `testing::Login::at` has said, and `SystemTime::now()` the machine's
/// own.
pub fn now() -> Timestamp {
    #[cfg(target_arch = "wasm32")]
    return Timestamp::now();
    #[cfg(not(target_arch = "wasm32"))]
    native::with(|run| run.login.now())
}

/// What `export!` needs. Not for authors: it may change with every version.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings;
    pub use crate::export::{continued, execute};
}
