//! The SDK's guide, followed to the letter: each block that is no Rust (those are doctests) is done
//! here, in its order.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::path::PathBuf;

use common::author::{Dev, replace, vestibule};
use common::{folder, root};

/// A block of the guide: what language it says it has, and its lines.
struct Block {
    language: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let fenced = markdown.split("```").skip(1).step_by(2);
    let block = |block: &str| {
        let (language, text) = block.split_once('\n').expect("a block has lines");
        Block { language: language.to_owned(), text: text.to_owned() }
    };
    fenced.map(block).collect()
}

/// A reader of the guide: where they are, and what they have seen last.
struct Reader {
    folder: PathBuf,
    seen: String,
}

impl Reader {
    fn follows(&mut self, block: &Block) {
        match block.language.as_str() {
            "rust" => {}
            "console" => block.text.lines().for_each(|line| self.types(line.strip_prefix("$ ").expect("a command"))),
            "text" if block.text.starts_with("error: ") => self.makes_it_fail(&block.text),
            "text" => assert_eq!(essence(&self.seen), essence(&block.text)),
            "json" => self.writes("cases/a-login/context.json", &block.text),
            "toml" => self.adds_the_feature(&block.text),
            other => panic!("a block of {other} in the guide: say here how a reader follows it"),
        }
    }

    fn types(&mut self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["cd", folder] => self.folder.push(folder),
            ["vestibule", "dev"] => {
                let mut dev = Dev::start(&self.folder, &self.folder.join("errors.txt"));
                assert!(dev.shown().contains("allowed"));
            }
            // The tenant's server is the reader's own. Without one the command says what is
            // missing.
            ["vestibule", "deploy", ..] => {
                let told = self.ran(&words[1..], Some(1));
                assert!(told.contains("there is no profile acme"), "{told}");
            }
            ["vestibule", ref arguments @ ..] => self.seen = self.ran(arguments, Some(0)),
            _ => panic!("`{command}` in the guide: say here how a reader follows it"),
        }
    }

    /// Runs the command, and gives what it has shown: its output where it is done, else its error.
    fn ran(&self, arguments: &[&str], code: Option<i32>) -> String {
        let ran = vestibule(&self.folder, arguments);
        assert_eq!(ran.code, code, "vestibule {arguments:?}\n{}{}", ran.stdout, ran.stderr);
        if code == Some(0) { ran.stdout } else { ran.stderr }
    }

    fn writes(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join(file), text).expect("the file can be written");
        self.ran(&["test"], Some(0));
    }

    fn makes_it_fail(&self, error: &str) {
        let source = self.folder.join("src/lib.rs");
        let (right, wrong) = (r#"set_metadata("country", &country)?"#, r#"set_metadata("device_name", &"x".repeat(311))?"#);
        replace(&source, right, wrong);
        let shown = self.ran(&["run", ".", "--event", "cases/a-login/event.json"], Some(4));
        let shown = shown.split_once("error: ").expect("an error").1;
        assert_eq!(essence(&format!("error: {shown}")), essence(error));
        replace(&source, wrong, right);
    }

    /// The line that `new` has written gets the feature, and the crate that the guide names comes
    /// beside it.
    fn adds_the_feature(&self, toml: &str) {
        let (sdk, others) = toml.split_once('\n').expect("a line for each of two crates");
        let (_, feature) = sdk.split_once("guest-sdk\"").expect("the SDK by its path");
        let (feature, _) = feature.split_once(" #").expect("a comment that says which line it is");
        let manifest = self.folder.join("Cargo.toml");
        replace(&manifest, "guest-sdk\" }", &format!("guest-sdk\"{feature}\n{others}"));
        let source = self.folder.join("src/lib.rs");
        let right = "fn on_execute_post_login(event: &Event, api: &Api) -> Result {";
        replace(&source, right, &format!("{right} ::log::info!(\"by the macro\");"));
        let shown = self.ran(&["run", ".", "--event", "cases/a-login/event.json"], Some(0));
        assert!(shown.contains("info   by the macro"), "{shown}");
    }
}

/// A text without what differs from machine to machine: numbers are `#`, and spaces one.
fn essence(text: &str) -> String {
    let mut essence = String::new();
    for word in text.split_whitespace() {
        let mut in_number = false;
        for character in word.chars() {
            let was_in_number = in_number;
            in_number = character.is_ascii_digit() || (was_in_number && character == ',');
            match (was_in_number, in_number) {
                (false, true) => essence.push('#'),
                (true, true) => {}
                (_, false) => essence.push(character),
            }
        }
        essence.push(' ');
    }
    essence
}

#[test]
fn whoever_follows_the_guide_meets_what_it_says() {
    let folder = folder();
    let guide = std::fs::read_to_string(root().join("guest-sdk/README.md")).expect("the guide is there");
    let mut reader = Reader { folder: folder.path().to_owned(), seen: String::new() };
    for block in blocks(&guide) {
        reader.follows(&block);
    }
    assert!(reader.folder.join("device-name.symbols.wasm").is_file());
}

#[test]
fn every_readme_of_an_example_names_folders_that_are_there() {
    for entry in std::fs::read_dir(root().join("examples")).expect("the examples are there") {
        let readme = entry.expect("the examples can be read").path().join("README.md");
        let Ok(text) = std::fs::read_to_string(&readme) else { continue };
        for command in text.lines().filter_map(|line| line.strip_prefix("$ vestibule ")) {
            for path in command.split_whitespace().filter(|word| word.starts_with("examples/")) {
                assert!(root().join(path).exists(), "{}: {path} is not there", readme.display());
            }
        }
    }
}
