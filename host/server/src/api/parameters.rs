//! Query parameters: what the OpenAPI document doesn't list for an operation is refused, for every
//! operation alike.

use std::collections::BTreeSet;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded;

use super::openapi;
use crate::error::ApiError;

/// Characters of a caller's parameter name that an error repeats.
const LONGEST_ECHO: usize = 64;

/// Refuses a request with a parameter that its operation doesn't have, or that is there twice.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty())
        && let Some(path) = request.extensions().get::<MatchedPath>()
        && let Some(known) = openapi::query_parameters(operation_method(request.method()), path.as_str())
        && let Err(error) = compare(query, known)
    {
        return error.into_response();
    }
    next.run(request).await
}

/// HEAD is answered as GET.
fn operation_method(method: &Method) -> &Method {
    if method == Method::HEAD { &Method::GET } else { method }
}

fn compare(query: &str, known: &[String]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let echo: String = name.chars().take(LONGEST_ECHO).collect();
        if !known.iter().any(|known| *known == name) {
            let known = match known {
                [] => "it has none".to_owned(),
                known => format!("it has: {}", known.join(", ")),
            };
            return Err(ApiError::invalid_query(format!("`{echo}` is not a parameter of this request; {known}")));
        }
        if !seen.insert(name) {
            return Err(ApiError::invalid_query(format!("`{echo}` is there twice; send it once")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let known = ["take".to_owned(), "from".to_owned()];
        assert!(compare("take=1&from=a%26b", &known).is_ok());
        for (query, expected) in [
            ("take=1&search=x", "`search` is not a parameter of this request; it has: take, from"),
            ("take=1&t%61ke=2", "`take` is there twice"),
        ] {
            let error = format!("{:?}", compare(query, &known).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        assert!(format!("{:?}", compare("x", &[]).unwrap_err()).contains("it has none"));
    }

    #[test]
    fn the_readme_lists_the_parameters_of_each_operation() {
        let readme = include_str!("../../README.md");
        let operations = openapi::all_query_parameters().filter(|(method, _, names)| *method == Method::GET && !names.is_empty());
        let rows: BTreeMap<&str, String> = operations
            .map(|(_, path, names)| {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                (path, format!("| `{path}` | {} |", names.join(", ")))
            })
            .collect();
        let table = rows.into_values().collect::<Vec<_>>().join("\n");
        assert!(readme.contains(&format!("\n{table}\n\n")), "the table is:\n{table}");
    }

    #[test]
    fn an_operation_without_parameters_has_none() {
        assert_eq!(openapi::query_parameters(&Method::GET, "/api/v2/actions/triggers"), Some(&[][..]));
        assert_eq!(openapi::query_parameters(&Method::PUT, "/api/v2/logs"), None);
    }
}
