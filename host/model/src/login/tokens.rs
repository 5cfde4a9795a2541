//! `access-token` and `id-token`: claims and scopes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Login, limits};
use crate::ActionId;
use crate::error::{LimitExceeded, TokenError};
use crate::json::{Object, ObjectChanges};
use crate::metadata::{at_most, size};

/// Claims that make a token what it is (RFC 7519, RFC 9068, OpenID Connect Core 1.0 and its logout
/// specifications, RFC 8693, 7800): an Action that could set one could issue itself a token for
/// another user. Sorted, for a binary search.
const RESERVED: [&str; 28] = [
    "acr",
    "act",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "events",
    "exp",
    "gty",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "permissions",
    "s_hash",
    "scope",
    "sid",
    "sub",
    "sub_jwk",
    "txn",
    "typ",
];

#[derive(Clone, Debug, Default)]
pub(crate) struct TokenChanges {
    pub(crate) claims: ObjectChanges,
    /// Whether a scope is added (or else removed), and by whom.
    pub(crate) scopes: BTreeMap<Box<str>, (bool, ActionId)>,
}

impl TokenChanges {
    fn set_claim(&mut self, name: &str, json: &str, by: ActionId) -> Result<(), TokenError> {
        if name.is_empty() {
            return Err(TokenError::EmptyName);
        }
        at_most(limits::CLAIM_NAME_CHARACTERS, name).map_err(TokenError::NameTooLong)?;
        if RESERVED.binary_search(&name).is_ok() {
            return Err(TokenError::ReservedClaim(name.to_owned()));
        }
        let value: Value = serde_json::from_str(json).map_err(|error| TokenError::InvalidJson(error.to_string()))?;
        let limit = limits::CLAIM_BYTES;
        self.claims
            .set(&Object::new(), name, Some(value), limit, by)
            .map_err(|given| TokenError::TooLarge(LimitExceeded { given, limit }))
    }

    fn set_scope(&mut self, scope: &str, added: bool, by: ActionId) -> Result<(), TokenError> {
        let is_allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.is_empty() || !scope.bytes().all(is_allowed) || size(scope.len()) > limits::SCOPE_CHARACTERS {
            let shown = scope.chars().take(limits::SCOPE_CHARACTERS as usize).collect();
            return Err(TokenError::InvalidScope(shown));
        }
        if !self.scopes.contains_key(scope) {
            let (given, limit) = (size(self.scopes.len() + 1), limits::SCOPES);
            if given > limit {
                return Err(TokenError::TooLarge(LimitExceeded { given, limit }));
            }
        }
        self.scopes.insert(scope.into(), (added, by));
        Ok(())
    }
}

impl Login {
    /// `access-token.set-custom-claim`: sets a claim of the tenant's own; the value is JSON text.
    /// The last call for a name counts.
    ///
    /// # Errors
    /// When the name is empty, too long or reserved, the value is no JSON, or all claims would be
    /// too large.
    pub fn set_access_token_claim(&mut self, name: &str, json: &str) -> Result<(), TokenError> {
        self.changes.access_token.set_claim(name, json, self.action.clone())
    }

    /// `id-token.set-custom-claim`: sets a claim of the tenant's own; the value is JSON text. The
    /// last call for a name counts.
    ///
    /// # Errors
    /// When the name is empty, too long or reserved, the value is no JSON, or all claims would be
    /// too large.
    pub fn set_id_token_claim(&mut self, name: &str, json: &str) -> Result<(), TokenError> {
        self.changes.id_token.set_claim(name, json, self.action.clone())
    }

    /// `access-token.add-scope`: adds a scope to those that were granted.
    ///
    /// # Errors
    /// When it is not a scope, or there would be too many changes.
    pub fn add_scope(&mut self, scope: &str) -> Result<(), TokenError> {
        self.changes.access_token.set_scope(scope, true, self.action.clone())
    }

    /// `access-token.remove-scope`: takes a scope from those that were granted.
    ///
    /// # Errors
    /// When it is not a scope, or there would be too many changes.
    pub fn remove_scope(&mut self, scope: &str) -> Result<(), TokenError> {
        self.changes.access_token.set_scope(scope, false, self.action.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;

    #[test]
    fn the_list_of_reserved_claims_is_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn a_claim_that_makes_the_token_cannot_be_set() {
        let mut login = login();
        for name in ["sub", "aud", "exp", "iss", "scope", "sid", "nonce", "permissions"] {
            assert_eq!(login.set_access_token_claim(name, "1"), Err(TokenError::ReservedClaim(name.into())));
            assert_eq!(login.set_id_token_claim(name, "1"), Err(TokenError::ReservedClaim(name.into())));
        }
        assert_eq!(login.set_access_token_claim("https://acme.example/sub", "1"), Ok(()));
    }

    #[test]
    fn a_claim_has_a_name_and_a_value_that_is_json() {
        let mut login = login();
        assert_eq!(login.set_id_token_claim("", "1"), Err(TokenError::EmptyName));
        let too_long = LimitExceeded { given: 256, limit: 255 };
        assert_eq!(login.set_id_token_claim(&"n".repeat(256), "1"), Err(TokenError::NameTooLong(too_long)));
        assert!(matches!(login.set_id_token_claim("n", "{"), Err(TokenError::InvalidJson(_))));
        assert!(matches!(login.set_id_token_claim("n", "1 2"), Err(TokenError::InvalidJson(_))));
        assert_eq!(login.set_id_token_claim("n", r#"{"any": ["json", null]}"#), Ok(()));
    }

    #[test]
    fn all_claims_of_a_token_have_one_budget() {
        let mut login = login();
        let half = serde_json::to_string(&"x".repeat(49_980)).unwrap();
        login.set_access_token_claim("a", &half).unwrap();
        login.set_access_token_claim("b", &half).unwrap();
        assert!(matches!(
            login.set_access_token_claim("c", &half),
            Err(TokenError::TooLarge(LimitExceeded { given: 149_961, limit: 100_000 }))
        ));
        // The other token has a budget of its own, and what is replaced is given back.
        login.set_id_token_claim("c", &half).unwrap();
        login.set_access_token_claim("a", "1").unwrap();
        login.set_access_token_claim("c", &half).unwrap();
    }

    #[test]
    fn a_scope_is_one_word_of_rfc_6749() {
        let mut login = login();
        for scope in ["", "a b", "a\"b", "a\\b", "naïve", "a\n"] {
            assert_eq!(login.add_scope(scope), Err(TokenError::InvalidScope(scope.into())), "{scope:?}");
        }
        login.add_scope("read:orders").unwrap();
        login.remove_scope("read:orders").unwrap();
        assert_eq!(login.changes().access_token.scopes.get("read:orders"), Some(&(false, ActionId::unknown())));
    }

    #[test]
    fn scopes_are_limited_in_number() {
        let mut login = login();
        for number in 0..1_000 {
            login.add_scope(&format!("s{number}")).unwrap();
        }
        let too_many = TokenError::TooLarge(LimitExceeded { given: 1_001, limit: 1_000 });
        assert_eq!(login.add_scope("one-more"), Err(too_many));
    }
}
