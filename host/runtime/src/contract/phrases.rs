//! Each capability in words: what a person reads before they let an Action run.

/// Whether a capability reads or acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It sees a fact.
    Sees,
    /// It has an effect.
    Does,
}

/// A capability in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Whether it reads or acts.
    pub kind: Kind,
    /// What it sees ("the organization") or does ("sets session metadata").
    pub words: &'static str,
}

/// A function of the contract in words; `None` where the contract has no such function.
pub fn phrase(interface: &str, function: &str) -> Option<Phrase> {
    let at = PHRASES.binary_search_by(|(name, functions, _)| (*name, *functions).cmp(&(interface, function))).ok()?;
    let (interface, _, words) = PHRASES.get(at)?;
    let reads = interface.starts_with("event-")
        || matches!((*interface, function), ("configuration" | "groups" | "roles" | "secrets", _) | ("cache", "get"));
    Some(Phrase { kind: if reads { Kind::Sees } else { Kind::Does }, words })
}

/// Whether the contract has such a function.
pub(crate) fn is_offered(interface: &str, function: &str) -> bool {
    phrase(interface, function).is_some()
}

/// Every function that there is, with its interface.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    PHRASES.iter().map(|(interface, function, _)| (*interface, *function))
}

/// Interface, function, words; sorted.
const PHRASES: &[(&str, &str, &str)] = &[
    ("access", "deny", "denies the login"),
    ("access-token", "add-scope", "adds scopes to the access token"),
    ("access-token", "remove-scope", "takes scopes from the access token"),
    ("access-token", "set-custom-claim", "sets claims of the access token"),
    ("cache", "delete", "deletes from the cache"),
    ("cache", "get", "the cache"),
    ("cache", "set", "writes to the cache"),
    ("configuration", "get", "its own configuration"),
    ("event-authentication", "methods", "how the user has authenticated"),
    ("event-authentication", "risk", "the risk assessment"),
    ("event-authorization", "roles", "the user's roles"),
    ("event-client", "id", "the client's id"),
    ("event-client", "metadata", "the client's metadata"),
    ("event-client", "name", "the client's name"),
    ("event-client", "refresh-token-policies", "the client's refresh token policies"),
    ("event-connection", "get", "the connection"),
    ("event-custom-domain", "get", "the custom domain and its metadata"),
    ("event-organization", "get", "the organization"),
    ("event-prompt", "fields", "what the user has filled in"),
    ("event-prompt", "id", "the form's id"),
    ("event-prompt", "vars", "the form's variables"),
    ("event-refresh-token", "device-asn", "the network of the refresh token's device"),
    ("event-refresh-token", "device-ip", "the IP address of the refresh token's device"),
    ("event-refresh-token", "device-user-agent", "the browser of the refresh token's device"),
    ("event-refresh-token", "get", "the refresh token's id, times and client"),
    ("event-refresh-token", "metadata", "the refresh token's metadata"),
    ("event-refresh-token", "resource-servers", "the refresh token's resource servers"),
    ("event-refresh-token", "user-id", "the id of the refresh token's user"),
    ("event-request", "asn", "the network that the request came from"),
    ("event-request", "body", "the request's body"),
    ("event-request", "geo-coordinates", "the coordinates that the request came from"),
    ("event-request", "geo-country", "the country that the request came from"),
    ("event-request", "geo-place", "the city and time zone that the request came from"),
    ("event-request", "hostname", "the host name that was asked"),
    ("event-request", "ip", "the IP address that the request came from"),
    ("event-request", "language", "the browser's language"),
    ("event-request", "method", "the HTTP method"),
    ("event-request", "query", "the request's query"),
    ("event-request", "user-agent", "the browser"),
    ("event-resource-server", "identifier", "the API that the access token is for"),
    ("event-security-context", "ja3", "the TLS fingerprint (JA3)"),
    ("event-security-context", "ja4", "the TLS fingerprint (JA4)"),
    ("event-session", "clients", "the clients of the session"),
    ("event-session", "cookie", "the session's cookie mode"),
    ("event-session", "device-asn", "the network of the session's device"),
    ("event-session", "device-ip", "the IP address of the session's device"),
    ("event-session", "device-user-agent", "the browser of the session's device"),
    ("event-session", "id", "the session's id"),
    ("event-session", "metadata", "all session metadata"),
    ("event-session", "metadata-entry", "entries of session metadata by name"),
    ("event-session", "times", "when the session was created, used, and ends"),
    ("event-session", "user-id", "the id of the session's user"),
    ("event-stats", "logins-count", "how often the user has logged in"),
    ("event-tenant", "id", "the tenant's id"),
    ("event-transaction", "acr-values", "the authentication classes asked for"),
    ("event-transaction", "actor-token-type", "the type of the actor token"),
    ("event-transaction", "correlation-id", "the client's correlation id"),
    ("event-transaction", "id", "the transaction's id"),
    ("event-transaction", "linking-id", "the transaction's linking id"),
    ("event-transaction", "locale", "the locale of the login"),
    ("event-transaction", "login-hint", "the login hint, which may name the user"),
    ("event-transaction", "metadata", "all transaction metadata"),
    ("event-transaction", "metadata-entry", "entries of transaction metadata by name"),
    ("event-transaction", "prompt", "the prompts asked for"),
    ("event-transaction", "protocol", "the protocol of the login"),
    ("event-transaction", "redirect-uri", "where the user is sent afterwards"),
    ("event-transaction", "requested-authorization-details", "the authorization details asked for"),
    ("event-transaction", "requested-scopes", "the scopes asked for"),
    ("event-transaction", "response-mode", "the response mode asked for"),
    ("event-transaction", "response-type", "the response type asked for"),
    ("event-transaction", "state", "the client's state"),
    ("event-transaction", "subject-token-type", "the type of the subject token"),
    ("event-transaction", "ui-locales", "the locales asked for"),
    ("event-user", "app-metadata", "the user's app metadata"),
    ("event-user", "created-at", "when the user was created"),
    ("event-user", "email", "the user's e-mail address"),
    ("event-user", "enrolled-factors", "the user's second factors"),
    ("event-user", "id", "the user's id"),
    ("event-user", "identities", "the user's identities"),
    ("event-user", "identity-profiles", "what identity providers tell about the user"),
    ("event-user", "last-password-reset", "when the user's password was last reset"),
    ("event-user", "multifactor", "the user's multi-factor providers"),
    ("event-user", "names", "the user's names"),
    ("event-user", "phone", "the user's phone number"),
    ("event-user", "picture", "the user's picture"),
    ("event-user", "updated-at", "when the user was last changed"),
    ("event-user", "user-metadata", "the user's user metadata"),
    ("groups", "get-user-groups", "the user's groups"),
    ("groups", "has-group-membership", "whether the user is in groups that it names"),
    ("id-token", "set-custom-claim", "sets claims of the ID token"),
    ("log", "write", "writes to the run's log"),
    ("multifactor", "enable", "requires a second factor"),
    ("refresh-token", "delete-metadata", "deletes refresh token metadata"),
    ("refresh-token", "evict-metadata", "deletes all refresh token metadata"),
    ("refresh-token", "revoke", "ends the refresh token"),
    ("refresh-token", "set-expires-at", "shortens the refresh token"),
    ("refresh-token", "set-idle-expires-at", "shortens the refresh token's idle time"),
    ("refresh-token", "set-metadata", "sets refresh token metadata"),
    ("roles", "get-user-effective-roles", "the user's roles, those by groups included"),
    ("roles", "get-user-effective-roles-by-ids", "whether the user has roles that it names by id"),
    ("roles", "get-user-effective-roles-by-names", "whether the user has roles that it names"),
    ("saml-response", "set-attribute", "sets attributes of the SAML assertion"),
    ("saml-response", "set-audience", "sets the SAML assertion's audience"),
    ("saml-response", "set-authn-context-class-ref", "sets the SAML authentication class"),
    ("saml-response", "set-cert", "sets the certificate of the SAML signature"),
    ("saml-response", "set-create-upn-claim", "sets whether SAML tells a UPN claim"),
    ("saml-response", "set-destination", "sets the SAML response's destination"),
    ("saml-response", "set-digest-algorithm", "sets the SAML digest's algorithm"),
    ("saml-response", "set-encryption-algorithm", "sets the SAML encryption's algorithm"),
    ("saml-response", "set-encryption-cert", "sets the certificate that the SAML assertion is encrypted with"),
    ("saml-response", "set-encryption-public-key", "sets the key that the SAML assertion is encrypted with"),
    ("saml-response", "set-include-attribute-name-format", "sets whether SAML tells formats of names"),
    ("saml-response", "set-issuer", "sets the SAML assertion's issuer"),
    ("saml-response", "set-key", "sets the key that signs the SAML response"),
    ("saml-response", "set-lifetime-in-seconds", "sets how long the SAML assertion is valid"),
    ("saml-response", "set-map-identities", "sets whether SAML tells the user's identities"),
    ("saml-response", "set-map-unknown-claims-as-is", "sets how SAML names unknown claims"),
    ("saml-response", "set-name-identifier-format", "sets the format of the SAML subject"),
    ("saml-response", "set-name-identifier-probes", "sets where the SAML subject comes from"),
    ("saml-response", "set-passthrough-claims-with-no-mapping", "sets whether SAML tells claims without a mapping"),
    ("saml-response", "set-recipient", "sets the SAML assertion's recipient"),
    ("saml-response", "set-relay-state", "sets the SAML relay state"),
    ("saml-response", "set-sign-response", "sets whether the SAML response is signed"),
    ("saml-response", "set-signature-algorithm", "sets the SAML signature's algorithm"),
    ("saml-response", "set-signing-cert", "sets the certificate that SAML requests are checked with"),
    ("saml-response", "set-typed-attributes", "sets whether SAML tells types of values"),
    ("secrets", "get", "its own secrets"),
    ("session", "delete-metadata", "deletes session metadata"),
    ("session", "evict-metadata", "deletes all session metadata"),
    ("session", "revoke", "ends the session"),
    ("session", "set-cookie-mode", "sets the session's cookie mode"),
    ("session", "set-expires-at", "shortens the session"),
    ("session", "set-idle-expires-at", "shortens the session's idle time"),
    ("session", "set-metadata", "sets session metadata"),
    ("transaction", "set-metadata", "sets transaction metadata"),
    ("user", "set-app-metadata", "sets the user's app metadata"),
    ("user", "set-user-metadata", "sets the user's user metadata"),
    ("validation", "error", "fails the login with its own error"),
    ("wasi:http/outgoing-handler", "handle", "sends HTTP requests to origins that its binding allows"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrases_are_sorted() {
        assert!(PHRASES.is_sorted());
    }

    #[test]
    fn a_fact_is_seen_and_an_effect_is_done() {
        assert_eq!(phrase("event-user", "email").map(|phrase| phrase.kind), Some(Kind::Sees));
        assert_eq!(phrase("session", "set-metadata").map(|phrase| phrase.words), Some("sets session metadata"));
        assert_eq!(phrase("session", "explode"), None);
    }
}
