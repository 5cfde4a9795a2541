//! How much each effect may ask for. Auth0's numbers where Auth0 documents one; ours are marked.

/// Entries of session metadata (Auth0, *Session Metadata*).
pub const METADATA_ENTRIES: u32 = 25;
/// Characters of a key, and of a value, of session metadata (Auth0, *Session Metadata*).
pub const METADATA_CHARACTERS: u32 = 255;
/// Characters of the reason of a denial or a revocation (ours: it ends up in a URL).
pub const REASON_CHARACTERS: u32 = 1_024;
/// Characters of the code of an Action's own error (ours).
pub const CODE_CHARACTERS: u32 = 255;
/// Characters of a claim's name (ours).
pub const CLAIM_NAME_CHARACTERS: u32 = 255;
/// Bytes of JSON that all custom claims of one token take together (ours: beyond it, tokens don't pass common proxies anyway).
pub const CLAIM_BYTES: u32 = 100_000;
/// Scopes that are added to or removed from one token (ours).
pub const SCOPES: u32 = 1_000;
/// Characters of a scope (ours).
pub const SCOPE_CHARACTERS: u32 = 255;
/// Characters of a key of the user's metadata (ours).
pub const USER_KEY_CHARACTERS: u32 = 255;
/// Bytes of JSON that each of the user's two metadata objects takes (Auth0: 32 kB each).
pub const USER_BYTES: u32 = 32_768;
/// Characters of a key of transaction metadata (Auth0, `api.transaction.setMetadata`).
pub const TRANSACTION_KEY_CHARACTERS: u32 = 64;
/// Bytes of one text value of transaction metadata (Auth0: 8 kB).
pub const TRANSACTION_VALUE_BYTES: u32 = 8_192;
/// Bytes of all keys and values of transaction metadata (Auth0: 16 kB).
pub const TRANSACTION_BYTES: u32 = 16_384;
/// Entries of a tenant's cache for one trigger (Auth0, *Actions Limitations*).
pub const CACHE_ENTRIES: u32 = 20;
/// Bytes of a cache key (Auth0).
pub const CACHE_KEY_BYTES: u32 = 64;
/// Bytes of a cached value (Auth0: 4 kB).
pub const CACHE_VALUE_BYTES: u32 = 4_096;
/// Bytes of all keys and values of a cache (Auth0: 8 kB).
pub const CACHE_BYTES: u32 = 8_192;
/// How long a value is cached where it isn't said, in milliseconds (Auth0: 15 minutes).
pub const CACHE_DEFAULT_MILLISECONDS: u64 = 15 * 60 * 1_000;
/// How long a value is cached at most, in milliseconds (Auth0: 24 hours).
pub const CACHE_LONGEST_MILLISECONDS: u64 = 24 * 60 * 60 * 1_000;
/// Characters of one text of a SAML response (ours).
pub const SAML_TEXT_CHARACTERS: u32 = 4_096;
/// Characters of a certificate or a key of a SAML response (ours: a chain of several fits).
pub const SAML_PEM_CHARACTERS: u32 = 16_384;
