//! Compiles the guest programs, the examples' Actions and the hostile components, and writes a
//! constant for each.

mod hostile;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use vestibule_build::{Builder, Built};

/// Actions of the examples that tests run.
const EXAMPLES: [&str; 10] = [
    "business-hours",
    "device-name",
    "email-domain-allow-list",
    "login-counter",
    "network-gate",
    "organization-gate",
    "organization-session-metadata",
    "roles-claims",
    "session-lifetime-by-tier",
    "step-up-new-country",
];

/// What a change of makes the components old.
const SOURCES: [&str; 8] =
    ["Cargo.lock", "examples", "guest-sdk", "host/model/src", "tests/guests", "tests/hostile", "tests/logging-guests", "wit"];

fn main() -> Result<(), Box<dyn Error>> {
    // Asked when it runs, and not when it is compiled: clones that share a target folder share this
    // program.
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(2).ok_or("this crate lies in tests/artifacts")?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    // Beside the folders of profiles, so that what guests depend on is compiled once.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is TARGET/PROFILE/build/NAME/out")?.join("guests");
    for source in SOURCES {
        println!("cargo::rerun-if-changed=../../{source}");
    }

    let builder = |folder: PathBuf| Builder::new(&folder).target_directory(target.clone()).quiet(true);
    let mut guests = builder(root.join("tests/guests")).build_examples()?;
    guests.extend(builder(root.join("tests/logging-guests")).build_examples()?);
    let examples: Result<Vec<Built>, _> =
        EXAMPLES.iter().map(|example| builder(root.join("examples").join(example)).build()).collect();

    let examples = examples?;
    let mut code = String::new();
    let mut with_symbols = String::new();
    for built in examples.iter().chain(&guests) {
        let name = built.name.replace('-', "_").to_uppercase();
        let constant = |code: &mut String, component: &[u8], suffix: &str, words: &str| -> Result<(), Box<dyn Error>> {
            let file = out.join(format!("{}{suffix}", built.name));
            std::fs::write(&file, component)?;
            writeln!(code, "/// `{}`, {words}.\npub const {name}: &[u8] = include_bytes!({file:?});", built.name)?;
            Ok(())
        };
        constant(&mut code, &built.component, ".wasm", "as it is deployed")?;
        constant(&mut with_symbols, &built.with_symbols, ".symbols.wasm", "with its symbols")?;
    }
    writeln!(code, "/// The same components with their symbols.\npub mod with_symbols {{\n{with_symbols}}}")?;
    writeln!(code, "/// Components that no compiler would write.\npub mod hostile {{")?;
    let hostile = hostile::components(&root.join("tests/hostile"))?;
    let mut all = String::new();
    for hostile::Hostile { name, header, component } in &hostile {
        let file = out.join(format!("hostile.{name}.wasm"));
        std::fs::write(&file, component)?;
        let constant = name.to_uppercase();
        writeln!(code, "/// `{name}.wat`.\npub const {constant}: &[u8] = include_bytes!({file:?});")?;
        writeln!(all, "    crate::HostileComponent {{ name: {name:?}, header: {header:?}, component: {constant} }},")?;
    }
    writeln!(code, "/// All of them, by name.\npub const ALL: &[crate::HostileComponent] = &[\n{all}];\n}}")?;
    for_each(&mut code, "for_each_guest", "the name of each guest program", guests.iter().map(|guest| &*guest.name))?;
    std::fs::write(out.join("artifacts.rs"), code)?;
    Ok(())
}

/// Writes a macro that calls another with each of these.
fn for_each<'a>(code: &mut String, name: &str, each: &str, all: impl Iterator<Item = &'a str>) -> std::fmt::Result {
    writeln!(code, "/// Calls a macro with {each}.\n#[macro_export]\nmacro_rules! {name} {{\n    ($each:ident) => {{")?;
    for one in all {
        writeln!(code, "        $each!({one});")?;
    }
    writeln!(code, "    }};\n}}")
}
