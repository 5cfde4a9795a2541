//! Why an effect was refused: one type for each group of effects, with a variant for each rule.
//!
//! These are the errors of the contract, `wit/`: the same variants with the same payload, and the
//! one place where their texts stand.

use thiserror::Error;

use crate::Timestamp;

/// A size that was given, and the most that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// What was given, in the unit that the error names.
    pub given: u32,
    /// The most that is allowed, in the same unit.
    pub limit: u32,
}

/// The size of an entry's value that was given, and the most that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueTooLong {
    /// The entry's key.
    pub key: String,
    /// What was given, in the unit that the error names.
    pub given: u32,
    /// The most that is allowed, in the same unit.
    pub limit: u32,
}

/// A key, and its first character that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKey {
    /// The whole key.
    pub key: String,
    /// The first character that is not allowed.
    pub character: char,
}

/// A time that has to lie ahead, and the time of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastTime {
    /// The time that was given.
    pub given: Timestamp,
    /// The time of the login.
    pub now: Timestamp,
}

/// Why an entry of the session's or the refresh token's metadata was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// This login has no session that could carry metadata: an exchange of a refresh token, for
    /// instance.
    #[error("this login has no session, so it can't carry metadata; look at `event.session()` first")]
    Unavailable,
    /// This login exchanges no refresh token that could carry metadata.
    #[error("this login exchanges no refresh token, so it can't carry metadata; look at `event.refresh_token()` first")]
    NoRefreshToken,
    /// A key has at least one character.
    #[error("a metadata key is empty; give it at least one character")]
    EmptyKey,
    /// The key's length in characters.
    #[error("a metadata key has {} characters, at most {} are allowed", .0.given, .0.limit)]
    KeyTooLong(LimitExceeded),
    /// Keys are made of the letters `A` to `Z` and `a` to `z`, digits, `_` and `-`.
    #[error("the metadata key {:?} holds {:?}; only letters, digits, `_` and `-` are allowed", .0.key, .0.character)]
    KeyNotAllowed(InvalidKey),
    /// The value's length in characters.
    #[error("the value of `{}` has {} characters, at most {} are allowed", .0.key, .0.given, .0.limit)]
    ValueTooLong(ValueTooLong),
    /// The number of entries that there would be.
    #[error("the metadata would have {} entries, at most {} are allowed; delete one first", .0.given, .0.limit)]
    TooManyEntries(LimitExceeded),
}

/// Why a change of the session was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// This login has no session.
    #[error("this login has no session that could be changed; look at `event.session()` first")]
    Unavailable,
    /// The time is not later than this login.
    #[error("{} is not later than this login, which is at {}; times are milliseconds since 1970", .0.given, .0.now)]
    InThePast(PastTime),
    /// The reason's length in characters.
    #[error("the reason has {} characters, at most {} are allowed", .0.given, .0.limit)]
    ReasonTooLong(LimitExceeded),
}

/// Why a denial was refused; the login is not denied then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The reason's length in characters.
    #[error("the reason has {} characters, at most {} are allowed", .0.given, .0.limit)]
    ReasonTooLong(LimitExceeded),
}

/// Why a claim or a scope of a token was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// A claim's name has at least one character.
    #[error("a claim's name is empty; give it at least one character")]
    EmptyName,
    /// The name's length in characters.
    #[error("a claim's name has {} characters, at most {} are allowed", .0.given, .0.limit)]
    NameTooLong(LimitExceeded),
    /// The claim belongs to the token itself, so an Action can't set it.
    #[error("the claim `{0}` belongs to the token itself; choose a name of your own, `https://example.com/{0}` for instance")]
    ReservedClaim(String),
    /// The value is not one JSON value.
    #[error("the claim's value is not JSON: {0}")]
    InvalidJson(String),
    /// A scope that RFC 6749, section 3.3, doesn't allow.
    #[error("{0:?} is not a scope; one scope has no spaces, quotes, backslashes or control characters, and is not empty")]
    InvalidScope(String),
    /// The bytes of JSON that all custom claims would take, or the number of scopes there would be.
    #[error("the token would grow to {} (bytes of custom claims, or scopes), at most {} are allowed", .0.given, .0.limit)]
    TooLarge(LimitExceeded),
}

/// Why a change of the user's metadata was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserError {
    /// A key has at least one character.
    #[error("a metadata key is empty; give it at least one character")]
    EmptyKey,
    /// The key's length in characters.
    #[error("a metadata key has {} characters, at most {} are allowed", .0.given, .0.limit)]
    KeyTooLong(LimitExceeded),
    /// The value is not one JSON value.
    #[error("the value is not JSON: {0}")]
    InvalidJson(String),
    /// The bytes of JSON that the metadata would take.
    #[error("the user's metadata would take {} bytes of JSON, at most {} are allowed", .0.given, .0.limit)]
    TooLarge(LimitExceeded),
}

/// Why an entry of transaction metadata was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// This login has no transaction.
    #[error("this login has no transaction, so nothing can be shared in it")]
    Unavailable,
    /// A key has at least one character.
    #[error("a transaction metadata key is empty; give it at least one character")]
    EmptyKey,
    /// The key's length in characters.
    #[error("a transaction metadata key has {} characters, at most {} are allowed", .0.given, .0.limit)]
    KeyTooLong(LimitExceeded),
    /// The value's length in bytes.
    #[error("the value of {:?} has {} bytes, at most {} are allowed", .0.key, .0.given, .0.limit)]
    ValueTooLong(ValueTooLong),
    /// The number is infinite or not a number.
    #[error("the value of {0:?} is not a finite number")]
    NumberNotFinite(String),
    /// The bytes that all keys and values would take.
    #[error("the transaction's metadata would take {} bytes, at most {} are allowed", .0.given, .0.limit)]
    TooLarge(LimitExceeded),
}

/// Why the Action's own error was refused; the login does not fail by it then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValidationError {
    /// A code has at least one character.
    #[error("the error's code is empty; give it at least one character")]
    EmptyCode,
    /// The code's length in characters.
    #[error("the error's code has {} characters, at most {} are allowed", .0.given, .0.limit)]
    CodeTooLong(LimitExceeded),
    /// The message's length in characters.
    #[error("the error's message has {} characters, at most {} are allowed", .0.given, .0.limit)]
    MessageTooLong(LimitExceeded),
}

/// Why a change of the refresh token was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefreshTokenError {
    /// This login exchanges no refresh token.
    #[error("this login exchanges no refresh token that could be changed; look at `event.refresh_token()` first")]
    Unavailable,
    /// The time is not later than this login.
    #[error("{} is not later than this login, which is at {}; times are milliseconds since 1970", .0.given, .0.now)]
    InThePast(PastTime),
    /// The reason's length in characters.
    #[error("the reason has {} characters, at most {} are allowed", .0.given, .0.limit)]
    ReasonTooLong(LimitExceeded),
}

/// Why a value was not cached.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CacheError {
    /// A key has at least one byte.
    #[error("a cache key is empty; give it at least one character")]
    EmptyKey,
    /// The key's length in bytes.
    #[error("a cache key has {} bytes, at most {} are allowed", .0.given, .0.limit)]
    KeyTooLong(LimitExceeded),
    /// The value's length in bytes.
    #[error("the cached value of {:?} has {} bytes, at most {} are allowed", .0.key, .0.given, .0.limit)]
    ValueTooLong(ValueTooLong),
    /// The number of entries that there would be.
    #[error("the cache would have {} entries, at most {} are allowed; delete one first", .0.given, .0.limit)]
    TooManyEntries(LimitExceeded),
    /// The bytes that all keys and values would take.
    #[error("the cache would take {} bytes, at most {} are allowed; delete something first", .0.given, .0.limit)]
    TooLarge(LimitExceeded),
    /// The time is not later than this login.
    #[error("{} is not later than this login, which is at {}; times are milliseconds since 1970", .0.given, .0.now)]
    InThePast(PastTime),
}

/// Why something of the SAML response was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SamlError {
    /// An attribute's name has at least one character.
    #[error("a SAML attribute's name is empty; give it at least one character")]
    EmptyName,
    /// The length of a name or a value in characters, and what it is of.
    #[error("the {} of the SAML response has {} characters, at most {} are allowed", .0.key, .0.given, .0.limit)]
    ValueTooLong(ValueTooLong),
    /// An attribute's value is not one JSON value.
    #[error("the SAML attribute's value is not JSON: {0}")]
    InvalidJson(String),
    /// The bytes of JSON that all attributes would take.
    #[error("the SAML attributes would take {} bytes of JSON, at most {} are allowed", .0.given, .0.limit)]
    TooLarge(LimitExceeded),
}
