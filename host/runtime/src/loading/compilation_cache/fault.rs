//! What was found where compiled code should have been.

use thiserror::Error;

/// What was wrong with the compilation cache. It costs a compilation and nothing else, but it
/// may be a sign of an attack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CacheFault {
    /// The MAC isn't right: it is damaged, forged, of another key, or made for another tenant,
    /// component or engine.
    #[error("{file} is damaged, or not what a host with this key has written for this tenant, component and engine")]
    NotOurs {
        /// The file's name in the cache's folder.
        file: String,
    },
    /// There is a link, a folder or something else that is no regular file.
    #[error("{file} is {what}")]
    NoFile {
        /// Its name in the cache's folder.
        file: String,
        /// What it is.
        what: &'static str,
    },
    /// The file is larger than code may be.
    #[error("{file} has {given} bytes, at most {limit} are allowed (limit `compiled_bytes`)")]
    TooLarge {
        /// The file's name in the cache's folder.
        file: String,
        /// Its size in bytes.
        given: u64,
        /// What is allowed.
        limit: usize,
    },
    /// The operating system doesn't give it.
    #[error("{file} can't be read: {reason}")]
    Unreadable {
        /// Its name in the cache's folder.
        file: String,
        /// What the operating system says.
        reason: String,
    },
    /// The MAC is right, and the engine doesn't take the code.
    #[error("{file} can't be loaded: {reason}")]
    NotLoaded {
        /// The file's name in the cache's folder.
        file: String,
        /// What wasmtime says.
        reason: String,
    },
    /// What was compiled can't be kept, so it will be compiled again.
    #[error("{file} can't be written: {reason}")]
    NotKept {
        /// The file's name in the cache's folder.
        file: String,
        /// What the operating system says.
        reason: String,
    },
}
