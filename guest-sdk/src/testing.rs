//! Logins for an Action's own tests: `cargo test` runs the Action natively, under the very rules
//! that production has.
//!
//! ```
//! use vestibule_sdk::testing::Login;
//! use vestibule_sdk::{Api, Event, PostLogin, Result, json};
//!
//! struct Greeter;
//!
//! impl PostLogin for Greeter {
//!     fn on_execute_post_login(event: &Event, api: &Api) -> Result {
//!         api.session().set_metadata("country", &event.request().geo_country().code.unwrap_or_default())?;
//!         Ok(())
//!     }
//! }
//!
//! let login = Login::new().with(json!({ "request": { "geoip": { "countryCode": "AT" } } }));
//! let outcome = login.run::<Greeter>();
//! assert!(outcome.is_allowed());
//! assert_eq!(outcome.session.metadata.get("country"), Some("AT"));
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vestibule_model as model;
use vestibule_model::outcome::{ActionReport, Failure};

pub use vestibule_model::outcome::Outcome;

use crate::export::PostLogin;
use crate::http;
use crate::native::{self, Answer, Run};

/// A login that a test makes up: an event, secrets and configuration.
#[derive(Clone, Debug)]
pub struct Login {
    event: Value,
    now: model::Timestamp,
    secrets: model::Values,
    configuration: model::Values,
    cache: Vec<(String, String)>,
    answers: Vec<Answer>,
}

impl Default for Login {
    fn default() -> Self {
        Self::new()
    }
}

/// When a test's login is, unless it says otherwise: 2026-01-01T00:00:00Z.
const NOW: model::Timestamp = model::Timestamp::from_millis(1_767_225_600_000);

impl Login {
    /// A login with a session and a transaction, of a user who has nothing special, at the start of
    /// 2026.
    pub fn new() -> Self {
        let event = json!({
            "client": { "client_id": "client", "name": "Client" },
            "connection": { "id": "con_1", "name": "Username-Password-Authentication", "strategy": "auth0" },
            "request": { "ip": "203.0.113.1", "method": "POST" },
            "session": { "id": "session" },
            "tenant": { "id": "tenant" },
            "transaction": { "id": "transaction", "protocol": "oidc-basic-profile" },
            "user": { "user_id": "auth0|user", "created_at": NOW, "updated_at": NOW },
        });
        Self::of(event)
    }

    /// A login with an event as Auth0 documents it, in JSON.
    ///
    /// # Panics
    /// When the text is not JSON.
    #[allow(clippy::panic, reason = "a test with a broken event is to fail, and this is how tests fail")]
    pub fn from_json(event: &str) -> Self {
        Self::of(serde_json::from_str(event).unwrap_or_else(|error| panic!("the event is not JSON: {error}")))
    }

    fn of(event: Value) -> Self {
        Self {
            event,
            now: NOW,
            secrets: model::Values::default(),
            configuration: model::Values::default(),
            cache: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// The same login with other facts: objects are merged member by member, `null` removes a
    /// member, all else is replaced.
    #[must_use]
    pub fn with(mut self, facts: Value) -> Self {
        vestibule_model::json::merge(&mut self.event, facts);
        self
    }

    /// The same login at another time.
    #[must_use]
    pub fn at(mut self, now: model::Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The same login, of an Action with this secret.
    ///
    /// # Panics
    /// When no Action could have such a secret.
    #[must_use]
    #[allow(clippy::panic, reason = "a test with an impossible secret is to fail, and this is how tests fail")]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.set(name, value.to_owned()).unwrap_or_else(|error| panic!("secret: {error}"));
        self
    }

    /// The same login, of an Action whose binding has this configuration.
    ///
    /// # Panics
    /// When no binding could have such configuration.
    #[must_use]
    #[allow(clippy::panic, reason = "a test with impossible configuration is to fail, and this is how tests fail")]
    pub fn configuration(mut self, name: &str, value: &str) -> Self {
        self.configuration.set(name, value.to_owned()).unwrap_or_else(|error| panic!("configuration: {error}"));
        self
    }

    /// The same login, in a tenant whose cache holds this value for another quarter of an hour.
    #[must_use]
    pub fn cached(mut self, key: &str, value: &str) -> Self {
        self.cache.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The same login, where HTTP requests to this URL are answered so. The URL is the whole one,
    /// or without its query; a method may stand before it: `GET https://api.example.com/users`. The
    /// first answer that fits is given; without one, a request is refused
    /// ([`http::Error::NotAllowed`]). Which requests were sent stands in the outcome's report.
    ///
    /// ```
    /// use vestibule_sdk::testing::Login;
    /// use vestibule_sdk::{Api, Event, PostLogin, Result, http};
    ///
    /// struct Plan;
    ///
    /// impl PostLogin for Plan {
    ///     fn on_execute_post_login(event: &Event, api: &Api) -> Result {
    ///         let plan = http::get("https://billing.example.com/plan").query("user", &event.user().id()).send()?;
    ///         api.id_token().set_custom_claim("plan", plan.text()?)?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let outcome = Login::new().answers("https://billing.example.com/plan", 200, "gold").run::<Plan>();
    /// assert_eq!(outcome.id_token.unwrap().claims["plan"].value, "gold");
    /// assert_eq!(outcome.actions[0].requests[0].origin, "https://billing.example.com");
    ///
    /// let outcome = Login::new().run::<Plan>();
    /// assert!(outcome.failed().is_some());
    /// ```
    #[must_use]
    pub fn answers(self, request: &str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (method, url) = request.split_once(' ').map_or((None, request), |(method, url)| (Some(method.to_owned()), url));
        let (url, response) = (url.to_owned(), http::Response::new(status, body));
        self.answers_with(move |request| {
            let is_of = |given: &str| given == url || given.split_once('?').is_some_and(|(given, _)| given == url);
            let fits = method.as_deref().is_none_or(|method| method == request.method()) && is_of(request.url());
            fits.then(|| Ok(response.clone()))
        })
    }

    /// The same login, where this answers HTTP requests: `None` leaves one to later answers. It can
    /// look at the whole request, and answer with an error.
    #[must_use]
    pub fn answers_with(
        mut self,
        answer: impl Fn(&http::Request) -> Option<Result<http::Response, http::Error>> + Send + Sync + 'static,
    ) -> Self {
        self.answers.push(Answer(Arc::new(answer)));
        self
    }

    fn cache(&self) -> model::CacheEntries {
        let expires_at = self.now.plus(Duration::from_secs(15 * 60));
        let entry = |value: &String| model::CacheEntry { value: value.clone(), expires_at };
        let set: Vec<(&str, model::CacheEntry)> = self.cache.iter().map(|(key, value)| (key.as_str(), entry(value))).collect();
        let mut entries = model::CacheEntries::default();
        entries.apply(set.iter().map(|(key, entry)| (*key, Some(entry))), self.now);
        entries
    }

    /// Runs an Action over this login, natively. A panic in the Action is the test's.
    ///
    /// # Panics
    /// When the event is wrong: where, and how.
    #[allow(clippy::panic, reason = "a test with a wrong event is to fail, and this is how tests fail")]
    pub fn run<A: PostLogin>(&self) -> Outcome {
        let event = model::Event::from_json(self.event.to_string().as_bytes());
        let event = Arc::new(event.unwrap_or_else(|error| panic!("{error}")));
        let action = action_id(std::any::type_name::<A>());
        let login = model::Login::new(event, self.now, model::SessionLifetimes::default());
        let mut login = login.with_cache(Arc::new(self.cache()));
        login.begin(&action);
        let run = Run {
            login,
            secrets: self.secrets.clone(),
            configuration: self.configuration.clone(),
            logs: Vec::new(),
            answers: self.answers.clone(),
            requests: Vec::new(),
        };
        let started = Instant::now();
        let (run, returned) = native::during(run, crate::export::execute::<A>);
        let Run { login, logs, requests, .. } = run;
        let (returned, place) = match returned.map_err(|text| model::outcome::Place::part(&text)) {
            Ok(()) => (Ok(()), None),
            Err((message, place)) => (Err(Failure::Returned { message }), place),
        };
        let result = login.conclude(returned);
        let mut report = ActionReport::not_run(action.clone());
        report.result = result;
        report.place = place;
        report.duration = started.elapsed();
        report.cpu_time = report.duration;
        report.logs = logs;
        report.requests = requests;
        let failed = report.failure().cloned().map(|failure| (action, failure));
        // A test that didn't expect it shows this beside its own message.
        if let Some((action, failure)) = &failed {
            let place = report.place.as_ref().map(|place| format!("\n    at {place}")).unwrap_or_default();
            eprintln!("Action {action} failed, so the login fails\n  → {failure}{place}");
        }
        Outcome::new(&login, vec![report], failed)
    }
}

/// An id for an Action of a test: the last word of its type's name.
#[allow(clippy::panic, reason = "the last word of a type's name is always a name")]
fn action_id(type_name: &str) -> model::ActionId {
    let name = type_name.rsplit(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty()).unwrap_or("Action");
    model::ActionId::new(name, "0.0.0").unwrap_or_else(|error| panic!("{error}"))
}
