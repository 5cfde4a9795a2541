//! The interfaces of WASI that are offered beside the contract.

/// The interface that requests are sent by, and the one that has its types.
pub(crate) const OUTGOING: &str = "wasi:http/outgoing-handler";
pub(crate) const TYPES: &str = "wasi:http/types";

/// The interfaces of WASI 0.2 that are linked.
const OFFERED: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    TYPES,
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Whether an interface of WASI is linked.
pub(crate) fn is_offered(interface: &str, version: &str) -> bool {
    is_version(version) && OFFERED.binary_search(&interface).is_ok()
}

/// Whether it is a version of WASI that is linked.
pub(crate) fn is_version(version: &str) -> bool {
    version.starts_with("0.2.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_sockets_and_other_versions_are_not_offered() {
        assert!(OFFERED.is_sorted());
        assert!(is_offered("wasi:cli/exit", "0.2.6"));
        assert!(!is_offered("wasi:cli/exit", "0.3.0"));
        assert!(!is_offered("wasi:filesystem/types", "0.2.6"));
        assert!(!is_offered("wasi:sockets/tcp", "0.2.6"));
        assert!(!is_offered("wasi:http/incoming-handler", "0.2.6"));
    }
}
