//! A token's header.

use jsonwebtoken::{Algorithm, Header, decode_header};
use serde_json::Value;

use super::verify::TokenError;

/// Reads a token's header: how it is signed, and that it is an access token.
pub(super) fn header(token: &str) -> Result<Header, TokenError> {
    let members = members(token).ok_or(TokenError::Malformed)?;
    if members.get("crit").is_some() {
        return Err(TokenError::Critical);
    }
    let header = decode_header(token).map_err(|_| algorithm_of(&members).map_or(TokenError::Malformed, TokenError::Algorithm))?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
    }
    match header.typ.as_deref().filter(|kind| !is_access_token(kind)) {
        None => Ok(header),
        Some(kind) => {
            let is_plain = |character: &char| character.is_ascii_alphanumeric() || "+-./".contains(*character);
            Err(TokenError::Type(kind.chars().filter(is_plain).take(32).collect()))
        }
    }
}

/// Whether a `typ` is that of access tokens: `JWT`, or `at+jwt` of RFC 9068. `application/` may
/// stand before it (RFC 7515, section 4.1.9).
fn is_access_token(kind: &str) -> bool {
    const PREFIX: &str = "application/";
    let has_prefix = kind.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
    let kind = if has_prefix { kind.get(PREFIX.len()..).unwrap_or_default() } else { kind };
    ["JWT", "at+jwt"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// The members of a token's header.
fn members(token: &str) -> Option<Value> {
    use base64::Engine as _;
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&json).ok().filter(Value::is_object)
}

/// What a token says that it is signed by, where that is nothing that we know.
fn algorithm_of(header: &Value) -> Option<String> {
    let algorithm = header.get("alg")?.as_str()?;
    Some(algorithm.chars().filter(char::is_ascii_alphanumeric).take(16).collect())
}
