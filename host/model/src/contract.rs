//! The contract's types and ours are the same facts in two spellings: those that a binding
//! generator makes from `wit/`, and the ones of this crate. The table below says which is which,
//! once. The sandbox reads it to send our values across, the SDK to receive them.

pub use crate::error::*;
pub use crate::event::*;
pub use crate::login::{CacheEntry, DigestAlgorithm, EncryptionAlgorithm, Lifetime, Provider, SignatureAlgorithm};
pub use crate::{StringMap, Timestamp, TransactionValue};

/// A value that crosses the contract: the same fact, in the other spelling.
pub trait Cross<T> {
    /// The value in the other spelling.
    fn cross(self) -> T;
}

macro_rules! same {
    ($($type:ty),*) => {
        $(impl Cross<$type> for $type {
            fn cross(self) -> $type {
                self
            }
        })*
    };
}

same!((), bool, char, f64, u32, u64, String);

impl<A: Cross<B>, B> Cross<Option<B>> for Option<A> {
    fn cross(self) -> Option<B> {
        self.map(Cross::cross)
    }
}

impl<A: Cross<B>, B> Cross<Vec<B>> for Vec<A> {
    fn cross(self) -> Vec<B> {
        self.into_iter().map(Cross::cross).collect()
    }
}

impl<A: Cross<B>, B> Cross<Vec<(String, B)>> for Vec<(String, A)> {
    fn cross(self) -> Vec<(String, B)> {
        self.into_iter().map(|(name, value)| (name, value.cross())).collect()
    }
}

impl Cross<u64> for Timestamp {
    fn cross(self) -> u64 {
        self.as_millis()
    }
}

impl Cross<Timestamp> for u64 {
    fn cross(self) -> Timestamp {
        Timestamp::from_millis(self)
    }
}

impl Cross<Vec<(String, String)>> for StringMap {
    fn cross(self) -> Vec<(String, String)> {
        self.into_pairs()
    }
}

impl Cross<StringMap> for Vec<(String, String)> {
    fn cross(self) -> StringMap {
        StringMap::from_sorted(self)
    }
}

impl Cross<String> for serde_json::Value {
    fn cross(self) -> String {
        self.to_string()
    }
}

impl Cross<serde_json::Value> for String {
    fn cross(self) -> serde_json::Value {
        // The host writes JSON from values like this one, so that it can be read is part of the
        // contract.
        serde_json::from_str(&self).unwrap_or_default()
    }
}

/// Calls `$each!` with every type of the contract: where it stands in the bindings, its name in
/// both spellings, and its members. Records and variants are what the host tells, `given` is what
/// Actions give.
#[macro_export]
macro_rules! contract_types {
    ($each:ident) => {
        $each! {
            records {
                types DeviceValue DeviceValue { initial last }
                types LimitExceeded LimitExceeded { given limit }
                types ValueTooLong ValueTooLong { key given limit }
                types InvalidKey InvalidKey { key character }
                types PastTime PastTime { given now }
                cache CacheEntry CacheEntry { value expires_at }
                event_authentication Method Method { name timestamp kind }
                event_authentication Assessment Assessment { name confidence code details }
                event_authentication RiskAssessment RiskAssessment { confidence version assessments }
                event_connection Connection Connection { id name strategy metadata }
                event_custom_domain CustomDomain CustomDomain { domain metadata }
                event_organization Organization Organization { id name display_name metadata }
                event_refresh_token RefreshToken RefreshTokenFacts {
                    id client_id session_id rotating created_at last_exchanged_at idle_expires_at expires_at
                }
                event_request Country Country { code code3 name continent_code }
                event_request Place Place { city_name subdivision_code subdivision_name time_zone }
                event_request Coordinates Coordinates { latitude longitude }
                event_session SessionTimes SessionTimes {
                    created_at updated_at authenticated_at last_interacted_at idle_expires_at expires_at
                }
                groups Group Group { id name description }
                roles Role Role { id name description }
                event_user EmailAddress EmailAddress { address verified }
                event_user PhoneNumber PhoneNumber { number verified }
                event_user ProfileNames ProfileNames { name given_name family_name nickname username }
                event_user Identity Identity { connection provider user_id is_social }
                event_user IdentityProfile IdentityProfile { connection user_id profile_data }
                event_user EnrolledFactor EnrolledFactor { kind method options }
            }
            variants {
                types CookieMode { Persistent NonPersistent ; }
                types TransactionValue { ; Text Number Boolean }
                types MetadataError {
                    Unavailable NoRefreshToken EmptyKey ; KeyTooLong KeyNotAllowed ValueTooLong TooManyEntries
                }
                types TokenError { EmptyName ; NameTooLong ReservedClaim InvalidJson InvalidScope TooLarge }
                session SessionError { Unavailable ; InThePast ReasonTooLong }
                access AccessError { ; ReasonTooLong }
                user UserError { EmptyKey ; KeyTooLong InvalidJson TooLarge }
                transaction TransactionError {
                    Unavailable EmptyKey ; KeyTooLong ValueTooLong NumberNotFinite TooLarge
                }
                validation ValidationError { EmptyCode ; CodeTooLong MessageTooLong }
                refresh_token RefreshTokenError { Unavailable ; InThePast ReasonTooLong }
                cache CacheError { EmptyKey ; KeyTooLong ValueTooLong TooManyEntries TooLarge InThePast }
                saml_response SamlError { EmptyName ; ValueTooLong InvalidJson TooLarge }
            }
            given {
                types CookieMode { Persistent NonPersistent ; }
                types TransactionValue { ; Text Number Boolean }
                cache Lifetime { ; Milliseconds Until }
                multifactor Provider { Any Duo GoogleAuthenticator Guardian None ; }
                saml_response SignatureAlgorithm { RsaSha256 RsaSha1 ; }
                saml_response DigestAlgorithm { Sha256 Sha1 ; }
                saml_response EncryptionAlgorithm { Aes256Gcm Aes256Cbc ; }
            }
        }
    };
}
