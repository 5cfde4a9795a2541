//! `vestibule new`: a crate for an Action, that builds, tests and runs as it is.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vestibule::model::ActionId;

use crate::template::{Filling, Template};

/// Where the SDK lies beside the source of this command. It isn't there any more where the command
/// was moved to another machine.
const SOURCE_OF_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk");

/// Make a crate for a new Action, with a test and a case
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule new device-name
  vestibule new staff-only --template deny")]
pub(crate) struct New {
    /// The Action's name, or a folder that ends in it
    name: PathBuf,
    /// What it begins with
    #[arg(long, value_enum, default_value_t = Template::SessionMetadata)]
    template: Template,
    /// The SDK: a version, or the folder of its sources [default: the sources that this command
    /// belongs to, or else its version]
    #[arg(long, value_name = "VERSION|FOLDER")]
    sdk: Option<String>,
}

impl New {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let folder = &self.name;
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        check(name)?;
        if folder.exists() {
            bail!("{} exists already; choose another name, or remove it first", folder.display());
        }
        let (above, depth) = above(folder)?;
        let sdk = self.sdk(&above, depth)?;
        let filling = Filling { name, sdk: &sdk };
        for (file, text) in self.template.files(&filling) {
            let file = folder.join(file);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
            }
            std::fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
        }
        if is_claimed(folder) {
            let manifest = folder.join("Cargo.toml");
            let text = std::fs::read_to_string(&manifest).with_context(|| format!("can't read {}", manifest.display()))?;
            std::fs::write(&manifest, text + OWN_WORKSPACE).with_context(|| format!("can't write {}", manifest.display()))?;
        }
        println!("Made {}. Now:\n", folder.display());
        println!("  cd {}", folder.display());
        println!("  vestibule test");
        println!("  cargo test");
        println!("  vestibule dev");
        Ok(ExitCode::SUCCESS)
    }

    /// The SDK's dependency, in TOML, for a crate that lies so many folders below this one.
    fn sdk(&self, above: &Path, depth: usize) -> Result<String> {
        let version = |version: &str| format!("\"{version}\"");
        let path = |path: &Path| format!("{{ path = {} }}", toml_string(&path.display().to_string()));
        if let Some(sdk) = &self.sdk {
            if sdk.starts_with(|first: char| first.is_ascii_digit()) {
                return Ok(version(sdk));
            }
            if !is_sdk(Path::new(sdk)) {
                bail!("{sdk} is neither a version nor the folder of the SDK's sources");
            }
            let absolute = Path::new(sdk).canonicalize().with_context(|| format!("can't find {sdk}"))?;
            return Ok(path(&absolute));
        }
        // In the SDK's own repository the path is told from the new crate, so that it is right in
        // every clone.
        let levels = above.ancestors().position(|folder| is_sdk(&folder.join("guest-sdk")));
        if let Some(levels) = levels {
            return Ok(path(&std::iter::repeat_n("..", levels + depth).collect::<PathBuf>().join("guest-sdk")));
        }
        match Path::new(SOURCE_OF_SDK).canonicalize() {
            Ok(sources) if is_sdk(&sources) => {
                eprintln!("        SDK {} (--sdk gives another)", sources.display());
                Ok(path(&sources))
            }
            _ => Ok(version(env!("CARGO_PKG_VERSION"))),
        }
    }
}

/// Whether a crate and an Action can be called this.
fn check(name: &str) -> Result<()> {
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || "-_".contains(character));
    if !is_name {
        bail!(
            "an Action can't be called {name:?}; give it a name of the letters a to z, digits, `-` and `_` that begins with a letter"
        );
    }
    // Names that would be crates or words of the language in the code that is made.
    if [
        "core",
        "std",
        "alloc",
        "test",
        "self",
        "super",
        "crate",
        "vestibule-model",
        "vestibule_model",
        "vestibule-sdk",
        "vestibule_sdk",
    ]
    .contains(&name)
    {
        bail!("an Action can't be called {name:?}: Rust has something of that name already; choose another");
    }
    ActionId::new(name, "0.1.0")?;
    Ok(())
}

/// The nearest folder above the new one that exists, and how many folders further down the new one
/// lies.
fn above(folder: &Path) -> Result<(PathBuf, usize)> {
    let absolute = std::path::absolute(folder).with_context(|| format!("can't find {}", folder.display()))?;
    let existing = absolute.ancestors().enumerate().skip(1).find(|(_, folder)| folder.is_dir());
    let (depth, above) = existing.unwrap_or((1, Path::new("/")));
    Ok((above.canonicalize().with_context(|| format!("can't find {}", above.display()))?, depth))
}

fn is_sdk(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("name = \"vestibule-sdk\""))
}

/// What is added where a workspace above claims the crate, and doesn't have it as a member.
const OWN_WORKSPACE: &str = "\n# Its own, though it lies in another's folder.\n[workspace]\n";

/// Whether a workspace above claims the crate without having it as a member: cargo knows.
fn is_claimed(folder: &Path) -> bool {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    // Without cargo nothing else will work either, and it says so itself.
    cargo.output().is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("believes it's in a workspace"))
}

/// A text as a basic string of TOML.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_a_crate() {
        for name in ["device-name", "a", "gate_2"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "2fa", "Gate", "a b", "über", "test", "..", "vestibule-sdk"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
