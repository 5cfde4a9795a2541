//! `vestibule build`: an Action's crate becomes a component file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use vestibule::{Config, Runtime};

use crate::actions;
use crate::loading::Caching;

/// Build an Action's crate into a component file
///
/// The component carries its symbols, so that errors tell functions and lines of its source. With
/// --release they are left out of it.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder of the Action's crate
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Build what is deployed: without symbols, which are written beside it, to NAME.symbols.wasm
    #[arg(long)]
    release: bool,
    /// Where to write the component [default: actions/NAME.wasm in cargo's target folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    caching: Caching,
}

impl Build {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let built = actions::build(&self.folder)?;
        // A component that no host would take is an error now, and not at somebody's login.
        self.caching.loader(&Runtime::new(Config::default().for_loading())?)?.load(&built.name, &built.component)?;
        let file = match self.output {
            Some(file) => file,
            None => built.target_directory.join("actions").join(format!("{}.wasm", built.name)),
        };
        if self.release {
            write(&file, &built.component)?;
            // A trace of the one can be read with the other: see `vestibule trace`.
            let symbols = file.with_extension("symbols.wasm");
            write(&symbols, &built.with_symbols)?;
            eprintln!("    Symbols {}", symbols.display());
        } else {
            write(&file, &built.with_symbols)?;
        }
        println!("{}", file.display());
        Ok(ExitCode::SUCCESS)
    }
}

fn write(file: &Path, component: &[u8]) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    std::fs::write(file, component).with_context(|| format!("can't write {}", file.display()))
}
