//! What HTTP requests of Actions may carry: the same for the sandbox and for native tests.

/// Headers that are the host's own, and no Action's: they speak of the connection, or of whom a
/// request comes from.
const OF_THE_HOST: [&str; 12] = [
    "connection",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// Whether a header, given in lower case, is the host's own.
pub fn is_header_of_the_host(name: &str) -> bool {
    OF_THE_HOST.contains(&name) || name.starts_with("proxy-") || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_the_connection_or_of_whom_it_comes_from_is_the_hosts() {
        for name in OF_THE_HOST.into_iter().chain(["proxy-authorization", "proxy-anything", "x-forwarded-for"]) {
            assert!(is_header_of_the_host(name), "{name}");
        }
        for name in ["authorization", "content-type", "content-length", "accept-encoding", "user-agent", "cookie"] {
            assert!(!is_header_of_the_host(name), "{name}");
        }
    }
}
