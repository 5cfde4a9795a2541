//! A tenant's server, as this command calls it: one request after another, with a token that lives
//! in memory alone.

mod calls;
mod progress;
mod refusal;
pub(crate) mod shapes;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vestibule::model::TenantId;
use zeroize::Zeroizing;

pub(crate) use calls::Filter;
pub(crate) use refusal::{Refusal, may_pass};

use crate::profiles::{Profile, Profiles};
use progress::{Progress, Uploading};
use refusal::Unreachable;

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long an upload may take together with its build, which a server gives up after a minute.
const UPLOAD: Duration = Duration::from_secs(300);
/// A wait that is longer than this is told.
const NOTICED: Duration = Duration::from_secs(2);
/// The largest answer that is read: a component of 64 MiB, more than any server keeps.
const LARGEST_ANSWER: usize = 64 << 20;
/// The largest answer to a request for a token.
const LARGEST_TOKEN: usize = 64 << 10;
/// A token that ends so soon is not used any more.
const TOKEN_LEFT: Duration = Duration::from_secs(30);

/// Whose server is called.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Whose: the profile of this tenant, as `vestibule profile add` has made it
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// Trust this certificate authority, in PEM, and no other
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Place {
    /// The tenant's id.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// A connection to its server. Nothing is sent yet.
    pub(crate) fn connect(&self) -> Result<Remote> {
        let mut profile = Profiles::read()?.get(&self.tenant)?.clone();
        if self.ca.is_some() {
            profile.ca.clone_from(&self.ca);
        }
        Remote::of(self.tenant.clone(), profile)
    }
}

/// A tenant's server.
pub(crate) struct Remote {
    tenant: TenantId,
    profile: Profile,
    client: Client,
    executor: Runtime,
    token: RefCell<Option<Token>>,
}

struct Token {
    text: Zeroizing<String>,
    ends: Instant,
}

/// What goes with a request.
#[derive(Clone)]
enum Sent {
    Nothing,
    Json(Value),
    /// What it is called on the screen, and its bytes.
    Component(String, Bytes),
}

/// One request: its method, the path's parts behind `/api/v2`, the query, and the body.
struct Request<'a> {
    method: Method,
    parts: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    sent: Sent,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: Zeroizing<String>,
    expires_in: u64,
}

impl Remote {
    fn of(tenant: TenantId, profile: Profile) -> Result<Self> {
        // The client is made for any cryptography, and has none of its own. Another that is there
        // already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // Where a token goes is what the profile says.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &profile.ca {
            builder = builder.tls_certs_only(authorities(file)?);
        } else if profile.url.is_plain() {
            builder = builder.tls_certs_only([]);
        }
        if profile.url.is_plain() {
            // Plain HTTP is for this machine alone. A proxy of the environment would read the
            // secret.
            builder = builder.no_proxy();
        }
        let client = builder.build().context("can't prepare a connection")?;
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start")?;
        Ok(Self { tenant, profile, client, executor, token: RefCell::default() })
    }

    /// Whose server it is.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn get<T: DeserializeOwned>(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<T> {
        self.read(&Request { method: Method::GET, parts, query, sent: Sent::Nothing })
    }

    fn send<T: DeserializeOwned>(&self, method: Method, parts: &[&str], body: Value) -> Result<T> {
        self.read(&Request { method, parts, query: &[], sent: Sent::Json(body) })
    }

    fn read<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T> {
        let answer = self.call(request)?;
        let called = || {
            format!(
                "{} has answered {} /api/v2/{} with something else than it should",
                self.profile.url,
                request.method,
                request.parts.join("/")
            )
        };
        serde_json::from_slice(&answer).with_context(called)
    }

    /// Sends a request and gives its answer's body. A refusal is an error of its own: [`Refusal`].
    fn call(&self, request: &Request<'_>) -> Result<Bytes> {
        self.executor.block_on(async {
            let (mut has_waited, mut is_fresh) = (false, false);
            loop {
                let answered = self.ask(request, &mut is_fresh).await;
                match answered.as_ref().err().and_then(|error| error.downcast_ref::<Refusal>()) {
                    Some(Refusal { wait: Some(wait), .. }) if !has_waited => {
                        has_waited = true;
                        if *wait > NOTICED {
                            eprintln!(
                                "    Waiting for {}, which takes no more requests for {} s",
                                self.profile.url,
                                wait.as_secs()
                            );
                        }
                        tokio::time::sleep(*wait).await;
                    }
                    // Its key was taken out of use, for instance: once more with a new one.
                    Some(Refusal { status: 401, .. }) if !is_fresh => drop(self.token.take()),
                    _ => return answered,
                }
            }
        })
    }

    /// Sends a request once; with a new token where there is none that lasts, which `is_fresh`
    /// tells then.
    async fn ask(&self, request: &Request<'_>, is_fresh: &mut bool) -> Result<Bytes> {
        if !self.has_token() {
            let token = self.ask_for_token().await?;
            self.token.replace(Some(token));
            *is_fresh = true;
        }
        let response = self.respond(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response, LARGEST_ANSWER).await?;
        if status.is_success() { Ok(body.into()) } else { Err(Refusal::read(status, &headers, &body).into()) }
    }

    fn has_token(&self) -> bool {
        self.token.borrow().as_ref().is_some_and(|token| token.ends > Instant::now() + TOKEN_LEFT)
    }

    async fn respond(&self, request: &Request<'_>) -> Result<Response> {
        let parts = [&["api", "v2"], request.parts].concat();
        let mut url = self.profile.url.at(&parts);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let mut builder = self.client.request(request.method.clone(), url);
        if let Some(token) = &*self.token.borrow() {
            builder = builder.bearer_auth(token.text.as_str());
        }
        let (builder, progress) = with_body(builder, &request.sent);
        let response = builder.send().await;
        if let Some(progress) = progress {
            progress.end();
        }
        response.map_err(|error| self.unreachable(error))
    }

    async fn ask_for_token(&self) -> Result<Token> {
        let asked = Instant::now();
        let body = Zeroizing::new(serde_json::to_vec(&json!({
            "grant_type": "client_credentials",
            "client_id": self.profile.client_id,
            "client_secret": self.profile.client_secret.as_str(),
            "audience": self.profile.url.audience(),
        }))?);
        let request = self.client.post(self.profile.url.at(&["oauth", "token"])).header(CONTENT_TYPE, "application/json");
        let response = request.body(body.to_vec()).send().await.map_err(|error| self.unreachable(error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Zeroizing::new(self.body(response, LARGEST_TOKEN).await?);
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "{} gives client {} no token; is its secret another one now? `vestibule profile add {}` keeps it anew",
                self.profile.url,
                self.profile.client_id,
                self.tenant
            );
        }
        if !status.is_success() {
            return Err(anyhow::Error::new(Refusal::read(status, &headers, &answer))
                .context(format!("{} gives no token", self.profile.url)));
        }
        let TokenBody { access_token, expires_in } = serde_json::from_slice(&answer).map_err(|_| {
            anyhow!("{} has answered something else than a token; is it a server of Vestibule?", self.profile.url)
        })?;
        Ok(Token { text: access_token, ends: asked + Duration::from_secs(expires_in) })
    }

    async fn body(&self, mut response: Response, largest: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > largest {
                bail!("{} answers with more than {largest} bytes; is it a server of Vestibule?", self.profile.url);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, cause: reqwest::Error) -> anyhow::Error {
        Unreachable { url: self.profile.url.to_string(), cause: cause.without_url() }.into()
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(file).with_context(|| format!("can't read the certificate authority {}", file.display()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => bail!("{} has no certificate in PEM", file.display()),
    }
}

fn with_body(builder: RequestBuilder, sent: &Sent) -> (RequestBuilder, Option<Progress>) {
    match sent {
        Sent::Nothing => (builder, None),
        Sent::Json(body) => (builder.header(CONTENT_TYPE, "application/json").body(body.to_string()), None),
        Sent::Component(name, bytes) => {
            let progress = Progress::of(name, bytes.len());
            let body = reqwest::Body::wrap(Uploading::new(bytes.clone(), progress.clone()));
            (builder.timeout(UPLOAD).header(CONTENT_TYPE, "application/wasm").body(body), Some(progress))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate").unwrap();
        assert!(authorities(&file).unwrap_err().to_string().contains("has no certificate in PEM"));
        assert!(
            authorities(&folder.path().join("none")).unwrap_err().to_string().contains("can't read the certificate authority")
        );
    }
}
