//! Sends the requests that its configuration asks for, and writes down what has come back.
//!
//! `url` is where to, `method` and `body` what; `body_bytes` is the size of a body that is made up,
//! `header` a header `NAME: VALUE`, `times` how often, `timeout_ms` its own patience. With
//! `look_at_errors` it goes on where a request fails, and its claim `error` is the error's kind.

use std::time::Duration;

use vestibule_sdk::http::{self, RequestBuilder, Response};
use vestibule_sdk::{Api, Event, PostLogin, Result};

struct SendsRequests;

impl PostLogin for SendsRequests {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let times = event.configuration("times").map_or(Ok(1), |times| times.parse::<u32>())?;
        for _ in 0..times {
            match request(event)?.send() {
                Ok(response) => write_down(api, &response)?,
                Err(error) if event.configuration("look_at_errors").is_some() => {
                    let kind = format!("{error:?}");
                    let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                    api.id_token().set_custom_claim("error", kind)?;
                    api.id_token().set_custom_claim("text", error.to_string())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn request(event: &Event) -> Result<RequestBuilder> {
    let method = event.configuration("method").unwrap_or_else(|| "GET".to_owned());
    let mut request = http::request(&method, &event.configuration("url").unwrap_or_default());
    if let Some(body) = event.configuration("body") {
        request = request.body(body);
    }
    if let Some(bytes) = event.configuration("body_bytes") {
        request = request.body(vec![b'x'; bytes.parse()?]);
    }
    if let Some((name, value)) = event.configuration("header").as_deref().and_then(|header| header.split_once(": ")) {
        request = request.header(name, value);
    }
    if let Some(timeout) = event.configuration("timeout_ms") {
        request = request.timeout(Duration::from_millis(timeout.parse()?));
    }
    Ok(request)
}

fn write_down(api: &Api, response: &Response) -> Result {
    let token = api.id_token();
    token.set_custom_claim("status", response.status())?;
    token.set_custom_claim("bytes", response.bytes().len())?;
    token.set_custom_claim("location", response.header("location"))?;
    token.set_custom_claim("encoding", response.header("content-encoding"))?;
    token.set_custom_claim("body", response.text().ok().filter(|text| text.len() < 1_000))?;
    Ok(())
}

vestibule_sdk::export!(SendsRequests);
