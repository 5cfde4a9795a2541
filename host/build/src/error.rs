//! Why an Action was not built.

use std::path::PathBuf;

use thiserror::Error;

use crate::TARGET;

/// Why an Action was not built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no crate in this folder.
    #[error("{} has no Cargo.toml of an Action's crate; give the folder of one, or a component file", folder.display())]
    NotACrate {
        /// Which folder.
        folder: PathBuf,
    },
    /// Its Cargo.toml can't be read.
    #[error("the Cargo.toml in {} can't be read: {reason}", folder.display())]
    Manifest {
        /// Which folder.
        folder: PathBuf,
        /// What cargo says.
        reason: String,
    },
    /// The crate doesn't make a component.
    #[error("the crate in {} makes no component; add this to its Cargo.toml:\n\n  [lib]\n  crate-type = [\"cdylib\"]", folder.display())]
    NoComponent {
        /// Which folder.
        folder: PathBuf,
    },
    /// The manifest gives the Action a stack that it can't have.
    #[error(
        "the Cargo.toml in {} gives the Action a stack of {given} bytes; `stack` in [package.metadata.vestibule] is a multiple of 16 from \
         16384 to 16777216",
        folder.display()
    )]
    Stack {
        /// Which folder.
        folder: PathBuf,
        /// What it gives.
        given: String,
    },
    /// The target is missing, and can't be added.
    #[error("the target {TARGET} is missing, and `rustup target add {TARGET}` failed: {reason}")]
    Target {
        /// What rustup says.
        reason: String,
    },
    /// cargo could not be run, or told something that we don't understand.
    #[error("cargo can't build {}: {reason}", folder.display())]
    Cargo {
        /// Which folder.
        folder: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The crate doesn't compile. cargo has said why.
    #[error("the Action in {} doesn't compile; the compiler's errors stand above", folder.display())]
    Compile {
        /// Which folder.
        folder: PathBuf,
    },
}
