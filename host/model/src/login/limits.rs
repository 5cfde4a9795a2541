//! How much each effect may ask for. Auth0's numbers where Auth0 documents one; ours are marked.
//! They are part of the contract: no host can change them.

/// One limit of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectLimit {
    /// Its name, as the constant's.
    pub name: &'static str,
    /// What is allowed, in the unit that `what` names.
    pub allowed: u64,
    /// What is limited.
    pub what: &'static str,
    /// What happens beyond: an error's type, or words.
    pub beyond: &'static str,
}

macro_rules! effects {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $allowed:expr; $what:literal, $beyond:literal;)*) => {
        $($(#[$doc])* pub const $name: $kind = $allowed;)*

        /// Every limit of an effect: what documentation and operators are shown.
        pub const ALL: &[EffectLimit] =
            &[$(EffectLimit { name: stringify!($name), allowed: $name as u64, what: $what, beyond: $beyond },)*];
    };
}

effects! {
    /// Entries of session metadata (Auth0, *Session Metadata*).
    METADATA_ENTRIES: u32 = 25;
        "entries of session metadata, and of a refresh token's", "`MetadataError::TooManyEntries`";
    /// Characters of a key, and of a value, of session metadata (Auth0, *Session Metadata*).
    METADATA_CHARACTERS: u32 = 255;
        "characters of a key, and of a value, of such metadata", "`MetadataError::{KeyTooLong, ValueTooLong}`";
    /// Characters of the reason of a denial or a revocation (ours: it ends up in a URL).
    REASON_CHARACTERS: u32 = 1_024;
        "characters of a reason or a message", "`AccessError::ReasonTooLong`";
    /// Characters of the code of an Action's own error (ours).
    CODE_CHARACTERS: u32 = 255;
        "characters of the code of an Action's own error", "`ValidationError::CodeTooLong`";
    /// Characters of a claim's name (ours).
    CLAIM_NAME_CHARACTERS: u32 = 255;
        "characters of a claim's name", "`TokenError::NameTooLong`";
    /// Bytes of JSON that all custom claims of one token take together (ours: beyond it, tokens
    /// don't pass common proxies anyway).
    CLAIM_BYTES: u32 = 100_000;
        "bytes of all custom claims of one token", "`TokenError::TooLarge`";
    /// Scopes that are added to or removed from one token (ours).
    SCOPES: u32 = 1_000;
        "scopes added to or removed from one token", "`TokenError::TooLarge`";
    /// Characters of a scope (ours).
    SCOPE_CHARACTERS: u32 = 255;
        "characters of a scope", "`TokenError::InvalidScope`";
    /// Characters of a key of the user's metadata (ours).
    USER_KEY_CHARACTERS: u32 = 255;
        "characters of a key of the user's metadata", "`UserError::KeyTooLong`";
    /// Bytes of JSON that each of the user's two metadata objects takes (Auth0: 32 kB each).
    USER_BYTES: u32 = 32_768;
        "bytes of each of the user's two metadata objects", "`UserError::TooLarge`";
    /// Characters of a key of transaction metadata (Auth0, `api.transaction.setMetadata`).
    TRANSACTION_KEY_CHARACTERS: u32 = 64;
        "characters of a key of transaction metadata", "`TransactionError::KeyTooLong`";
    /// Bytes of one text value of transaction metadata (Auth0: 8 kB).
    TRANSACTION_VALUE_BYTES: u32 = 8_192;
        "bytes of a text in transaction metadata", "`TransactionError::ValueTooLong`";
    /// Bytes of all keys and values of transaction metadata (Auth0: 16 kB).
    TRANSACTION_BYTES: u32 = 16_384;
        "bytes of all transaction metadata", "`TransactionError::TooLarge`";
    /// Entries of a tenant's cache for one trigger (Auth0, *Actions Limitations*).
    CACHE_ENTRIES: u32 = 20;
        "entries of a tenant's cache", "`CacheError::TooManyEntries`";
    /// Bytes of a cache key (Auth0).
    CACHE_KEY_BYTES: u32 = 64;
        "bytes of a cache key", "`CacheError::KeyTooLong`";
    /// Bytes of a cached value (Auth0: 4 kB).
    CACHE_VALUE_BYTES: u32 = 4_096;
        "bytes of a cached value", "`CacheError::ValueTooLong`";
    /// Bytes of all keys and values of a cache (Auth0: 8 kB).
    CACHE_BYTES: u32 = 8_192;
        "bytes of all of a tenant's cache", "`CacheError::TooLarge`";
    /// How long a value is cached where it isn't said, in milliseconds (Auth0: 15 minutes).
    CACHE_DEFAULT_MILLISECONDS: u64 = 15 * 60 * 1_000;
        "milliseconds that a value is cached where nothing else is said", "as it is";
    /// How long a value is cached at most, in milliseconds (Auth0: 24 hours).
    CACHE_LONGEST_MILLISECONDS: u64 = 24 * 60 * 60 * 1_000;
        "milliseconds that a value is cached at most", "cut to it";
    /// Characters of one text of a SAML response (ours).
    SAML_TEXT_CHARACTERS: u32 = 4_096;
        "characters of a text of a SAML response", "`SamlError::ValueTooLong`";
    /// Characters of a certificate or a key of a SAML response (ours: a chain of several fits).
    SAML_PEM_CHARACTERS: u32 = 16_384;
        "characters of a certificate or a key of a SAML response", "`SamlError::ValueTooLong`";
}
