//! What is sent: the same request each time, with other ids in it.

use serde_json::{Value, json};
use vestibule::model::Timestamp;

/// Requests, each with a number.
pub(crate) trait Requests: Clone + 'static {
    /// Writes one.
    fn write(&self, number: u64, out: &mut Vec<u8>);
}

/// A number of 16 digits; what takes its place until then.
const PLACE: &str = "{{{{{{number}}}}}}";

/// Logins, each of another user, session and transaction.
#[derive(Clone)]
pub(crate) struct Logins {
    pieces: Vec<String>,
    first: u64,
}

impl Logins {
    pub(crate) fn new(token: &str) -> Self {
        Self::of("acme", "localhost", token)
    }

    /// Of another tenant, which is called by this host.
    pub(crate) fn of(tenant: &str, host: &str, token: &str) -> Self {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../../examples/events/organization-login.json")).expect("an event");
        event["tenant"]["id"] = tenant.into();
        event["session"]["id"] = format!("sess_{PLACE}").into();
        event["transaction"]["id"] = format!("txn_{PLACE}").into();
        event["user"]["user_id"] = format!("auth0|{PLACE}").into();
        let now = Timestamp::now();
        let after = |days: u64| json!(Timestamp::from_millis(now.as_millis() + days * 86_400_000).to_string());
        for time in ["created_at", "updated_at", "authenticated_at", "last_interacted_at"] {
            event["session"][time] = after(0);
        }
        event["session"]["idle_expires_at"] = after(3);
        event["session"]["expires_at"] = after(7);
        let body = event.to_string();
        let length = body.replace(PLACE, &digits(0)).len();
        let request = format!(
            "POST /v1/post-login HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self { pieces: request.split(PLACE).map(str::to_owned).collect(), first: 0 }
    }

    /// The same, with numbers from another one on.
    pub(crate) fn after(&self, first: u64) -> Self {
        Self { first, ..self.clone() }
    }
}

impl Requests for Logins {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        write(&self.pieces, number + self.first, out);
    }
}

/// Sessions that are looked up, out of those of so many logins.
#[derive(Clone)]
pub(crate) struct Lookups {
    pieces: Vec<String>,
    sessions: u64,
}

impl Lookups {
    pub(crate) fn new(token: &str, sessions: u64) -> Self {
        let request =
            format!("GET /api/v2/sessions/sess_{PLACE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
        Self { pieces: request.split(PLACE).map(str::to_owned).collect(), sessions }
    }
}

impl Requests for Lookups {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        // In no order that a cache could know.
        write(&self.pieces, number.wrapping_mul(0x9E37_79B9) % self.sessions, out);
    }
}

fn digits(number: u64) -> String {
    // Ids of platforms come in no order: an odd factor gives each number another one.
    format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn write(pieces: &[String], number: u64, out: &mut Vec<u8>) {
    let digits = digits(number);
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(digits.as_bytes());
        }
        out.extend_from_slice(piece.as_bytes());
    }
}

/// One request, as it is.
#[derive(Clone)]
pub(crate) struct Just(pub String);

impl Requests for Just {
    fn write(&self, _number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}
