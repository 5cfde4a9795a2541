//! Components that no compiler would write, from their text in `tests/hostile`. A line `;;+ NAME`
//! stands for the text of `tests/hostile/parts/NAME.wat`: what many of them have in common.

use std::error::Error;
use std::fs;
use std::path::Path;

/// A component and its header: how its login ends.
pub(crate) struct Hostile {
    /// The name of its file, without the extension.
    pub(crate) name: String,
    /// The lines that begin with `;;! `, without that.
    pub(crate) header: String,
    pub(crate) component: Vec<u8>,
}

/// The components, sorted by name.
pub(crate) fn components(folder: &Path) -> Result<Vec<Hostile>, Box<dyn Error>> {
    let mut components = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let Some(name) = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".wat")) else {
            continue;
        };
        let text = fs::read_to_string(&file)?;
        let header = text.lines().filter_map(|line| line.strip_prefix(";;! ")).map(|line| format!("{line}\n")).collect();
        let text = with_parts(&text, &folder.join("parts"))?;
        let component = wat::Parser::new().parse_str(Some(&file), &text)?;
        components.push(Hostile { name: name.to_owned(), header, component });
    }
    components.sort_by(|a, b| a.name.cmp(&b.name));
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
