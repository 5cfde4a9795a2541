//! What the quiet tenant does alone and beside each attack.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::client::{Client, request};
use crate::load::{Measured, Pace, measure};
use crate::requests::{Just, Logins, Requests};
use crate::server::token_request;
use crate::world::World;

/// The host of the quiet tenant.
const QUIET: &str = "localhost";

/// Logins and token requests of the quiet tenant in a second, and the connections that they come
/// over.
const PACE: f64 = 80.0;
const CONNECTIONS: usize = 16;
/// Uploads of it in a second, each of another component, and the connections that they come over.
const UPLOADS: f64 = 4.0;
const UPLOADERS: usize = 4;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) enum Probe {
    /// Each of another user.
    Logins,
    /// Of a client whose secret the server knows.
    Tokens,
    /// Of components of 55 kB, each of which is compiled.
    Uploads,
}

/// One that is made ready for a server.
pub(crate) enum Ready {
    Logins(Logins),
    Tokens(Just),
    Uploads(Uploads),
}

impl Probe {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Logins => "logins",
            Self::Tokens => "tokens",
            Self::Uploads => "small uploads",
        }
    }

    pub(crate) fn ready(self, world: &World) -> Ready {
        match self {
            Self::Logins => Ready::Logins(Logins::new(&world.running.token)),
            Self::Tokens => Ready::Tokens(Just(token_request(QUIET))),
            Self::Uploads => Ready::Uploads(Uploads::of(world)),
        }
    }
}

impl Ready {
    /// Measures for this long, as the turn of this number: no two of them send the same.
    pub(crate) fn measure(&self, world: &World, turn: u64, time: Duration) -> Measured {
        let (address, often) = (world.running.address, Pace::Open(PACE));
        match self {
            Self::Logins(logins) => measure(address, CONNECTIONS, time, often, &logins.after(turn << 40)),
            Self::Tokens(tokens) => measure(address, CONNECTIONS, time, often, tokens),
            Self::Uploads(uploads) => measure(address, UPLOADERS, time, Pace::Open(UPLOADS), &uploads.after(turn << 40)),
        }
    }
}

/// Uploads of a small component, with a number in it.
#[derive(Clone)]
pub(crate) struct Uploads {
    path: String,
    token: String,
    first: u64,
    component: Rc<[u8]>,
}

impl Uploads {
    fn of(world: &World) -> Self {
        let body = json!({ "name": "quiet", "supported_triggers": [{ "id": "post-login" }] }).to_string();
        let token = world.running.token.clone();
        let create = request("POST", "/api/v2/actions/actions", QUIET, &token, "application/json", body.as_bytes());
        let created = Client::of(world.running.address).send(&create).expect("an answer").1;
        let created: Value = serde_json::from_slice(&created).expect("JSON");
        let id = created["id"].as_str().unwrap_or_else(|| panic!("{created}"));
        Self {
            path: format!("/api/v2/actions/actions/{id}/component"),
            token,
            first: 0,
            component: artifacts::ORGANIZATION_SESSION_METADATA.into(),
        }
    }

    fn after(&self, first: u64) -> Self {
        Self { first, ..self.clone() }
    }
}

impl Requests for Uploads {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let component = numbered(&self.component, number + self.first, &[]);
        out.extend(request("PUT", &self.path, QUIET, &self.token, "application/wasm", &component));
    }
}

/// The component with one section more, which says nothing: a number, and these bytes.
pub(crate) fn numbered(component: &[u8], number: u64, more: &[u8]) -> Vec<u8> {
    // Its kind, its length, and its name (the binary format, section 5.5.3).
    let content = [&[6][..], b"number", &number.to_le_bytes(), more].concat();
    let mut length = content.len();
    let mut section = vec![0];
    while length >= 0x80 {
        section.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    section.push(length as u8);
    [component, &section, &content].concat()
}
