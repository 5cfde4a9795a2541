//! Components that no compiler would write, from their text in `tests/hostile`. A line `;;+ NAME`
//! stands for the text of `tests/hostile/parts/NAME.wat`: what many of them have in common.

use std::error::Error;
use std::fs;
use std::path::Path;

/// A component, and the name of its file without the extension.
type Named = (String, Vec<u8>);

/// The components, sorted by name.
pub(crate) fn components(folder: &Path) -> Result<Vec<Named>, Box<dyn Error>> {
    let mut components = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let Some(name) = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".wat")) else {
            continue;
        };
        let text = with_parts(&fs::read_to_string(&file)?, &folder.join("parts"))?;
        components.push((name.to_owned(), wat::Parser::new().parse_str(Some(&file), &text)?));
    }
    components.sort();
    Ok(components)
}

fn with_parts(text: &str, parts: &Path) -> Result<String, Box<dyn Error>> {
    let mut whole = String::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix(";;+ ") {
            Some(part) => {
                let file = parts.join(part).with_extension("wat");
                whole.push_str(&fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?);
            }
            None => whole.push_str(line),
        }
        whole.push('\n');
    }
    Ok(whole)
}
