//! `vestibule trace`: the trace of a deployed Action, read with the symbols that were kept when it
//! was built.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vestibule_build::{Symbol, Symbols};

use crate::table::printable;

/// Read the trace of an Action that was deployed without symbols
///
/// `vestibule build --release` keeps the symbols in NAME.symbols.wasm, beside NAME.wasm. Frames
/// look like func[12]+0x34: in an error's text, in the report's JSON, in a log. Where none are
/// given, they are looked for in standard input.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The NAME.symbols.wasm of the very build that was deployed
    symbols: PathBuf,
    /// Frames, the innermost first
    #[arg(value_name = "func[N]+0xN")]
    frames: Vec<String>,
}

impl Trace {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let file = std::fs::read(&self.symbols).with_context(|| format!("can't read {}", self.symbols.display()))?;
        let symbols = Symbols::read(&file).with_context(|| self.symbols.display().to_string())?;
        let mut text = self.frames.join(" ");
        if text.is_empty() {
            std::io::stdin().read_to_string(&mut text).context("can't read standard input")?;
        }
        let codes = codes(&text);
        if codes.is_empty() {
            bail!("there is no frame to read: one looks like func[12]+0x34");
        }
        for (function, offset) in codes {
            println!("func[{function}]+{offset:#x}");
            for symbol in symbols.at(function, offset) {
                println!("    {}", printable(&line(&symbol)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(symbol: &Symbol) -> String {
    let function = symbol.function.as_deref().unwrap_or("(unknown)");
    match &symbol.place {
        Some((file, line, column)) => format!("{function} at {file}:{line}:{column}"),
        None => function.to_owned(),
    }
}

/// The frames in a text, in their order.
fn codes(text: &str) -> Vec<(u32, u32)> {
    let code = |rest: &str| {
        let (function, rest) = rest.split_once("]+0x")?;
        let digits = rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(rest.len());
        Some((function.parse().ok()?, u32::from_str_radix(rest.get(..digits)?, 16).ok()?))
    };
    text.split("func[").skip(1).filter_map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_any_text() {
        assert_eq!(codes("in func[12]+0x34\n  \"code\": \"func[7]+0xa\", func[x]+0x1 func[1]+"), [(12, 0x34), (7, 0xa)]);
    }
}
