#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod strip;
mod symbols;
mod target;

pub use error::BuildError;
pub use symbols::{Symbol, Symbols, SymbolsError};

use std::ffi::OsString;
use std::io::BufReader;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{CrateType, Message, Metadata, MetadataCommand, Package, TargetKind};
use wasm_metadata::{AddMetadata, AddMetadataField};

/// The target that Actions are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// Settings of the profile that Actions are compiled with. They are given by command line, since
/// cargo reads profiles from the root of a workspace only, and these must not become the settings
/// of a host that lives in the same workspace.
const PROFILE: [&str; 6] = [
    r#"profile.action.inherits="release""#,
    r#"profile.action.opt-level="s""#,
    "profile.action.lto=true",
    "profile.action.codegen-units=1",
    // Names and lines, for traces and profiles: they are taken out of the component that is
    // deployed.
    r#"profile.action.debug="line-tables-only""#,
    "profile.action.strip=false",
];

/// Bytes of an Action's stack in its linear memory, unless its manifest says otherwise. rustc's own
/// is 1 MiB, which alone makes a memory too large to be overwritten after each run: a host would
/// have to give it back to the kernel and fault it in again, which takes longer than a short run.
/// JSON as deep as serde_json reads it (128 levels) fits in.
const STACK: u64 = 128 << 10;

/// A stack that leaves room for data, in the smallest memory that a host may have been set up with.
const STACKS: RangeInclusive<u64> = (16 << 10)..=(16 << 20);

/// What a cargo or a clippy above us has set for its own compilers: not for the ones below.
const NOT_INHERITED: [&str; 3] = ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];

/// An Action that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The name of its crate, or of the example in it.
    pub name: String,
    /// The version of its crate.
    pub version: String,
    /// The component, to be deployed: without names and debugging information.
    pub component: Vec<u8>,
    /// The same component with its symbols: what an author runs, and what reads a trace of the
    /// other one.
    pub with_symbols: Vec<u8>,
    /// The folder that cargo builds into.
    pub target_directory: PathBuf,
}

/// How an Action's crate is built.
#[derive(Debug)]
pub struct Builder {
    folder: PathBuf,
    target_directory: Option<PathBuf>,
    quiet: bool,
}

impl Builder {
    /// Builds the crate in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), target_directory: None, quiet: false }
    }

    /// Has cargo build into this folder instead of its own choice.
    #[must_use]
    pub fn target_directory(mut self, target_directory: PathBuf) -> Self {
        self.target_directory = Some(target_directory);
        self
    }

    /// Shows errors alone, and neither cargo's progress nor warnings of other crates.
    #[must_use]
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Builds the crate's library, which is one Action.
    ///
    /// # Errors
    /// When the folder is no crate of an Action, the target can't be had, or cargo fails; cargo has
    /// then said why on standard error.
    pub fn build(&self) -> Result<Built, BuildError> {
        let metadata = self.metadata()?;
        let package = self.package(&metadata)?;
        let is_component = |target: &&cargo_metadata::Target| target.crate_types.contains(&CrateType::CDyLib);
        if package
            .targets
            .iter()
            .filter(|target| target.is_lib() || target.is_kind(TargetKind::CDyLib))
            .find(is_component)
            .is_none()
        {
            return Err(BuildError::NoComponent { folder: self.folder.clone() });
        }
        let built = self.cargo(&metadata, package, &["--lib"])?;
        let built = built.into_iter().next().ok_or_else(|| BuildError::NoComponent { folder: self.folder.clone() })?;
        Ok(Built { name: package.name.to_string(), ..built })
    }

    /// Builds each of the crate's examples, which are one Action each: small programs for tests.
    ///
    /// # Errors
    /// When the folder is no crate, the target can't be had, or cargo fails; cargo has then said
    /// why on standard error.
    pub fn build_examples(&self) -> Result<Vec<Built>, BuildError> {
        let metadata = self.metadata()?;
        self.cargo(&metadata, self.package(&metadata)?, &["--examples"])
    }

    /// The folders of the crate and of all that it depends on by path: what it is built from on
    /// this machine.
    ///
    /// # Errors
    /// When the folder is no crate, or cargo can't tell what it depends on.
    pub fn source_folders(&self) -> Result<Vec<PathBuf>, BuildError> {
        let metadata = self.metadata_of(&mut MetadataCommand::new())?;
        let package = self.package(&metadata)?;
        let nodes = metadata.resolve.as_ref().map(|resolve| resolve.nodes.as_slice()).unwrap_or_default();
        let mut reached = vec![&package.id];
        let mut next = 0;
        while let Some(id) = reached.get(next).copied() {
            let node = nodes.iter().find(|node| node.id == *id);
            for dependency in node.into_iter().flat_map(|node| &node.dependencies) {
                if !reached.contains(&dependency) {
                    reached.push(dependency);
                }
            }
            next += 1;
        }
        let local = metadata.packages.iter().filter(|package| package.source.is_none() && reached.contains(&&package.id));
        Ok(local.filter_map(|package| Some(package.manifest_path.parent()?.as_std_path().to_owned())).collect())
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }

    fn metadata(&self) -> Result<Metadata, BuildError> {
        self.metadata_of(MetadataCommand::new().no_deps())
    }

    fn metadata_of(&self, command: &mut MetadataCommand) -> Result<Metadata, BuildError> {
        if !self.manifest().is_file() {
            return Err(BuildError::NotACrate { folder: self.folder.clone() });
        }
        command.manifest_path(self.manifest());
        command.exec().map_err(|error| BuildError::Manifest { folder: self.folder.clone(), reason: error.to_string() })
    }

    fn package<'a>(&self, metadata: &'a Metadata) -> Result<&'a Package, BuildError> {
        let manifest = self.manifest().canonicalize().ok();
        let is_ours = |package: &&Package| package.manifest_path.as_std_path().canonicalize().ok() == manifest;
        metadata.packages.iter().find(is_ours).ok_or_else(|| BuildError::NotACrate { folder: self.folder.clone() })
    }

    /// Bytes of the stack: what the manifest says, or [`STACK`].
    fn stack(&self, package: &Package) -> Result<u64, BuildError> {
        match package.metadata.get("vestibule").and_then(|settings| settings.get("stack")) {
            None => Ok(STACK),
            Some(stack) => match stack.as_u64().filter(|bytes| STACKS.contains(bytes) && bytes.is_multiple_of(16)) {
                Some(bytes) => Ok(bytes),
                None => Err(BuildError::Stack { folder: self.folder.clone(), given: stack.to_string() }),
            },
        }
    }

    fn cargo(&self, metadata: &Metadata, package: &Package, what: &[&str]) -> Result<Vec<Built>, BuildError> {
        target::ensure(&self.folder)?;
        let target_directory = match &self.target_directory {
            Some(target_directory) => target_directory.clone(),
            None => metadata.target_directory.clone().into_std_path_buf(),
        };
        forget_others(&target_directory, package);
        let stack = format!("link-arg=-zstack-size={}", self.stack(package)?);
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.arg("build").arg("--manifest-path").arg(self.manifest()).args(what);
        command.args(["--target", TARGET, "--profile", "action", "--message-format", "json-render-diagnostics"]);
        command.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
        // cargo reads the one or the other.
        match std::env::var_os("RUSTFLAGS") {
            Some(mut flags) => {
                flags.push(" -C ");
                flags.push(&stack);
                command.env("RUSTFLAGS", flags)
            }
            None => command.args(["--config", &format!("target.{TARGET}.rustflags=[\"-C\", {stack:?}]")]),
        };
        if self.quiet {
            command.arg("--quiet");
        }
        if let Some(target_directory) = &self.target_directory {
            command.arg("--target-dir").arg(target_directory);
        }
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let failed = |reason: String| BuildError::Cargo { folder: self.folder.clone(), reason };
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
        let mut built = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                let Message::CompilerArtifact(artifact) = message.map_err(|error| failed(error.to_string()))? else { continue };
                let is_ours = artifact.package_id == package.id && artifact.target.crate_types.contains(&CrateType::CDyLib);
                if let Some(file) = artifact.filenames.iter().find(|file| is_ours && file.extension() == Some("wasm")) {
                    let component = std::fs::read(file).map_err(|error| failed(format!("{file}: {error}")))?;
                    built.push((artifact.target.name, component));
                }
            }
        }
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(BuildError::Compile { folder: self.folder.clone() });
        }
        let version = package.version.to_string();
        let named = |(name, with_symbols): (String, Vec<u8>)| {
            let called: &str = if what == ["--lib"] { &package.name } else { &name };
            let stripped =
                strip::strip(&with_symbols).map_err(|error| failed(format!("{called} is not a component: {error}")))?;
            let component = with_identity(called, &version, &stripped).map_err(failed)?;
            let with_symbols = with_identity(called, &version, &with_symbols).map_err(failed)?;
            Ok(Built { name, version: version.clone(), component, with_symbols, target_directory: target_directory.clone() })
        };
        built.into_iter().map(named).collect()
    }
}

/// Removes what another crate of the same name has been built into in the same folder, as clones
/// that share one do. cargo knows the two apart and gives both the same file: it would call ours
/// fresh, and show the other's.
fn forget_others(target_directory: &Path, package: &Package) {
    let folder = package.manifest_path.parent().map(|folder| folder.as_str()).unwrap_or_default();
    let built = target_directory.join(TARGET).join("action");
    for target in &package.targets {
        let name = target.name.replace('-', "_");
        let file = if target.is_example() { built.join("examples").join(&name) } else { built.join(&name) };
        let Ok(sources) = std::fs::read_to_string(file.with_extension("d")) else { continue };
        if !sources.contains(folder) {
            for folder in [&built, &built.join("deps"), &built.join("examples")] {
                // What isn't there needs no removing; what can't be removed, cargo will tell.
                let _ = std::fs::remove_file(folder.join(&name).with_extension("wasm"));
            }
        }
    }
}

/// The component with its name and version written into it, as registries of components expect
/// them.
fn with_identity(name: &str, version: &str, component: &[u8]) -> Result<Vec<u8>, String> {
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(name.to_owned());
    metadata.version = AddMetadataField::Set(wasm_metadata::Version::new(version.to_owned()));
    metadata.to_wasm(component).map_err(|error| format!("{name} is not a component: {error:#}"))
}
