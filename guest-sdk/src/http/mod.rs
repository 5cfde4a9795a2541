//! HTTP requests, to the origins that the Action's binding allows.
//!
//! ```
//! use std::time::Duration;
//! use vestibule_sdk::{Api, Event, Result, http, json};
//!
//! fn check(event: &Event, api: &Api) -> Result {
//!     let answer = http::post("https://risk.example.com/v1/score")
//!         .header("authorization", &format!("Bearer {}", event.secret("RISK_KEY").unwrap_or_default()))
//!         .timeout(Duration::from_secs(1))
//!         .json(&json!({ "ip": event.request().ip() }))?
//!         .send();
//!     match answer {
//!         Ok(answer) if answer.is_success() => {
//!             let score: u32 = answer.json()?;
//!             if score > 90 {
//!                 api.access().deny("too risky")?;
//!             }
//!         }
//!         // Whether a login goes on without an answer is the Action's own decision.
//!         Ok(_) | Err(http::Error::Timeout { .. }) => {}
//!         Err(error) => return Err(error.into()),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! - A request waits for its whole response. An Action that sends one holds up its login for so
//!   long.
//! - Redirects are responses as any other: the status is 3xx, and `location` says where to. Bodies
//!   come as they were sent, compressed or not.
//! - How many requests an Action may send, how large they and their responses may be, and how long
//!   one may take are limits: one that is broken is an error of the request. With `?` it fails the
//!   login; the Action can as well look at it and go on.
//! - In a native test, the answers come from the test:
//!   [`testing::Login::answers`](crate::testing::Login::answers).

mod builder;
mod error;
mod request;
mod response;
mod url;
#[cfg(target_arch = "wasm32")]
mod wasi;

pub use builder::RequestBuilder;
pub use error::Error;
pub use request::Request;
pub use response::Response;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use url::Url;

/// Begins a `GET` of this URL.
pub fn get(url: &str) -> RequestBuilder {
    request("GET", url)
}

/// Begins a `POST` to this URL.
pub fn post(url: &str) -> RequestBuilder {
    request("POST", url)
}

/// Begins a `PUT` to this URL.
pub fn put(url: &str) -> RequestBuilder {
    request("PUT", url)
}

/// Begins a `PATCH` of this URL.
pub fn patch(url: &str) -> RequestBuilder {
    request("PATCH", url)
}

/// Begins a `DELETE` of this URL.
pub fn delete(url: &str) -> RequestBuilder {
    request("DELETE", url)
}

/// Begins a request of any method.
pub fn request(method: &str, url: &str) -> RequestBuilder {
    RequestBuilder::new(method, url)
}
