//! One request and its response.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use vestibule_model::TenantId;
use vestibule_model::http::is_header_of_the_host;
use vestibule_model::outcome::RequestError;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::body::ResponseBody;
use super::connect::Connector;
use super::deadline::Deadlines;
use super::error::{HEAD_BYTES, of_hyper, told};
use super::origin::Origin;
use super::record::{Record, Recorded};
use super::socket::{Counted, Stream};
use crate::limits::Limits;

/// Bytes of a request's body that wait to be sent; twice as many can.
const CHUNK: usize = 64 << 10;

/// What connects, and for whom.
type Client = (Arc<Connector>, TenantId);

/// What sends an Action's requests.
pub(crate) struct Sender {
    client: Option<Client>,
    allowed: Arc<[Origin]>,
    limits: Arc<Limits>,
    made: usize,
    pub(crate) record: Record,
}

type Answered = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl Sender {
    pub(crate) fn new(client: Option<Client>, allowed: Arc<[Origin]>, limits: Arc<Limits>) -> Self {
        Self { client, allowed, limits, made: 0, record: Record::default() }
    }

    /// Looks at a request before anything is done for it, and writes it down.
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<(Client, Origin, Recorded), RequestError> {
        let origin = origin(request.uri());
        let written = origin.as_ref().map(Origin::to_string).unwrap_or_default();
        let allowed = self.limits.requests;
        if self.made >= allowed {
            let too_many = RequestError::TooMany { allowed };
            // Written down once: an Action that goes on asking fills no list.
            if self.made == allowed {
                self.made += 1;
                self.record.begin(method(request), written).failed(too_many.clone());
            }
            return Err(too_many);
        }
        self.made += 1;
        let recorded = self.record.begin(method(request), written);
        let admitted = origin.ok_or(RequestError::InvalidOrigin).and_then(|origin| self.check(origin, request));
        admitted.map(|(client, origin)| (client, origin, recorded.clone())).map_err(|error| recorded.failed(error))
    }

    fn check(&self, origin: Origin, request: &Request<WasiBody>) -> Result<(Client, Origin), RequestError> {
        let client = self.client.as_ref().filter(|_| self.allowed.contains(&origin)).ok_or(RequestError::OriginNotAllowed)?;
        if request.method() == Method::CONNECT {
            return Err(RequestError::MethodNotOffered { method: method(request) });
        }
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.limits.request_bytes) {
            return Err(RequestError::RequestTooLarge { allowed: self.limits.request_bytes });
        }
        Ok((client.clone(), origin))
    }
}

/// The origin that a request goes to, if it goes to one.
fn origin(uri: &Uri) -> Option<Origin> {
    Origin::parse(&format!("{}://{}", uri.scheme_str()?, uri.authority()?)).ok()
}

/// The method as it is reported: an Action can write anything there.
fn method(request: &Request<WasiBody>) -> String {
    const LONGEST: usize = 20;
    request.method().as_str().chars().take(LONGEST).collect()
}

impl WasiHttpHooks for Sender {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    /// It is the origin's, as it was parsed.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let (client, origin, recorded) = match self.admit(&request) {
            Ok(admitted) => admitted,
            Err(error) => return Box::new(std::future::ready(Err(told(&error)))),
        };
        let limits = Arc::clone(&self.limits);
        Box::new(async move {
            let deadlines = Deadlines::new(limits.request_time, options);
            let exchange = Exchange { client, origin, recorded: recorded.clone(), limits, deadlines };
            exchange.run(request).await.map_err(|error| told(&recorded.failed(error)))
        })
    }
}

fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || is_header_of_the_host(name.as_str())
}

/// A request that is under way.
struct Exchange {
    client: Client,
    origin: Origin,
    recorded: Recorded,
    limits: Arc<Limits>,
    deadlines: Deadlines,
}

impl Exchange {
    /// Sends it, and waits for the response's head. The body comes after that, while the second
    /// future is polled.
    async fn run(
        self,
        request: Request<WasiBody>,
    ) -> Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), RequestError> {
        let Self { client: (client, tenant), origin, recorded, limits, deadlines } = self;
        let until = deadlines.connection.at;
        let stream = deadlines.connection.keep(client.connect(&tenant, &origin, until)).await?;
        let stream = Counted::new(stream, recorded.clone(), &limits);
        let (response, connection) = deadlines.head.keep(exchange(stream, prepared(request, &origin)?)).await?;
        recorded.answered(response.status().as_u16());
        let (end, too_slow) = (deadlines.end.clone(), recorded.clone());
        let response = response.map(|body| ResponseBody::new(body, recorded, deadlines).boxed_unsync());
        let rest = async move {
            if let Some(mut connection) = connection {
                // The body's reader gets the errors of this, too. That it is too late is
                // written down before the connection is dropped: the reader would take that for an
                // answer that ends too early.
                if tokio::time::timeout_at(end.at, connection.as_mut()).await.is_err() {
                    too_slow.failed(end.broken);
                }
            }
            Ok(())
        };
        Ok((response, Box::new(rest)))
    }
}

/// The request as it is sent to its server: with the path alone, and with the headers that are the
/// host's.
fn prepared(mut request: Request<WasiBody>, origin: &Origin) -> Result<Request<WasiBody>, RequestError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().path_and_query(path).build().map_err(|_| RequestError::InvalidOrigin)?;
    let host = HeaderValue::try_from(origin.authority()).map_err(|_| RequestError::InvalidOrigin)?;
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

type Connection = Pin<Box<http1::Connection<TokioIo<Counted<Box<dyn Stream>>>, WasiBody>>>;

/// The response's head, and the connection that its body comes by, unless all of it is here.
async fn exchange(
    stream: Counted<Box<dyn Stream>>,
    request: Request<WasiBody>,
) -> Result<(Response<hyper::body::Incoming>, Option<Connection>), RequestError> {
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| of_hyper(&error))?;
    let mut connection = Some(Box::pin(connection));
    let mut answer = pin!(sender.send_request(request));
    let answered = std::future::poll_fn(|context| {
        if let Some(open) = &mut connection
            && open.as_mut().poll(context).is_ready()
        {
            // The sender gets the reason of the end.
            connection = None;
        }
        match answer.as_mut().poll(context) {
            Poll::Ready(answered) => Poll::Ready(answered.map_err(|error| of_hyper(&error))),
            Poll::Pending => Poll::Pending,
        }
    });
    let response = answered.await?;
    Ok((response, connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wasi_forbids_the_model_forbids_too() {
        for name in DEFAULT_FORBIDDEN_HEADERS {
            assert!(is_header_of_the_host(name.as_str()), "{name}: native tests would let it pass");
        }
    }

    #[test]
    fn a_uri_goes_to_an_origin_or_nowhere() {
        let origin_of = |uri: &str| origin(&uri.parse().unwrap()).map(|origin| origin.to_string());
        assert_eq!(origin_of("https://API.example.com:443/a?b"), Some("https://api.example.com".to_owned()));
        assert_eq!(origin_of("https://api.example.com@evil.example/"), None);
        assert_eq!(origin_of("/a"), None);
    }
}
